"""Read an addition or subtraction that ONNX nodes compute in integers, as `ops.sums` writes it."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from mobiledeploy.formats.onnx import OnnxOperator, schema
from mobiledeploy.ops.onnx_reader import OnnxReader, ReadOnnx
from mobiledeploy.ops.onnx_values import IntegerSum, OnnxActivation, OnnxValue, TablePlaces
from mobiledeploy.ops.stored import LayerInput, StoredLayer, on_grid_of, with_fault
from mobiledeploy.ops.sums import SHIFT, IntegerForm, integer_form
from mobiledeploy.ops.tensors import is_scale

_HIGHEST_CODE: Final = 255
_OPERANDS: Final = 2


def _multiply(reader: OnnxReader, node: OnnxOperator) -> OnnxValue | None:
    """Read codes times a whole number."""
    value, factor = _and_number(reader, node)
    if not isinstance(value, TablePlaces) or value.row or factor is None:
        return None
    if value.codes.dtype != "uint8":
        return None
    return IntegerSum(terms=((value.codes, factor),))


def _add(reader: OnnxReader, node: OnnxOperator) -> OnnxValue | None:
    """Read the sum of two products, or of one and a number."""
    a, b = reader.value(node, 0), reader.value(node, 1)
    if isinstance(a, IntegerSum) and isinstance(b, IntegerSum):
        if not (_open(a) and _open(b)):
            return None
        return IntegerSum(terms=(*a.terms, *b.terms), constant=a.constant + b.constant)
    value, number = _and_number(reader, node)
    if not isinstance(value, IntegerSum) or number is None or value.codes:
        return None
    if value.shift is None:
        constant = value.constant + number
        return dataclasses.replace(value, constant=constant) if _open(value) else None
    return None if value.unsigned else dataclasses.replace(value, offset=value.offset + number)


def _open(total: IntegerSum) -> bool:
    """Whether nothing was done to a sum yet."""
    return total.highest is None and not total.unsigned and total.shift is None


def _clip(reader: OnnxReader, node: OnnxOperator) -> OnnxValue | None:
    """Read the clip of a sum, from 0 on, before it is shifted or after."""
    value, low, high = reader.value(node, 0), _number(reader, node, 1), _number(reader, node, 2)
    if not isinstance(value, IntegerSum) or low != 0 or high is None or value.unsigned:
        return None
    if value.shift is None:
        return dataclasses.replace(value, highest=high) if _open(value) else None
    return dataclasses.replace(value, codes=True) if high == _HIGHEST_CODE else None


def _shift(reader: OnnxReader, node: OnnxOperator) -> OnnxValue | None:
    """Read a sum that is shifted to codes."""
    value, bits = reader.value(node, 0), reader.numbers(node, 1)
    right = node.attributes.get("direction") == "RIGHT"
    if not isinstance(value, IntegerSum) or not value.unsigned or value.shift is not None:
        return None
    if not right or bits is None or bits.size != 1 or bits.dtype.kind != "u":
        return None
    return dataclasses.replace(value, shift=int(bits.ravel()[0]))


def _cast(reader: OnnxReader, node: OnnxOperator) -> OnnxValue | None:
    """Read a sum that changes its type, to be shifted, to be clipped, or to be codes."""
    value, to = reader.value(node, 0), node.attributes.get("to")
    if not isinstance(value, IntegerSum):
        return None
    if to == schema.NUMBERS["uint32"] and value.shift is None and not value.unsigned:
        return dataclasses.replace(value, unsigned=True)
    if to == schema.NUMBERS["int32"] and value.shift is not None and value.unsigned:
        return dataclasses.replace(value, unsigned=False)
    if to == schema.NUMBERS["uint8"] and value.shift is not None:
        return _codes(reader, node, value)
    return None


def _codes(reader: OnnxReader, node: OnnxOperator, total: IntegerSum) -> OnnxActivation | None:
    """Add the layer of a sum that has become codes."""
    pairs = len(total.terms) == 2
    if not pairs or total.shift is None or total.codes == (total.highest is not None):
        return None
    (a, a_factor), (b, b_factor) = total.terms
    if (a.axes, a.sizes, a.pixels) != (b.axes, b.sizes, b.pixels) or a_factor < 0:
        return None
    form = IntegerForm(
        multipliers=(a_factor, b_factor),
        constant=total.constant,
        highest=total.highest,
        shift=total.shift,
        offset=total.offset,
    )
    kind = "sub" if b_factor < 0 else "add"
    layer = reader.add_layer(dataclasses.replace(node, kind=SHIFT), kind, [a, b], a)
    reader.deduced[layer.source] = functools.partial(_on_the_grid_of_its_numbers, form=form)
    return reader.leave_without_grid(layer, "uint8")


def _on_the_grid_of_its_numbers(
    layer: StoredLayer, taken: Sequence[LayerInput], *, form: IntegerForm
) -> StoredLayer:
    """Return a sum on the grid on which it is read, if its numbers are those of that grid."""
    grids = [
        (read.scale, read.zero_point)
        for read in layer.reads
        if read.scale is not None and read.zero_point is not None and is_scale(read.scale)
    ]
    if len(grids) < len(layer.reads) or not taken:
        return layer  # its output stays unstated
    sign = np.float32(-1 if layer.kind == "sub" else 1)
    (a, a_zero), (b, b_zero) = grids
    for read in taken:
        if read.scale is None or read.zero_point is None or not is_scale(read.scale):
            continue
        zeros = a_zero, b_zero, read.zero_point
        if integer_form((a, np.float32(sign * b), read.scale), zeros) == form:
            return on_grid_of(layer, read)
    return with_fault(layer, "form", "a sum in integers has other numbers than its grids give")


def _and_number(reader: OnnxReader, node: OnnxOperator) -> tuple[OnnxValue | None, int | None]:
    """Return the operand of a node that is no number, and the one that is."""
    for place in (0, 1):
        number = _number(reader, node, 1 - place)
        if number is not None:
            return reader.value(node, place), number
    return None, None


def _number(reader: OnnxReader, node: OnnxOperator, place: int) -> int | None:
    """Return an input that is a single int32; None if it is something else."""
    numbers = reader.numbers(node, place)
    if numbers is None or numbers.size != 1 or numbers.dtype != np.int32:
        return None
    return int(numbers.ravel()[0])


SUMS: Final[Mapping[str, ReadOnnx]] = {
    "Add": _add,
    "Cast": _cast,
    "Clip": _clip,
    "Mul": _multiply,
    SHIFT: _shift,
}
"""Readers by the operator's name."""
