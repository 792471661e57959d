"""What stands in an int8 model file, of either format and from any tool, in one common form.

In comes a parsed file; out goes a `Reading`: layers with their integers in one layout. This room
is tolerant: what it does not understand becomes an `unknown` layer with the operator's name. It
runs nothing, and knows nothing of how two files compare.
"""

from mobiledeploy.reading.model import (
    FULL,
    INPUT,
    Contradiction,
    Fault,
    Kind,
    Layer,
    Packing,
    Read,
    Reading,
    Tensor,
    Weights,
)
from mobiledeploy.reading.onnx import read_onnx
from mobiledeploy.reading.precision import Arithmetic, arithmetic, packing
from mobiledeploy.reading.tflite import read_tflite

__all__ = [
    "FULL",
    "INPUT",
    "Arithmetic",
    "Contradiction",
    "Fault",
    "Kind",
    "Layer",
    "Packing",
    "Read",
    "Reading",
    "Tensor",
    "Weights",
    "arithmetic",
    "packing",
    "read_onnx",
    "read_tflite",
]
