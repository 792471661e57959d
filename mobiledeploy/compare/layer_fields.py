"""List in which fields two corresponding layers differ; whether it matters is judged elsewhere."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from mobiledeploy.compare.activations import bounds, same_activation
from mobiledeploy.compare.difference import Field, GridChange
from mobiledeploy.compare.kernel_words import kernels_differ
from mobiledeploy.compare.scales import change, ratio
from mobiledeploy.reading import StoredLayer as Layer
from mobiledeploy.reading import StoredTensor as Tensor
from mobiledeploy.reading import StoredWeights as Weights

ROUNDED: Final = 3e-7
"""How far a bias scale may be off the product of two scales: it was rounded once or twice."""

_PLAIN: Final[tuple[tuple[Field, str, str], ...]] = (
    ("strides", "strides", "down and across"),
    ("dilations", "dilations", "down and across"),
    ("padding", "pads", "above, below, left and right"),
    ("window", "window", "its size"),
    ("groups", "groups", "their number"),
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A field in which two layers differ.

    Attributes:
        field: Which.
        detail: In words.
        expected: What the first has.
        received: What the second has.
        channels: Output channels concerned; empty if it is none in particular.
        harmful: Whether it changes an output, where that is clear from the field alone; None
            where the layers' functions decide.
        method: Why that is clear.
        change: What kind of change of a grid it is, where that matters.
        measured_by_first: Whether `detail` calls what the first has expected.
    """

    field: Field
    detail: str
    expected: str
    received: str
    channels: tuple[int, ...] = ()
    harmful: bool | None = None
    method: str = ""
    change: GridChange | None = None
    measured_by_first: bool = False


def fields(a: Layer, b: Layer, *, at_input: bool, at_logits: bool) -> list[Found]:
    """Return what differs between two layers, apart from what they read.

    Args:
        a: A layer.
        b: Its counterpart.
        at_input: Whether it reads the image.
        at_logits: Whether its outputs are the classes.
    """
    return [
        *_not_comparable(a, b),
        *_faults(a, b, shapes=False),
        *_weights(a, b, at_input=at_input, at_logits=at_logits),
        *(
            Found(field=field, detail=f"{words}: {x} and {y}", expected=str(x), received=str(y))
            for field, name, words in _PLAIN
            if (x := getattr(a, name)) != (y := getattr(b, name))
        ),
        *_faults(a, b, shapes=True),
        *_shape(a, b),
        *_clamps(a, b),
        *grid(a.output, b.output),
    ]


def grid(a: Tensor, b: Tensor) -> Iterator[Found]:
    """Yield the differences of two activations' grids."""
    if (a.scale is None) != (b.scale is None):
        words = {True: "floats", False: "codes"}
        yield Found(
            field="scale",
            detail="one file keeps this tensor in floats and the other one in codes",
            expected=words[a.scale is None],
            received=words[b.scale is None],
            change="first in floats" if a.scale is None else "second in floats",
        )
        return
    if a.scale is not None and b.scale is not None and a.scale != b.scale:
        yield Found(
            field="scale",
            detail=f"the tensor's scale is {ratio(a.scale, b.scale)}",
            expected=repr(float(a.scale)),
            received=repr(float(b.scale)),
            change=change(a.scale, b.scale),
        )
    if a.zero_point != b.zero_point:
        yield Found(
            field="zero point",
            detail=f"the tensor's zero point is {b.zero_point}, expected {a.zero_point}",
            expected=str(a.zero_point),
            received=str(b.zero_point),
            measured_by_first=True,
        )


def _not_comparable(a: Layer, b: Layer) -> Iterator[Found]:
    if a.kind == "unknown":
        yield Found(
            field="not comparable",
            detail=f"{a.op} is no operator that is understood",
            expected=a.op,
            received=b.op,
            harmful=True,
        )


def _faults(a: Layer, b: Layer, *, shapes: bool) -> Iterator[Found]:
    """Yield what the common form cannot hold; shapes apart, as they follow from strides."""
    for which, layer in (("first", a), ("second", b)):
        for fault in [f for f in layer.faults if (f.field == "output_shape") == shapes]:
            yield Found(
                field=_field_of(fault.field),
                detail=f"in the {which} file: {fault.detail}",
                expected="the same in both files",
                received=fault.detail,
                channels=fault.channels,
                harmful=True,
            )


def _field_of(name: str) -> Field:
    known: dict[str, Field] = {
        "weights": "weights",
        "bias": "bias",
        "kernel_scale": "kernel scale",
        "kernel_zero": "kernel zero point",
        "bias_scale": "bias scale",
        "padding": "padding",
        "activation": "activation",
        "axis": "axis",
        "output_shape": "output shape",
        "strides": "strides",
        "groups": "groups",
    }
    return known.get(name, "not comparable")


