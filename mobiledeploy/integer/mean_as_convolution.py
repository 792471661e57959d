"""Write a mean over an image, or over windows, as a depthwise convolution of weights of 1.

XNNPACK adds the zero points before it rounds a mean; ONNX Runtime rounds first, as XNNPACK does
with the sums of a convolution. So a mean of a finished `.onnx` that MEAN rounds otherwise is the
same as such a convolution, which takes several times as long.

ONNX Runtime adds the windows of an AveragePool up in float32, in an order that depends on the
kernel. Its codes are those of the exact mean where no sum of codes is so close to a half that the
order decides.
"""

import math
from collections.abc import Iterator
from typing import Final

import numpy as np

from mobiledeploy.ops.certificate import neighbours
from mobiledeploy.ops.conv import Conv
from mobiledeploy.ops.mean import Mean
from mobiledeploy.ops.padding import Pair
from mobiledeploy.ops.products import EXACT, requantise
from mobiledeploy.ops.tensors import QMAX, QMIN, Codes, QTensor
from mobiledeploy.ops.weights import QWeights

REACH: Final = 24
"""How many float32 neighbours of the kernel's scale, up and down, are tried."""


def mean_as_convolution(node: Mean, source: QTensor, name: str, codes: Codes) -> Conv | None:
    """Return a convolution that gives certain codes for all sums; None if none was found.

    Args:
        node: The mean.
        source: What it reads.
        name: Name of the convolution's output, an image of one pixel.
        codes: The output's code of each sum of codes, from the lowest sum on.
    """
    height, width, channels = source.shape
    out = QTensor(
        name=name,
        shape=(1, 1, channels),
        scale=node.output.scale,
        zero_point=node.output.zero_point,
    )
    return window_as_convolution(source, out, (height, width), (1, 1), codes)


def window_as_convolution(
    source: QTensor, out: QTensor, window: Pair, strides: Pair, codes: Codes
) -> Conv | None:
    """Return a convolution that gives certain codes for all sums; None if none was found.

    Args:
        source: What it reads.
        out: What it writes.
        window: Height and width of the window.
        strides: Vertical and horizontal step.
        codes: The output's code of each sum of codes, from the lowest sum on.
    """
    positions, channels = math.prod(window), source.shape[-1]
    sums = _sums(source, positions)
    if np.abs(sums).max() > EXACT:
        return None
    for scale in _scales(np.float32(1 / positions)):
        one = _of_ones(source, window, 1, scale)
        received = requantise(sums.astype(np.float32), one, source, out, (QMIN, QMAX))
        if np.array_equal(received, codes):
            return Conv(
                input=source.name,
                output=out,
                weights=_of_ones(source, window, channels, scale),
                depthwise=channels > 1,
                strides=strides,
                padding="valid",
                activation="none",
            )
    return None


def codes_of_windows(source: QTensor, out: QTensor, window: Pair) -> tuple[Codes, int]:
    """Return the code of the exact mean of each sum, and how many sums any order may round.

    Args:
        source: What the windows are of.
        out: What the means are written to.
        window: Height and width.

    Returns:
        Codes from the lowest sum on; and how many sums are so close to a half that float32 may
        give another code, by one.
    """
    positions = math.prod(window)
    sums = _sums(source, positions)
    ratio = float(source.scale) / float(out.scale)
    means = sums * (ratio / positions)
    lowest, highest = QMIN - source.zero_point, QMAX - source.zero_point
    widest = positions * max(-lowest, highest)
    added = np.abs(sums) if lowest >= 0 or highest <= 0 else np.full(sums.shape, widest)
    error = (positions + _OTHER_ROUNDINGS) * 2.0**-24 * added * (ratio / positions)
    low, high = (np.rint(means + sign * error) + out.zero_point for sign in (-1, 1))
    unsure = np.clip(low, QMIN, QMAX) != np.clip(high, QMIN, QMAX)
    codes: Codes = np.clip(np.rint(means) + out.zero_point, QMIN, QMAX).astype(np.int64)
    return codes, int(unsure.sum())


_OTHER_ROUNDINGS: Final = 5
"""Of a term, the mean, its division by the scale, the scale's inverse; and one more."""


def _sums(source: QTensor, positions: int) -> Codes:
    sums: Codes = np.arange(QMIN * positions, QMAX * positions + 1)
    return sums - positions * source.zero_point


def _scales(near: np.float32) -> Iterator[np.float32]:
    """Yield a scale and its neighbours, the nearest first."""
    steps = np.arange(2 * REACH + 1)
    yield from neighbours(near, (steps + 1) // 2 * np.where(steps % 2, 1, -1))


def _of_ones(source: QTensor, window: Pair, channels: int, scale: np.float32) -> QWeights:
    scales = np.full(channels, scale)
    return QWeights(
        kernel=np.ones((1, *window, channels), np.int8),
        kernel_scale=scales,
        bias=np.zeros(channels, np.int32),
        bias_scale=source.scale * scales,
    )
