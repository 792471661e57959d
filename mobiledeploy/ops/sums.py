"""The arithmetic of a sum of two tensors, of which the second may be subtracted.

XNNPACK computes a difference as a sum with a negative multiplier, so ADD and SUB have one kernel
in LiteRT. In an `.onnx` either has scales with which all kernels of ONNX Runtime round as XNNPACK
does, or, where there are none, XNNPACK's own integers.

Sources: XNNPACK's microparams-init.c and qs8-vadd.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.formats.onnx.writer import OnnxWriter
from mobiledeploy.ops.certificate import REACH, Certificate, all_codes, neighbours
from mobiledeploy.ops.each_pair import all_pairs
from mobiledeploy.ops.fixed_point import FixedPoint, clipped
from mobiledeploy.ops.onnx import OFFSET
from mobiledeploy.ops.tensors import QMAX, QMIN, Codes, Int8

Floats: TypeAlias = npt.NDArray[np.float32]

ROUNDING: Final = 1e-3
"""More than the error of any kernel's sum, in steps."""

SIEVE: Final = 1024
ATTEMPTS: Final = 20
"""Every pair of scales is tried on about this many pairs of codes; of those that pass, this many
are tried on all. Both bound the time spent on an addition that cannot be certified."""

NARROWEST: Final = 2.0**-10
WIDEST: Final = 2.0**8
"""Between these lies operand scale / scale of the sum in XNNPACK's kernel; TFLite gives other
additions to a kernel with another arithmetic."""

OWN_BITS: Final = 20
"""By which TFLite's own kernel shifts operands to the left."""

Scales: TypeAlias = tuple[np.float32, np.float32, np.float32]
"""Of the first operand, of the second, negative if it is subtracted, and of the output."""

Zeros: TypeAlias = tuple[int, int, int]
"""The zero points of both operands and of the output, int8 codes."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Operands:
    """Pairs of codes to add, and the zero points; int8.

    Attributes:
        a: Codes of the first operand, shape (pairs,), or one that broadcasts against those of `b`.
        b: Codes of the second.
        zeros: Zero points of first, second and sum.
    """

    a: Codes
    b: Codes
    zeros: Zeros


SumKernel: TypeAlias = Callable[[Operands, Floats, Floats, np.float32], Codes]
"""From operands, the scales of a and b (that broadcast against the pairs) and the scale of the
sum to int8 codes."""


def xnnpack(operands: Operands, a_scale: Floats, b_scale: Floats, scale: np.float32) -> Codes:
    """Return XNNPACK's sums, on every architecture."""
    a_ratio, b_ratio = a_scale / scale, b_scale / scale
    return fixed_point(operands, a_ratio, b_ratio, bits=21, away_from_zero=False)


def tflite(operands: Operands, a_scale: Floats, b_scale: Floats, scale: np.float32) -> Codes:
    """Return the sums of TFLite's own kernel, which takes all scales.

    Both operands are put on a grid of twice the larger scale, with 20 more bits.

    Raises:
        ConversionError: See `fixed_point.clipped`.

    Source: TFLite's tflite/kernels/add.cc and sub.cc.
    """
    a, b, out = float(a_scale.item()), float(b_scale.item()), float(scale)
    twice = 2 * max(a, abs(b))
    left, right = (
        FixedPoint.of(abs(each) / twice).times((codes - zero) << OWN_BITS)
        for each, codes, zero in zip(
            (a, b), (operands.a, operands.b), operands.zeros, strict=False
        )
    )
    total = left + right if b > 0 else left - right
    rounded = FixedPoint.of(twice / ((1 << OWN_BITS) * out)).times(total)
    return clipped(rounded, operands.zeros[2])


def fixed_point(
    operands: Operands, a_ratio: Floats, b_ratio: Floats, *, bits: int, away_from_zero: bool
) -> Codes:
    """Return sums that are computed in integers.

    Args:
        operands: Codes and zero points.
        a_ratio: Scale of the first operand over the output's.
        b_ratio: Scale of the second, likewise.
        bits: Of the larger multiplier.
        away_from_zero: Whether halves are rounded away from zero; else up.
    """
    a_zero, b_zero, zero = operands.zeros
    a_multiplier, b_multiplier, shift = _multipliers(a_ratio, b_ratio, bits=bits)
    total = (operands.a - a_zero) * a_multiplier + (operands.b - b_zero) * b_multiplier
    if away_from_zero:
        total = total - (total < 0)
    rounded = (total + (np.int64(1) << (shift - 1))) >> shift
    codes: Codes = np.clip(rounded + zero, QMIN, QMAX)
    return codes


