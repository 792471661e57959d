"""In which fields two corresponding layers differ, including what they read.

`judge` decides whether a difference can change an output.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from mobiledeploy.compare.align import Alignment
from mobiledeploy.compare.difference import Field, FieldDifference, GridChange, in_each
from mobiledeploy.compare.kernel_difference import kernels_differ
from mobiledeploy.ops import table
from mobiledeploy.ops.capabilities import StatesMultiplier
from mobiledeploy.ops.operator import has_weights
from mobiledeploy.reading import (
    FULL,
    INPUT,
    LayerInput,
    Reading,
    StoredLayer,
    StoredTensor,
    StoredWeights,
)

ROUNDED: Final = 3e-7
"""Relative error of a bias scale as a product of two scales: it was rounded once or twice."""

_PLAIN: Final[tuple[tuple[Field, str, str], ...]] = (
    ("strides", "strides", "down and across"),
    ("dilations", "dilations", "down and across"),
    ("padding", "pads", "above, below, left and right"),
    ("window", "window", "its size"),
    ("groups", "groups", "their number"),
)


def fields(
    a: StoredLayer, b: StoredLayer, *, at_input: bool, at_logits: bool
) -> list[FieldDifference]:
    """Return what differs between two layers, other than what they read.

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
            FieldDifference(
                field=field,
                detail=f"{words}: {in_each(x, y)}",
                expected=str(x),
                received=str(y),
            )
            for field, name, words in _PLAIN
            if (x := getattr(a, name)) != (y := getattr(b, name))
        ),
        *_parameters(a, b),
        *_multipliers(a, b),
        *_faults(a, b, shapes=True),
        *_shape(a, b),
        *_clamps(a, b),
        *grid(a.output, b.output),
    ]


def grid(a: StoredTensor, b: StoredTensor) -> Iterator[FieldDifference]:
    """Yield the differences of two activations' grids, as far as both files state them."""
    if a.holds_codes != b.holds_codes:
        words = {False: "floats", True: "codes"}
        yield FieldDifference(
            field="scale",
            detail="one file keeps this tensor in floats and the other one in codes",
            expected=words[a.holds_codes],
            received=words[b.holds_codes],
            change="second in floats" if a.holds_codes else "first in floats",
        )
        return
    if a.scale is not None and b.scale is not None and a.scale != b.scale:
        yield FieldDifference(
            field="scale",
            detail=f"the tensor's scale is {ratio(a.scale, b.scale)}",
            expected=repr(float(a.scale)),
            received=repr(float(b.scale)),
            change=change(a.scale, b.scale),
        )
    if a.zero_point != b.zero_point and not _only_one_states(a, b):
        yield FieldDifference(
            field="zero point",
            detail=f"the tensor's zero point is {in_each(a.zero_point, b.zero_point)}",
            expected=str(a.zero_point),
            received=str(b.zero_point),
        )


def _only_one_states(a: StoredTensor, b: StoredTensor) -> bool:
    """Whether a zero point is missing in a file that need not state it."""
    return any(each.unstated and each.zero_point is None for each in (a, b))


def _not_comparable(a: StoredLayer, b: StoredLayer) -> Iterator[FieldDifference]:
    if a.kind == "unknown":
        yield FieldDifference(
            field="not comparable",
            detail=f"{a.op} is no operator that is understood",
            expected=a.op,
            received=b.op,
            harmful=True,
        )


