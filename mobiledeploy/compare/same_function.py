"""Whether two convolutions or dense layers give the same codes for every input, and how far not.

The code grows with the sum, so it is a staircase with at most 255 steps; two staircases are equal
if they are equal around every step of either. That holds for all inputs; a "no" holds for inputs
within the bounds of `reach`, which some image need not attain.
"""

import dataclasses

import numpy as np
import numpy.typing as npt

from mobiledeploy.compare.reach import Ints, Span, centred, multipliers, others, stepped, sums
from mobiledeploy.ops.tensors import QMAX, QMIN
from mobiledeploy.ops.weights import MOST_STEPS, WIDEST_MULTIPLIER
from mobiledeploy.reading import StoredLayer as Layer

LARGEST = 2**26
"""Of a sum. Float32 holds every fourth whole number there."""
AROUND = 12
"""Sums on either side of where a step should be that are tried: more than float32 can move it up
to the largest sum, by rounding the sum and the product."""
NEXT_TO = (0, 1)
"""The sums next to where a step should be: most differences show there."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Verdict:
    """How two layers compare as functions of codes.

    Attributes:
        equal: Whether they give the same codes.
        lsb: By how many steps they differ at most; None if that is not known.
        channels: Output channels that can differ; empty if that is not known.
        method: How this was found, in words.
        cases: Inputs on which they differ, where they were counted.
    """

    equal: bool
    lsb: int | None
    channels: tuple[int, ...]
    method: str
    cases: int | None = None


UNKNOWN = Verdict(equal=False, lsb=None, channels=(), method="not computed")


def compare_weighted(a: Layer, b: Layer, source: Span) -> Verdict:
    """Compare two convolutions or dense layers.

    Args:
        a: A layer.
        b: Its counterpart.
        source: Codes that their input can take, a channel.
    """
    spans = sums(a, source), sums(b, source)
    factors = multipliers(a), multipliers(b)
    delta = _delta(a, b, source)
    if None in spans or factors[0] is None or factors[1] is None or delta is None:
        return UNKNOWN
    first, second = spans
    if first is None or second is None or not _usable(*factors):
        return UNKNOWN
    largest = max(int(np.abs(s).max()) for s in (first.low, first.high, second.low, second.high))
    if largest * max(float(f.max()) for f in factors if f is not None) >= MOST_STEPS:
        return UNKNOWN
    if largest > LARGEST:
        same = np.array_equal(factors[0], factors[1]) and not (delta.low.any() or delta.high.any())
        if same and (a.clamp, a.output.zero_point) == (b.clamp, b.output.zero_point):
            return Verdict(equal=True, lsb=0, channels=(), method="the same sums and multipliers")
        return UNKNOWN
    pair = _Staircases(
        layers=(a, b), factors=(factors[0], factors[1]), spans=(first, second), delta=delta
    )
    by_channel = np.zeros(first.low.size, np.int64)
    suspects = np.flatnonzero(pair.may_differ())
    for near in (np.array(NEXT_TO), np.arange(-AROUND, AROUND + 1)):
        # Whole layers of differences are found fast; to rule out the last one takes longer.
        by_channel[suspects] = pair.apart(suspects, near)
        suspects = suspects[by_channel[suspects] == 0]
    channels = tuple(int(channel) for channel in np.flatnonzero(by_channel))
    count = int((first.high - first.low).max()) + 1
    return Verdict(
        equal=not channels,
        lsb=int(by_channel.max()),
        channels=channels,
        method=f"every sum that its inputs allow, up to {count:,} a channel",
    )


def _usable(*factors: npt.NDArray[np.float32] | None) -> bool:
    return all(
        # Beyond that the runtimes give the layer to other kernels.
        f is not None and bool(((f > 0) & (f < WIDEST_MULTIPLIER)).all())
        for f in factors
    )


def _delta(a: Layer, b: Layer, source: Span) -> Span | None:
    """Return by how much the second layer's sums can be off the first one's, for one input."""
    if a.weights is None or b.weights is None:
        return None
    mine, other = centred(a.weights, a), centred(b.weights, b)
    zeros = a.reads[0].zero_point, b.reads[0].zero_point
    if mine.shape != other.shape or zeros[0] is None or zeros[1] is None:
        return None
    inputs = mine.shape[-1]
    if source.low.size != inputs:
        if inputs % source.low.size or a.kind == "depthwise":
            return None
        source = Span(
            low=np.tile(source.low, inputs // source.low.size),
            high=np.tile(source.high, inputs // source.high.size),
        )
    ends = [
        other * (end - zeros[1]) - mine * (end - zeros[0]) for end in (source.low, source.high)
    ]
    least, most = np.minimum(*ends), np.maximum(*ends)
    if any(a.pads) or any(b.pads):
        least, most = np.minimum(least, 0), np.maximum(most, 0)
    bias = b.weights.bias.astype(np.int64) - a.weights.bias
    axes = others(a)
    return Span(low=least.sum(axis=axes) + bias, high=most.sum(axis=axes) + bias)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Staircases:
    """Codes over sums, of two layers, channel by channel.

    Attributes:
        layers: Both.
        factors: Their multipliers.
        spans: Their sums.
        delta: By how much the second one's sums can be off the first one's, for one input.
    """

    layers: tuple[Layer, Layer]
    factors: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]
    spans: tuple[Span, Span]
    delta: Span

    def may_differ(self) -> npt.NDArray[np.bool_]:
        """Return in which channels not all numbers are the same."""
        a, b = self.layers
        if (a.clamp, a.output.zero_point) != (b.clamp, b.output.zero_point):
            return np.ones(self.delta.low.size, bool)
        moved: npt.NDArray[np.bool_] = self.delta.low != 0
        moved |= (self.delta.high != 0) | (self.factors[0] != self.factors[1])
        return moved

    def apart(self, channels: Ints, near: Ints) -> Ints:
        """Return by how many steps the codes differ, at sums so near to any step."""
        if not channels.size:
            return np.zeros(0, np.int64)
        (a, b), (mine, other) = self.layers, (factor[channels] for factor in self.factors)
        tried = self._sums(channels, near)
        codes = stepped(a, mine, tried)
        second = self.spans[1]
        worst = np.zeros(channels.size, np.int64)
        for moved in (self.delta.low, self.delta.high):
            # Where the second sum is known better than by the difference, it is cut to that.
            low, high = second.low[channels, None], second.high[channels, None]
            sums_there = np.clip(tried + moved[channels, None], low, high)
            found = np.abs(stepped(b, other, sums_there) - codes).max(axis=1)
            worst = np.maximum(worst, found)
        return worst

    def _sums(self, channels: Ints, near: Ints) -> Ints:
        """Return sums, (channels, tried), next to the steps of both staircases."""
        low, high = (end[channels, None] for end in (self.spans[0].low, self.spans[0].high))
        halves = np.arange(QMIN, QMAX) + 0.5
        tried = [low, high]
        nothing = np.zeros_like(self.delta.low)
        for layer, factor, moves in zip(
            self.layers,
            self.factors,
            ((nothing,), (self.delta.low, self.delta.high)),
            strict=True,
        ):
            at = (halves - (layer.output.zero_point or 0)) / factor[channels, None].astype(float)
            # Steps beyond the span are cut to it below.
            at = np.floor(np.clip(at, -2 * LARGEST, 2 * LARGEST)).astype(np.int64)
            around = (at[:, :, None] + near).reshape(channels.size, -1)
            tried.extend(around - move[channels, None] for move in moves)
        cut: Ints = np.clip(np.concatenate(tried, axis=1), low, high)
        return cut
