"""`report`: why two files differ, such as a batch norm folded differently or swapped channels."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import numpy as np

from mobiledeploy.compare import same_network
from mobiledeploy.compare.difference import Cause, Difference, Field, GridChange, StructureReport
from mobiledeploy.compare.judge import Judgement
from mobiledeploy.compare.same_network import Origins
from mobiledeploy.ops import table
from mobiledeploy.ops.capabilities import Sampled
from mobiledeploy.ops.operator import Operator, has_weights

SEPARATE: Final = 4
"""Files with at least this many layers on different grids were quantised separately."""
_IN_FLOATS: Final[frozenset[GridChange | None]] = frozenset(
    {"first in floats", "second in floats"}
)
_ACTIVATIONS: Final[frozenset[Field]] = frozenset({"scale", "zero point", "input grid"})
_KERNELS: Final[frozenset[Field]] = frozenset({"kernel scale", "per-tensor weights"})

_ENDS: Final = frozenset({"input", "output"})
"""Kinds of differences that are at the input or the output, not in a layer."""
_ALONE: Final[frozenset[Field]] = frozenset({"missing layer", "extra layer"})

_WORDS: Final[dict[Field, str]] = {
    "input type": "the files take images of another type",
    "input shape": "the files take images of another size or layout",
    "input grid": "the image is normalised otherwise",
    "output type": "the files give answers of another type",
    "missing layer": "a layer is missing",
    "extra layer": "there is a layer more",
    "operator": "a layer computes something else",
    "joints": "layers are joined otherwise",
    "output shape": "a layer's output has another size",
    "scale": "the scale of a tensor differs",
    "zero point": "the zero point of a tensor differs",
    "activation": "an activation is missing or another one",
    "axis": "a layer works along other axes",
    "strides": "a window moves by other steps",
    "dilations": "a window is spread otherwise",
    "padding": "the padding was moved",
    "window": "a pool has another window",
    "groups": "a convolution has other groups",
    "kernel shape": "a kernel has another size",
    "kernel order": "a kernel's axes are in another order",
    "weights": "weights differ",
    "channel order": "the image's colours are taken in another order (RGB/BGR)",
    "channels swapped": "channels were swapped",
    "label order": "the classes are in another order",
    "per-tensor weights": "weights were quantised per tensor instead of per channel",
    "kernel scale": "the scale of a kernel differs",
    "kernel zero point": "the zero point of a kernel differs",
    "bias": "a bias differs",
    "bias scale": "the scale of a bias does not fit its layer",
    "read scale": "a layer reads codes by another scale than they were written with",
    "read zero point": "a layer reads codes by another zero point than they were written with",
    "operands swapped": "the operands of an addition were swapped",
    "softmax beta": "the softmax has another beta",
    "parameter": "a parameter of a layer differs",
    "rounding": "the runtimes' kernels round this layer differently",
    "not comparable": "a layer is not understood, so that nothing can be said of it",
}


def report(judgement: Judgement) -> StructureReport:
    """Return in what two files differ, with the cause in words."""
    (a, b), differences = judgement.readings, judgement.differences
    first = first_of(differences)
    # A damaged file may hold any scale.
    with np.errstate(all="ignore"):
        why = _cause(
            differences,
            first,
            layers=len(a.layers),
            origin=lambda: same_network.origins(a, b, judgement.alignment),
        )
    return StructureReport(
        same=first is None,
        layers=len(a.layers),
        other_layers=len(b.layers),
        matched=len(judgement.alignment.matched),
        first=first,
        cause=why.words,
        differences=differences,
        reason=why,
    )


def first_of(differences: Sequence[Difference]) -> Difference | None:
    """Return the first difference that may change an output.

    Layers that differ only in how their kernels round do not count if other numbers differ: they
    are not a fault in the file, and would hide one.
    """
    harmful = [difference for difference in differences if not difference.equivalent]
    numbers = [difference for difference in harmful if difference.field != "rounding"]
    return next(iter(numbers or harmful), None)


def _cause(
    differences: Sequence[Difference],
    first: Difference | None,
    *,
    layers: int,
    origin: Callable[[], Origins],
) -> Cause:
    """Return why two files differ, or nothing if no difference can change an output.

    Args:
        differences: In running order.
        first: The first difference that may change an output, or None.
        layers: Number of layers of the first file.
        origin: Returns whether files on different grids hold one network.
    """
    if first is None:
        return Cause()
    harmful = [difference for difference in differences if not difference.equivalent]
    place = _place(first), *_size(first)
    separate = _quantised_separately(harmful, layers=layers, place=place, origin=origin)
    if separate is not None:
        return separate
    if isinstance(_operator(first), Sampled) and first.field in _ALONE:
        which = "first" if first.field == "missing layer" else "second"
        said = f"only the {which} file ends in a {first.operator}: the other one gives the logits"
        return Cause(clauses=(said,))
    said = _WORDS[first.field]
    if first.nearly:
        said = "the image is put on a grid whose steps lie otherwise"
    clauses = [f"{said}: {_place(first)}, {first.detail}", *_size(first)]
    later = {difference.position for difference in harmful if difference.field != "rounding"} - {
        first.position
    }
    if later:
        clauses.append(f"{_further(len(later), 'differs', 'differ')} in numbers")
    rounding = {difference.position for difference in harmful if difference.field == "rounding"}
    if rounding - {first.position}:
        count = len(rounding - {first.position})
        clauses.append(f"{_further(count, 'is', 'are')} rounded otherwise")
    if first.field not in _ALONE:
        clauses += _operators(harmful)
    return Cause(clauses=tuple(clauses))


def _further(count: int, one: str, many: str) -> str:
    """Return how many further layers do something, with its verb for one and for many."""
    return f"1 further layer {one}" if count == 1 else f"{count} further layers {many}"


def _place(difference: Difference) -> str:
    # TensorFlow's converter joins the names of all operators that it fused.
    name = difference.name.partition(";")[0]
    if difference.kind == "input":
        return f"at the input `{name}`"
    operator = difference.operator or difference.kind
    return f"in layer {difference.number} `{name}` ({operator})"


def _size(difference: Difference) -> tuple[str, ...]:
    return (f"its codes can differ by up to {difference.lsb} LSB",) if difference.lsb else ()


def _quantised_separately(
    harmful: Sequence[Difference],
    *,
    layers: int,
    place: tuple[str, ...],
    origin: Callable[[], Origins],
) -> Cause | None:
    """Return how the files were quantised separately; None if they were not.

    Args:
        harmful: Differences that may change an output.
        layers: Number of layers of the first file.
        place: Where the first difference is, in clauses.
        origin: Returns whether the files hold one network.
    """
    other = _other_network(harmful, layers)
    if other is not None:
        return other
    enough = max(SEPARATE, layers // 8)
    in_floats = [difference for difference in harmful if difference.change in _IN_FLOATS]
    if len(_places(in_floats)) >= enough:
        which = "first" if in_floats[-1].change == "first in floats" else "second"
        said = (
            f"the {which} file keeps {len(_places(in_floats))} of {layers} layers in floats where "
            "the other one has codes, so that they cannot be equal"
        )
        return Cause(clauses=_with_origin([said], origin(), cost=True))
    grids = [difference for difference in harmful if difference.field in _ACTIVATIONS | _KERNELS]
    rounded = [difference for difference in grids if difference.change == "last place"]
    others = [difference for difference in grids if difference.change != "last place"]
    where, *size = place
    if not others and len(_places(rounded)) >= enough:
        said = (
            "scales were rounded otherwise, by units in the last place, in "
            f"{len(_places(rounded))} of {layers} layers: the first is {where}"
        )
        return Cause(clauses=(said, *size))
    if len(_places(others)) < enough:
        return None
    return Cause(clauses=_separate(harmful, others, layers, place, origin))


def _separate(
    harmful: Sequence[Difference],
    others: Sequence[Difference],
    layers: int,
    place: tuple[str, ...],
    origin: Callable[[], Origins],
) -> tuple[str, ...]:
    """Return the clauses for files in which `others` have other grids."""
    where, *size = place
    calibrated = any(difference.field in _ACTIVATIONS for difference in others)
    said = [
        f"the files were quantised separately: {len(_places(others))} of {layers} layers have "
        f"other scales or zero points, the first is {where}"
        if calibrated
        else f"the weights were quantised otherwise, the activations alike: "
        f"{len(_places(others))} of {layers} layers have other scales of weights, the first is "
        f"{where}",
        *size,
    ]
    for field, said_of in (
        ("per-tensor weights", ""),
        ("kernel zero point", "the weights have a zero point other than 0"),
    ):
        some = [difference for difference in harmful if difference.field == field]
        said += [f"in {len(_places(some))} of them {said_of or some[0].detail}"] if some else []
    return _with_origin([*said, *_operators(harmful)], origin())


def _with_origin(said: list[str], origin: Origins, *, cost: bool = False) -> tuple[str, ...]:
    """Return clauses with those on whether the files hold the same network; if not, these first.

    Args:
        said: The other clauses.
        origin: Whether they do.
        cost: Whether one file is quantised and the other is not, so that the same network differs
            by the cost of quantising.
    """
    clauses = same_network.clauses(origin)
    if origin.strangers:
        return (*clauses, *said)
    if cost and origin.same:
        clauses = ("the weights are the same: what differs is the cost of quantising",)
    return (*said, *clauses)


def _operator(difference: Difference) -> Operator[Any] | None:
    """Return the operator of a difference's layer."""
    return None if difference.kind in _ENDS else table.of_kind(difference.kind)


