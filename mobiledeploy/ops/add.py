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
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import ConversionError, RequestError
from mobiledeploy.formats.onnx import OnnxOperator
from mobiledeploy.formats.onnx.writer import OnnxWriter
from mobiledeploy.formats.tflite import TfliteOperator
from mobiledeploy.formats.tflite.writer import TfliteWriter
from mobiledeploy.ops import onnx, stored, tflite, without_weights
from mobiledeploy.ops.architecture import Layer
from mobiledeploy.ops.capabilities import Cases
from mobiledeploy.ops.certificate import (
    REACH,
    Certificate,
    all_pairs,
    neighbours,
    pairs_of_shapes,
    required,
)
from mobiledeploy.ops.file_form import FileForm, ScaleRatio
from mobiledeploy.ops.grid import Grid, is_flat
from mobiledeploy.ops.node import TwoEqualInputs
from mobiledeploy.ops.onnx import OnnxInput
from mobiledeploy.ops.onnx_reader import OnnxReader
from mobiledeploy.ops.onnx_reading import dequantised_input, quantised_output
from mobiledeploy.ops.onnx_values import OnnxActivation, OnnxValue
from mobiledeploy.ops.operator import Example, Kernel, Trials, layer_of
from mobiledeploy.ops.ranges import Interval, Ranges, step, wide_enough
from mobiledeploy.ops.stored import Fault, StoredLayer
from mobiledeploy.ops.tensors import QMAX, QMIN, Codes, Float32, Int8, QTensor, Shape, expect
from mobiledeploy.ops.tflite import Scope, TfliteInput, Version
from mobiledeploy.ops.tflite_reading import LayerSource
from mobiledeploy.ops.weights import Weights

LAYERS: tuple[str, ...] = ("add",)
TFLITE: Mapping[str, FileForm] = {
    "ADD": FileForm(inputs=(0, 1), versions={"int8": 2}, computed=True),
}
FIXED_RANGE: Interval | None = None
IMAGES: bool = False
SYMMETRIC: bool = True
LITERT_KERNELS: tuple[Kernel, ...] = ("x86",)
TRIALS: Trials | None = Trials(
    layers="addition",
    cases="{cases} pairs of codes, every one that there is in {layers}",
)

KERNELS: str = "XNNPACK and 6 kernels of ONNX Runtime (x86 with and without AVX2, ARM, portable)"
CASE: str = "pair of codes"
CASES: str = "pairs of codes"
ONE_CODE: bool = False

Floats: TypeAlias = npt.NDArray[np.float32]

OFFSET: Final = 128
"""ONNX Runtime computes on uint8: the int8 code plus 128."""

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

ORT_NARROWEST: Final = 2.0**-14
"""The smallest operand scale / scale of the sum in ONNX Runtime's kernel for ARM. It shifts by at
most 31 bits, so that the larger of both operands' must not be below NARROWEST."""

FINEST_SUM: Final = 32.0
"""Most times that a sum's step may be smaller than an operand's: beyond, the sum mostly shows the
operand's rounding. Kernels take finer ones, but such sums can hardly be certified."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Add(TwoEqualInputs):
    """A residual addition of two tensors of one shape, each with its own grid."""


NODE: type[Add] = Add
kernel_shape = without_weights.kernel_shape
work = without_weights.work


def output_shape(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    """Return the shape that both inputs have; see `operator.Operator.output_shape`."""
    without_weights.expect_inputs(layer, inputs, 2)
    if inputs[0] != inputs[1]:
        raise RequestError(
            f"layer `{layer.name}` (add) expects two inputs of one shape, received {inputs[0]} "
            f"and {inputs[1]}"
        )
    return inputs[0]


def operand_ranges(layer: Layer, ranges: Ranges) -> Ranges:
    """Return ranges of the operands whose steps are not too small for the sum's."""
    total, widened = step(ranges, layer.name), dict(ranges)
    for operand in layer.inputs:
        if is_flat(*widened[operand]):
            widened[operand] = (0.0, (QMAX - QMIN) * total)
        widened[operand] = wide_enough(total * NARROWEST, operand, widened[operand])
    return {operand: widened[operand] for operand in layer.inputs}


