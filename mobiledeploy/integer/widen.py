"""Widen the ranges of tensors that hardly vary to what the runtimes' kernels take.

TFLite hands a layer whose scales lie too far apart to another kernel, which rounds otherwise. Such
a layer is dead or all but constant (a channel that training switched off, a residual branch that
starts at zero), and a wider grid costs it nothing. Other ranges stay as they are.
"""

import math
from typing import Final

import numpy as np

from mobiledeploy.integer import certify_add, certify_mean
from mobiledeploy.integer.graph import QMAX, QMIN, WIDEST_MULTIPLIER
from mobiledeploy.integer.grid import activation_grid, is_flat
from mobiledeploy.network.network import Network
from mobiledeploy.network.ranges import Ranges

FINEST_SUM: Final = 32.0
"""A sum whose step is smaller than an operand's by more than this shows the operand's rounding and
little else. Kernels would take finer ones, but sums of floats so large can hardly be certified."""
SLACK: Final = 1.01
"""A step must be so much above a kernel's limit: rounding, and `settled`, may move it a little."""
MARGIN: Final = 2.0
"""What is too narrow becomes so many times the limit."""


def widened(network: Network, ranges: Ranges) -> Ranges:
    """Return ranges under which XNNPACK takes every layer of a network.

    Args:
        network: Whose layers and kernels to look at.
        ranges: For `INPUT` and every layer but the softmax.
    """
    before, after = dict(ranges), _widen_once(network, ranges)
    # A wider sum may want wider operands again.
    while after != before:
        before, after = after, _widen_once(network, after)
    return after


def _widen_once(network: Network, ranges: Ranges) -> dict[str, tuple[float, float]]:
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
                limit = scale(layer.name) * certify_add.NARROWEST
                result[operand] = _above(limit, operand, result[operand])
    for layer in layers:
        source = layer.inputs[0]
        if layer.op == "add":
            limit = max(scale(operand) for operand in layer.inputs) / FINEST_SUM
        elif layer.op == "mean":
            limit = scale(source) / math.prod(shapes[source][:2]) / certify_mean.WIDEST
        elif layer.has_weights:
            largest = float(np.abs(network.weights[layer.name].kernel).max())
            limit = scale(source) * largest / QMAX / WIDEST_MULTIPLIER
        else:
            continue
        result[layer.name] = _above(limit, layer.name, result[layer.name])
    return result


def _above(limit: float, name: str, interval: tuple[float, float]) -> tuple[float, float]:
    """Return the interval, widened in proportion if its step is not above the limit."""
    scale = activation_grid(name, *interval).scale
    if scale >= limit * SLACK:
        return interval
    factor = limit * MARGIN / scale
    return interval[0] * factor, interval[1] * factor
