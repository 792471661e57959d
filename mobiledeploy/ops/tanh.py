"""The hyperbolic tangent of each code, on the grid of scale 1/128, zero point 0: TANH.

XNNPACK looks codes up in a table, which it computes in float32 with the C library's `tanhf`. ONNX
Runtime computes a rational function in float32.

Sources: XNNPACK's reference/unary-elementwise.cc (`TanhOp`); TFLite's
tflite/kernels/activations.cc for the output's grid; ONNX Runtime's mlas/lib/tanh.cpp.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Final

import numpy as np

from mobiledeploy.ops import each_code
from mobiledeploy.ops.each_code import EachCode
from mobiledeploy.ops.each_code_operator import EachCodeOperator, FloatForm
from mobiledeploy.ops.file_form import FileForm
from mobiledeploy.ops.tensors import Float32, QTensor, expect_grid
from mobiledeploy.ops.tflite import Version

SCALE: Final = np.float32(1 / 128)
ZERO_POINT: Final = 0

ROUNDING: Final = 1e-4
"""More than twice the error of ONNX Runtime's rational function, in steps of 1/128."""

_REACH: Final = np.float32(9)
_NUMERATOR: Final = (
    -2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11, 5.12229709037114e-08,
    1.48572235717979e-05, 6.37261928875436e-04, 4.89352455891786e-03,
)  # fmt: skip
_DENOMINATOR: Final = (
    1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03, 4.89352518554385e-03,
)  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tanh(EachCode):
    """The hyperbolic tangent of each element."""

    def check(self, inputs: Sequence[QTensor]) -> None:
        """Check shape and grid; see `node.Node.check`."""
        EachCode.check(self, inputs)
        expect_grid(self.output, SCALE, ZERO_POINT)


def _tanh(values: Float32) -> Float32:
    return np.tanh(values.astype(np.float64)).astype(np.float32)


def _rational(values: Float32, *, fused: bool) -> Float32:
    reals = np.clip(values, -_REACH, _REACH)
    return each_code.rational(reals, _NUMERATOR, _DENOMINATOR, fused=fused)


OPERATOR: Final = EachCodeOperator(
    NODE=Tanh,
    LAYERS=("tanh",),
    TFLITE={"TANH": FileForm(versions={"int8": 2, "int16": 3}, computed=True)},
    ONNX={"Tanh": FileForm(read=each_code.reader("tanh"), computed=True)},
    KERNELS=each_code.FUSED_OR_NOT,
    layers="tanh",
    version=Version(number=2, runtime="1.14.0"),
    grid=(SCALE, ZERO_POINT),
    litert=lambda _: functools.partial(each_code.xnnpack, _tanh),
    ort=lambda _: [functools.partial(_rational, fused=fused) for fused in (False, True)],
    real=lambda _: _tanh,
    float_form=FloatForm(operator="Tanh", exact=np.tanh, rounding=ROUNDING),
    tried=(
        ("image", (4, 6, 3), (0.0211, 1 / 128), (3, 0), {}),
        ("vector", (50,), (0.0617, 1 / 128), (-11, 0), {}),
        ("wide", (4, 6, 3), (0.13, 1 / 128), (-40, 0), {}),
    ),
)