def output_range(
    layer: Layer, ranges: Ranges, inputs: Sequence[Shape], weights: Weights | None
) -> Interval:
    """Return a range of the sum whose step is not too small for the operands'."""
    del inputs, weights
    limit = max(step(ranges, operand) for operand in layer.inputs) / FINEST_SUM
    return wide_enough(limit, layer.name, ranges[layer.name])


def scale_ratios(inputs: Sequence[float], output: float) -> tuple[ScaleRatio, ...]:
    """Return the ratios that XNNPACK checks: each operand's scale over the sum's."""
    return tuple(
        ScaleRatio(inputs=(number,), value=scale / output, lowest=NARROWEST, limit=WIDEST)
        for number, scale in enumerate(inputs)
    )


def quantise(
    layer: Layer, inputs: Sequence[Grid], output: QTensor, weights: Weights | None
) -> Add:
    """Return the node of a layer."""
    del inputs, weights
    left, right = layer.inputs
    return Add(inputs=(left, right), output=output)


def float_layer(node: Add, inputs: Sequence[QTensor]) -> Layer:
    """Return the layer of a node."""
    return layer_of("add", node, inputs)


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


AddKernel: TypeAlias = Callable[[Operands, Floats, Floats, np.float32], Codes]
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
    return _fixed_point(operands, a_ratio, b_ratio, bits=22, away_from_zero=True)


def ort_portable(operands: Operands, a_scale: Floats, b_scale: Floats, scale: np.float32) -> Codes:
    """Return ONNX Runtime's sums everywhere else, such as in a browser."""
    a, b, (a_zero, b_zero, zero) = _unsigned(operands)
    total = a_scale * (a - a_zero) + b_scale * (b - b_zero)
    return _round(np.divide(total, scale, dtype=np.float32) + zero)


