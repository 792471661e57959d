"""How each runtime's kernel takes the mean over all positions of a channel, bit for bit.

All compute `round(scale / positions * sum(code - zero point)) + zero point`; XNNPACK puts the zero
points into one constant before it rounds, ONNX Runtime rounds before it adds the output's.

Sources: XNNPACK's operators/reduce-nd.c and reference-utils.h; ONNX Runtime's
mlas/lib/qlgavgpool.cpp.
"""

import dataclasses
import functools
import itertools
from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.integer.graph import QMAX, QMIN

Codes: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float32]
Kernel: TypeAlias = "Callable[[Sums, Floats, np.float32], Codes]"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sums:
    """What a mean is taken of.

    Attributes:
        codes: Sums of a channel's int8 codes over all positions, zero point not taken off.
        positions: Height times width.
        zeros: Zero points of input and output.
    """

    codes: Codes
    positions: int
    zeros: tuple[int, int]


def xnnpack(
    sums: Sums,
    input_scale: Floats,
    scale: np.float32,
    *,
    fused: bool = False,
    fused_constant: bool = False,
) -> Codes:
    """Return XNNPACK's codes of the means.

    Args:
        sums: To take the means of.
        input_scale: Of the input; broadcasts against the sums.
        scale: Of the output.
        fused: Whether the compiler fuses the multiplication of a sum with the addition that
            follows, as it may for arm64.
        fused_constant: Likewise for the constant that is added. LiteRT 2.3's wheel for aarch64
            fuses both, that for x86 neither.
    """
    source_zero, zero = (np.float32(value) for value in sums.zeros)
    count = np.float32(sums.positions)
    ratio = input_scale / scale * (np.float32(1) / count)
    constant = (_fused if fused_constant else _unfused)(-(count * source_zero), ratio, zero)
    means = (_fused if fused else _unfused)(sums.codes.astype(np.float32), ratio, constant)
    return _clip(np.rint(means))


def ort(sums: Sums, input_scale: Floats, scale: np.float32) -> Codes:
    """Return the int8 codes of ONNX Runtime's means, on every architecture."""
    source_zero, zero = sums.zeros
    count = np.float32(sums.positions)
    centred = sums.codes - sums.positions * source_zero
    return _clip(np.rint(centred.astype(np.float32) * (input_scale / (scale * count))) + zero)


KERNELS: Final[dict[str, tuple[Kernel, ...]]] = {
    "tflite": tuple(
        functools.partial(xnnpack, fused=fused, fused_constant=fused_constant)
        for fused, fused_constant in itertools.product((False, True), repeat=2)
    ),
    "onnx": (ort,),
}
"""Every way in which what apps use of a format takes a mean."""


def tflite_average_pool(sums: Sums) -> Codes:
    """Return TFLite's codes of an average pooling: halves go away from code 0."""
    half: Final = sums.positions // 2
    away = np.where(sums.codes > 0, half, -half)
    return np.trunc((sums.codes + away) / sums.positions).astype(np.int64)


def _unfused(x: Floats | np.float32, y: Floats, addend: Floats | np.float32) -> Floats:
    return x * y + addend


def _fused(x: Floats | np.float32, y: Floats, addend: Floats | np.float32) -> Floats:
    # A product of two float32 is exact in float64, so one rounding remains.
    return (np.asarray(x, np.float64) * y + addend).astype(np.float32)


def _clip(codes: npt.NDArray[np.floating]) -> Codes:
    clipped: Codes = np.clip(codes, QMIN, QMAX).astype(np.int64)
    return clipped
