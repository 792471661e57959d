"""The addition of two tensors of one shape, each with its own grid: ADD.

All kernels compute `round(a_scale / scale * (a - a_zero) + b_scale / scale * (b - b_zero)) +
zero`, but differently: XNNPACK has 21-bit multipliers and rounds halves up; ONNX Runtime has
floats and rounds halves to even, or 22-bit multipliers and rounds halves away from zero. Their
codes differ only where the sum is close to a half.

Two int8 operands have 65,536 pairs of codes, so an addition can be tried on all of them. Where a
kernel of ONNX Runtime rounds some sum close to a half differently, the ONNX file gets scales that
differ by a few units in the last place and make all kernels agree. Sampled images cannot replace
this: bad pairs are so rare that hundreds of images may not show one.

Where no scales do, the ONNX file computes with XNNPACK's integers, which takes several times as
long. Networks that are quantised here never need it: `integer.certify.exact_ranges` widens the
sum's range.

Sources: XNNPACK's microparams-init.c and qs8-vadd; ONNX Runtime's mlas/lib/qladd.cpp and
intrinsics/avx2/qladd_avx2.cpp.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np

from mobiledeploy.formats.onnx import OnnxOperator
from mobiledeploy.ops import sum_operator
from mobiledeploy.ops.file_form import FileForm
from mobiledeploy.ops.node import TwoEqualInputs
from mobiledeploy.ops.onnx import OFFSET
from mobiledeploy.ops.onnx_reader import OnnxReader
from mobiledeploy.ops.onnx_reading import both_activations, dequantised_input, quantised_output
from mobiledeploy.ops.onnx_values import OnnxActivation, OnnxValue
from mobiledeploy.ops.sum_operator import SumOperator
from mobiledeploy.ops.sums import (
    NARROWEST,
    SHIFT,
    WIDEST,
    Floats,
    Operands,
    SumKernel,
    fixed_point,
)
from mobiledeploy.ops.tensors import Codes

ORT_NARROWEST: Final = 2.0**-14
"""The smallest operand scale / scale of the sum in ONNX Runtime's kernel for ARM. It shifts by at
most 31 bits, so that the larger of both operands' must not be below NARROWEST."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Add(TwoEqualInputs):
    """A residual addition of two tensors of one shape, each with its own grid."""


def ort_avx2(operands: Operands, a_scale: Floats, b_scale: Floats, scale: np.float32) -> Codes:
    """Return ONNX Runtime's sums on x86 with AVX2 and above, as built by GCC for Linux."""
    return _ort_avx2(operands, a_scale / scale, b_scale / scale, _fused_from_left)


def ort_avx2_other_fusion(
    operands: Operands, a_scale: Floats, b_scale: Floats, scale: np.float32
) -> Codes:
    """Return the same if the compiler fuses the other product of the constant."""
    return _ort_avx2(operands, a_scale / scale, b_scale / scale, _fused_from_right)


def ort_avx2_no_fusion(
    operands: Operands, a_scale: Floats, b_scale: Floats, scale: np.float32
) -> Codes:
    """Return the same if the compiler fuses nothing in the constant."""
    return _ort_avx2(operands, a_scale / scale, b_scale / scale, _unfused)


def ort_sse2(operands: Operands, a_scale: Floats, b_scale: Floats, scale: np.float32) -> Codes:
    """Return ONNX Runtime's sums on x86 without AVX2."""
    a, b, (a_zero, b_zero, zero) = _unsigned(operands)
    a_ratio, b_ratio = a_scale / scale, b_scale / scale
    constant = zero - _unfused(a_ratio, a_zero, b_ratio, b_zero)
    return _round(constant + a * a_ratio + b * b_ratio)


def ort_neon(operands: Operands, a_scale: Floats, b_scale: Floats, scale: np.float32) -> Codes:
    """Return ONNX Runtime's sums on ARM."""
    a_ratio, b_ratio = a_scale / scale, b_scale / scale
    return fixed_point(operands, a_ratio, b_ratio, bits=22, away_from_zero=True)


def ort_portable(operands: Operands, a_scale: Floats, b_scale: Floats, scale: np.float32) -> Codes:
    """Return ONNX Runtime's sums everywhere else, such as in a browser."""
    a, b, (a_zero, b_zero, zero) = _unsigned(operands)
    total = a_scale * (a - a_zero) + b_scale * (b - b_zero)
    return _round(np.divide(total, scale, dtype=np.float32) + zero)


ORT_KERNELS: Final[tuple[SumKernel, ...]] = (
    ort_avx2,
    ort_avx2_other_fusion,
    ort_avx2_no_fusion,
    ort_sse2,
    ort_neon,
    ort_portable,
)
"""Every kernel with which ONNX Runtime adds, first the one that this machine most likely uses."""


