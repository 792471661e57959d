"""What stands in an int8 model file, of either format and from any tool, in one common form.

In comes a parsed file; out goes a `Reading`: layers with their integers in one layout, as
`ops.stored` describes them. This room is tolerant: what it does not understand becomes an
`unknown` layer with the operator's name. It runs nothing, and knows nothing of how two files
compare. How a layer is read from an operator is known by the operator's module in `ops`.

`model`: what stands in a file, a `Reading`.
`tflite`, `onnx`: from a parsed file to its reading, operator by operator.
`tflite_others`, `onnx_others`: operators that are read, and that integer graphs do not have.
`onnx_grids`: nodes that change what codes mean.
`onnx_moves`: nodes that only move numbers around.
`folding`: paddings and clamps as parts of the layers around them.
"""

from mobiledeploy.formats.model import Format
from mobiledeploy.ops.stored import (
    FULL,
    INPUT,
    Fault,
    LayerInput,
    Packing,
    ShapeContradiction,
    StoredLayer,
    StoredTensor,
    StoredWeights,
)
from mobiledeploy.reading.model import Arithmetic, Reading, arithmetic, packing
from mobiledeploy.reading.onnx import read_onnx
from mobiledeploy.reading.tflite import read_tflite

__all__ = [
    "FULL",
    "INPUT",
    "Arithmetic",
    "Fault",
    "Format",
    "LayerInput",
    "Packing",
    "Reading",
    "ShapeContradiction",
    "StoredLayer",
    "StoredTensor",
    "StoredWeights",
    "arithmetic",
    "packing",
    "read_onnx",
    "read_tflite",
]
