"""The difference of two tensors of one shape, each with its own grid: SUB.

XNNPACK computes it as an addition with a negative multiplier. ONNX Runtime has no kernel for the
difference of codes and subtracts real values; where no scales nearby make all 65,536 pairs of
codes agree, the ONNX file computes with XNNPACK's integers.

ONNX Runtime would fuse an addition with a negative scale, but its kernel for ARM takes positive
ones only.

Sources: those of `ops.sums`; ONNX Runtime's mlas/lib/quantize.cpp (`MlasQuantizeLinear`).
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

import numpy as np

from mobiledeploy.formats.onnx import OnnxOperator
from mobiledeploy.formats.tflite import TfliteOperator
from mobiledeploy.ops import each_pair, stored, sums, tflite, without_weights
from mobiledeploy.ops.architecture import Layer
from mobiledeploy.ops.capabilities import Cases
from mobiledeploy.ops.certificate import Certificate, no_limits
from mobiledeploy.ops.file_form import FileForm
from mobiledeploy.ops.grid import Grid
from mobiledeploy.ops.onnx_reader import OnnxReader
from mobiledeploy.ops.onnx_reading import both_activations
from mobiledeploy.ops.onnx_values import OnnxActivation
from mobiledeploy.ops.operator import Example, Kernel, Trials
from mobiledeploy.ops.ranges import Interval
from mobiledeploy.ops.stored import StoredLayer
from mobiledeploy.ops.sums import (
    SHIFT,
    Floats,
    Operands,
    SumNode,
    by_kernel,
    xnnpack,
)
from mobiledeploy.ops.tensors import QMAX, QMIN, Codes, QTensor, expect, tensors
from mobiledeploy.ops.tflite import Scope
from mobiledeploy.ops.tflite_reading import LayerSource
from mobiledeploy.ops.weights import Weights

LAYERS: tuple[str, ...] = ("sub",)
TFLITE: Mapping[str, FileForm] = {
    "SUB": FileForm(inputs=(0, 1), versions={"int8": 2}, computed=True),
}
FIXED_RANGE: Interval | None = None
IMAGES: bool = False
SYMMETRIC: bool = False
LITERT_KERNELS: tuple[Kernel, ...] = ("x86",)
TRIALS: Trials | None = Trials(
    layers="subtraction",
    cases="{cases} pairs of codes, every one that there is in {layers}",
)

KERNELS: str = "XNNPACK and ONNX Runtime's difference of real values, or XNNPACK's integers"
CASE: str = "pair of codes"
CASES: str = "pairs of codes"
ONE_CODE: bool = False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sub(SumNode):
    """The first tensor minus the second, of one shape, each with its own grid."""

    NAME: ClassVar[str] = "Sub"
    SIGN: ClassVar[int] = -1


NODE: type[Sub] = Sub
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
ort_limits = no_limits
given_shape = stored.same_shape


def quantise(
    layer: Layer, inputs: Sequence[Grid], output: QTensor, weights: Weights | None
) -> Sub:
    """Return the node of a layer."""
    del inputs, weights
    left, right = layer.inputs
    return Sub(inputs=(left, right), output=output)


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


def certify(node: Sub, inputs: Sequence[QTensor]) -> Certificate:
    """Return a certificate for one subtraction, of other scales or of XNNPACK's integers.

    Raises:
        ConversionError: XNNPACK does not take the subtraction.
    """
    return sums.certify("subtraction", node, inputs, (ort,))


def ort_cases(
    node: Sub, inputs: Sequence[QTensor], cases: Cases, form: str = ""
) -> tuple[Codes, ...]:
    """Return ONNX Runtime's differences, or those in integers, which are XNNPACK's."""
    return by_kernel(xnnpack if form == SHIFT else ort, node, inputs, cases)


def node_of(layer: StoredLayer, inputs: Sequence[QTensor], output: QTensor) -> Sub:
    """Return the node of a layer in a file.

    Raises:
        ConversionError: It has another number of operands.
    """
    del layer
    expect(output.name, "number of inputs", len(inputs), 2)
    return Sub(inputs=(inputs[0].name, inputs[1].name), output=output)


def read_tflite(operator: TfliteOperator, scope: Scope) -> Sub:
    """Return the node of an operator.

    Raises:
        ConversionError: An activation would change codes.
    """
    sources, output = tflite.read_operands(operator, scope)
    return Sub(inputs=sources, output=output)


def layer_of_tflite(source: LayerSource) -> StoredLayer:
    """Return a subtraction of two activations."""
    return source.as_kind("sub") if len(source.inputs) == 2 else source.layer


def _read_sub(reader: OnnxReader, node: OnnxOperator) -> OnnxActivation | None:
    """Read a Sub of two activations; one in integers is read by `reading.onnx_sums`."""
    both = both_activations(reader, node)
    return None if both is None else sums.add_layer(reader, node, "sub", *both)


ONNX: Mapping[str, FileForm] = {
    "Sub": FileForm(inputs=(0, 1), read=_read_sub, computed=True),
    SHIFT: FileForm(pairs_only=True, computed=True),
}


def examples() -> Iterator[Example]:
    """Yield one that needs no other scales, one that does, and ones in integers."""
    for name, shape, scales, zeros in (
        ("as it is", (5, 4, 3), (0.0517, 0.0313, 0.0623), (-128, 5, -20)),
        ("moved scales", (5, 4, 3), (0.0897, 0.037, 0.038), (-49, -110, 101)),
        ("of vectors", (24,), (0.0212, 0.0498, 0.0531), (4, -31, 12)),
        ("in integers", (5, 4, 3), (0.03, 0.015, 0.03), (3, -5, -3)),
        ("in integers, of large steps", (5, 4, 3), (0.09, 3.2, 6.4), (3, -60, 20)),
    ):
        a, b, difference = tensors(("a", "b", "difference"), shape, scales, zeros)
        node = Sub(inputs=("a", "b"), output=difference)
        yield Example(name=name, node=node, inputs=(a, b))
