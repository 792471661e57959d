"""What stands in an int8 model file, of either format and from any tool, in one common form.

In comes a parsed file; out goes a `Reading`: layers with their integers in one layout, as
`ops.stored` describes them. This room is tolerant: what it does not understand becomes an
`unknown` layer with the operator's name. It runs nothing, and knows nothing of how two files
compare.
"""

from mobiledeploy.formats.model import Format
from mobiledeploy.ops.stored import (
    FULL,
    INPUT,
    Fault,
    LayerInput,
    LayerKind,
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
    "LayerKind",
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
