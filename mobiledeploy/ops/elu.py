"""x where it is positive, else exp(x) - 1, of each code: ELU.

XNNPACK looks codes up in a table that it computes in float32 with the C library's `expm1f`. The
`.onnx` has that table: ONNX Runtime's Elu loses digits close to 0.

Sources: XNNPACK's reference/unary-elementwise.cc (`ELUOp`); Clevert, Unterthiner and Hochreiter,
"Exponential Linear Units", arXiv:1511.07289.
"""

import dataclasses
import functools
from typing import Final

import numpy as np

from mobiledeploy.formats.onnx import OnnxOperator
from mobiledeploy.ops import each_code
from mobiledeploy.ops.each_code import EachCode
from mobiledeploy.ops.each_code_operator import EachCodeOperator
from mobiledeploy.ops.file_form import FileForm
from mobiledeploy.ops.tensors import Float32
from mobiledeploy.ops.tflite import Version


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Elu(EachCode):
    """ELU of each element: x where it is positive, else exp(x) - 1."""


def _elu(values: Float32) -> Float32:
    below = np.expm1(np.minimum(values, np.float32(0)).astype(np.float64)).astype(np.float32)
    return np.where(values < 0, below, values)


def _parameters(node: OnnxOperator) -> each_code.Parameters:
    alpha = float(node.number("alpha", 1.0))
    return (("alpha", alpha),) if alpha != 1 else ()


OPERATOR: Final = EachCodeOperator(
    NODE=Elu,
    LAYERS=("elu",),
    TFLITE={"ELU": FileForm(computed=True)},
    ONNX={"Elu": FileForm(read=each_code.reader("elu", _parameters))},
    KERNELS="XNNPACK's table and ONNX Runtime's lookup of it",
    layers="ELU",
    version=Version(number=1, runtime="1.14.0"),
    only={"alpha": 1.0},
    litert=lambda _: functools.partial(each_code.xnnpack, _elu),
    ort=lambda _: (_elu,),
    real=lambda _: _elu,
    tried=(
        ("image", (4, 6, 3), (0.0411, 0.0281), (3, -90), {}),
        ("vector", (50,), (0.0617, 0.0293), (-11, -100), {}),
        ("wide", (4, 6, 3), (0.13, 0.11), (-40, -110), {}),
    ),
)
