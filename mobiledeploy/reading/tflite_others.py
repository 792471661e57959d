"""Read TFLite operators that occur in other tools' files but not in integer graphs."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from mobiledeploy.ops.padding import output_size, same_pads
from mobiledeploy.ops.stored import StoredLayer, StoredTensor, same_shape, with_fault
from mobiledeploy.ops.tensors import Shape
from mobiledeploy.ops.tflite_reading import UINT8_OFFSET, LayerSource


def _pool(source: LayerSource) -> StoredLayer:
    """Return a pooling; `ops.mean` reads averages over the whole image."""
    operator, before = source.operator, source.inputs[0]
    strides = operator.option("stride_h"), operator.option("stride_w")
    window = operator.option("filter_height"), operator.option("filter_width")
    if min(*strides, *window) < 1 or len(before.shape) != 3:
        return source.as_kind("unknown")
    pads = (0, 0, 0, 0)
    if source.padding() == "same":
        pads = same_pads(before.shape[:2], window, strides, (1, 1))
    kind = "average_pool" if operator.builtin == "AVERAGE_POOL_2D" else "max_pool"
    return dataclasses.replace(source.as_kind(kind), window=window, strides=strides, pads=pads)


def _pad(source: LayerSource) -> StoredLayer:
    """Return a padding of an image with real 0."""
    amounts = source.constant(1)
    if amounts is None or amounts.shape != (4, 2) or amounts.dtype.kind != "i":
        return source.layer
    if amounts[[0, 3]].any() or amounts.min() < 0:
        return source.layer
    (top, bottom), (left, right) = amounts[1].tolist(), amounts[2].tolist()
    layer = dataclasses.replace(source.layer, kind="pad", pads=(top, bottom, left, right))
    before = source.inputs[0]
    if (before.scale, before.zero_point) != (layer.output.scale, layer.output.zero_point):
        layer = with_fault(layer, "padding", "a padding cannot change scale or zero point")
    value = source.constant(2)
    if value is not None and value.size and not _is_zero(value.ravel()[0], layer.output):
        detail = f"pads with {value.ravel()[0]}, which is not real 0"
        layer = with_fault(layer, "padding", detail)
    return layer


def _is_zero(value: np.generic, tensor: StoredTensor) -> bool:
    """Whether a code of a tensor's type means real 0."""
    if tensor.zero_point is None or not isinstance(value, np.integer):
        return bool(value == 0)
    return int(value) - UINT8_OFFSET * isinstance(value, np.uint8) == tensor.zero_point


def _conversion(source: LayerSource) -> StoredLayer:
    """Return a QUANTIZE or DEQUANTIZE."""
    return dataclasses.replace(source.layer, kind=source.operator.builtin.lower())


OTHERS: Final[Mapping[str, Callable[[LayerSource], StoredLayer]]] = {
    "AVERAGE_POOL_2D": _pool,
    "DEQUANTIZE": _conversion,
    "MAX_POOL_2D": _pool,
    "PAD": _pad,
    "PADV2": _pad,
    "QUANTIZE": _conversion,
}
"""Readers by the name in the schema's `BuiltinOperator`."""


def given_shape(layer: StoredLayer, shapes: Sequence[Shape]) -> Shape | None:
    """Return the shape that one of these layers computes; see `ops.operator.Operator`."""
    before = shapes[0]
    match layer.kind:
        case "average_pool" | "max_pool" if len(before) == 3:
            sides = output_size(before[:2], layer.window, layer.strides, (1, 1), layer.pads)
            return *sides, before[2]
        case "pad" if len(before) == 3:
            top, bottom, left, right = layer.pads
            return before[0] + top + bottom, before[1] + left + right, before[2]
        case "quantize" | "dequantize":
            return same_shape(layer, shapes)
        case _:
            return None
