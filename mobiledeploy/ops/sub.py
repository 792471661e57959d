"""The difference of two tensors of one shape, each with its own grid: SUB.

XNNPACK computes it as an addition with a negative multiplier. ONNX Runtime has no kernel for the
difference of codes and subtracts real values; where no scales nearby make all 65,536 pairs of
codes agree, the ONNX file computes with XNNPACK's integers.

ONNX Runtime would fuse an addition with a negative scale, but its kernel for ARM takes positive
ones only.

Sources: those of `ops.sums`; ONNX Runtime's mlas/lib/quantize.cpp (`MlasQuantizeLinear`).
"""

import dataclasses
from typing import Final

import numpy as np

from mobiledeploy.formats.onnx import OnnxOperator
from mobiledeploy.ops import sum_operator
from mobiledeploy.ops.file_form import FileForm
from mobiledeploy.ops.node import TwoEqualInputs
from mobiledeploy.ops.onnx_reader import OnnxReader
from mobiledeploy.ops.onnx_reading import both_activations
from mobiledeploy.ops.onnx_values import OnnxActivation
from mobiledeploy.ops.sum_operator import SumOperator
from mobiledeploy.ops.sums import SHIFT, Floats, Operands
from mobiledeploy.ops.tensors import QMAX, QMIN, Codes


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sub(TwoEqualInputs):
    """The first tensor minus the second, of one shape, each with its own grid."""


def ort(operands: Operands, a_scale: Floats, b_scale: Floats, scale: np.float32) -> Codes:
    """Return ONNX Runtime's differences, on every architecture: of real values, then quantised.

    Args:
        operands: Codes and zero points.
        a_scale: Scales of the first operand.
        b_scale: Scales of the second, negative.
        scale: Scale of the difference.
    """
    a_zero, b_zero, zero = operands.zeros
    a, b = ((x - z).astype(np.float32) for x, z in ((operands.a, a_zero), (operands.b, b_zero)))
    steps = np.rint((a * a_scale + b * b_scale) / scale)
    codes: Codes = np.clip(steps + np.float32(zero), QMIN, QMAX).astype(np.int64)
    return codes


def _read_sub(reader: OnnxReader, node: OnnxOperator) -> OnnxActivation | None:
    """Read a Sub of two activations; one in integers is read by `reading.onnx_sums`."""
    both = both_activations(reader, node)
    return None if both is None else sum_operator.add_layer(reader, node, "sub", *both)


OPERATOR: Final = SumOperator(
    NODE=Sub,
    LAYERS=("sub",),
    TFLITE={"SUB": FileForm(inputs=(0, 1), versions={"int8": 2}, computed=True)},
    ONNX={
        "Sub": FileForm(inputs=(0, 1), read=_read_sub, computed=True),
        SHIFT: FileForm(pairs_only=True, computed=True),
    },
    SYMMETRIC=False,
    KERNELS="XNNPACK and ONNX Runtime's difference of real values, or XNNPACK's integers",
    layers="subtraction",
    sign=-1,
    operator="Sub",
    kernels=(ort,),
    widened=False,
    result="difference",
    tried=(
        ("as it is", (5, 4, 3), (0.0517, 0.0313, 0.0623), (-128, 5, -20)),
        ("moved scales", (5, 4, 3), (0.0897, 0.037, 0.038), (-49, -110, 101)),
        ("of vectors", (24,), (0.0212, 0.0498, 0.0531), (4, -31, 12)),
        ("in integers", (5, 4, 3), (0.03, 0.015, 0.03), (3, -5, -3)),
        ("in integers, of large steps", (5, 4, 3), (0.09, 3.2, 6.4), (3, -60, 20)),
    ),
)
