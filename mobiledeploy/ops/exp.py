"""The exponential function of each code: EXP.

TFLite looks codes up in a table that it computes in float32; XNNPACK leaves int8 to it. The
`.onnx` has that table.

Sources: TFLite's tflite/kernels/exp.cc.
"""

import dataclasses
import functools
from typing import Final

import numpy as np

from mobiledeploy.ops import each_code
from mobiledeploy.ops.each_code import EachCode
from mobiledeploy.ops.each_code_operator import EachCodeOperator
from mobiledeploy.ops.file_form import FileForm
from mobiledeploy.ops.tensors import Float32
from mobiledeploy.ops.tflite import Version


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Exp(EachCode):
    """The exponential function of each element."""


def _exp(values: Float32) -> Float32:
    return np.exp(values.astype(np.float64)).astype(np.float32)


OPERATOR: Final = EachCodeOperator(
    NODE=Exp,
    LAYERS=("exp",),
    TFLITE={"EXP": FileForm(versions={"int8": 2, "int16": 2}, litert_own=True, computed=True)},
    ONNX={"Exp": FileForm(read=each_code.reader("exp"))},
    KERNELS="TFLite's table and ONNX Runtime's lookup of it",
    layers="exponential",
    version=Version(number=2, runtime="2.12.0"),
    options_table="ExpOptions",
    litert=lambda _: functools.partial(each_code.tflite_table, _exp),
    ort=lambda _: (_exp,),
    real=lambda _: _exp,
    tried=(
        ("image", (4, 6, 3), (0.0211, 0.0281), (3, -128), {}),
        ("vector", (50,), (0.0217, 0.0293), (60, -120), {}),
        ("wide", (4, 6, 3), (0.043, 0.11), (50, -128), {}),
    ),
)
