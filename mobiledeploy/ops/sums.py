"""A sum of two tensors of one shape, of which the second may be subtracted.

XNNPACK computes a difference as a sum with a negative multiplier, so ADD and SUB have one kernel
in LiteRT. In an `.onnx` either has scales with which all kernels of ONNX Runtime round as XNNPACK
does, or, where there are none, XNNPACK's own integers.

Sources: XNNPACK's microparams-init.c and qs8-vadd.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.formats.onnx import OnnxOperator
from mobiledeploy.formats.onnx.writer import OnnxWriter
from mobiledeploy.formats.tflite.writer import TfliteWriter
from mobiledeploy.ops import onnx, tflite
from mobiledeploy.ops.architecture import Layer
from mobiledeploy.ops.capabilities import Cases
from mobiledeploy.ops.certificate import REACH, Certificate, neighbours, required
from mobiledeploy.ops.each_pair import all_pairs, cases_of, pairs_of_shapes
from mobiledeploy.ops.file_form import ScaleRatio
from mobiledeploy.ops.grid import is_flat
from mobiledeploy.ops.node import TwoEqualInputs
from mobiledeploy.ops.onnx import OFFSET, OnnxInput
from mobiledeploy.ops.onnx_reader import OnnxReader
from mobiledeploy.ops.onnx_values import OnnxActivation
from mobiledeploy.ops.operator import Kernel, layer_of
from mobiledeploy.ops.ranges import Interval, Ranges, step, wide_enough
from mobiledeploy.ops.stored import Fault, StoredLayer
from mobiledeploy.ops.tensors import QMAX, QMIN, Codes, Float32, Int8, QTensor, Shape
from mobiledeploy.ops.tflite import TfliteInput
from mobiledeploy.ops.weights import Weights

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

FINEST_SUM: Final = 32.0
"""Most times that a sum's step may be smaller than an operand's: beyond, the sum mostly shows the
operand's rounding. Kernels take finer ones, but such sums can hardly be certified."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SumNode(TwoEqualInputs):
    """A sum of two tensors of one shape, each with its own grid.

    Attributes:
        NAME: What it is called in an `.onnx`; in a `.tflite` in capitals.
        SIGN: 1, or -1 where the second tensor is subtracted.
    """

    NAME: ClassVar[str]
    SIGN: ClassVar[int]


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


def float_layer(node: SumNode, inputs: Sequence[QTensor]) -> Layer:
    """Return the layer of a node."""
    return layer_of(node.NAME.lower(), node, inputs)


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


SumKernel: TypeAlias = Callable[[Operands, Floats, Floats, np.float32], Codes]
"""From operands, the scales of a and b (that broadcast against the pairs) and the scale of the
sum to int8 codes."""


def xnnpack(operands: Operands, a_scale: Floats, b_scale: Floats, scale: np.float32) -> Codes:
    """Return XNNPACK's sums, on every architecture."""
    a_ratio, b_ratio = a_scale / scale, b_scale / scale
    return fixed_point(operands, a_ratio, b_ratio, bits=21, away_from_zero=False)


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


def certify_kernels(
    name: str,
    scales: tuple[np.float32, np.float32, np.float32],
    zeros: tuple[int, int, int],
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
    kernels: Sequence[SumKernel],
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
        # Files state no negative scales.
        scales=(scales[0], abs(scales[1])),
        cases=all_pairs()[0].size,
        differing_before=differing_before,
        differing_after=0,
    )


def _one(scale: np.float32) -> Floats:
    return np.full((1, 1), scale)


def certify(
    what: str, node: SumNode, inputs: Sequence[QTensor], kernels: Sequence[SumKernel]
) -> Certificate:
    """Return a certificate of other scales or of XNNPACK's integers.

    Args:
        what: What the node is, in words for messages.
        node: The node.
        inputs: What it reads.
        kernels: By which ONNX Runtime may compute it.

    Raises:
        ConversionError: XNNPACK does not take it.
    """
    (a, b), out = inputs, node.output
    require_scales(what, out.name, (a.scale, b.scale), out.scale)
    return certify_kernels(out.name, *numbers(node, inputs), kernels)


