"""CONCATENATION, an operator that the package does not have: as small as a module can be."""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from mobiledeploy.base.errors import RequestError
from mobiledeploy.formats.onnx import OnnxOperator
from mobiledeploy.formats.onnx.writer import OnnxWriter
from mobiledeploy.formats.tflite import TfliteOperator
from mobiledeploy.formats.tflite.writer import TfliteWriter
from mobiledeploy.ops import onnx, tflite, without_weights
from mobiledeploy.ops.architecture import Layer
from mobiledeploy.ops.certificate import Certificate, all_codes
from mobiledeploy.ops.file_form import FileForm
from mobiledeploy.ops.grid import Grid
from mobiledeploy.ops.onnx import OnnxInput
from mobiledeploy.ops.onnx_reading import OnnxActivation, OnnxReader
from mobiledeploy.ops.operator import Example, Kernel, Trials, layer_of
from mobiledeploy.ops.ranges import Interval, Ranges
from mobiledeploy.ops.stored import StoredLayer
from mobiledeploy.ops.tensors import Float32, Int8, QTensor, Shape, expect
from mobiledeploy.ops.tflite import Scope, TfliteInput, Version
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
    """The channels of several tensors."""

    inputs: tuple[str, ...]
    output: QTensor

    def check(self, inputs: Sequence[QTensor]) -> None:
        """Check shape and grids; see `operator.Node.check`."""
        name, out = self.output.name, self.output
        channels = sum(source.shape[-1] for source in inputs)
        for source in inputs:
            expect(name, "output shape", out.shape, (*source.shape[:-1], channels))
            expect(name, "scale", out.scale, source.scale)
            expect(name, "zero point", out.zero_point, source.zero_point)


NODE: type[Concatenation] = Concatenation
kernel_shape = without_weights.kernel_shape
work = without_weights.work
scale_ratios = without_weights.scale_ratios


def output_shape(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    """Return the shape."""
    if len({shape[:-1] for shape in inputs}) != 1:
        raise RequestError(f"layer `{layer.name}`: expected images of one size")
    return (*inputs[0][:-1], sum(shape[-1] for shape in inputs))


def operand_ranges(layer: Layer, ranges: Ranges) -> Ranges:
    """Return one range for all."""
    every = [ranges[name] for name in layer.inputs]
    hull = min(low for low, _ in every), max(high for _, high in every)
    return dict.fromkeys(layer.inputs, hull)


def output_range(
    layer: Layer, ranges: Ranges, inputs: Sequence[Shape], weights: Weights | None
) -> Interval:
    """Return the inputs' range."""
    del inputs, weights
    return ranges[layer.inputs[0]]


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
    """Return the codes."""
    del node, inputs, kernel
    return np.concatenate(codes, -1)


def float_values(
    node: Concatenation, inputs: Sequence[Float32], weights: tuple[Float32, Float32] | None
) -> Float32:
    """Return real values."""
    del node, weights
    return np.concatenate(inputs, -1)


def node_of(layer: StoredLayer, inputs: Sequence[QTensor], output: QTensor) -> Concatenation:
    """Return the node of a layer in a file."""
    del layer
    return Concatenation(inputs=tuple(source.name for source in inputs), output=output)


def trials(layer: StoredLayer, shapes: Sequence[Shape]) -> tuple[tuple[Int8, ...], int]:
    """Return all codes."""
    del layer
    codes = all_codes().astype(np.int8)
    images = max(-(-codes.size // math.prod(shape)) for shape in shapes)
    return tuple(np.resize(codes, (images, *shape)) for shape in shapes), codes.size


def tflite_version(node: Concatenation, inputs: Sequence[QTensor]) -> Version:
    """Return the operator's version."""
    del node, inputs
    return Version(number=2, runtime="1.14.0")


def write_tflite(
    model: TfliteWriter, node: Concatenation, inputs: Sequence[TfliteInput], output: int
) -> None:
    """Add the operator."""
    model.operator(
        "CONCATENATION",
        2,
        tflite.indices(inputs),
        output,
        "ConcatenationOptions",
        Axis=len(node.output.shape),
    )


def read_tflite(operator: TfliteOperator, scope: Scope) -> Concatenation:
    """Return the node of an operator."""
    *sources, target = tflite.ends(operator, inputs=len(operator.inputs))
    names = tuple(scope.read(source, operator).name for source in sources)
    output = scope.write(target)
    tflite.refuse_activation(operator, output)
    if operator.option("axis") not in {-1, len(output.shape)}:
        raise tflite.refusal(operator, "expected channels")
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
    image = len(node.output.shape) == onnx.IMAGE_AXES
    axis = 1 if image else len(node.output.shape)
    model.node("Concat", [each.codes for each in inputs], output, axis=axis)


def layer_of_tflite(source: LayerSource) -> StoredLayer | None:
    """Return a concatenation."""
    rank = len(source.model.tensors[source.operator.outputs[0]].fixed_shape)
    if source.operator.option("axis") not in {-1, rank - 1}:
        return None
    if len(source.inputs) != len(source.operator.inputs):
        return None
    return source.as_kind("concatenation")


def given_shape(layer: StoredLayer, shapes: Sequence[Shape]) -> Shape | None:
    """Return the shape."""
    del layer
    if len({shape[:-1] for shape in shapes}) != 1 or not shapes[0]:
        return None
    return (*shapes[0][:-1], sum(shape[-1] for shape in shapes))


def _read(reader: OnnxReader, node: OnnxOperator) -> OnnxActivation | None:
    values = [reader.value(node, place) for place in range(len(node.inputs))]
    codes = [value for value in values if isinstance(value, OnnxActivation) and not value.real]
    first = codes[0] if codes else None
    if first is None or len(codes) != len(values):
        return None
    if {value.axes for value in codes} != {first.axes}:
        return None
    axis = int(node.number("axis", 0))
    if not first.axes or first.axes[axis] != "C":
        return None
    sizes = list(first.sizes)
    sizes[axis] = sum(value.sizes[axis] for value in codes)
    out = dataclasses.replace(first, sizes=tuple(sizes))
    return reader.move_codes(node, "concatenation", codes, out)


ONNX: Mapping[str, FileForm] = {"Concat": FileForm(inputs=None, read=_read)}


def examples() -> Iterator[Example]:
    """Yield two and three parts, of images and of vectors."""
    for name, channels, sides in (
        ("two images", (3, 4), (5, 4)),
        ("three images", (3, 1, 2), (5, 4)),
        ("three vectors", (3, 5, 2), ()),
    ):
        parts = tuple(
            QTensor(
                name="abc"[place],
                shape=(*sides, count),
                scale=np.float32(0.031),
                zero_point=-7,
            )
            for place, count in enumerate(channels)
        )
        out = dataclasses.replace(parts[0], name="joined", shape=(*sides, sum(channels)))
        node = Concatenation(inputs=tuple(part.name for part in parts), output=out)
        yield Example(name=name, node=node, inputs=parts)