def _faults(a: StoredLayer, b: StoredLayer, *, shapes: bool) -> Iterator[FieldDifference]:
    """Yield the faults that reading found in either layer: those of shapes, or all others."""
    for which, layer in (("first", a), ("second", b)):
        for fault in [f for f in layer.faults if (f.field == "output_shape") == shapes]:
            yield FieldDifference(
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


def _parameters(a: StoredLayer, b: StoredLayer) -> Iterator[FieldDifference]:
    mine, other = dict(a.parameters), dict(b.parameters)
    if a.kind != b.kind:
        return
    for name in sorted({*mine, *other}):
        x, y = mine.get(name), other.get(name)
        if x != y:
            yield FieldDifference(
                field="parameter",
                detail=f"its {name} is {in_each(x, y)}",
                expected=str(x),
                received=str(y),
            )


def _multipliers(a: StoredLayer, b: StoredLayer) -> Iterator[FieldDifference]:
    """Yield the difference of two multipliers, where a file states that instead of scales."""
    operator = table.of_kind(a.kind)
    if a.kind != b.kind or not isinstance(operator, StatesMultiplier):
        return
    if a.multiplier is None and b.multiplier is None:
        return
    mine, other = operator.multiplier_of(a), operator.multiplier_of(b)
    if mine is None or other is None or mine == other:
        return
    yield FieldDifference(
        field="parameter",
        detail=f"it multiplies codes by {in_each(mine, other)}",
        expected=repr(float(mine)),
        received=repr(float(other)),
        change=change(mine, other),
    )


def _clamps(a: StoredLayer, b: StoredLayer) -> Iterator[FieldDifference]:
    if a.clamp == b.clamp:
        return
    # On different grids, the same activation clips at different codes.
    same_grid = (a.output.scale, a.output.zero_point) == (b.output.scale, b.output.zero_point)
    if not same_grid and same_activation(a, b):
        return
    yield FieldDifference(
        field="activation",
        detail=f"codes are cut off at {in_each(_cut(a), _cut(b))}",
        expected=str(a.clamp),
        received=str(b.clamp),
    )


def _cut(layer: StoredLayer) -> str:
    return f"{layer.clamp[0]}..{layer.clamp[1]} ({_activation(layer)})"


def _activation(layer: StoredLayer) -> str:
    low, high = bounds(layer)
    if low is None and high is None:
        return "no activation"
    if low == 0:
        return "ReLU" if high is None else ("ReLU6" if abs(high - 6) < 0.1 else f"0..{high:.3g}")
    return "another activation"


def _shape(a: StoredLayer, b: StoredLayer) -> Iterator[FieldDifference]:
    mine, other = a.output.shape, b.output.shape
    if mine != other and mine and other:
        yield FieldDifference(
            field="output shape",
            detail="the output has another size",
            expected=str(mine),
            received=str(other),
        )


def _weights(
    a: StoredLayer, b: StoredLayer, *, at_input: bool, at_logits: bool
) -> Iterator[FieldDifference]:
    mine, other = a.weights, b.weights
    if mine is None or other is None:
        operator = table.of_kind(a.kind)
        weighted = operator is not None and has_weights(operator)
        if weighted and not (a.faults or b.faults):
            yield FieldDifference(
                field="not comparable", detail="a kernel is missing", expected="", received=""
            )
        return
    # With equal codes, only the zero points can differ.
    kernels = None
    if not np.array_equal(mine.kernel, other.kernel):
        kernels = kernels_differ(a, b, at_input=at_input, at_logits=at_logits)
    if kernels is not None:
        yield kernels
    if mine.bias.size != other.bias.size:
        return
    scale = spread(mine.kernel_scale, mine), spread(other.kernel_scale, other)
    yield from _vector("kernel scale", "the kernel's scale", *scale)
    zero = spread(mine.kernel_zero, mine), spread(other.kernel_zero, other)
    if kernels is None:
        yield from _vector("kernel zero point", "the kernel's zero point", *zero)
    yield from _vector("bias", "the bias", mine.bias, other.bias)
    yield from _bias_scales(a, b, mine, other)


def _bias_scales(
    a: StoredLayer, b: StoredLayer, mine: StoredWeights, other: StoredWeights
) -> Iterator[FieldDifference]:
    """Yield differing bias scales: mere roundings, or not input scale x kernel scale."""
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


def _product(layer: StoredLayer, weights: StoredWeights) -> Any:
    read = layer.reads[0].scale
    return None if read is None else spread(read * weights.kernel_scale, weights)


def _close(mine: Any, other: Any) -> Any:
    return np.isclose(mine, other, rtol=ROUNDED, atol=0)


def spread(values: Any, weights: StoredWeights) -> Any:
    """Return one value for each output channel."""
    return np.broadcast_to(values, (weights.bias.size,))


def _vector(
    field: Field, name: str, mine: Any, other: Any, *, only: Any = None
) -> Iterator[FieldDifference]:
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
    yield FieldDifference(
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


LAST_PLACES: Final = 64
"""Units in the last place by which scales differ if they were merely rounded differently."""


def ratio(mine: np.floating[Any], other: np.floating[Any]) -> str:
    """Return in words how the second file's scale differs from the first file's."""
    units = _units(mine, other)
    if units is None:
        return "no usable number"
    if units <= LAST_PLACES:
        return f"{units} unit{'s' * (units > 1)} in the last place off"
    return f"{float(other) / float(mine):.6g} times the first file's"


def _units(mine: np.floating[Any], other: np.floating[Any]) -> int | None:
    """Return the difference of two scales in units in the last place; None if one is not valid."""
    if not (np.isfinite([mine, other]).all() and mine > 0 and other > 0):
        return None
    return abs(int(np.float32(other).view(np.int32)) - int(np.float32(mine).view(np.int32)))


def change(mine: np.floating[Any], other: np.floating[Any]) -> GridChange | None:
    """Return "last place" if two scales differ by rounding only, else None."""
    units = _units(mine, other)
    return "last place" if units is not None and units <= LAST_PLACES else None


STEP: Final = 1.01
"""Steps of the coarser grid by which one real bound may differ on two grids."""


def bounds(layer: StoredLayer) -> tuple[float | None, float | None]:
    """Return the real values at which a layer's activation clips; None where it does not."""
    scale, zero = layer.output.scale, layer.output.zero_point or 0
    low, high = layer.clamp
    if scale is None:
        return None, None
    return (
        None if low == -128 else round((low - zero) * float(scale), 3),
        None if high == 127 else round((high - zero) * float(scale), 1),
    )


def same_activation(a: StoredLayer, b: StoredLayer) -> bool:
    """Whether two layers on different grids may have the same activation.

    Where a grid ends before the activation's bound, nothing is clipped and files leave the
    activation out: ReLU6 is not needed if 5.9 is the largest value of the grid.
    """
    if bounds(a) == bounds(b):
        return True
    scales = [layer.output.scale for layer in (a, b) if layer.output.scale is not None]
    if len(scales) < 2 or not np.isfinite(scales).all():
        return False
    step = STEP * float(max(scales))
    return all(_agree(a, b, end, sign, step) for end, sign in ((0, -1), (1, 1)))


def _agree(a: StoredLayer, b: StoredLayer, end: int, sign: int, step: float) -> bool:
    """Whether one end of two clamps may be the same bound; `sign` is 1 for the upper end."""
    mine, other = (
        sign * (layer.clamp[end] - (layer.output.zero_point or 0)) * float(layer.output.scale or 0)
        for layer in (a, b)
    )
    by_grid = [layer.clamp[end] == FULL[end] for layer in (a, b)]
    if by_grid[0] == by_grid[1]:
        return by_grid[0] or abs(mine - other) <= step
    cut, reach = (other, mine) if by_grid[0] else (mine, other)
    return cut >= reach - step


CLOSE: Final = 1e-5
"""Relative tolerance of scales: more than certifying an addition changes them."""


def in_order(a: Reading, b: Reading, alignment: Alignment, i: int, j: int) -> StoredLayer:
    """Return the second file's layer, its operands in the order of the first file's layer."""
    mine, other = a.layers[i], b.layers[j]
    if _crossed(a, b, alignment, mine, other):
        return dataclasses.replace(other, reads=other.reads[::-1])
    return other


def operands_crossed(a: Reading, b: Reading, alignment: Alignment, i: int, j: int) -> bool:
    """Whether the second file's layer reads the first one's operands in the other order."""
    return _crossed(a, b, alignment, a.layers[i], b.layers[j])


def reads_differ(
    a: Reading, b: Reading, alignment: Alignment, i: int, j: int
) -> list[FieldDifference]:
    """Return in what two layers' inputs differ."""
    mine, other = a.layers[i], in_order(a, b, alignment, i, j)
    differences = []
    if _crossed(a, b, alignment, mine, b.layers[j]):
        differences.append(
            FieldDifference(
                field="operands swapped",
                detail="the operands are in the other order, each with its own scale",
                expected=_names(a, mine.reads),
                received=_names(b, b.layers[j].reads),
            )
        )
    if len(mine.reads) != len(other.reads) or any(
        _source(a, b, alignment, x, y) is None
        for x, y in zip(mine.reads, other.reads, strict=True)
    ):
        differences.append(
            FieldDifference(
                field="joints",
                detail="the layer reads another tensor",
                expected=_names(a, mine.reads),
                received=_names(b, other.reads),
                harmful=True,
            )
        )
        return differences
    crossed = _crossed_scales(mine, other)
    if crossed is not None and not differences:
        return [crossed]
    for x, y in zip(mine.reads, other.reads, strict=True):
        differences.extend(_grids(a, b, x, y))
    if mine.beta != other.beta:
        differences.append(
            FieldDifference(
                field="softmax beta",
                detail="the softmax multiplies its inputs by "
                + in_each(f"{mine.beta:g}", f"{other.beta:g}"),
                expected=repr(mine.beta),
                received=repr(other.beta),
            )
        )
    return differences


def _grids(a: Reading, b: Reading, x: LayerInput, y: LayerInput) -> list[FieldDifference]:
    """Return how the scales and zero points of two reads differ, beyond the tensors' own."""
    written, other = _tensor(a, x.source), _tensor(b, y.source)
    differences = []
    if x.scale != y.scale and (x.scale, y.scale) != (written.scale, other.scale):
        words = "no grid" if x.scale is None or y.scale is None else ratio(x.scale, y.scale)
        differences.append(
            FieldDifference(
                field="read scale",
                detail=f"the scale by which it reads `{other.name}` is {words}",
                expected=repr(None if x.scale is None else float(x.scale)),
                received=repr(None if y.scale is None else float(y.scale)),
            )
        )
    zeros = x.zero_point, y.zero_point
    if zeros[0] != zeros[1] and zeros != (written.zero_point, other.zero_point):
        differences.append(
            FieldDifference(
                field="read zero point",
                detail=f"the zero point by which it reads `{other.name}` is another code",
                expected=str(x.zero_point),
                received=str(y.zero_point),
            )
        )
    return differences


def _crossed_scales(mine: StoredLayer, other: StoredLayer) -> FieldDifference | None:
    """Return the difference "operands swapped" if two operands are read by each other's scales."""
    if not _symmetric(mine) or len(mine.reads) != 2:
        return None
    scales = [float(r.scale) for r in (*mine.reads, *other.reads) if r.scale is not None]
    if len(scales) != 4 or scales[0] == scales[1]:
        return None
    if not np.allclose(scales[2:], scales[1::-1], rtol=CLOSE, atol=0):
        return None
    return FieldDifference(
        field="operands swapped",
        detail="the two operands are read by each other's scales",
        expected=f"{scales[0]!r}, {scales[1]!r}",
        received=f"{scales[2]!r}, {scales[3]!r}",
    )


def _crossed(
    a: Reading, b: Reading, alignment: Alignment, mine: StoredLayer, other: StoredLayer
) -> bool:
    if not _symmetric(mine) or len(mine.reads) != 2 or len(other.reads) != 2:
        return False
    straight = [
        _source(a, b, alignment, x, y) for x, y in zip(mine.reads, other.reads, strict=True)
    ]
    crossed = [
        _source(a, b, alignment, x, y) for x, y in zip(mine.reads, other.reads[::-1], strict=True)
    ]
    return None in straight and None not in crossed


def _symmetric(layer: StoredLayer) -> bool:
    """Whether a layer computes the same if its operands are swapped."""
    operator = table.of_kind(layer.kind)
    return operator is not None and operator.SYMMETRIC


def _source(
    a: Reading, b: Reading, alignment: Alignment, x: LayerInput, y: LayerInput
) -> int | None:
    """Return the first file's index of the tensor that both read; None if they read others."""
    mine = alignment.seen_from_first(a, x.source)
    other = alignment.seen_from_second(b, y.source)
    return mine if mine == other else None


def _tensor(reading: Reading, source: int) -> StoredTensor:
    return reading.input if source == INPUT else reading.layers[source].output


def _names(reading: Reading, reads: tuple[LayerInput, ...]) -> str:
    return ", ".join(
        reading.input.name if r.source == INPUT else reading.layers[r.source].name for r in reads
    )