def numbers(
    node: SumNode, inputs: Sequence[QTensor]
) -> tuple[tuple[np.float32, np.float32, np.float32], tuple[int, int, int]]:
    """Return scales, that of a tensor that is subtracted negative, and zero points."""
    (a, b), out = inputs, node.output
    scales = a.scale, np.float32(node.SIGN) * b.scale, out.scale
    return scales, (a.zero_point, b.zero_point, out.zero_point)


def by_kernel(
    kernel: SumKernel, node: SumNode, inputs: Sequence[QTensor], cases: Cases
) -> tuple[Codes, ...]:
    """Return the output codes of pairs of codes, by one kernel."""
    (left, right), (scales, zeros) = cases, numbers(node, inputs)
    operands = Operands(a=left.ravel(), b=right.ravel(), zeros=zeros)
    total = kernel(operands, _one(scales[0]), _one(scales[1]), scales[2])
    return (total.reshape(left.shape),)


def litert_cases(
    node: SumNode, inputs: Sequence[QTensor], cases: Cases, form: str = ""
) -> tuple[Codes, ...]:
    """Return XNNPACK's codes."""
    del form
    return by_kernel(xnnpack, node, inputs, cases)


def litert_limits(node: SumNode, inputs: Sequence[QTensor], form: str) -> Iterator[str]:
    """Yield the operands whose scales XNNPACK does not take."""
    del form
    for operand in inputs:
        ratio = float(operand.scale) / float(node.output.scale)
        if not NARROWEST <= ratio < WIDEST:
            yield f"operand scale / output scale is {ratio:.3g}: not for XNNPACK"


def trials(layer: StoredLayer, shapes: Sequence[Shape]) -> tuple[tuple[Int8, ...], int]:
    """Return all pairs of codes.

    Raises:
        ConversionError: The operands have two shapes.
    """
    del layer
    if len(set(shapes)) != 1:
        raise ConversionError(f"its operands have the shapes {list(shapes)}")
    return pairs_of_shapes((shapes[0], shapes[0])), all_pairs()[0].size


def litert_codes(
    node: SumNode, inputs: Sequence[QTensor], codes: Sequence[Int8], *, kernel: Kernel
) -> Int8:
    """Return the codes that XNNPACK computes, on every architecture."""
    del kernel
    (total,) = litert_cases(node, inputs, cases_of(node, inputs, codes))
    return total.astype(np.int8)


def float_values(
    node: SumNode, inputs: Sequence[Float32], weights: tuple[Float32, Float32] | None
) -> Float32:
    """Return the sum or the difference of real values."""
    del weights
    return inputs[0] + np.float32(node.SIGN) * inputs[1]


def write_tflite(
    model: TfliteWriter, node: SumNode, inputs: Sequence[TfliteInput], output: int
) -> None:
    """Add the operator."""
    version, options = tflite.second_version(node, []).number, f"{node.NAME}Options"
    model.operator(node.NAME.upper(), version, tflite.indices(inputs), output, options)


def write_onnx(
    model: OnnxWriter,
    node: SumNode,
    inputs: Sequence[OnnxInput],
    output: str,
    certificate: Certificate | None,
) -> None:
    """Add the operator with the certificate's scales, or XNNPACK's integers.

    ONNX Runtime fuses an Add with its scales into QLinearAdd.
    """
    proof = required(node.output.name, certificate)
    if proof.integers:
        a, b = inputs
        form = integer_form(*numbers(node, [a.tensor, b.tensor]))
        write_integers(model, (a.codes, b.codes), form, output)
        return
    real = model.node(node.NAME, onnx.dequantise(model, inputs, proof.scales))
    onnx.quantise(model, real, node.output, output)


def add_layer(
    reader: OnnxReader, node: OnnxOperator, kind: str, a: OnnxActivation, b: OnnxActivation
) -> OnnxActivation:
    """Add the layer of a node of an `.onnx`; return its output as real values.

    Args:
        reader: Of the file.
        node: The node.
        kind: `add` or `sub`.
        a: Its first operand.
        b: Its second.
    """
    faults: tuple[Fault, ...] = ()
    if a.axes != b.axes:
        detail = (
            f"an operand with axes {a.axes or 'unknown'} is added to one with {b.axes}"
            if kind == "add"
            else f"axes {b.axes or 'unknown'} are subtracted from {a.axes or 'unknown'}"
        )
        faults = (Fault(field="axis", detail=detail),)
    return reader.add_layer(node, kind, [a, b], a, faults=faults)
