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
from typing import ClassVar, Final

import numpy as np

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.formats.onnx import OnnxOperator
from mobiledeploy.formats.tflite import TfliteOperator
from mobiledeploy.ops import each_pair, stored, sums, tflite, without_weights
from mobiledeploy.ops.architecture import Layer
from mobiledeploy.ops.capabilities import Cases
from mobiledeploy.ops.certificate import REACH, Certificate
from mobiledeploy.ops.file_form import FileForm
from mobiledeploy.ops.grid import Grid
from mobiledeploy.ops.onnx import OFFSET
from mobiledeploy.ops.onnx_reader import OnnxReader
from mobiledeploy.ops.onnx_reading import both_activations, dequantised_input, quantised_output
from mobiledeploy.ops.onnx_values import OnnxActivation, OnnxValue
from mobiledeploy.ops.operator import Example, Kernel, Trials
from mobiledeploy.ops.ranges import Interval
from mobiledeploy.ops.stored import StoredLayer
from mobiledeploy.ops.sums import (
    NARROWEST,
    SHIFT,
    WIDEST,
    Floats,
    Operands,
    SumKernel,
    SumNode,
    by_kernel,
    certify_kernels,
    fixed_point,
    numbers,
    require_scales,
    xnnpack,
)
from mobiledeploy.ops.tensors import Codes, QTensor, expect, tensors
from mobiledeploy.ops.tflite import Scope
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

ORT_NARROWEST: Final = 2.0**-14
"""The smallest operand scale / scale of the sum in ONNX Runtime's kernel for ARM. It shifts by at
most 31 bits, so that the larger of both operands' must not be below NARROWEST."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Add(SumNode):
    """A residual addition of two tensors of one shape, each with its own grid."""

    NAME: ClassVar[str] = "Add"
    SIGN: ClassVar[int] = 1


NODE: type[Add] = Add
kernel_shape = without_weights.kernel_shape
work = without_weights.work
output_shape = each_pair.output_shape
operand_ranges = sums.operand_ranges
output_range = sums.output_range
scale_ratios = sums.scale_ratios
all_cases = each_pair.all_cases
cases_of = each_pair.cases_of
litert_cases = sums.litert_cases
litert_limits = sums.litert_limits
litert_codes = sums.litert_codes
float_layer = sums.float_layer
float_values = sums.float_values
trials = sums.trials
tflite_version = tflite.second_version
write_tflite = sums.write_tflite
write_onnx = sums.write_onnx
given_shape = stored.same_shape


def quantise(
    layer: Layer, inputs: Sequence[Grid], output: QTensor, weights: Weights | None
) -> Add:
    """Return the node of a layer."""
    del inputs, weights
    left, right = layer.inputs
    return Add(inputs=(left, right), output=output)


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


def certify(node: Add, inputs: Sequence[QTensor]) -> Certificate:
    """Return a certificate for one addition, of other scales or of XNNPACK's integers.

    Raises:
        ConversionError: XNNPACK does not take the addition.
    """
    return sums.certify("addition", node, inputs, ORT_KERNELS)


def certify_fast(node: Add, inputs: Sequence[QTensor]) -> Certificate:
    """Return a certificate for one addition in ONNX Runtime's own kernel; see `certify_scales`."""
    scales, zeros = numbers(node, inputs)
    return certify_scales(node.output.name, scales=scales, zeros=zeros)


def ort_cases(
    node: Add, inputs: Sequence[QTensor], cases: Cases, form: str = ""
) -> tuple[Codes, ...]:
    """Return the sums of each kernel of ONNX Runtime; those in integers are XNNPACK's."""
    if form == SHIFT:
        return by_kernel(xnnpack, node, inputs, cases)
    return tuple(
        codes for kernel in ORT_KERNELS for codes in by_kernel(kernel, node, inputs, cases)
    )


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


def read_tflite(operator: TfliteOperator, scope: Scope) -> Add:
    """Return the node of an operator.

    Raises:
        ConversionError: An activation would change codes.
    """
    sources, output = tflite.read_operands(operator, scope)
    return Add(inputs=sources, output=output)


def layer_of_tflite(source: LayerSource) -> StoredLayer:
    """Return an addition of two activations."""
    return source.as_kind("add") if len(source.inputs) == 2 else source.layer


def _read_add(reader: OnnxReader, node: OnnxOperator) -> OnnxActivation | None:
    both = both_activations(reader, node)
    return None if both is None else sums.add_layer(reader, node, "add", *both)


def _read_qlinear_add(reader: OnnxReader, node: OnnxOperator) -> OnnxValue | None:
    """Read a, scale, zero, b, scale, zero, y scale, y zero."""
    a, b = dequantised_input(reader, node, 0), dequantised_input(reader, node, 3)
    if a is None or b is None:
        return None
    return quantised_output(reader, node, sums.add_layer(reader, node, "add", a, b), 6)


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
        a, b, total = tensors(("a", "b", "sum"), (5, 4, 3), scales, zeros)
        yield Example(name=name, node=Add(inputs=("a", "b"), output=total), inputs=(a, b))
