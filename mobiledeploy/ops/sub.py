"""The difference of two tensors of one shape, each with its own grid: SUB.

XNNPACK computes it as an addition with a negative multiplier. ONNX Runtime has no kernel for the
difference of codes and subtracts real values; where no scales nearby make all 65,536 pairs of
codes agree, the ONNX file computes with XNNPACK's integers.

ONNX Runtime would fuse an addition with a negative scale, but its kernel for ARM takes positive
ones only.

Sources: those of `ops.add`; ONNX Runtime's mlas/lib/quantize.cpp (`MlasQuantizeLinear`).
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from mobiledeploy.base.errors import ConversionError, RequestError
from mobiledeploy.formats.onnx import OnnxOperator
from mobiledeploy.formats.onnx.writer import OnnxWriter
from mobiledeploy.formats.tflite import TfliteOperator
from mobiledeploy.formats.tflite.writer import TfliteWriter
from mobiledeploy.ops import add, onnx, stored, tflite, without_weights
from mobiledeploy.ops.architecture import Layer
from mobiledeploy.ops.capabilities import Cases
from mobiledeploy.ops.certificate import Certificate, all_pairs, pairs_of_shapes, required
from mobiledeploy.ops.file_form import FileForm
from mobiledeploy.ops.grid import Grid
from mobiledeploy.ops.node import TwoEqualInputs
from mobiledeploy.ops.onnx import OnnxInput
from mobiledeploy.ops.onnx_reader import OnnxReader
from mobiledeploy.ops.onnx_values import OnnxActivation
from mobiledeploy.ops.operator import Example, Kernel, Trials, layer_of
from mobiledeploy.ops.ranges import Interval
from mobiledeploy.ops.stored import Fault, StoredLayer
from mobiledeploy.ops.tensors import QMAX, QMIN, Codes, Float32, Int8, QTensor, Shape, expect
from mobiledeploy.ops.tflite import Scope, TfliteInput, Version
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
class Sub(TwoEqualInputs):
    """The first tensor minus the second, of one shape, each with its own grid."""


NODE: type[Sub] = Sub
kernel_shape = without_weights.kernel_shape
work = without_weights.work
operand_ranges = add.operand_ranges
output_range = add.output_range
scale_ratios = add.scale_ratios


def output_shape(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    """Return the shape that both inputs have; see `operator.Operator.output_shape`."""
    without_weights.expect_inputs(layer, inputs, 2)
    if inputs[0] != inputs[1]:
        raise RequestError(
            f"layer `{layer.name}` (sub) expects two inputs of one shape, received {inputs[0]} "
            f"and {inputs[1]}"
        )
    return inputs[0]


def quantise(
    layer: Layer, inputs: Sequence[Grid], output: QTensor, weights: Weights | None
) -> Sub:
    """Return the node of a layer."""
    del inputs, weights
    left, right = layer.inputs
    return Sub(inputs=(left, right), output=output)


def float_layer(node: Sub, inputs: Sequence[QTensor]) -> Layer:
    """Return the layer of a node."""
    return layer_of("sub", node, inputs)


def ort(
    operands: add.Operands, a_scale: add.Floats, b_scale: add.Floats, scale: np.float32
) -> Codes:
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
    (a, b), out = inputs, node.output
    add.require_scales("subtraction", out.name, (a.scale, b.scale), out.scale)
    certificate = add.certify_kernels(out.name, *_numbers(node, inputs), kernels=(ort,))
    a_scale, b_scale = certificate.scales
    return dataclasses.replace(certificate, scales=(a_scale, -b_scale))


def _numbers(
    node: Sub, inputs: Sequence[QTensor]
) -> tuple[tuple[np.float32, np.float32, np.float32], tuple[int, int, int]]:
    """Return the scales, of which the second is negative, and the zero points."""
    (a, b), out = inputs, node.output
    scales = a.scale, np.float32(-b.scale), out.scale
    return scales, (a.zero_point, b.zero_point, out.zero_point)


def all_cases(node: Sub, inputs: Sequence[QTensor]) -> Cases:
    """Return all pairs of codes."""
    del node, inputs
    return all_pairs()


def cases_of(node: Sub, inputs: Sequence[QTensor], codes: Sequence[Int8]) -> Cases:
    """Return the pairs of codes of two tensors."""
    del node, inputs
    return codes[0].astype(np.int64), codes[1].astype(np.int64)


def litert_cases(
    node: Sub, inputs: Sequence[QTensor], cases: Cases, form: str = ""
) -> tuple[Codes, ...]:
    """Return XNNPACK's differences."""
    del form
    return _by(add.xnnpack, node, inputs, cases)


