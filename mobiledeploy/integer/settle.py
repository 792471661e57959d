"""Move the range of an addition by a hair where its grid would divide the runtimes."""

from typing import Final

import numpy as np

from mobiledeploy.errors import ConversionError
from mobiledeploy.integer.add_certificate import certify_add
from mobiledeploy.integer.grid import Grid, activation_grid
from mobiledeploy.layers import Architecture
from mobiledeploy.network.ranges import Ranges

STEP: Final = 2.0**-14
MOVES: Final = 16
"""A range is widened by at most 16 times 0.006 %: less than a tenth of a percent."""


def settled(architecture: Architecture, ranges: Ranges) -> Ranges:
    """Return ranges under which every addition of a network can be certified.

    About one addition in thirty has two opposite sums that lie on a half exactly, which
    XNNPACK rounds up and no choice of ONNX scales can imitate. A slightly wider range has none.
    The same ranges, settled again, do not change.

    Args:
        architecture: Whose additions to look at.
        ranges: For `INPUT` and every layer but the softmax.

    Raises:
        ConversionError: An addition cannot be certified for another reason.
    """
    result = dict(ranges)
    for layer in architecture.layers:
        if layer.op == "add":
            operands = [activation_grid(name, *result[name]) for name in layer.inputs]
            result[layer.name] = _settle(layer.name, result[layer.name], operands)
    return result


def _settle(name: str, interval: tuple[float, float], operands: list[Grid]) -> tuple[float, float]:
    def widened(move: int) -> tuple[float, float]:
        low, high = interval
        return low * (1 + move * STEP), high * (1 + move * STEP)

    def certify(move: int) -> None:
        grids = [*operands, activation_grid(name, *widened(move))]
        a_scale, b_scale, scale = (np.float32(grid.scale) for grid in grids)
        a_zero, b_zero, zero = (grid.zero_point for grid in grids)
        certify_add(name, scales=(a_scale, b_scale, scale), zeros=(a_zero, b_zero, zero))

    for move in range(MOVES):
        try:
            certify(move)
        except ConversionError:
            continue
        return widened(move)
    certify(MOVES)
    return widened(MOVES)
