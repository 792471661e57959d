"""x * Phi(x) of each code, Phi the normal distribution function, or its tanh approximation: GELU.

TFLite looks codes up in a table that it computes in float32; XNNPACK leaves int8 to it. The
`.onnx` has that table: opset 17 has no such operator, and a chain of others rounds otherwise.

Sources: TFLite's tflite/kernels/activations.cc (`GeluPrepare`) and internal/reference/gelu.h;
Hendrycks and Gimpel, "Gaussian Error Linear Units", arXiv:1606.08415.
"""

import dataclasses
import functools
import math
from typing import Final

import numpy as np

from mobiledeploy.formats.onnx import OnnxOperator
from mobiledeploy.ops import each_code
from mobiledeploy.ops.each_code import EachCode
from mobiledeploy.ops.each_code_operator import EachCodeOperator
from mobiledeploy.ops.file_form import FileForm
from mobiledeploy.ops.tensors import Float32
from mobiledeploy.ops.tflite import Version

_NEGATIVE_ROOT_HALF: Final = np.float32(-math.sqrt(0.5))
_ROOT_TWO_OVER_PI: Final = np.float32(math.sqrt(2 / math.pi))
_CUBIC: Final = np.float32(0.044715)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Gelu(EachCode):
    """GELU of each element, exact or by its approximation with tanh."""

    approximate: bool


def _function(node: Gelu) -> each_code.Function:
    return _approximate if node.approximate else _exact


def _exact(values: Float32) -> Float32:
    scaled = values * _NEGATIVE_ROOT_HALF
    tails = np.array([math.erfc(value) for value in scaled.ravel().tolist()], np.float32)
    result: Float32 = np.float32(0.5) * values * tails.reshape(values.shape)
    return result


def _approximate(values: Float32) -> Float32:
    inner = _ROOT_TWO_OVER_PI * (values + _CUBIC * values * values * values)
    curve = np.tanh(inner.astype(np.float64)).astype(np.float32)
    result: Float32 = np.float32(0.5) * values * (np.float32(1) + curve)
    return result


def _parameters(node: OnnxOperator) -> each_code.Parameters:
    return (("approximate", node.attributes.get("approximate") == "tanh"),)


OPERATOR: Final = EachCodeOperator(
    NODE=Gelu,
    LAYERS=("gelu",),
    TFLITE={"GELU": FileForm(versions={"int8": 2}, litert_own=True, computed=True)},
    ONNX={"Gelu": FileForm(read=each_code.reader("gelu", _parameters))},
    KERNELS="TFLite's table and ONNX Runtime's lookup of it",
    layers="GELU",
    version=Version(number=2, runtime="2.9.0"),
    options_table="GeluOptions",
    options={"approximate": bool},
    litert=lambda node: functools.partial(each_code.tflite_table, _function(node)),
    ort=lambda node: (_function(node),),
    real=_function,
    tried=(
        ("image", (4, 6, 3), (0.0411, 0.0281), (3, -114), {"approximate": False}),
        ("vector", (50,), (0.0617, 0.0293), (-11, -120), {"approximate": False}),
        ("approximate", (4, 6, 3), (0.0411, 0.0281), (3, -114), {"approximate": True}),
        ("wide, approximate", (4, 6, 3), (0.13, 0.11), (-40, -126), {"approximate": True}),
    ),
)