def ort_cases(
    node: Sub, inputs: Sequence[QTensor], cases: Cases, form: str = ""
) -> tuple[Codes, ...]:
    """Return ONNX Runtime's differences, or those in integers, which are XNNPACK's."""
    return _by(add.xnnpack if form == add.SHIFT else ort, node, inputs, cases)


def _by(
    kernel: add.AddKernel, node: Sub, inputs: Sequence[QTensor], cases: Cases
) -> tuple[Codes, ...]:
    (left, right), (scales, zeros) = cases, _numbers(node, inputs)
    operands = add.Operands(a=left.ravel(), b=right.ravel(), zeros=zeros)
    a_scale, b_scale = (np.full((1, 1), scale) for scale in scales[:2])
    return (kernel(operands, a_scale, b_scale, scales[2]).reshape(left.shape),)


litert_limits = add.litert_limits


def ort_limits(node: Sub, inputs: Sequence[QTensor], form: str) -> Iterator[str]:
    """Yield nothing: ONNX Runtime computes all differences alike."""
    del node, inputs, form
    yield from ()


def node_of(layer: StoredLayer, inputs: Sequence[QTensor], output: QTensor) -> Sub:
    """Return the node of a layer in a file.

    Raises:
        ConversionError: It has another number of operands.
    """
    del layer
    expect(output.name, "number of inputs", len(inputs), 2)
    return Sub(inputs=(inputs[0].name, inputs[1].name), output=output)


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
    node: Sub, inputs: Sequence[QTensor], codes: Sequence[Int8], *, kernel: Kernel
) -> Int8:
    """Return the codes that XNNPACK computes, on every architecture."""
    del kernel
    (differences,) = litert_cases(node, inputs, cases_of(node, inputs, codes))
    return differences.astype(np.int8)


def float_values(
    node: Sub, inputs: Sequence[Float32], weights: tuple[Float32, Float32] | None
) -> Float32:
    """Return the difference of real values."""
    del node, weights
    return inputs[0] - inputs[1]


def tflite_version(node: Sub, inputs: Sequence[QTensor]) -> Version:
    """Return the version of int8 subtractions."""
    del node, inputs
    return Version(number=2, runtime="1.14.0")


def write_tflite(
    model: TfliteWriter, node: Sub, inputs: Sequence[TfliteInput], output: int
) -> None:
    """Add the operator."""
    version = tflite_version(node, []).number
    model.operator("SUB", version, tflite.indices(inputs), output, "SubOptions")


def read_tflite(operator: TfliteOperator, scope: Scope) -> Sub:
    """Return the node of an operator.

    Raises:
        ConversionError: An activation would change codes.
    """
    sources, output = tflite.read_operands(operator, scope)
    return Sub(inputs=sources, output=output)


def write_onnx(
    model: OnnxWriter,
    node: Sub,
    inputs: Sequence[OnnxInput],
    output: str,
    certificate: Certificate | None,
) -> None:
    """Add a Sub with the certificate's scales, or a difference in integers."""
    proof = required(node.output.name, certificate)
    if proof.integers:
        a, b = inputs
        form = add.integer_form(*_numbers(node, [a.tensor, b.tensor]))
        add.write_integers(model, (a.codes, b.codes), form, output)
        return
    real = model.node("Sub", onnx.dequantise(model, inputs, proof.scales))
    onnx.quantise(model, real, node.output, output)


def layer_of_tflite(source: LayerSource) -> StoredLayer:
    """Return a subtraction of two activations."""
    return source.as_kind("sub") if len(source.inputs) == 2 else source.layer


given_shape = stored.same_shape


def _read_sub(reader: OnnxReader, node: OnnxOperator) -> OnnxActivation | None:
    """Read a Sub of two activations; one in integers is read by `reading.onnx_sums`."""
    a, b = reader.value(node, 0), reader.value(node, 1)
    if not (isinstance(a, OnnxActivation) and isinstance(b, OnnxActivation)):
        return None
    faults: tuple[Fault, ...] = ()
    if a.axes != b.axes:
        detail = f"axes {b.axes or 'unknown'} are subtracted from {a.axes or 'unknown'}"
        faults = (Fault(field="axis", detail=detail),)
    return reader.add_layer(node, "sub", [a, b], a, faults=faults)


ONNX: Mapping[str, FileForm] = {
    "Sub": FileForm(inputs=(0, 1), read=_read_sub, computed=True),
    add.SHIFT: add.ONNX[add.SHIFT],
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
        a, b, difference = (
            QTensor(name=tensor, shape=shape, scale=np.float32(scale), zero_point=zero)
            for tensor, scale, zero in zip(("a", "b", "difference"), scales, zeros, strict=True)
        )
        node = Sub(inputs=("a", "b"), output=difference)
        yield Example(name=name, node=node, inputs=(a, b))
