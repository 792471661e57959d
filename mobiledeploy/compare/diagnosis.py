"""Say in a sentence what is the matter between two files, in words of those who made them."""

from collections.abc import Callable, Sequence
from typing import Final

from mobiledeploy.compare import apart
from mobiledeploy.compare.borders import NEARLY
from mobiledeploy.compare.difference import Difference, Field

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
    "label order": "the classes stand in another order",
    "per-tensor weights": "weights were quantised per tensor instead of per channel",
    "kernel scale": "the scale of a kernel differs",
    "kernel zero point": "the zero point of a kernel differs",
    "bias": "a bias differs",
    "bias scale": "the scale of a bias does not fit its layer",
    "read scale": "a layer reads codes by another scale than they were written with",
    "read zero point": "a layer reads codes by another zero point than they were written with",
    "operands swapped": "the operands of an addition were swapped",
    "softmax beta": "the softmax has another beta",
    "rounding": "the runtimes' kernels round this layer differently",
    "not comparable": "a layer is not understood, so that nothing can be said of it",
}


def cause(
    differences: Sequence[Difference],
    first: Difference | None,
    *,
    layers: int,
    origin: Callable[[], str],
) -> str:
    """Return what is the matter, or nothing if no difference can change an output.

    Args:
        differences: In running order.
        first: The one to blame, or None.
        layers: Of the first file.
        origin: Gives in words whether files that were quantised separately hold one network.
    """
    if first is None:
        return ""
    harmful = [found for found in differences if not found.equivalent]
    place = f"{_place(first)}{_size(first)}"
    separate = apart.words(harmful, layers=layers, place=place, origin=origin)
    if separate:
        return separate
    if first.kind == "softmax" and first.field in _ALONE:
        which = "first" if first.field == "missing layer" else "second"
        return f"only the {which} file ends in a softmax: the other one gives the logits"
    said = _WORDS[first.field]
    if first.field == "input grid" and NEARLY in first.detail:
        said = "the image is put on a grid whose steps lie otherwise"
    words = f"{said}: {_place(first)}, {first.detail}{_size(first)}"
    later = {found.position for found in harmful if found.field != "rounding"} - {first.position}
    if later:
        words += f"; {_layers(len(later))} differ in numbers"
    rounding = {found.position for found in harmful if found.field == "rounding"}
    if rounding - {first.position}:
        words += f"; {_layers(len(rounding - {first.position}))} are rounded otherwise"
    return words if first.field in _ALONE else "; ".join([words, *apart.operators(harmful)])


def _layers(count: int) -> str:
    return f"{count} further layer{'s' * (count > 1)}"


def _place(found: Difference) -> str:
    # TensorFlow's converter joins the names of all that it fused.
    name = found.name.partition(";")[0]
    if found.kind == "input":
        return f"at the input `{name}`"
    return f"in layer {found.number} `{name}` ({found.kind})"


def _size(found: Difference) -> str:
    return f"; its codes can differ by up to {found.lsb} LSB" if found.lsb else ""
