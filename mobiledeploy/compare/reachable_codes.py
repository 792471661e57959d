"""Which codes each channel of a file's activations can take for any image.

Intervals are propagated from the input: every layer is monotonic in each of its inputs, so the
ends of its output's interval come from ends of its inputs' intervals. A channel whose interval is
a single code is dead: the weights that lead to it have no effect.
"""

import dataclasses
from typing import Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.ops import table
from mobiledeploy.ops.operator import has_weights
from mobiledeploy.ops.tensors import QMAX, QMIN
from mobiledeploy.reading import INPUT, Reading, StoredLayer, StoredWeights

Ints = npt.NDArray[np.int64]

MOST_CHANNELS: Final = 2**16


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Span:
    """An interval of integers for each channel; both ends belong to it."""

    low: Ints
    high: Ints

    @classmethod
    def full(cls, shape: tuple[int, ...]) -> "Span":
        """Return the interval of all int8 codes, for each channel of a shape.

        A single interval if the channels are not known, or more than any classifier has.
        """
        channels = shape[-1] if shape and 0 < shape[-1] <= MOST_CHANNELS else 1
        return cls(low=np.full(channels, QMIN), high=np.full(channels, QMAX))

    def hull_if_alike(self, other: "Span") -> "Span":
        """Return the smallest interval that contains both; this one if the channels differ."""
        if self.low.size != other.low.size:
            return self
        return Span(low=np.minimum(self.low, other.low), high=np.maximum(self.high, other.high))


def spans(reading: Reading) -> tuple[Span, ...]:
    """Return the codes that every layer can give, by its index; the input can take all."""
    known: list[Span] = []
    image = Span.full(reading.input.shape)
    for layer in reading.layers:
        sources = [image if r.source == INPUT else known[r.source] for r in layer.reads]
        known.append(_codes(layer, sources))
    return tuple(known)


def source_span(reading: Reading, known: tuple[Span, ...], source: int) -> Span:
    """Return the codes that a source can give: a layer, or the file's input."""
    if source == INPUT:
        return Span.full(reading.input.shape)
    return known[source]


def sums(layer: StoredLayer, source: Span) -> Span | None:
    """Return the range of a convolution's or dense layer's int32 sums, bias included."""
    weights, read = layer.weights, layer.reads[0]
    if weights is None or read.zero_point is None:
        return None
    kernel = centred(weights, layer)
    low, high = (along(end - read.zero_point, kernel, layer) for end in (source.low, source.high))
    if low is None or high is None:
        return None
    at_low, at_high = kernel * low, kernel * high
    least, most = np.minimum(at_low, at_high), np.maximum(at_low, at_high)
    if any(layer.pads):
        # Padding is real 0: its product is 0.
        least, most = np.minimum(least, 0), np.maximum(most, 0)
    axes = others(layer)
    bias = weights.bias.astype(np.int64)
    return Span(low=least.sum(axis=axes) + bias, high=most.sum(axis=axes) + bias)


def centred(weights: StoredWeights, layer: StoredLayer) -> Ints:
    """Return a kernel minus its zero points, int64."""
    kernel = weights.kernel.astype(np.int64)
    zero = weights.kernel_zero.astype(np.int64)
    if layer.kind == "depthwise" or zero.size == 1:
        return kernel - zero
    return kernel - zero.reshape(-1, *[1] * (kernel.ndim - 1))


def others(layer: StoredLayer) -> tuple[int, ...]:
    """Return the axes of a kernel that are summed over."""
    if layer.weights is None:
        return ()
    rank = layer.weights.kernel.ndim
    return tuple(range(rank - 1)) if layer.kind == "depthwise" else tuple(range(1, rank))


def multipliers(layer: StoredLayer) -> npt.NDArray[np.float32] | None:
    """Return the multiplier of each channel's sums, computed in float32 as both runtimes do."""
    weights, read, out = layer.weights, layer.reads[0], layer.output
    if weights is None or read.scale is None or out.scale is None:
        return None
    channels = weights.bias.size
    with np.errstate(all="ignore"):
        product: npt.NDArray[np.float32] = read.scale * weights.kernel_scale / out.scale
    return np.broadcast_to(product, (channels,)).copy()


def stepped(
    layer: StoredLayer, multiplier: npt.NDArray[np.float32], accumulators: Ints
) -> npt.NDArray[np.int64]:
    """Return the codes for sums, shape (channels, ...), as XNNPACK and ONNX Runtime round them."""
    zero = layer.output.zero_point or 0
    factor = multiplier.reshape(-1, *[1] * (accumulators.ndim - 1))
    with np.errstate(all="ignore"):
        steps = np.rint(accumulators.astype(np.float32) * factor).astype(np.float64)
    codes: npt.NDArray[np.int64] = np.clip(np.nan_to_num(steps) + zero, *layer.clamp).astype(
        np.int64
    )
    return codes


def along(ends: Ints, kernel: Ints, layer: StoredLayer) -> Ints | None:
    """Return one end of the input channels' intervals in a shape that broadcasts to a kernel.

    None where they do not fit it.
    """
    inputs = kernel.shape[-1]
    if layer.groups > 1 and ends.size == inputs * layer.groups:
        rows = np.repeat(ends.reshape(layer.groups, inputs), len(kernel) // layer.groups, axis=0)
        return rows[:, None, None]
    if ends.size == inputs:
        return ends
    if inputs % ends.size == 0:
        # A vector that was flattened from an image, or a depth multiplier.
        repeats = inputs // ends.size
        return np.repeat(ends, repeats) if layer.kind == "depthwise" else np.tile(ends, repeats)
    return None


def _codes(layer: StoredLayer, sources: list[Span]) -> Span:
    everything = Span.full(layer.output.shape)
    low, high = layer.clamp
    whole = Span(low=np.maximum(everything.low, low), high=np.minimum(everything.high, high))
    operator = table.of_kind(layer.kind)
    if operator is not None and has_weights(operator):
        span, multiplier = sums(layer, sources[0]), multipliers(layer)
        if span is not None and multiplier is not None and span.low.shape == whole.low.shape:
            ends = stepped(layer, multiplier, np.stack([span.low, span.high], axis=1))
            # Sums beyond int32 wrap around.
            around = (span.low < -(2**31)) | (span.high >= 2**31)
            return Span(
                low=np.where(around, whole.low, ends[:, 0]),
                high=np.where(around, whole.high, ends[:, 1]),
            )
    return sources[0] if layer.kind == "max_pool" else whole
