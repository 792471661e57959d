"""x * relu6(x + 3) / 6 of each code: HARD_SWISH, MobileNet V3's activation.

TFLite computes it in 16-bit fixed point on every architecture; XNNPACK leaves it to that kernel.
All 256 codes are tried: where any float kernel rounds to TFLite's code, the `.onnx` has a
HardSwish between the quantise/dequantise pair, and where one may differ, a table of all codes.

Sources: TFLite's tflite/kernels/activations.cc (`HardSwishPrepare`), its
internal/reference/hard_swish.h and internal/common.h (`SaturatingRoundingDoublingHighMul`,
`RoundingDivideByPOT`); Howard et al., "Searching for MobileNetV3", arXiv:1905.02244, section 5.2.
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.formats.onnx import OnnxOperator
from mobiledeploy.formats.onnx.writer import OnnxWriter
from mobiledeploy.formats.tflite import TfliteOperator
from mobiledeploy.formats.tflite.writer import TfliteWriter
from mobiledeploy.ops import each_code, stored, tflite, without_weights
from mobiledeploy.ops.architecture import Layer
from mobiledeploy.ops.capabilities import Cases
from mobiledeploy.ops.certificate import Certificate, all_codes, batches_of_all_codes, no_limits
from mobiledeploy.ops.each_code import EachCode
from mobiledeploy.ops.file_form import FileForm, ScaleRatio
from mobiledeploy.ops.grid import Grid
from mobiledeploy.ops.onnx import OnnxInput
from mobiledeploy.ops.onnx_reader import OnnxReader
from mobiledeploy.ops.onnx_values import OnnxActivation
from mobiledeploy.ops.operator import Example, Kernel, Trials, layer_of
from mobiledeploy.ops.ranges import Interval, Ranges, step, wide_enough
from mobiledeploy.ops.stored import StoredLayer
from mobiledeploy.ops.tensors import (
    QMAX,
    QMIN,
    Codes,
    Float32,
    Int8,
    QTensor,
    Shape,
    expect,
    tensors,
)
from mobiledeploy.ops.tflite import Scope, TfliteInput, Version
from mobiledeploy.ops.tflite_reading import LayerSource
from mobiledeploy.ops.weights import Weights

LAYERS: tuple[str, ...] = ("hard_swish",)
TFLITE: Mapping[str, FileForm] = {"HARD_SWISH": FileForm(litert_own=True, computed=True)}
FIXED_RANGE: Interval | None = None
IMAGES: bool = False
SYMMETRIC: bool = False
LITERT_KERNELS: tuple[Kernel, ...] = ("x86",)
TRIALS: Trials | None = Trials(
    layers="hard swish",
    cases="{cases} codes, every one that there is in {layers}",
)

KERNELS: str = (
    "TFLite's kernel and ONNX Runtime's (whether or not a compiler fuses multiply and add)"
)
CASE: str = "code"
CASES: str = "codes"
ONE_CODE: bool = True

FINER: Final = 128
"""TFLite computes on a grid this many times finer than the input's. The output's step must be
larger than that grid's."""

ROUNDING: Final = 1e-3
"""More than the error of any float kernel's value, in steps."""

_LOWEST, _HIGHEST = -(2**15), 2**15 - 1


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HardSwish(EachCode):
    """x * relu6(x + 3) / 6 of each element."""

    def check(self, inputs: Sequence[QTensor]) -> None:
        """Check shape and grids; see `node.Node.check`."""
        EachCode.check(self, inputs)
        (source,), name, out = inputs, self.output.name, self.output
        if not source.scale / np.float32(FINER) < out.scale:
            raise ConversionError(
                f"`{name}`: expected an output scale above 1/{FINER} of the input's, received "
                f"{out.scale} and {source.scale}",
                hint="the layer's output hardly varies: train or calibrate again",
            )


NODE: type[HardSwish] = HardSwish
kernel_shape = without_weights.kernel_shape
work = without_weights.work
operand_ranges = without_weights.operand_ranges
all_cases = each_code.all_cases
cases_of = each_code.cases_of
trials = batches_of_all_codes
ort_limits = no_limits
given_shape = stored.same_shape