def _ort_avx2(
    operands: Operands,
    a_ratio: Floats,
    b_ratio: Floats,
    zeros: Callable[[Floats, Floats, Floats, Floats], Floats],
) -> Codes:
    a, b, (a_zero, b_zero, zero) = _unsigned(operands)
    constant = zero - zeros(a_ratio, a_zero, b_ratio, b_zero)
    return _round(_fused(a, a_ratio, _fused(b, b_ratio, constant)))


def _unfused(a_ratio: Floats, a_zero: Floats, b_ratio: Floats, b_zero: Floats) -> Floats:
    return a_ratio * a_zero + b_ratio * b_zero


def _fused_from_left(a_ratio: Floats, a_zero: Floats, b_ratio: Floats, b_zero: Floats) -> Floats:
    return _fused(a_ratio, a_zero, b_ratio * b_zero)


def _fused_from_right(a_ratio: Floats, a_zero: Floats, b_ratio: Floats, b_zero: Floats) -> Floats:
    return _fused(b_ratio, b_zero, a_ratio * a_zero)


def _unsigned(operands: Operands) -> tuple[Floats, Floats, tuple[Floats, Floats, Floats]]:
    a_zero, b_zero, zero = (np.asarray(z + OFFSET, np.float32) for z in operands.zeros)
    a, b = ((x + OFFSET).astype(np.float32) for x in (operands.a, operands.b))
    return a, b, (a_zero, b_zero, zero)


def _fused(x: Floats, y: Floats, addend: Floats) -> Floats:
    # A product of two float32 is exact in float64, so one rounding remains.
    return (x.astype(np.float64) * y + addend).astype(np.float32)


def _round(sums: Floats) -> Codes:
    return np.clip(np.rint(sums), 0, 255).astype(np.int64) - OFFSET


def _reasons(ratios: Sequence[float]) -> Iterator[str]:
    """Yield the ratios of scales that ONNX Runtime's kernel for ARM does not take.

    Source: onnxruntime/core/mlas/lib/qladd.cpp, `MlasCalcQLinearAddParameters`.
    """
    for ratio in ratios:
        if not ORT_NARROWEST <= ratio < WIDEST or max(ratios) < NARROWEST:
            yield f"operand scale / output scale is {ratio:.3g}: not for ONNX Runtime on ARM"


def _read_add(reader: OnnxReader, node: OnnxOperator) -> OnnxActivation | None:
    both = both_activations(reader, node)
    return None if both is None else sum_operator.add_layer(reader, node, "add", *both)


def _read_qlinear_add(reader: OnnxReader, node: OnnxOperator) -> OnnxValue | None:
    """Read a, scale, zero, b, scale, zero, y scale, y zero."""
    a, b = dequantised_input(reader, node, 0), dequantised_input(reader, node, 3)
    if a is None or b is None:
        return None
    return quantised_output(reader, node, sum_operator.add_layer(reader, node, "add", a, b), 6)


OPERATOR: Final = SumOperator(
    NODE=Add,
    LAYERS=("add",),
    TFLITE={"ADD": FileForm(inputs=(0, 1), versions={"int8": 2}, computed=True)},
    ONNX={
        "Add": FileForm(
            inputs=(0, 1),
            scalar_scales=True,
            read=_read_add,
            computed=True,
            ort_kernel="QLinearAdd",
        ),
        "QLinearAdd": FileForm(
            inputs=(0, 3), read=_read_qlinear_add, computed=True, ort_kernel="QLinearAdd"
        ),
        # Its last node but one; `reading.onnx_sums` reads all of them.
        SHIFT: FileForm(pairs_only=True, computed=True),
    },
    SYMMETRIC=True,
    KERNELS="XNNPACK and 6 kernels of ONNX Runtime (x86 with and without AVX2, ARM, portable)",
    layers="addition",
    sign=1,
    operator="Add",
    kernels=ORT_KERNELS,
    reasons=_reasons,
    widened=True,
    result="sum",
    tried=(
        ("as it is", (5, 4, 3), (0.0517, 0.0313, 0.0623), (-128, 5, -20)),
        ("one operand small", (5, 4, 3), (0.5483, 0.0072, 0.4649), (0, -100, 7)),
        ("moved scales", (5, 4, 3), (0.0897, 0.037, 0.038), (-49, -110, 101)),
        ("in integers", (5, 4, 3), (0.03, 0.015, 0.03), (3, -5, -3)),
        ("in integers, of large steps", (5, 4, 3), (0.09, 3.2, 6.4), (3, -60, 20)),
    ),
)
