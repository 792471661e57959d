"""The integers that TensorFlow's fake-quant kernels round weights to, bit for bit.

Quantisation-aware training tunes the weights under these kernels, so the file must hold the very
codes they chose: on a tie a plain `rint` picks another one for a few weights in a million, and
the logits move. Range -max|w|..max|w|, `narrow_range=True`, that is codes -127..127. Source:
tensorflow/core/kernels/fake_quant_ops_functor.h, float32 throughout, no fused multiply-add.
"""

import numpy as np

from mobiledeploy.integer.graph import QMAX, Float32, Int8

SMALLEST = np.float32(1e-8)
"""Least max|w| of a channel: a dead channel has a step too. QAT must use the same floor."""

_HALF, _MAX, _LEVELS = np.float32(0.5), np.float32(QMAX), np.float32(2 * QMAX)


def magnitudes(kernel: Float32) -> Float32:
    """Return max|w| of each row of (rows, weights), at least `SMALLEST`."""
    largest: Float32 = np.maximum(np.abs(kernel).max(axis=1), SMALLEST)
    return largest


def codes(kernel: Float32, magnitude: Float32, *, per_channel: bool) -> Int8:
    """Return the weights' codes.

    Both kernels subtract the code of zero before they round halves up. The one with a range
    per channel multiplies by the inverse of the step, the one with a single range divides by
    the step.

    Args:
        kernel: (channels, weights), or (1, weights) for a single range.
        magnitude: Half the range of each row.
        per_channel: Which of the two kernels.
    """
    width = (magnitude + magnitude)[:, np.newaxis]
    step = width / _LEVELS
    lowest = -_MAX * step
    shifted = np.clip(kernel, lowest, -lowest) - lowest
    scaled = shifted * (_LEVELS / width) if per_channel else shifted / step
    rounded: Int8 = np.floor(scaled - _MAX + _HALF).astype(np.int8)
    return rounded