ORT_KERNELS: Final[tuple[AddKernel, ...]] = (
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


def _fixed_point(
    operands: Operands, a_ratio: Floats, b_ratio: Floats, *, bits: int, away_from_zero: bool
) -> Codes:
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


def integer_form(
    scales: tuple[np.float32, np.float32, np.float32], zeros: tuple[int, int, int]
) -> IntegerForm:
    """Return the integers by which XNNPACK adds.

    Args:
        scales: Scales of the first operand, of the second, negative if it is subtracted, and of
            the sum.
        zeros: Their zero points, int8 codes.
    """
    a_scale, b_scale, scale = scales
    a_zero, b_zero, zero = (each + OFFSET for each in zeros)
    found = _multipliers(_one(a_scale) / scale, _one(b_scale) / scale, bits=21)
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


def require_scales(
    what: str, name: str, scales: tuple[np.float32, np.float32], scale: np.float32
) -> None:
    """Check that XNNPACK takes an addition or subtraction.

    Args:
        what: Which of them.
        name: Its name.
        scales: Scales of both operands.
        scale: Scale of the output.

    Raises:
        ConversionError: It does not.
    """
    for operand in scales:
        if not NARROWEST <= operand / scale < WIDEST:
            raise ConversionError(
                f"{what} `{name}`: expected operand scales within {NARROWEST} and {WIDEST} of "
                f"the sum's scale {scale}, received {operand}",
                hint=f"one operand of the {what} is all but constant: train or calibrate again",
            )


def certify_scales(
    name: str, *, scales: tuple[np.float32, np.float32, np.float32], zeros: tuple[int, int, int]
) -> Certificate:
    """Return a certificate for one addition.

    Args:
        name: For the error.
        scales: Scales of the first operand, the second and the sum.
        zeros: Their zero points.

    Raises:
        ConversionError: XNNPACK does not take the addition, or no scales nearby make all
            kernels agree. Two opposite sums that are a half exactly cannot be mended: XNNPACK
            rounds both up, and a scale moves them apart. A wider range has none; see
            `integer.certify.exact_ranges`.
    """
    a_scale, b_scale, scale = scales
    require_scales("addition", name, (a_scale, b_scale), scale)
    certificate = certify_kernels(name, scales, zeros, ORT_KERNELS)
    if certificate.integers:
        raise ConversionError(
            f"addition `{name}`: {certificate.differing_before} of its {certificate.cases} pairs "
            f"of codes differ between runtimes, and no scales within {REACH} units in the last "
            f"place of {a_scale} and {b_scale} mend it",
            hint="calibrate with other images, which moves the scales",
        )
    return certificate


def certify_kernels(
    name: str,
    scales: tuple[np.float32, np.float32, np.float32],
    zeros: tuple[int, int, int],
    kernels: Sequence[AddKernel],
) -> Certificate:
    """Return a certificate of scales with which kernels agree with XNNPACK, else of its integers.

    Args:
        name: Of the layer.
        scales: Scales of the first operand, of the second, negative if it is subtracted, and of
            the sum.
        zeros: Their zero points.
        kernels: By which ONNX Runtime may compute the layer.
    """
    a_scale, b_scale, scale = scales
    a, b = all_pairs()
    operands = Operands(a=a, b=b, zeros=zeros)
    expected = xnnpack(operands, _one(a_scale), _one(b_scale), scale)[0]
    before = _differing(operands, expected, (a_scale, b_scale), scale, kernels)
    if not before:
        return _certificate(name, (a_scale, b_scale), differing_before=0)
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
        if not _differing(operands, expected, pair, scale, kernels):
            return _certificate(name, pair, differing_before=before)
    return dataclasses.replace(
        _certificate(name, (a_scale, b_scale), differing_before=before), integers=True
    )


def _differing(
    operands: Operands,
    expected: Codes,
    scales: tuple[np.float32, np.float32],
    scale: np.float32,
    kernels: Sequence[AddKernel],
) -> int:
    differs = np.zeros(expected.shape, bool)
    for kernel in kernels:
        differs |= kernel(operands, _one(scales[0]), _one(scales[1]), scale)[0] != expected
    return int(differs.sum())


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


def _certificate(
    name: str, scales: tuple[np.float32, np.float32], *, differing_before: int
) -> Certificate:
    return Certificate(
        name=name,
        scales=scales,
        cases=all_pairs()[0].size,
        differing_before=differing_before,
        differing_after=0,
    )


def _one(scale: np.float32) -> Floats:
    return np.full((1, 1), scale)


def certify(node: Add, inputs: Sequence[QTensor]) -> Certificate:
    """Return a certificate for one addition, of other scales or of XNNPACK's integers.

    Raises:
        ConversionError: XNNPACK does not take the addition.
    """
    scales, zeros = _numbers(node, inputs)
    require_scales("addition", node.output.name, scales[:2], scales[2])
    return certify_kernels(node.output.name, scales, zeros, ORT_KERNELS)


def certify_fast(node: Add, inputs: Sequence[QTensor]) -> Certificate:
    """Return a certificate for one addition in ONNX Runtime's own kernel; see `certify_scales`."""
    scales, zeros = _numbers(node, inputs)
    return certify_scales(node.output.name, scales=scales, zeros=zeros)


def _numbers(
    node: Add, inputs: Sequence[QTensor]
) -> tuple[tuple[np.float32, np.float32, np.float32], tuple[int, int, int]]:
    (a, b), out = inputs, node.output
    return (a.scale, b.scale, out.scale), (a.zero_point, b.zero_point, out.zero_point)


def all_cases(node: Add, inputs: Sequence[QTensor]) -> Cases:
    """Return all pairs of codes."""
    del node, inputs
    return all_pairs()


def cases_of(node: Add, inputs: Sequence[QTensor], codes: Sequence[Int8]) -> Cases:
    """Return the pairs of codes of two tensors."""
    del node, inputs
    return codes[0].astype(np.int64), codes[1].astype(np.int64)


def litert_cases(
    node: Add, inputs: Sequence[QTensor], cases: Cases, form: str = ""
) -> tuple[Codes, ...]:
    """Return XNNPACK's sums."""
    del form
    return _by(xnnpack, node, inputs, cases)


def ort_cases(
    node: Add, inputs: Sequence[QTensor], cases: Cases, form: str = ""
) -> tuple[Codes, ...]:
    """Return the sums of each kernel of ONNX Runtime; those in integers are XNNPACK's."""
    if form == SHIFT:
        return _by(xnnpack, node, inputs, cases)
    return tuple(codes for kernel in ORT_KERNELS for codes in _by(kernel, node, inputs, cases))


def litert_limits(node: Add, inputs: Sequence[QTensor], form: str) -> Iterator[str]:
    """Yield the operands whose scales XNNPACK does not take."""
    del form
    for operand in inputs:
        ratio = float(operand.scale) / float(node.output.scale)
        if not NARROWEST <= ratio < WIDEST:
            yield f"operand scale / output scale is {ratio:.3g}: not for XNNPACK"


def ort_limits(node: Add, inputs: Sequence[QTensor], form: str) -> Iterator[str]:
    """Yield the operands whose scales ONNX Runtime's kernel for ARM does not take.

    Source: onnxruntime/core/mlas/lib/qladd.cpp, `MlasCalcQLinearAddParameters`.
    """
    if form == SHIFT:
        return
    ratios = [float(operand.scale) / float(node.output.scale) for operand in inputs]
    for ratio in ratios:
        if not ORT_NARROWEST <= ratio < WIDEST or max(ratios) < NARROWEST:
            yield f"operand scale / output scale is {ratio:.3g}: not for ONNX Runtime on ARM"


def node_of(layer: StoredLayer, inputs: Sequence[QTensor], output: QTensor) -> Add:
    """Return the node of a layer in a file.

    Raises:
        ConversionError: It has another number of operands.
    """
    del layer
    expect(output.name, "number of inputs", len(inputs), 2)
    return Add(inputs=(inputs[0].name, inputs[1].name), output=output)


def trials(layer: StoredLayer, shapes: Sequence[Shape]) -> tuple[tuple[Int8, ...], int]:
    """Return all pairs of codes.

    Raises:
        ConversionError: The operands have two shapes.
    """
    del layer
    if len(set(shapes)) != 1:
        raise ConversionError(f"its operands have the shapes {list(shapes)}")
    return pairs_of_shapes((shapes[0], shapes[0])), all_pairs()[0].size


def _by(
    kernel: AddKernel, node: Add, inputs: Sequence[QTensor], cases: Cases
) -> tuple[Codes, ...]:
    (a, b), (left, right) = inputs, cases
    zeros = (a.zero_point, b.zero_point, node.output.zero_point)
    operands = Operands(a=left.ravel(), b=right.ravel(), zeros=zeros)
    sums = kernel(operands, _one(a.scale), _one(b.scale), node.output.scale)
    return (sums.reshape(left.shape),)


def litert_codes(
    node: Add, inputs: Sequence[QTensor], codes: Sequence[Int8], *, kernel: Kernel
) -> Int8:
    """Return the codes that XNNPACK computes, on every architecture."""
    del kernel
    (sums,) = litert_cases(node, inputs, cases_of(node, inputs, codes))
    return sums.astype(np.int8)


def float_values(
    node: Add, inputs: Sequence[Float32], weights: tuple[Float32, Float32] | None
) -> Float32:
    """Return the sum of real values."""
    del node, weights
    return inputs[0] + inputs[1]


def tflite_version(node: Add, inputs: Sequence[QTensor]) -> Version:
    """Return the version of int8 additions."""
    del node, inputs
    return Version(number=2, runtime="1.14.0")


def write_tflite(
    model: TfliteWriter, node: Add, inputs: Sequence[TfliteInput], output: int
) -> None:
    """Add the operator."""
    model.operator(
        "ADD",
        tflite_version(node, []).number,
        tflite.indices(inputs),
        output,
        "AddOptions",
    )


def read_tflite(operator: TfliteOperator, scope: Scope) -> Add:
    """Return the node of an operator.

    Raises:
        ConversionError: An activation would change codes.
    """
    sources, output = tflite.read_operands(operator, scope)
    return Add(inputs=sources, output=output)


def write_onnx(
    model: OnnxWriter,
    node: Add,
    inputs: Sequence[OnnxInput],
    output: str,
    certificate: Certificate | None,
) -> None:
    """Add an Add with the certificate's scales, which ONNX Runtime fuses into QLinearAdd.

    Or a sum in integers, where no scales will do.
    """
    proof = required(node.output.name, certificate)
    if proof.integers:
        a, b = inputs
        numbers = integer_form(*_numbers(node, [a.tensor, b.tensor]))
        write_integers(model, (a.codes, b.codes), numbers, output)
        return
    real = model.node("Add", onnx.dequantise(model, inputs, proof.scales))
    onnx.quantise(model, real, node.output, output)


def layer_of_tflite(source: LayerSource) -> StoredLayer:
    """Return an addition of two activations."""
    return source.as_kind("add") if len(source.inputs) == 2 else source.layer


given_shape = stored.same_shape


def _read_add(reader: OnnxReader, node: OnnxOperator) -> OnnxActivation | None:
    a, b = reader.value(node, 0), reader.value(node, 1)
    if not (isinstance(a, OnnxActivation) and isinstance(b, OnnxActivation)):
        return None
    return _sum_of(reader, node, a, b)


def _read_qlinear_add(reader: OnnxReader, node: OnnxOperator) -> OnnxValue | None:
    """Read a, scale, zero, b, scale, zero, y scale, y zero."""
    a, b = dequantised_input(reader, node, 0), dequantised_input(reader, node, 3)
    if a is None or b is None:
        return None
    return quantised_output(reader, node, _sum_of(reader, node, a, b), 6)


def _sum_of(
    reader: OnnxReader, node: OnnxOperator, a: OnnxActivation, b: OnnxActivation
) -> OnnxActivation:
    faults: tuple[Fault, ...] = ()
    if a.axes != b.axes:
        detail = f"an operand with axes {a.axes or 'unknown'} is added to one with {b.axes}"
        faults = (Fault(field="axis", detail=detail),)
    return reader.add_layer(node, "add", [a, b], a, faults=faults)


ONNX: Mapping[str, FileForm] = {
    "Add": FileForm(
        inputs=(0, 1), scalar_scales=True, read=_read_add, computed=True, ort_kernel="QLinearAdd"
    ),
    "QLinearAdd": FileForm(
        inputs=(0, 3), read=_read_qlinear_add, computed=True, ort_kernel="QLinearAdd"
    ),
    # Its last node but one; `reading.onnx_sums` reads all of them.
    SHIFT: FileForm(pairs_only=True, computed=True),
}


def examples() -> Iterator[Example]:
    """Yield an addition that needs other scales in the ONNX file, then others."""
    for name, scales, zeros in (
        ("as it is", (0.0517, 0.0313, 0.0623), (-128, 5, -20)),
        ("one operand small", (0.5483, 0.0072, 0.4649), (0, -100, 7)),
        ("moved scales", (0.0897, 0.037, 0.038), (-49, -110, 101)),
        ("in integers", (0.03, 0.015, 0.03), (3, -5, -3)),
        ("in integers, of large steps", (0.09, 3.2, 6.4), (3, -60, 20)),
    ):
        a, b, total = (
            QTensor(name=tensor, shape=(5, 4, 3), scale=np.float32(scale), zero_point=zero)
            for tensor, scale, zero in zip(("a", "b", "sum"), scales, zeros, strict=True)
        )
        yield Example(name=name, node=Add(inputs=("a", "b"), output=total), inputs=(a, b))
