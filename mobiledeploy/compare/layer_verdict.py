"""Judge a pair of corresponding layers as functions of codes, by what kind they are."""

from typing import Final

import numpy as np

from mobiledeploy.compare.reach import Span, multipliers
from mobiledeploy.compare.same_function import UNKNOWN, Verdict, compare_weighted
from mobiledeploy.compare.same_tables import compare_additions, compare_means
from mobiledeploy.reading import Format
from mobiledeploy.reading import StoredLayer as Layer

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
        case "average_pool" | "max_pool" | "pad" | "clamp" | "quantize" | "dequantize":
            same_reads = [(r.scale, r.zero_point) for r in a.reads] == [
                (r.scale, r.zero_point) for r in b.reads
            ]
            same = _same_windows(a, b) and _grid(a) == _grid(b) and a.clamp == b.clamp
            return SAME if same and same_reads else UNKNOWN
        case _:
            return UNKNOWN


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
