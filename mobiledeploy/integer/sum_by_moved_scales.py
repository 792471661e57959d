"""Find scales of a sum's operands by which XNNPACK adds as another runtime does.

XNNPACK multiplies codes by whole numbers of 21 bits. Where another runtime rounds a sum close to a
half otherwise, numbers that differ by a few units often give all of its codes. An operand has such
a scale behind a depthwise convolution of one pixel with the weight 1, which copies the codes: a
twentieth of the time that a table of all pairs of codes takes.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np

from mobiledeploy.ops.conv import Conv
from mobiledeploy.ops.each_pair import all_pairs
from mobiledeploy.ops.sums import Floats, Operands, xnnpack
from mobiledeploy.ops.tensors import Codes, Float32, QTensor
from mobiledeploy.ops.weights import QWeights

REACH: Final = 24
"""By how many units the multipliers of the operands are changed, up and down."""
SIEVE: Final = 2048
"""About how many pairs of codes all scales are tried on, those with sums close to a half."""
ATTEMPTS: Final = 40
"""How many scales, of those that pass, are tried on all pairs."""
_BITS: Final = 21
_ROUNDING: Final = 2e-3
"""Steps from a half within which a sum may be rounded either way by scales that are tried."""


def moved_scales(
    expected: Codes, inputs: tuple[QTensor, QTensor], output: QTensor, *, sign: int
) -> tuple[np.float32, np.float32] | None:
    """Return scales of both operands that give all codes; None if none were found.

    Args:
        expected: The code of each pair of codes, see `all_pairs`; those at -128 and 127 may be
            clipped, too.
        inputs: The operands.
        output: The sum.
        sign: 1, or -1 where the second operand is subtracted.
    """
    a, b = inputs
    left, right = all_pairs()
    zeros = a.zero_point, b.zero_point, output.zero_point
    bounds = int(expected.min()), int(expected.max())
    one, other = a.scale, np.float32(sign) * b.scale

    def given(pairs: Codes, first: Floats, second: Floats) -> Codes:
        operands = Operands(a=left[pairs], b=right[pairs], zeros=zeros)
        return np.clip(xnnpack(operands, first, second, output.scale), *bounds)

    exact = (left - a.zero_point) * (float(one) / float(output.scale))
    exact = exact + (right - b.zero_point) * (float(other) / float(output.scale))
    near = np.flatnonzero(np.abs(np.mod(exact, 1) - 0.5) < _ROUNDING)
    near = near[:: max(1, -(-near.size // SIEVE))]
    wrong = np.flatnonzero(
        given(np.arange(expected.size), _column(one), _column(other))[0] != expected
    )
    near = np.union1d(near, wrong[:SIEVE])
    firsts, seconds = _tried(one, other, output.scale)
    passed = (given(near, firsts[:, None], seconds[:, None]) == expected[near]).all(axis=1)
    for place in np.flatnonzero(passed)[:ATTEMPTS]:
        first, second = firsts[place], seconds[place]
        if (given(np.arange(expected.size), _column(first), _column(second))[0] == expected).all():
            return first, np.abs(second)
    return None


def _column(scale: np.float32) -> Floats:
    return np.full((1, 1), scale)


def _tried(one: np.float32, other: np.float32, scale: np.float32) -> tuple[Float32, Float32]:
    """Return scales of both operands, those first that move only one of them, and little."""
    largest = max(abs(float(one / scale)), abs(float(other / scale)))
    step = 2.0 ** (np.frexp(largest)[1] - _BITS)
    moves = np.arange(-REACH, REACH + 1)
    firsts, seconds = np.repeat(moves, moves.size), np.tile(moves, moves.size)
    both = (firsts != 0) & (seconds != 0)
    order = np.lexsort((np.abs(firsts) + np.abs(seconds), both))

    def moved(given: np.float32, steps: Codes) -> Float32:
        ratio = np.rint(float(given / scale) / step) + steps
        changed = (ratio * step * float(scale)).astype(np.float32)
        return np.where(steps == 0, given, changed)

    return moved(one, firsts[order]), moved(other, seconds[order])


def copies(
    inputs: tuple[QTensor, QTensor], scales: tuple[np.float32, np.float32], names: tuple[str, str]
) -> Iterator[Conv | None]:
    """Yield the convolution that copies each operand to its other scale; None if that is its own.

    Args:
        inputs: The operands, images.
        scales: Of the copies.
        names: Of the copies.
    """
    for source, scale, name in zip(inputs, scales, names, strict=True):
        if scale == source.scale:
            yield None
            continue
        channels = source.shape[-1]
        factor = np.full(channels, scale / source.scale, np.float32)
        output = QTensor(name=name, shape=source.shape, scale=scale, zero_point=source.zero_point)
        yield Conv(
            input=source.name,
            output=output,
            weights=QWeights(
                kernel=np.ones((1, 1, 1, channels), np.int8),
                kernel_scale=factor,
                bias=np.zeros(channels, np.int32),
                bias_scale=source.scale * factor,
            ),
            depthwise=channels > 1,
            strides=(1, 1),
            padding="valid",
            activation="none",
        )
