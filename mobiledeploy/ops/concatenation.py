"""The channels of several tensors, one after the other: CONCATENATION.

All tensors are on one grid: `exact_ranges` gives them one range, so that codes are copied and no
file needs a QUANTIZE. LiteRT refuses int8 inputs on several grids. XNNPACK takes up to five
inputs; more are copied by LiteRT's own kernel.

Source: TFLite's tflite/kernels/concatenation.cc (`Prepare`).
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from mobiledeploy.base.errors import RequestError
from mobiledeploy.formats.onnx import OnnxOperator
from mobiledeploy.formats.onnx.writer import OnnxWriter
from mobiledeploy.formats.tflite import TfliteOperator
from mobiledeploy.formats.tflite.writer import TfliteWriter
from mobiledeploy.ops import one_grid, onnx, tflite, without_weights
from mobiledeploy.ops.architecture import Layer
from mobiledeploy.ops.certificate import Certificate, batches_of_all_codes
from mobiledeploy.ops.file_form import FileForm
from mobiledeploy.ops.grid import Grid
from mobiledeploy.ops.onnx import OnnxInput
from mobiledeploy.ops.onnx_reader import OnnxReader
from mobiledeploy.ops.onnx_reading import dequantised_input, quantised_output
from mobiledeploy.ops.onnx_values import OnnxActivation, OnnxValue
from mobiledeploy.ops.operator import Example, Kernel, Trials, layer_of
from mobiledeploy.ops.ranges import Interval
from mobiledeploy.ops.stored import StoredLayer
from mobiledeploy.ops.tensors import Float32, Int8, QTensor, Shape, expect
from mobiledeploy.ops.tflite import Scope, TfliteInput
from mobiledeploy.ops.tflite_reading import LayerSource
from mobiledeploy.ops.weights import Weights

LAYERS: tuple[str, ...] = ("concatenation",)
TFLITE: Mapping[str, FileForm] = {
    "CONCATENATION": FileForm(inputs=None, versions={"int8": 2, "int16": 3})
}
FIXED_RANGE: Interval | None = None
IMAGES: bool = False
SYMMETRIC: bool = False
LITERT_KERNELS: tuple[Kernel, ...] = ("x86",)
TRIALS: Trials | None = Trials(layers="concatenation", cases="{cases} codes in {layers}")
MOVES: str = "it puts channels one after the other"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Concatenation:
    """The channels of several tensors of one height and width, all on one grid."""

    inputs: tuple[str, ...]
    output: QTensor

    def check(self, inputs: Sequence[QTensor]) -> None:
        """Check shapes and grids; see `node.Node.check`."""
        name, out = self.output.name, self.output
        channels = sum(source.shape[-1] for source in inputs)
        for source in inputs:
            expect(name, "output shape", out.shape, (*source.shape[:-1], channels))
        one_grid.expect_one_grid(out, inputs)


NODE: type[Concatenation] = Concatenation
kernel_shape = without_weights.kernel_shape
tflite_version = tflite.second_version
work = without_weights.work
scale_ratios = without_weights.scale_ratios
operand_ranges = one_grid.operand_ranges
output_range = one_grid.output_range
trials = batches_of_all_codes


def output_shape(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    """Return the shape with all channels; see `operator.Operator.output_shape`."""
    if len({shape[:-1] for shape in inputs}) != 1:
        raise RequestError(
            f"layer `{layer.name}` (concatenation) expects inputs that differ in their channels "
            f"only, received {[*inputs]}"
        )
    return (*inputs[0][:-1], sum(shape[-1] for shape in inputs))


def quantise(
    layer: Layer, inputs: Sequence[Grid], output: QTensor, weights: Weights | None
) -> Concatenation:
    """Return the node of a layer."""
    del inputs, weights
    return Concatenation(inputs=tuple(layer.inputs), output=output)


def float_layer(node: Concatenation, inputs: Sequence[QTensor]) -> Layer:
    """Return the layer of a node."""
    return layer_of("concatenation", node, inputs)


def litert_codes(
    node: Concatenation, inputs: Sequence[QTensor], codes: Sequence[Int8], *, kernel: Kernel
) -> Int8:
    """Return the codes, copied."""
    del node, inputs, kernel
    return np.concatenate(codes, -1)


def float_values(
    node: Concatenation, inputs: Sequence[Float32], weights: tuple[Float32, Float32] | None
) -> Float32:
    """Return the real values, copied."""
    del node, weights
    return np.concatenate(inputs, -1)


def node_of(layer: StoredLayer, inputs: Sequence[QTensor], output: QTensor) -> Concatenation:
    """Return the node of a layer in a file."""
    del layer
    return Concatenation(inputs=tuple(source.name for source in inputs), output=output)


def write_tflite(
    model: TfliteWriter, node: Concatenation, inputs: Sequence[TfliteInput], output: int
) -> None:
    """Add the operator."""
    model.operator(
        "CONCATENATION",
        tflite_version(node, []).number,
        tflite.indices(inputs),
        output,
        "ConcatenationOptions",
        Axis=len(node.output.shape),
    )


def read_tflite(operator: TfliteOperator, scope: Scope) -> Concatenation:
    """Return the node of an operator.

    Raises:
        ConversionError: It joins another axis than the channels, or an activation would change
            codes.
    """
    *sources, target = tflite.ends(operator, inputs=len(operator.inputs))
    names = tuple(scope.read(source, operator).name for source in sources)
    output = scope.write(target)
    tflite.refuse_activation(operator, output)
    if operator.option("axis") not in {-1, len(output.shape)}:
        raise tflite.refusal(
            operator, f"expected the channels' axis, received {operator.option('axis')}"
        )
    return Concatenation(inputs=names, output=output)


def write_onnx(
    model: OnnxWriter,
    node: Concatenation,
    inputs: Sequence[OnnxInput],
    output: str,
    certificate: Certificate | None,
) -> None:
    """Add a Concat of codes."""
    del certificate
    axis = onnx.axes_in_file(len(node.output.shape))[-1]
    model.node("Concat", [each.codes for each in inputs], output, axis=axis)


def layer_of_tflite(source: LayerSource) -> StoredLayer | None:
    """Return a concatenation of channels."""
    rank = len(source.model.tensors[source.operator.outputs[0]].fixed_shape)
    if source.operator.option("axis") not in {-1, rank - 1}:
        return None
    if len(source.inputs) != len(source.operator.inputs):
        return None
    return source.as_kind("concatenation")


def given_shape(layer: StoredLayer, shapes: Sequence[Shape]) -> Shape | None:
    """Return the shape that a layer of a file gives; see `operator.Operator.given_shape`."""
    del layer
    if len({shape[:-1] for shape in shapes}) != 1 or not shapes[0]:
        return None
    return (*shapes[0][:-1], sum(shape[-1] for shape in shapes))


def _read(reader: OnnxReader, node: OnnxOperator) -> OnnxActivation | None:
    """Read a Concat of channels."""
    return _joined(reader, node, [reader.value(node, place) for place in range(len(node.inputs))])


def _read_qlinear_concat(reader: OnnxReader, node: OnnxOperator) -> OnnxValue | None:
    """Read y scale, y zero, then x, scale, zero of each part."""
    parts = [dequantised_input(reader, node, place) for place in range(2, len(node.inputs), 3)]
    return quantised_output(reader, node, _joined(reader, node, parts), 0)


def _joined(
    reader: OnnxReader, node: OnnxOperator, values: Sequence[OnnxValue | None]
) -> OnnxActivation | None:
    parts = [value for value in values if isinstance(value, OnnxActivation)]
    if not parts or len(parts) != len(values):
        return None
    first, rank = parts[0], len(parts[0].sizes)
    axis = int(node.number("axis", 0)) % max(rank, 1)
    if not first.axes or first.channel_axis != axis:
        return None
    if any(part.pixels != 1 or part.unrolled for part in parts):
        return None
    sides = {(part.axes, part.sizes[:axis], part.sizes[axis + 1 :]) for part in parts}
    if len(sides) != 1:
        return None
    total = sum(part.sizes[axis] for part in parts)
    out = dataclasses.replace(first, sizes=(*first.sizes[:axis], total, *first.sizes[axis + 1 :]))
    copied = reader.copy(node, "concatenation", parts, out)
    stated = all(part.real and part.scale is not None for part in parts)
    if copied is None and stated:
        # Parts on several grids, which are quantised to one behind it.
        return reader.add_layer(node, "concatenation", parts, out)
    return copied


ONNX: Mapping[str, FileForm] = {
    "Concat": FileForm(inputs=None, pairs_only=True, read=_read),
    "QLinearConcat": FileForm(inputs=(), read=_read_qlinear_concat),
}


def examples() -> Iterator[Example]:
    """Yield two, three and seven parts, of images and of vectors."""
    for name, channels, sides in (
        ("two images", (3, 4), (5, 4)),
        ("three images", (3, 1, 2), (5, 4)),
        ("seven images", (3, 1, 2, 2, 1, 5, 2), (5, 4)),
        ("three vectors", (3, 5, 2), ()),
    ):
        parts = tuple(
            QTensor(
                name="abcdefg"[place],
                shape=(*sides, count),
                scale=np.float32(0.031),
                zero_point=-7,
            )
            for place, count in enumerate(channels)
        )
        out = dataclasses.replace(parts[0], name="joined", shape=(*sides, sum(channels)))
        node = Concatenation(inputs=tuple(part.name for part in parts), output=out)
        yield Example(name=name, node=node, inputs=parts)
