"""1 / (1 + exp(-x)) of each code, on the grid of scale 1/256, zero point -128: LOGISTIC.

LiteRT looks codes up in a table, which XNNPACK computes in float64 and rounds once to float32.
ONNX Runtime computes a rational function in float32, of which QLinearSigmoid makes a table too.

Sources: XNNPACK's reference/unary-elementwise.cc (`SigmoidOp`); TFLite's
tflite/kernels/activations.cc for the output's grid; ONNX Runtime's mlas/lib/logistic.cpp.
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
from mobiledeploy.ops.onnx_reading import one_input
from mobiledeploy.ops.tensors import Float32, QTensor, expect_grid
from mobiledeploy.ops.tflite import Version

SCALE: Final = np.float32(1 / 256)
ZERO_POINT: Final = -128

ROUNDING: Final = 1e-4
"""More than twice the error of ONNX Runtime's rational function, in steps of 1/256."""

QLINEAR: Final = "QLinearSigmoid"
"""ONNX Runtime's kernel of codes."""

_REACH: Final = np.float32(18)
_NUMERATOR: Final = (
    4.37031012579801e-11, 1.15627324459942e-07, 6.08574864600143e-05, 8.51377133304701e-03,
    2.48287947061529e-01,
)  # fmt: skip
_DENOMINATOR: Final = (
    6.10247389755681e-13, 5.76102136993427e-09, 6.29106785017040e-06, 1.70198817374094e-03,
    1.16817656904453e-01, 9.93151921023180e-01,
)  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Logistic(EachCode):
    """The logistic function of each element."""

    def check(self, inputs: Sequence[QTensor]) -> None:
        """Check shape and grid; see `node.Node.check`."""
        EachCode.check(self, inputs)
        expect_grid(self.output, SCALE, ZERO_POINT)


def _in_float64(values: Float32) -> Float32:
    return _exact(values.astype(np.float64)).astype(np.float32)


def _exact(values: each_code.Exact) -> each_code.Exact:
    # Further out the result is 0 or 1 in float32.
    powers = np.exp(np.clip(values, -100, 100))
    shares: each_code.Exact = powers / (1 + powers)
    return shares


def rational(values: Float32, *, fused: bool) -> Float32:
    """Return ONNX Runtime's logistic function.

    Args:
        values: float32.
        fused: Whether the compiler fuses multiplications with the additions that follow.
    """
    reals = np.clip(values, -_REACH, _REACH)
    ratio = each_code.rational(reals, _NUMERATOR, _DENOMINATOR, fused=fused)
    shares: Float32 = np.clip(ratio + np.float32(0.5), np.float32(0), np.float32(1))
    return shares


_read: Final = each_code.reader("logistic")

OPERATOR: Final = EachCodeOperator(
    NODE=Logistic,
    LAYERS=("logistic",),
    TFLITE={"LOGISTIC": FileForm(versions={"int8": 2, "int16": 3}, computed=True)},
    ONNX={
        "Sigmoid": FileForm(read=_read, computed=True, ort_kernel=QLINEAR),
        QLINEAR: FileForm(read=one_input(_read), computed=True, ort_kernel=QLINEAR),
    },
    KERNELS=each_code.FUSED_OR_NOT,
    SCORES="sigmoid",
    layers="logistic",
    version=Version(number=2, runtime="1.14.0"),
    grid=(SCALE, ZERO_POINT),
    litert=lambda _: functools.partial(each_code.xnnpack, _in_float64),
    ort=lambda _: [functools.partial(rational, fused=fused) for fused in (False, True)],
    real=lambda _: _in_float64,
    float_form=FloatForm(operator="Sigmoid", exact=_exact, rounding=ROUNDING),
    tried=(
        ("image", (4, 6, 3), (0.0411, 1 / 256), (3, -128), {}),
        ("vector", (50,), (0.0617, 1 / 256), (-11, -128), {}),
        ("wide", (4, 6, 3), (0.31, 1 / 256), (-40, -128), {}),
    ),
)