def _multipliers(a_ratio: Floats, b_ratio: Floats, *, bits: int) -> tuple[Codes, Codes, Codes]:
    """Return both ratios times a power of two, so that the larger has so many bits, and the power.

    The ratio of a tensor that is subtracted is negative.
    """
    exponent = np.frexp(np.maximum(np.abs(a_ratio), np.abs(b_ratio)))[1] - 1
    shift = (bits - 1 - exponent).astype(np.int64)
    a_multiplier, b_multiplier = (
        np.rint(np.ldexp(ratio.astype(np.float64), shift)).astype(np.int64)
        for ratio in (a_ratio, b_ratio)
    )
    return a_multiplier, b_multiplier, shift


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class IntegerForm:
    """XNNPACK's arithmetic on uint8 codes, as nodes of an `.onnx` compute it.

    `(a * a_multiplier + (b * b_multiplier + constant)) >> shift`, on sums that are not negative.

    Attributes:
        multipliers: Of both operands' codes.
        constant: Zero points, half a step, and what makes sums positive.
        highest: The sum's highest value, to which it is clipped from 0 on; None where that does
            not fit 32 bits, and codes are clipped instead.
        shift: Bits that a step has.
        offset: What the codes are short of, where they are clipped.
    """

    multipliers: tuple[int, int]
    constant: int
    highest: int | None
    shift: int
    offset: int


WIDEST_CLIP: Final = 22
"""Most bits of a step with which 256 steps fit 32 bits."""


def integer_form(scales: Scales, zeros: Zeros) -> IntegerForm:
    """Return the integers by which XNNPACK adds.

    Args:
        scales: Scales of the first operand, of the second, negative if it is subtracted, and of
            the sum.
        zeros: Their zero points, int8 codes.
    """
    a_scale, b_scale, scale = scales
    a_zero, b_zero, zero = (each + OFFSET for each in zeros)
    found = _multipliers(one(a_scale) / scale, one(b_scale) / scale, bits=21)
    a, b, shift = (int(each.item()) for each in found)
    base = (1 << (shift - 1)) - a * a_zero - b * b_zero
    early = shift <= WIDEST_CLIP
    # Codes reach from 0 to 255. All these sums span less than 2**30.
    lowest = base + min(0, 255 * a) + min(0, 255 * b)
    lift = zero if early else max(0, -(lowest >> shift))
    return IntegerForm(
        multipliers=(a, b),
        constant=base + (lift << shift),
        highest=(256 << shift) - 1 if early else None,
        shift=shift,
        offset=0 if early else zero - lift,
    )


def write_integers(
    model: OnnxWriter, codes: tuple[str, str], form: IntegerForm, output: str
) -> None:
    """Add a sum as XNNPACK computes it.

    Args:
        model: To add it to.
        codes: Names of the operands' codes.
        form: The numbers.
        output: Name of the tensor with the sum's codes.
    """
    from onnx import TensorProto

    def number(value: int) -> str:
        return model.scalar(np.int32(value))

    a, b = (
        model.node("Mul", [model.node("Cast", [name], to=TensorProto.INT32), number(factor)])
        for name, factor in zip(codes, form.multipliers, strict=True)
    )
    total = model.node("Add", [a, model.node("Add", [b, number(form.constant)])])
    if form.highest is not None:
        total = model.node("Clip", [total, number(0), number(form.highest)])
    # Only unsigned integers can be shifted.
    total = model.node("Cast", [total], to=TensorProto.UINT32)
    shift = model.scalar(np.uint32(form.shift))
    total = model.node(SHIFT, [total, shift], direction="RIGHT")
    if form.highest is None:
        total = model.node("Cast", [total], to=TensorProto.INT32)
        total = model.node("Add", [total, number(form.offset)])
        total = model.node("Clip", [total, number(0), number(255)])
    model.node("Cast", [total], output, to=TensorProto.UINT8)


SHIFT: Final = "BitShift"
"""The node by which a sum in integers is known."""


def certify_kernels(
    name: str,
    scales: Scales,
    zeros: Zeros,
    kernels: Sequence[SumKernel],
) -> Certificate:
    """Return a certificate of scales with which kernels agree with XNNPACK, else of its integers.

    Args:
        name: Of the layer.
        scales: Scales of the first operand, of the second, negative if it is subtracted, and of
            the sum.
        zeros: Their zero points.
        kernels: By which ONNX Runtime may compute the layer.
    """
    return dataclasses.replace(_certified(scales, zeros, tuple(kernels)), name=name)


