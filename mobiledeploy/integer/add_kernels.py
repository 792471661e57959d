"""How each runtime's kernel adds two int8 tensors, bit for bit.

All compute `round(a_scale / scale * (a - a_zero) + b_scale / scale * (b - b_zero)) + zero`, and
differ in how: XNNPACK takes 21-bit multipliers and rounds halves up, ONNX Runtime takes floats
and rounds halves to even, or 22-bit multipliers and rounds halves away from zero. They give
different codes only where the sum is next to a half.

Sources: XNNPACK's microparams-init.c and qs8-vadd; ONNX Runtime's mlas/lib/qladd.cpp and
intrinsics/avx2/qladd_avx2.cpp.
"""

import dataclasses
from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.integer.graph import QMAX, QMIN

Codes: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float32]

OFFSET: Final = 128
"""ONNX Runtime computes on uint8: the int8 code plus 128."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Operands:
    """Pairs of codes to add, and the zero points; int8.

    Attributes:
        a: Codes of the first operand, shape (pairs,).
        b: Codes of the second.
        zeros: Zero points of first, second and sum.
    """

    a: Codes
    b: Codes
    zeros: tuple[int, int, int]


Kernel: TypeAlias = Callable[[Operands, Floats, Floats, np.float32], Codes]
"""From operands, the scales of a and b (that broadcast against the pairs) and the scale of the
sum to int8 codes."""


def xnnpack(operands: Operands, a_scale: Floats, b_scale: Floats, scale: np.float32) -> Codes:
    """Return XNNPACK's sums, on every architecture."""
    a_ratio, b_ratio = a_scale / scale, b_scale / scale
    return _fixed_point(operands, a_ratio, b_ratio, bits=21, away_from_zero=False)


def ort_avx2(operands: Operands, a_scale: Floats, b_scale: Floats, scale: np.float32) -> Codes:
    """Return ONNX Runtime's sums on x86 with AVX2 and above, as built by GCC for Linux."""
    return _ort_avx2(operands, a_scale / scale, b_scale / scale, _fused_from_left)


def ort_avx2_other_fusion(
    operands: Operands, a_scale: Floats, b_scale: Floats, scale: np.float32
) -> Codes:
    """Return the same where the compiler fuses the other product of the constant."""
    return _ort_avx2(operands, a_scale / scale, b_scale / scale, _fused_from_right)


def ort_avx2_no_fusion(
    operands: Operands, a_scale: Floats, b_scale: Floats, scale: np.float32
) -> Codes:
    """Return the same where the compiler fuses nothing in the constant."""
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
    return _fixed_point(operands, a_ratio, b_ratio, bits=22, away_from_zero=True)


def ort_portable(operands: Operands, a_scale: Floats, b_scale: Floats, scale: np.float32) -> Codes:
    """Return ONNX Runtime's sums everywhere else, such as in a browser."""
    a, b, (a_zero, b_zero, zero) = _unsigned(operands)
    total = a_scale * (a - a_zero) + b_scale * (b - b_zero)
    return _round(np.divide(total, scale, dtype=np.float32) + zero)


ORT_KERNELS: Final[tuple[Kernel, ...]] = (
    ort_avx2,
    ort_avx2_other_fusion,
    ort_avx2_no_fusion,
    ort_sse2,
    ort_neon,
    ort_portable,
)
"""Every way in which ONNX Runtime adds, the one of this machine most likely the first."""
KERNELS: Final[dict[str, tuple[Kernel, ...]]] = {"tflite": (xnnpack,), "onnx": ORT_KERNELS}
"""Every way in which what apps use of a format adds."""


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


def _fixed_point(
    operands: Operands, a_ratio: Floats, b_ratio: Floats, *, bits: int, away_from_zero: bool
) -> Codes:
    a_zero, b_zero, zero = operands.zeros
    exponent = np.frexp(np.maximum(a_ratio, b_ratio))[1] - 1
    shift = (bits - 1 - exponent).astype(np.int64)
    a_multiplier, b_multiplier = (
        np.rint(np.ldexp(ratio.astype(np.float64), shift)).astype(np.int64)
        for ratio in (a_ratio, b_ratio)
    )
    total = (operands.a - a_zero) * a_multiplier + (operands.b - b_zero) * b_multiplier
    if away_from_zero:
        total = total - (total < 0)
    rounded = (total + (np.int64(1) << (shift - 1))) >> shift
    codes: Codes = np.clip(rounded + zero, QMIN, QMAX)
    return codes
