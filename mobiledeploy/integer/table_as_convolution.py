"""Write a table for each channel as a depthwise convolution of one pixel.

A batch normalisation, or a product or sum with a constant for each channel, is a line of the code
that is rounded. A weight, a multiplier and a bias of int32 give such a line, and XNNPACK computes
them fifty times as fast as it finds codes in a table. They are searched for each channel, so that
all 256 codes are those of the table; not every table has them.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.ops.conv import Conv
from mobiledeploy.ops.products import requantise
from mobiledeploy.ops.tensors import QMAX, QMIN, Int8, QTensor
from mobiledeploy.ops.weights import WIDEST_MULTIPLIER, QWeights

Reals = npt.NDArray[np.float64]

_HALVINGS: Final = 60
"""Steps by which the slope with the most room is searched."""
_STEEPEST: Final = 256.0
"""Largest slope, in steps of the output for a step of the input."""
_FLATTEST: Final = 2.0**-10
"""Smallest slope that is tried: of a channel that is constant."""
_FAR: Final = 1.0
"""Steps from a bound within which a line is looked for that has no other bound."""
_TRIED: Final = 33
"""Slopes that are tried about that one."""
_LARGEST_BIAS: Final = 2**24
"""Sums beyond are rounded in float32."""
_ROOM: Final = 0.05
"""Of the room between a line and the halves next to it, what a bias keeps on either side."""


def table_as_convolution(table: Int8, source: QTensor, output: QTensor) -> Conv | None:
    """Return a convolution that gives the codes of a table; None if none was found.

    Args:
        table: int8, shape (channels, 256): the output's code of each code, -128 first; or (256,)
            where it is that of all channels.
        source: What it reads, an image of as many channels.
        output: What it writes, of the same shape.
    """
    channels = source.shape[-1]
    rows = np.atleast_2d(table)
    codes = np.arange(QMIN, QMAX + 1) - source.zero_point
    steps = rows.astype(np.float64) - output.zero_point
    low = np.where(rows > QMIN, steps - 0.5, -np.inf)
    high = np.where(rows < QMAX, steps + 0.5, np.inf)
    chosen = _weights(low, high, codes)
    if chosen is None:
        return None
    kernel, multipliers, bias = (
        np.resize(chosen[0], channels),
        np.resize(chosen[1], channels),
        np.resize(chosen[2], channels),
    )
    scale = (multipliers * float(output.scale) / float(source.scale)).astype(np.float32)
    weights = QWeights(
        kernel=kernel.reshape(1, 1, 1, channels),
        kernel_scale=scale,
        bias=bias,
        bias_scale=source.scale * scale,
    )
    sums = codes[:, None] * kernel.astype(np.int64) + bias
    given = requantise(sums.astype(np.float32), weights, source, output, (QMIN, QMAX))
    if not (rows == given.T).all() or not (multipliers < WIDEST_MULTIPLIER).all():
        return None
    return Conv(
        input=source.name,
        output=output,
        weights=weights,
        depthwise=channels > 1,
        strides=(1, 1),
        padding="valid",
        activation="none",
    )


def _slopes(low: Reals, high: Reals, codes: npt.NDArray[np.int64]) -> Reals:
    """Return the slope of each channel that leaves most room between all bounds.

    The room is a concave function of the slope.
    """
    left, right = np.full(len(low), -_STEEPEST), np.full(len(low), _STEEPEST)

    def room(slopes: Reals) -> Reals:
        line = slopes[:, None] * codes
        widest: Reals = (high - line).min(axis=1) - (low - line).max(axis=1)
        return widest

    for _ in range(_HALVINGS * 2):
        third = (right - left) / 3
        a, b = left + third, right - third
        better = room(a) < room(b)
        left, right = np.where(better, a, left), np.where(better, right, b)
    slopes = (left + right) / 2
    open_sides = np.isinf(low).all(axis=1) | np.isinf(high).all(axis=1)
    return np.where(open_sides | (np.abs(slopes) < _FLATTEST), _FLATTEST, slopes)


def _weights(
    low: Reals, high: Reals, codes: npt.NDArray[np.int64]
) -> tuple[Int8, Reals, npt.NDArray[np.int32]] | None:
    """Return weight, multiplier and bias of each channel; None where one has none.

    Of the lines through the room between all bounds, a bias gives those that meet the code of real
    0 at a multiple of the multiplier.
    """
    best, sizes = _slopes(low, high, codes), np.arange(QMAX, 0, -1)
    _, widest = _between(low, high, codes, best)
    rows = np.arange(len(best))
    nearest = np.full(len(best), np.inf)
    kernel, factors, biases = np.zeros(len(best)), np.ones(len(best)), np.zeros(len(best))
    for part in np.linspace(-1, 1, _TRIED):
        slopes = best + part * widest * 2 / codes.size
        middle, room = _between(low, high, codes, slopes)
        multipliers = np.maximum(np.abs(slopes), np.finfo(np.float32).eps)[:, None] / sizes
        bias = np.rint(middle[:, None] / multipliers)
        away = np.abs(bias * multipliers - middle[:, None])
        away = np.where(room[:, None] > 0, away / np.maximum(room, 1e-9)[:, None], np.inf)
        place = away.argmin(axis=1)
        better = away[rows, place] < nearest
        nearest = np.where(better, away[rows, place], nearest)
        signed = np.where(slopes < 0, -1, 1) * sizes[place]
        kernel = np.where(better, signed, kernel)
        factors = np.where(better, multipliers[rows, place], factors)
        biases = np.where(better, bias[rows, place], biases)
    if (nearest > 1 - _ROOM).any() or (np.abs(biases) >= _LARGEST_BIAS).any():
        return None
    return kernel.astype(np.int8), factors, biases.astype(np.int32)


def _between(
    low: Reals, high: Reals, codes: npt.NDArray[np.int64], slopes: Reals
) -> tuple[Reals, Reals]:
    """Return the middle of the values that lines have at the code of real 0, and half their width.

    Args:
        low: Lower bound of each channel's value at each code.
        high: Upper bound.
        codes: Counted from that of real 0.
        slopes: Of the lines.
    """
    line = slopes[:, None] * codes
    least, most = (low - line).max(axis=1), (high - line).min(axis=1)
    # A channel of which every code is the lowest or the highest has no bound on one side.
    least = np.where(np.isinf(least), most - _FAR, least)
    most = np.where(np.isinf(most), least + _FAR, most)
    return (least + most) / 2, (most - least) / 2