def _clamps(a: Layer, b: Layer) -> Iterator[Found]:
    if a.clamp == b.clamp:
        return
    # Where the grids differ, the same activation has other codes.
    same_grid = (a.output.scale, a.output.zero_point) == (b.output.scale, b.output.zero_point)
    if not same_grid and same_activation(a, b):
        return
    yield Found(
        field="activation",
        detail=f"codes are cut off at {b.clamp[0]}..{b.clamp[1]}, expected {a.clamp[0]}.."
        f"{a.clamp[1]}: {_activation(b)} instead of {_activation(a)}",
        expected=str(a.clamp),
        received=str(b.clamp),
        measured_by_first=True,
    )


def _activation(layer: Layer) -> str:
    low, high = bounds(layer)
    if low is None and high is None:
        return "no activation"
    if low == 0:
        return "ReLU" if high is None else ("ReLU6" if abs(high - 6) < 0.1 else f"0..{high:.3g}")
    return "another activation"


def _shape(a: Layer, b: Layer) -> Iterator[Found]:
    mine, other = a.output.shape, b.output.shape
    if mine != other and mine and other:
        yield Found(
            field="output shape",
            detail="the output has another size",
            expected=str(mine),
            received=str(other),
        )


def _weights(a: Layer, b: Layer, *, at_input: bool, at_logits: bool) -> Iterator[Found]:
    mine, other = a.weights, b.weights
    if mine is None or other is None:
        if a.kind in {"conv", "depthwise", "dense"} and not (a.faults or b.faults):
            yield Found(
                field="not comparable", detail="a kernel is missing", expected="", received=""
            )
        return
    # With equal codes it is the zero points that differ.
    finding = None
    if not np.array_equal(mine.kernel, other.kernel):
        finding = kernels_differ(a, b, at_input=at_input, at_logits=at_logits)
    if finding is not None:
        yield Found(
            field=finding.field,
            detail=finding.detail,
            expected=finding.expected,
            received=finding.received,
            channels=finding.channels,
            measured_by_first=finding.measured_by_first,
        )
    if mine.bias.size != other.bias.size:
        return
    scale = spread(mine.kernel_scale, mine), spread(other.kernel_scale, other)
    yield from _vector("kernel scale", "the kernel's scale", *scale)
    zero = spread(mine.kernel_zero, mine), spread(other.kernel_zero, other)
    if finding is None:
        yield from _vector("kernel zero point", "the kernel's zero point", *zero)
    yield from _vector("bias", "the bias", mine.bias, other.bias)
    yield from _bias_scales(a, b, mine, other)


def _bias_scales(a: Layer, b: Layer, mine: Weights, other: Weights) -> Iterator[Found]:
    """Yield where bias scales differ that should not, or that nothing else explains."""
    scales = spread(mine.bias_scale, mine), spread(other.bias_scale, other)
    products = _product(a, mine), _product(b, other)
    if products[0] is None or products[1] is None:
        return
    sound = [_close(scale, product) for scale, product in zip(scales, products, strict=True)]
    both = sound[0] & sound[1]
    explained = both & ~_close(*products)
    name = "the bias's scale"
    for one in _vector("bias scale", name, *scales, only=both & ~explained):
        method = "within the rounding of input scale x kernel scale, which the kernels use instead"
        yield dataclasses.replace(one, harmful=False, method=method)
    for one in _vector("bias scale", name, *scales, only=~both):
        detail = f"{one.detail}; it should be input scale x kernel scale"
        yield dataclasses.replace(one, detail=detail, harmful=True)


def _product(layer: Layer, weights: Weights) -> Any:
    read = layer.reads[0].scale
    return None if read is None else spread(read * weights.kernel_scale, weights)


def _close(mine: Any, other: Any) -> Any:
    return np.isclose(mine, other, rtol=ROUNDED, atol=0)


def spread(values: Any, weights: Weights) -> Any:
    """Return one value a channel."""
    return np.broadcast_to(values, (weights.bias.size,))


def _vector(
    field: Field, name: str, mine: Any, other: Any, *, only: Any = None
) -> Iterator[Found]:
    differs = mine != other
    if only is not None:
        differs = differs & only
    channels = tuple(int(channel) for channel in np.flatnonzero(differs))
    if not channels:
        return
    where = _where(channels, mine.size)
    first = channels[0]
    changed: GridChange | None = None
    if np.issubdtype(mine.dtype, np.floating):
        words = f"{name} of {where} is {ratio(mine[first], other[first])}"
        changed = change(mine[first], other[first])
    else:
        off = int(other[first]) - int(mine[first])
        words = f"{name} of {where} differs, by {off:+d} in channel {first}"
    yield Found(
        field=field,
        detail=words,
        expected=_few(mine[list(channels[:3])], len(channels)),
        received=_few(other[list(channels[:3])], len(channels)),
        channels=channels,
        change=changed,
    )


def _where(channels: Sequence[int], count: int) -> str:
    if len(channels) == count and count > 1:
        return "all channels"
    if len(channels) == 1:
        return f"channel {channels[0]}"
    shown = ", ".join(str(channel) for channel in channels[:4])
    return f"{len(channels)} channels ({shown}{' ...' if len(channels) > 4 else ''})"


def _few(values: Any, count: int) -> str:
    shown = ", ".join(repr(value.item()) for value in values)
    return f"{shown} ..." if count > 3 else shown
