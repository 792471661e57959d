"""Move a range by a hair where its grid would divide the runtimes."""

import math
from typing import Final

import numpy as np

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.integer.certify_add import certify_add
from mobiledeploy.integer.certify_mean import certify_mean
from mobiledeploy.integer.grid import Grid, activation_grid
from mobiledeploy.network.ranges import Ranges
from mobiledeploy.ops.architecture import Architecture, Layer

STEP: Final = 2.0**-14
MOVES: Final = 48
"""A range is widened by 0.006 % at a time, and by 0.3 % at most; one or two steps are enough but
for a sum much narrower than what is added."""


def settled(architecture: Architecture, ranges: Ranges) -> Ranges:
    """Return ranges under which every addition and mean of a network can be certified.

    About one addition in thirty has two opposite sums that lie on a half exactly, which
    XNNPACK rounds up and no choice of ONNX scales can imitate; a slightly wider range has none.
    The same ranges, settled again, do not change.

    Args:
        architecture: Whose layers to look at.
        ranges: For `INPUT` and every layer but the softmax.

    Raises:
        ConversionError: A layer cannot be certified for another reason.
    """
    result = dict(ranges)
    shapes = architecture.shapes()
    for layer in architecture.layers:
        if layer.op in {"add", "mean"}:
            inputs = [activation_grid(name, *result[name]) for name in layer.inputs]
            positions = math.prod(shapes[layer.inputs[0]][:2])
            result[layer.name] = _settle(layer, inputs, positions, result[layer.name])
    return result


def _settle(
    layer: Layer, inputs: list[Grid], positions: int, interval: tuple[float, float]
) -> tuple[float, float]:
    for move in range(MOVES):
        wider = _widened(interval, move)
        try:
            _certify(layer, inputs, positions, wider)
        except ConversionError:
            continue
        return wider
    widest = _widened(interval, MOVES)
    _certify(layer, inputs, positions, widest)
    return widest


def _widened(interval: tuple[float, float], move: int) -> tuple[float, float]:
    low, high = interval
    return low * (1 + move * STEP), high * (1 + move * STEP)


def _certify(
    layer: Layer, inputs: list[Grid], positions: int, interval: tuple[float, float]
) -> None:
    output = activation_grid(layer.name, *interval)
    scales = [np.float32(grid.scale) for grid in (*inputs, output)]
    zeros = [grid.zero_point for grid in (*inputs, output)]
    if layer.op == "add":
        (a, b, scale), (a_zero, b_zero, zero) = scales, zeros
        certify_add(layer.name, scales=(a, b, scale), zeros=(a_zero, b_zero, zero))
    else:
        (source, scale), (source_zero, zero) = scales, zeros
        certify_mean(
            layer.name, positions=positions, scales=(source, scale), zeros=(source_zero, zero)
        )
