"""Widen the ranges of tensors that hardly vary to what XNNPACK's kernels take.

TFLite hands a layer whose scales lie too far apart to another kernel, which rounds otherwise. Such
a layer is dead or all but constant (a channel that training switched off, a residual branch that
starts at zero), and a wider grid costs it nothing. Other ranges stay as they are.
"""

import math
from typing import Final

import numpy as np

from mobiledeploy.integer.certify_add import NARROWEST, WIDEST
from mobiledeploy.integer.graph import QMAX, QMIN, WIDEST_MULTIPLIER
from mobiledeploy.integer.grid import activation_grid, is_flat
from mobiledeploy.network.network import Network
from mobiledeploy.network.ranges import Ranges

MARGIN: Final = 2.0
"""How far a widened range stays from a kernel's limit."""


def widened(network: Network, ranges: Ranges) -> Ranges:
    """Return ranges under which XNNPACK takes every layer of a network.

    Args:
        network: Whose layers and kernels to look at.
        ranges: For `INPUT` and every layer but the softmax.
    """
    result = dict(ranges)
    layers, shapes = network.architecture.layers, network.architecture.shapes()

    def scale(name: str) -> float:
        return activation_grid(name, *result[name]).scale

    # From the end, because what an addition wants of its operands may be wanted of additions.
    for layer in reversed(layers):
        if layer.op == "add":
            for operand in layer.inputs:
                if is_flat(*result[operand]):
                    result[operand] = (0.0, (QMAX - QMIN) * scale(layer.name))
                least = scale(layer.name) * NARROWEST * MARGIN
                result[operand] = _at_least(operand, result[operand], least)
    for layer in layers:
        if layer.op == "add":
            least = max(scale(operand) for operand in layer.inputs) * MARGIN / WIDEST
        elif layer.op == "mean":
            positions = math.prod(shapes[layer.inputs[0]][:2])
            least = scale(layer.inputs[0]) / positions * MARGIN / WIDEST_MULTIPLIER
        elif layer.has_weights:
            largest = float(np.abs(network.weights[layer.name].kernel).max())
            least = scale(layer.inputs[0]) * largest / QMAX * MARGIN / WIDEST_MULTIPLIER
        else:
            continue
        result[layer.name] = _at_least(layer.name, result[layer.name], least)
    return result


def _at_least(name: str, interval: tuple[float, float], least: float) -> tuple[float, float]:
    """Return the interval, wider in proportion if its step would be smaller than `least`."""
    scale = activation_grid(name, *interval).scale
    if scale >= least:
        return interval
    low, high = interval
    return low * least / scale, high * least / scale
