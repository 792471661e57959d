"""At which real values layers cut off, whatever the grids on which they do so."""

from typing import Final

import numpy as np

from mobiledeploy.reading import FULL
from mobiledeploy.reading import StoredLayer as Layer

STEP: Final = 1.01
"""Steps of the coarser grid by which the same real value may lie apart on two grids."""


def bounds(layer: Layer) -> tuple[float | None, float | None]:
    """Return the real values at which a layer cuts off; None where it is the grid that does."""
    scale, zero = layer.output.scale, layer.output.zero_point or 0
    low, high = layer.clamp
    if scale is None:
        return None, None
    return (
        None if low == -128 else round((low - zero) * float(scale), 3),
        None if high == 127 else round((high - zero) * float(scale), 1),
    )


def same_activation(a: Layer, b: Layer) -> bool:
    """Whether two layers on different grids may have one activation.

    Where a grid ends before the activation does, the activation cuts nothing off, and files leave
    it out: a ReLU6 is not needed where 5.9 is the largest value that there is a code for.
    """
    if bounds(a) == bounds(b):
        return True
    scales = [layer.output.scale for layer in (a, b) if layer.output.scale is not None]
    if len(scales) < 2 or not np.isfinite(scales).all():
        return False
    step = STEP * float(max(scales))
    return all(_agree(a, b, end, sign, step) for end, sign in ((0, -1), (1, 1)))


def _agree(a: Layer, b: Layer, end: int, sign: int, step: float) -> bool:
    """Whether one end of two clamps may be the same; `sign` is 1 for the upper one."""
    mine, other = (
        sign * (layer.clamp[end] - (layer.output.zero_point or 0)) * float(layer.output.scale or 0)
        for layer in (a, b)
    )
    by_grid = [layer.clamp[end] == FULL[end] for layer in (a, b)]
    if by_grid[0] == by_grid[1]:
        return by_grid[0] or abs(mine - other) <= step
    cut, reach = (other, mine) if by_grid[0] else (mine, other)
    return cut >= reach - step
