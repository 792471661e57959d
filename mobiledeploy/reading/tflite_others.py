"""Read TFLite operators that occur in other tools' files but not in integer graphs."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from mobiledeploy.ops.stored import StoredLayer, same_shape
from mobiledeploy.ops.tensors import Shape
from mobiledeploy.ops.tflite_reading import LayerSource
from mobiledeploy.reading import dilation


def _conversion(source: LayerSource) -> StoredLayer:
    """Return a QUANTIZE or DEQUANTIZE."""
    return dataclasses.replace(source.layer, kind=source.operator.builtin.lower())


OTHERS: Final[Mapping[str, Callable[[LayerSource], StoredLayer]]] = {
    "DEQUANTIZE": _conversion,
    "QUANTIZE": _conversion,
    dilation.TO_BATCH: dilation.layer_of_tflite,
    dilation.FROM_BATCH: dilation.layer_of_tflite,
}
"""Readers by the name in the schema's `BuiltinOperator`."""


def given_shape(layer: StoredLayer, shapes: Sequence[Shape]) -> Shape | None:
    """Return the shape that one of these layers computes; see `ops.operator.Operator`."""
    match layer.kind:
        case "quantize" | "dequantize":
            return same_shape(layer, shapes)
        case _:
            return None
