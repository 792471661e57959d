"""Write a mean over an image as a depthwise convolution whose weights are all one.

XNNPACK adds the zero points before it rounds a mean; ONNX Runtime rounds first, as XNNPACK does
with the sums of a convolution. So a mean of a finished `.onnx` that MEAN rounds otherwise is the
same as such a convolution, which takes several times as long.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np

from mobiledeploy.ops.certificate import neighbours
from mobiledeploy.ops.conv import Conv
from mobiledeploy.ops.mean import Mean
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
    positions = height * width
    sums = np.arange(QMIN * positions, QMAX * positions + 1) - positions * source.zero_point
    if np.abs(sums).max() > EXACT:
        return None
    out = QTensor(
        name=name,
        shape=(1, 1, channels),
        scale=node.output.scale,
        zero_point=node.output.zero_point,
    )
    for scale in _scales(np.float32(1 / positions)):
        one = _of_ones(source, (height, width), 1, scale)
        received = requantise(sums.astype(np.float32), one, source, out, (QMIN, QMAX))
        if np.array_equal(received, codes):
            return Conv(
                input=source.name,
                output=out,
                weights=_of_ones(source, (height, width), channels, scale),
                depthwise=channels > 1,
                strides=(1, 1),
                padding="valid",
                activation="none",
            )
    return None


def _scales(near: np.float32) -> Iterator[np.float32]:
    """Yield a scale and its neighbours, the nearest first."""
    steps = np.arange(2 * REACH + 1)
    yield from neighbours(near, (steps + 1) // 2 * np.where(steps % 2, 1, -1))


def _of_ones(
    source: QTensor, window: tuple[int, int], channels: int, scale: np.float32
) -> QWeights:
    scales = np.full(channels, scale)
    return QWeights(
        kernel=np.ones((1, *window, channels), np.int8),
        kernel_scale=scales,
        bias=np.zeros(channels, np.int32),
        bias_scale=source.scale * scales,
    )
