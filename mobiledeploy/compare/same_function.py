"""Whether two convolutions or dense layers give the same codes for every input, and how far not.

The code grows with the sum, so it is a staircase with at most 255 steps; two staircases are equal
if they are equal around every step of either. That holds for all inputs; a "no" holds for inputs
within the bounds of `reach`, which some image need not attain.
"""

import dataclasses
import functools
import itertools
import math
from collections.abc import Iterable
from typing import Final, assert_never

import numpy as np
import numpy.typing as npt

from mobiledeploy.compare.reachable_codes import (
    Ints,
    Span,
    centred,
    multipliers,
    others,
    stepped,
    sums,
)
from mobiledeploy.ops import add as add_kernels
from mobiledeploy.ops import mean as mean_kernels
from mobiledeploy.ops.add import NARROWEST
from mobiledeploy.ops.mean import MOST_POSITIONS
from mobiledeploy.ops.tensors import QMAX, QMIN
from mobiledeploy.ops.weights import MOST_STEPS, WIDEST_MULTIPLIER
from mobiledeploy.reading import Layer, Read, Tensor
from mobiledeploy.reading.model import Format

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


POOL = "pool"
"""Stands for the arithmetic of an AVERAGE_POOL_2D, instead of a format's."""


def compare_additions(a: Layer, b: Layer, formats: tuple[Format, Format]) -> Verdict:
    """Compare two additions whose operands stand in the same order, on all pairs of codes."""
    return _additions(_grids(a), _grids(b), formats)


def compare_means(a: Layer, b: Layer, formats: tuple[Format, Format]) -> Verdict:
    """Compare two means on all sums of codes."""
    positions = math.prod(a.window)
    if positions != math.prod(b.window) or not 1 <= positions <= MOST_POSITIONS:
        return UNKNOWN
    kernels = [
        POOL if layer.op == "AVERAGE_POOL_2D" else kind
        for layer, kind in zip((a, b), formats, strict=True)
    ]
    return _means(_grids(a), _grids(b), (kernels[0], kernels[1]), positions)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Grids:
    """What decides an addition's or mean's codes; hashable, so that nothing is tried twice."""

    scales: tuple[np.float32 | None, ...]
    zeros: tuple[int | None, ...]
    clamp: tuple[int, int]

    @property
    def usable(self) -> bool:
        """Whether these are grids at all."""
        return None not in self.zeros and all(
            scale is not None and np.isfinite(scale) and scale > 0 for scale in self.scales
        )


def _grids(layer: Layer) -> _Grids:
    tensors: tuple[Read | Tensor, ...] = (*layer.reads, layer.output)
    return _Grids(
        scales=tuple(tensor.scale for tensor in tensors),
        zeros=tuple(tensor.zero_point for tensor in tensors),
        clamp=layer.clamp,
    )


@functools.lru_cache(maxsize=1024)
def _additions(a: _Grids, b: _Grids, formats: tuple[Format, Format]) -> Verdict:
    if not (a.usable and b.usable):
        return UNKNOWN
    tables = [_sums_of_pairs(grids, kind) for grids, kind in zip((a, b), formats, strict=True)]
    if not tables[0] or not tables[1]:
        return UNKNOWN
    # Of two files of one format, each layer is run by the kernel that runs its counterpart.
    pairs = zip(*tables, strict=True) if formats[0] == formats[1] else itertools.product(*tables)
    return _tables(pairs, "all 65,536 pairs of codes")


@functools.lru_cache(maxsize=1024)
def _means(a: _Grids, b: _Grids, kernels: tuple[str, str], positions: int) -> Verdict:
    if not (a.usable and b.usable):
        return UNKNOWN
    tables = [
        _means_of_sums(grids, kernel, positions)
        for grids, kernel in zip((a, b), kernels, strict=True)
    ]
    pairs = zip(*tables, strict=True) if kernels[0] == kernels[1] else itertools.product(*tables)
    return _tables(pairs, f"all {255 * positions + 1:,} sums of codes")


def _tables(pairs: Iterable[tuple[Ints, ...]], method: str) -> Verdict:
    """Compare what kernels of one runtime give with what kernels of the other do."""
    apart = [np.abs(mine - other) for mine, other in pairs]
    worst = np.stack(apart).max(axis=0)
    return Verdict(
        equal=not worst.any(),
        lsb=int(worst.max()),
        channels=(),
        method=method,
        cases=int((worst > 0).sum()),
    )