def _makes_network(difference: Difference) -> bool:
    """Whether a layer has weights or joins others; other layers may be left out or fused."""
    operator = _operator(difference)
    return operator is not None and (has_weights(operator) or operator.SYMMETRIC)


def _operators(harmful: Sequence[Difference]) -> list[str]:
    """Return clauses that name layers in one file only, such as activations or batch norm."""
    said = []
    for which, field in (("first", "missing layer"), ("second", "extra layer")):
        in_one_file = [difference for difference in harmful if difference.field == field]
        names = Counter(
            difference.expected if which == "first" else difference.received
            for difference in in_one_file
        )
        if names:
            listed = ", ".join(f"{count} {name}" for name, count in names.most_common(4))
            said.append(f"in the {which} file only, these are layers of their own: {listed}")
    return said


def _other_network(harmful: Sequence[Difference], layers: int) -> Cause | None:
    """Return the cause "different networks" if half of the layers differ, else None."""
    known = [difference for difference in harmful if _makes_network(difference)]
    missing, extra, shapes = (
        sum(difference.field == field for difference in known)
        for field in ("missing layer", "extra layer", "kernel shape")
    )
    # If the second file has few layers that the first lacks, it was probably not understood.
    if 2 * (missing + extra + shapes) < layers or min(missing, extra) + shapes < SEPARATE:
        return None
    said = (
        f"the files hold different networks: {missing} layers are in the first file only and "
        f"{extra} in the second, and {shapes} kernels have another shape"
    )
    return Cause(clauses=(said,))


def _places(differences: Iterable[Difference]) -> set[int]:
    """Return the positions of the layers with differences, without the input."""
    return {one.position for one in differences if one.position >= 0}