@functools.lru_cache(maxsize=1024)
def _certified(scales: Scales, zeros: Zeros, kernels: tuple[SumKernel, ...]) -> Certificate:
    """Return a certificate without the layer's name.

    A quantisation asks for each several times: for the ranges, for the `.onnx`, and for the proof
    that the files hold one graph.
    """
    a_scale, b_scale, scale = scales
    a, b = all_pairs()
    operands = Operands(a=a, b=b, zeros=zeros)
    expected = codes_of_all_pairs(xnnpack, scales, zeros)
    before = _differing(expected, scales, zeros, kernels)
    if not before:
        return _certificate((a_scale, b_scale), differing_before=0)
    near = _near_half(operands, a_scale, b_scale, scale)
    near = near[:: max(1, -(-near.size // SIEVE))]
    few = Operands(a=a[near], b=b[near], zeros=zeros)
    a_tried, b_tried = _neighbours(a_scale, b_scale)
    good = np.ones(a_tried.size, bool)
    for kernel in kernels:
        sums = kernel(few, a_tried[good, np.newaxis], b_tried[good, np.newaxis], scale)
        good[good] = (sums == expected[near]).all(axis=1)
    for candidate in np.flatnonzero(good)[:ATTEMPTS]:
        pair = a_tried[candidate], b_tried[candidate]
        if not _differing(expected, (*pair, scale), zeros, kernels):
            return _certificate(pair, differing_before=before)
    return dataclasses.replace(
        _certificate((a_scale, b_scale), differing_before=before), integers=True
    )


def _differing(expected: Int8, scales: Scales, zeros: Zeros, kernels: Sequence[SumKernel]) -> int:
    differs = np.zeros(expected.shape, bool)
    for kernel in kernels:
        differs |= codes_of_all_pairs(kernel, scales, zeros) != expected
    return int(differs.sum())


@functools.lru_cache(maxsize=256)
def codes_of_all_pairs(kernel: SumKernel, scales: Scales, zeros: Zeros) -> Int8:
    """Return a kernel's sum of each pair of `all_pairs`; the array is shared and read-only.

    Certificates and the comparison of two files ask for the same sums again.
    """
    each = all_codes()
    # Broadcast, so that what depends on one code is computed once for it.
    operands = Operands(a=each[:, np.newaxis], b=each, zeros=zeros)
    sums = kernel(operands, one(scales[0]), one(scales[1]), scales[2])
    codes = sums.astype(np.int8).ravel()
    codes.setflags(write=False)
    return codes


def _near_half(
    operands: Operands, a_scale: np.float32, b_scale: np.float32, scale: np.float32
) -> Codes:
    """Return the pairs whose sum some kernel, or some tried scale, may round differently."""
    a_zero, b_zero, _ = operands.zeros
    a_part = (operands.a - a_zero) * (float(a_scale) / float(scale))
    b_part = (operands.b - b_zero) * (float(b_scale) / float(scale))
    from_half = np.abs(np.mod(a_part + b_part, 1) - 0.5)
    moved = (np.abs(a_part) + np.abs(b_part)) * 2 * REACH * np.finfo(np.float32).eps
    return np.flatnonzero(from_half < moved + ROUNDING)


def _neighbours(a_scale: np.float32, b_scale: np.float32) -> tuple[Floats, Floats]:
    """Return pairs of float32 neighbours, the nearest first."""
    steps = np.arange(-REACH, REACH + 1)
    a_steps, b_steps = np.repeat(steps, steps.size), np.tile(steps, steps.size)
    nearest = np.lexsort((b_steps, a_steps, np.abs(a_steps) + np.abs(b_steps)))
    sign = np.sign(b_scale)
    return neighbours(a_scale, a_steps[nearest]), sign * neighbours(
        sign * b_scale, b_steps[nearest]
    )


def _certificate(scales: tuple[np.float32, np.float32], *, differing_before: int) -> Certificate:
    return Certificate(
        name="",
        # Files state no negative scales.
        scales=(scales[0], abs(scales[1])),
        cases=all_pairs()[0].size,
        differing_before=differing_before,
        differing_after=0,
    )


def one(scale: np.float32) -> Floats:
    """Return a scale as kernels take it: of one pair, for all codes."""
    return np.full((1, 1), scale)