def _sums_of_pairs(grids: _Grids, kind: Format) -> list[Ints]:
    """Return the sums of all pairs of codes by each kernel that may run the layer."""
    a, b, scale = (np.float32(value or 0) for value in grids.scales)
    a_zero, b_zero, zero = (value or 0 for value in grids.zeros)
    if min(a / scale, b / scale) < NARROWEST:
        return []
    codes = np.arange(QMIN, QMAX + 1, dtype=np.int64)
    operands = add_kernels.Operands(
        a=np.repeat(codes, codes.size),
        b=np.tile(codes, codes.size),
        zeros=(a_zero, b_zero, zero),
    )
    kernels = add_kernels.KERNELS[kind]
    a_grid, b_grid = np.full((1, 1), a), np.full((1, 1), b)
    return [
        np.clip(kernel(operands, a_grid, b_grid, scale)[0], *grids.clamp) for kernel in kernels
    ]


def _means_of_sums(grids: _Grids, kernel: str, positions: int) -> list[Ints]:
    """Return the means of all sums by each kernel that may run the layer."""
    source, scale = (np.float32(value or 0) for value in grids.scales)
    source_zero, zero = (value or 0 for value in grids.zeros)
    total = mean_kernels.Sums(
        codes=np.arange(QMIN * positions, QMAX * positions + 1, dtype=np.int64),
        positions=positions,
        zeros=(source_zero, zero),
    )
    own = np.full(1, source)
    if kernel == POOL:
        found = [mean_kernels.tflite_average_pool(total)]
    else:
        found = [mean(total, own, scale) for mean in mean_kernels.KERNELS[kernel]]
    return [np.clip(means, *grids.clamp) for means in found]


SAME: Final = Verdict(equal=True, lsb=0, channels=(), method="the same integers")


def verdict_on(a: Layer, b: Layer, formats: tuple[Format, Format], source: Span) -> Verdict:
    """Return how two layers compare as functions of the codes that they read.

    Args:
        a: A layer.
        b: Its counterpart, operands in the order of the first one's.
        formats: Of their files.
        source: Codes that the (first) input can take, a channel.
    """
    if a.faults or b.faults or len(a.reads) != len(b.reads):
        return UNKNOWN
    match a.kind:
        case "conv" | "depthwise" | "dense":
            if not _same_windows(a, b):
                return UNKNOWN
            return SAME if _same_integers(a, b) else compare_weighted(a, b, source)
        case "add":
            return compare_additions(a, b, formats)
        case "mean":
            return compare_means(a, b, formats)
        case "softmax":
            same = _exponent(a) == _exponent(b) and _grid(a) == _grid(b) and a.clamp == b.clamp
            return SAME if same else UNKNOWN
        case "unknown":
            return UNKNOWN
        case "average_pool" | "max_pool" | "pad" | "clamp" | "quantize" | "dequantize":
            same_reads = [(r.scale, r.zero_point) for r in a.reads] == [
                (r.scale, r.zero_point) for r in b.reads
            ]
            same = _same_windows(a, b) and _grid(a) == _grid(b) and a.clamp == b.clamp
            return SAME if same and same_reads else UNKNOWN
        case _:
            assert_never(a.kind)


def _same_windows(a: Layer, b: Layer) -> bool:
    """Whether two layers look at the same numbers."""
    return (a.window, a.strides, a.dilations, a.groups, a.pads) == (
        b.window, b.strides, b.dilations, b.groups, b.pads,
    )  # fmt: skip


def _same_integers(a: Layer, b: Layer) -> bool:
    """Whether all numbers that decide a layer's codes are equal, one by one."""
    mine, other = a.weights, b.weights
    factors = multipliers(a), multipliers(b)
    return (
        mine is not None
        and other is not None
        and factors[0] is not None
        and factors[1] is not None
        and np.array_equal(mine.kernel, other.kernel)
        and np.array_equal(mine.bias, other.bias)
        and np.array_equal(
            np.broadcast_to(mine.kernel_zero, mine.bias.shape),
            np.broadcast_to(other.kernel_zero, other.bias.shape),
        )
        and np.array_equal(factors[0], factors[1])
        and (a.clamp, a.output.zero_point) == (b.clamp, b.output.zero_point)
        and a.reads[0].zero_point == b.reads[0].zero_point
    )


def _exponent(layer: Layer) -> object:
    """Return by what a softmax multiplies differences of codes."""
    scale = layer.reads[0].scale
    return None if scale is None else np.float32(layer.beta) * scale


def _grid(layer: Layer) -> object:
    return layer.output.scale, layer.output.zero_point
