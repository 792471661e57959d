"""`as_computed`: the layers of an `.onnx` as ONNX Runtime computes them.

It quantises float biases as it loads a file. What nodes compute for each element, between two
tensors of codes, it is asked for: no reader knows all of these nodes.
"""

import dataclasses

from mobiledeploy import reading
from mobiledeploy.base.errors import ConversionError, CorruptFileError, RuntimeDiedError
from mobiledeploy.runtimes import Array
from mobiledeploy.verify.layers.float_biases import with_integer_biases
from mobiledeploy.verify.layers.tables_of_elements import with_operators, with_tables
from mobiledeploy.verify.outputs.opened_file import OpenFile


def as_computed(opened: OpenFile) -> OpenFile:
    """Return a file with its layers as ONNX Runtime computes them; itself if those are the same.

    Args:
        opened: Any file.
    """
    odd = [layer for layer in opened.reading.layers if layer.faults or layer.kind == "unknown"]
    if opened.file.format != "onnx" or not odd:
        return opened

    def run(model: bytes, codes: Array) -> Array:
        try:
            (results,) = opened.place.once(opened.primary, model, [codes], name=opened.file.name)
        except (RuntimeDiedError, ConversionError) as error:
            raise CorruptFileError(str(error)) from error
        return results

    file, _, _ = with_integer_biases(opened.file, also_close=False)
    layers = opened.reading if file is opened.file else reading.read_onnx(file.onnx)
    unread = [layer.name for layer in layers.layers if layer.kind == "unknown" or layer.faults]
    copy, tables = with_tables(file, unread, run=run)
    if tables:
        layers = with_operators(reading.read_onnx(copy.onnx), tables)
    return opened if layers is opened.reading else dataclasses.replace(opened, reading=layers)
