"""`as_computed`: the layers of a file as its runtime computes them.

ONNX Runtime quantises float biases as it loads a file. What operators compute for each element,
between two tensors of codes, the runtime is asked for: no reader knows all of these operators.
"""

import dataclasses
from typing import Final

from mobiledeploy import reading
from mobiledeploy.base.errors import ConversionError, CorruptFileError, RuntimeDiedError
from mobiledeploy.runtimes import Array
from mobiledeploy.verify.layers.float_biases import with_integer_biases
from mobiledeploy.verify.layers.tables_of_elements import not_read, with_operators, with_tables
from mobiledeploy.verify.outputs.opened_file import OpenFile

_OTHERS: Final = frozenset({"unknown", "dequantize"})
"""Kinds of layers that may be part of a table: behind a DEQUANTIZE a file computes in floats."""


def as_computed(opened: OpenFile) -> OpenFile:
    """Return a file with its layers as its runtime computes them; itself if those are the same.

    Args:
        opened: Any file.
    """
    if not any(layer.faults or layer.kind in _OTHERS for layer in opened.reading.layers):
        return opened

    def run(model: bytes, codes: Array) -> Array:
        try:
            (results,) = opened.place.once(opened.primary, model, [codes], name=opened.file.name)
        except (RuntimeDiedError, ConversionError) as error:
            raise CorruptFileError(str(error)) from error
        return results

    file, _, _ = with_integer_biases(opened.file, also_close=False)
    layers = opened.reading if file is opened.file else reading.read_onnx(file.onnx)
    copy, tables = with_tables(file, not_read(layers), run=run)
    if copy is not file:
        read = (
            reading.read_onnx(copy.onnx)
            if copy.format == "onnx"
            else reading.read_tflite(copy.tflite)
        )
        layers = with_operators(read, tables)
    return opened if layers is opened.reading else dataclasses.replace(opened, reading=layers)
