"""The layers of any int8 model file, of either format, in one common form.

In comes a parsed file; out goes a `Reading`: layers with their integers in one layout, as
`ops.stored` describes them. This room is tolerant: what it does not understand becomes an
`unknown` layer with the operator's name. It runs nothing and compares nothing. Each operator's
module in `ops` reads its own layers.

`model`: `Reading`, the layers of a file with their integers.
`tflite`, `onnx`: read the layers of a parsed file, operator by operator.
`tflite_others`, `onnx_others`: operators that integer graphs do not have.
`onnx_grids`: nodes that change the scale or range of codes.
`onnx_moves`: nodes that only reorder or reshape tensors.
`onnx_sums`: an addition or subtraction that nodes compute in integers.
`folding`: folds paddings and clamps into neighbouring layers.
`dilation`: folds what stands around a dilated convolution into it.
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