def output_shape(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    """Return the input's shape; see `operator.Operator.output_shape`."""
    without_weights.expect_inputs(layer, inputs, 1)
    return inputs[0]


def output_range(
    layer: Layer, ranges: Ranges, inputs: Sequence[Shape], weights: Weights | None
) -> Interval:
    """Return a range whose step is large enough for TFLite's kernel."""
    del inputs, weights
    limit = step(ranges, layer.inputs[0]) / FINER
    return wide_enough(limit, layer.name, ranges[layer.name])


def scale_ratios(inputs: Sequence[float], output: float) -> tuple[ScaleRatio, ...]:
    """Return the ratio that TFLite's kernel checks: the input's scale over the output's."""
    return (ScaleRatio(inputs=(0,), value=inputs[0] / output, lowest=0.0, limit=FINER),)


def quantise(
    layer: Layer, inputs: Sequence[Grid], output: QTensor, weights: Weights | None
) -> HardSwish:
    """Return the node of a layer."""
    del inputs, weights
    return HardSwish(input=layer.inputs[0], output=output)


def float_layer(node: HardSwish, inputs: Sequence[QTensor]) -> Layer:
    """Return the layer of a node."""
    return layer_of("hard_swish", node, inputs)


def litert(codes: Codes, scales: tuple[np.float32, np.float32], zeros: tuple[int, int]) -> Codes:
    """Return TFLite's codes, on every architecture.

    Args:
        codes: Codes of the input.
        scales: Scales of input and output.
        zeros: Their zero points.
    """
    fine = np.float32(1 / FINER) * scales[0]
    output_factor, output_exponent = _multiplier(np.float32(fine / scales[1]))
    gate_factor, gate_exponent = _multiplier(np.float32(fine / np.float32(3 / 32768)))
    values = (codes - zeros[0]) * FINER
    scaled = _high_product(values, output_factor)
    gate = values
    if gate_exponent > 0:
        # The last doubling waits, so that the product before it keeps its precision.
        gate = _saturated(gate << (gate_exponent - 1))
    gate = _high_product(gate, gate_factor)
    if gate_exponent > 0:
        gate = _saturated(gate << 1)
    if gate_exponent < 0:
        gate = _divided(gate, -gate_exponent)
    # From -1..1, where the input is -3..3, to 0..1.
    gate = (gate + 2**15) >> 1
    product = gate * scaled
    truncated = np.where(product >= 0, product >> 15, -(-product >> 15))
    swished: Codes = np.clip(_divided(truncated, -output_exponent) + zeros[1], QMIN, QMAX)
    return swished


def _multiplier(factor: np.float32) -> tuple[int, int]:
    """Return a factor as a 16-bit fraction and an exponent of two."""
    fraction, exponent = math.frexp(float(factor))
    fixed = math.floor(fraction * 2**31 + 0.5)
    if fixed == 2**31:
        fixed, exponent = fixed // 2, exponent + 1
    if exponent < -31:
        fixed, exponent = 0, 0
    return min((fixed + 2**15) >> 16, _HIGHEST), exponent


def _high_product(values: Codes, factor: int) -> Codes:
    """Return the upper 16 bits of twice the product, halves away from zero but for -1/2."""
    product = values * factor
    nudged = product + np.where(product >= 0, 2**14, 1 - 2**14)
    return np.where(nudged >= 0, nudged >> 15, -(-nudged >> 15))


def _divided(values: Codes, exponent: int) -> Codes:
    """Divide by a power of two, halves away from zero."""
    mask = (1 << exponent) - 1
    threshold = (mask >> 1) + (values < 0)
    return (values >> exponent) + ((values & mask) > threshold)


def _saturated(values: Codes) -> Codes:
    return np.clip(values, _LOWEST, _HIGHEST)


def ort(
    codes: Codes,
    scales: tuple[np.float32, np.float32],
    zeros: tuple[int, int],
    *,
    fused: bool = False,
) -> Codes:
    """Return the codes of ONNX Runtime's HardSwish between a quantise/dequantise pair.

    ONNX Runtime has no kernel for it and computes x * HardSigmoid(x).

    Args:
        codes: Codes of the input.
        scales: Scales of input and output.
        zeros: Their zero points.
        fused: Whether the compiler fuses HardSigmoid's multiplication with its addition.
    """
    real = (codes - zeros[0]).astype(np.float32) * scales[0]
    sixth, half = np.float32(1 / 6), np.float32(0.5)
    if fused:
        # A product of two float32 is exact in float64, so one rounding remains.
        line = (real.astype(np.float64) * float(sixth) + 0.5).astype(np.float32)
    else:
        line = real * sixth + half
    swished = real * np.clip(line, np.float32(0), np.float32(1))
    rounded: Codes = np.clip(np.rint(swished / scales[1]).astype(np.int64) + zeros[1], QMIN, QMAX)
    return rounded


def certify(node: HardSwish, inputs: Sequence[QTensor]) -> Certificate:
    """Return a certificate of the float form, or of a table, which is always exact."""
    (codes,) = all_cases(node, inputs)
    (expected,) = litert_cases(node, inputs, (codes,))
    real = (codes - inputs[0].zero_point) * float(inputs[0].scale)
    exact = real * np.clip(real / 6 + 0.5, 0, 1) / float(node.output.scale)
    ends = (
        np.clip(np.rint(exact + moved) + node.output.zero_point, QMIN, QMAX)
        for moved in (-ROUNDING, ROUNDING)
    )
    differing = int((np.stack([*ends]) != expected).any(axis=0).sum())
    return Certificate(
        name=node.output.name,
        scales=(inputs[0].scale,),
        cases=codes.size,
        differing_before=differing,
        differing_after=0,
        table=differing > 0,
    )


def litert_cases(
    node: HardSwish, inputs: Sequence[QTensor], cases: Cases, form: str = ""
) -> tuple[Codes, ...]:
    """Return TFLite's codes."""
    del form
    return (litert(cases[0], *_grids(node, inputs)),)


def ort_cases(
    node: HardSwish, inputs: Sequence[QTensor], cases: Cases, form: str = ""
) -> tuple[Codes, ...]:
    """Return the codes of the float form in ONNX Runtime, for each choice of what is fused."""
    del form
    scales, zeros = _grids(node, inputs)
    return tuple(ort(cases[0], scales, zeros, fused=fused) for fused in (False, True))


def litert_limits(node: HardSwish, inputs: Sequence[QTensor], form: str) -> Iterator[str]:
    """Yield why TFLite refuses an output's step."""
    del form
    if not float(inputs[0].scale) / FINER < float(node.output.scale):
        yield f"its output's step is {node.output.scale}: too small for one of {inputs[0].scale}"


def node_of(layer: StoredLayer, inputs: Sequence[QTensor], output: QTensor) -> HardSwish:
    """Return the node of a layer in a file.

    Raises:
        ConversionError: It has another number of inputs.
    """
    del layer
    expect(output.name, "number of inputs", len(inputs), 1)
    return HardSwish(input=inputs[0].name, output=output)


def _grids(
    node: HardSwish, inputs: Sequence[QTensor]
) -> tuple[tuple[np.float32, np.float32], tuple[int, int]]:
    (source,), out = inputs, node.output
    return (source.scale, out.scale), (source.zero_point, out.zero_point)


def litert_codes(
    node: HardSwish, inputs: Sequence[QTensor], codes: Sequence[Int8], *, kernel: Kernel
) -> Int8:
    """Return the codes that TFLite's own kernel computes, on every architecture."""
    del kernel
    (table,) = litert_cases(node, inputs, (all_codes(),))
    return each_code.look_up(table, codes[0])


def float_values(
    node: HardSwish, inputs: Sequence[Float32], weights: tuple[Float32, Float32] | None
) -> Float32:
    """Return the hard swish of real values."""
    del node, weights
    three, six = np.float32(3), np.float32(6)
    swished: Float32 = inputs[0] * np.clip(inputs[0] + three, np.float32(0), six) / six
    return swished


def tflite_version(node: HardSwish, inputs: Sequence[QTensor]) -> Version:
    """Return the operator's only version."""
    del node, inputs
    return Version(number=1, runtime="1.15.0")


def write_tflite(
    model: TfliteWriter, node: HardSwish, inputs: Sequence[TfliteInput], output: int
) -> None:
    """Add the operator."""
    version = tflite_version(node, []).number
    model.operator("HARD_SWISH", version, tflite.indices(inputs), output, "HardSwishOptions")


def read_tflite(operator: TfliteOperator, scope: Scope) -> HardSwish:
    """Return the node of an operator."""
    source, target = tflite.ends(operator, inputs=1)
    return HardSwish(input=scope.read(source, operator).name, output=scope.write(target))


def write_onnx(
    model: OnnxWriter,
    node: HardSwish,
    inputs: Sequence[OnnxInput],
    output: str,
    certificate: Certificate | None,
) -> None:
    """Add a HardSwish, or a table of all codes where the certificate asks for one."""
    (table,) = litert_cases(node, [inputs[0].tensor], (all_codes(),))
    each_code.write_onnx(
        model, node, inputs, output, certificate, table=table, operator="HardSwish"
    )


def layer_of_tflite(source: LayerSource) -> StoredLayer:
    """Return a hard swish."""
    return source.as_kind("hard_swish")


def _read_hard_swish(reader: OnnxReader, node: OnnxOperator) -> OnnxActivation | None:
    """Read HardSwish; the table that `write_onnx` may write is read as a table."""
    value = reader.value(node, 0)
    if not isinstance(value, OnnxActivation):
        return None
    return reader.add_layer(node, "hard_swish", [value], value)


ONNX: Mapping[str, FileForm] = {"HardSwish": FileForm(read=_read_hard_swish, computed=True)}


def examples() -> Iterator[Example]:
    """Yield one that any float kernel computes, and ones for which a table is needed."""
    for name, shape, scales, zeros in (
        ("as it is", (4, 6, 3), (0.0411, 0.0281), (3, -114)),
        ("by a table", (4, 6, 3), (0.0617, 0.0293), (-11, -120)),
        ("of a vector, by a table", (50,), (0.0617, 0.0293), (-11, -120)),
        ("wide", (4, 6, 3), (0.31, 0.17), (-40, -127)),
    ):
        source, out = tensors(("image", "swished"), shape, scales, zeros)
        yield Example(name=name, node=HardSwish(input="image", output=out), inputs=(source,))
