"""The largest code over height and width, also called global max pooling: REDUCE_MAX."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from mobiledeploy.formats.onnx import OnnxOperator
from mobiledeploy.formats.onnx.writer import OnnxWriter
from mobiledeploy.formats.tflite import TfliteOperator
from mobiledeploy.formats.tflite.writer import TfliteWriter
from mobiledeploy.ops import one_grid, reductions, tflite, without_weights
from mobiledeploy.ops.architecture import Layer
from mobiledeploy.ops.certificate import Certificate, all_codes
from mobiledeploy.ops.file_form import FileForm
from mobiledeploy.ops.grid import Grid
from mobiledeploy.ops.node import OneInput
from mobiledeploy.ops.onnx import OnnxInput
from mobiledeploy.ops.onnx_reader import OnnxReader
from mobiledeploy.ops.onnx_values import OnnxActivation
from mobiledeploy.ops.operator import Example, Kernel, Trials, layer_of
from mobiledeploy.ops.ranges import Interval
from mobiledeploy.ops.stored import StoredLayer
from mobiledeploy.ops.tensors import Float32, Int8, QTensor, Shape, expect, expect_grid
from mobiledeploy.ops.tflite import Scope, TfliteInput
from mobiledeploy.ops.tflite_reading import LayerSource
from mobiledeploy.ops.weights import Weights

LAYERS: tuple[str, ...] = ("reduce_max",)
TFLITE: Mapping[str, FileForm] = {"REDUCE_MAX": FileForm(versions={"int8": 2, "int16": 3})}
FIXED_RANGE: Interval | None = None
IMAGES: bool = True
SYMMETRIC: bool = False
LITERT_KERNELS: tuple[Kernel, ...] = ("x86",)
TRIALS: Trials | None = Trials(
    layers="largest value", cases="{cases} codes, every one that there is in {layers}"
)
MOVES: str = "it takes the largest code of each channel"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReduceMax(OneInput):
    """The largest code over height and width."""

    def check(self, inputs: Sequence[QTensor]) -> None:
        """Check that an image becomes a vector on its grid; see `node.Node.check`."""
        (source,) = inputs
        name, out = self.output.name, self.output
        expect(name, "rank of the input", len(source.shape), 3)
        expect(name, "output shape", out.shape, (source.shape[-1],))
        expect_grid(out, source.scale, source.zero_point)


NODE: type[ReduceMax] = ReduceMax
kernel_shape = without_weights.kernel_shape
tflite_version = tflite.second_version
work = without_weights.work
scale_ratios = without_weights.scale_ratios
given_shape = reductions.given_shape
operand_ranges = one_grid.operand_ranges
output_range = one_grid.output_range


def output_shape(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    """Return the number of channels; see `operator.Operator.output_shape`."""
    without_weights.expect_image(layer, inputs)
    return inputs[0][-1:]


def quantise(
    layer: Layer, inputs: Sequence[Grid], output: QTensor, weights: Weights | None
) -> ReduceMax:
    """Return the node of a layer."""
    del inputs, weights
    return ReduceMax(input=layer.inputs[0], output=output)


def float_layer(node: ReduceMax, inputs: Sequence[QTensor]) -> Layer:
    """Return the layer of a node."""
    return layer_of("reduce_max", node, inputs)


def litert_codes(
    node: ReduceMax, inputs: Sequence[QTensor], codes: Sequence[Int8], *, kernel: Kernel
) -> Int8:
    """Return the largest codes."""
    del node, inputs, kernel
    largest: Int8 = codes[0].max(axis=(1, 2))
    return largest


def float_values(
    node: ReduceMax, inputs: Sequence[Float32], weights: tuple[Float32, Float32] | None
) -> Float32:
    """Return the largest real values."""
    del node, weights
    largest: Float32 = inputs[0].max(axis=(1, 2))
    return largest


def node_of(layer: StoredLayer, inputs: Sequence[QTensor], output: QTensor) -> ReduceMax:
    """Return the node of a layer in a file.

    Raises:
        ConversionError: Its window is not the whole image.
    """
    (source,) = inputs
    expect(output.name, "window", layer.window, source.shape[:2])
    return ReduceMax(input=source.name, output=output)


def trials(layer: StoredLayer, shapes: Sequence[Shape]) -> tuple[tuple[Int8, ...], int]:
    """Return images whose channels have every code as their largest one."""
    del layer
    codes, (shape,) = all_codes(), shapes
    images = -(-codes.size // shape[-1])
    largest = np.resize(codes, (images, *[1] * (len(shape) - 1), shape[-1]))
    below = np.random.default_rng(0).integers(0, 256, (images, *shape))
    pixels = np.maximum(largest - below, codes[0])
    # One pixel of each has the largest code itself.
    flat = pixels.reshape(images, -1, shape[-1])
    flat[np.arange(images), np.arange(images) % flat.shape[1]] = largest.reshape(images, -1)
    return (flat.reshape(images, *shape).astype(np.int8),), codes.size


def write_tflite(
    model: TfliteWriter, node: ReduceMax, inputs: Sequence[TfliteInput], output: int
) -> None:
    """Add the operator with its axes."""
    sources = reductions.write_axes(model, node.output.name, inputs)
    model.operator(
        "REDUCE_MAX",
        tflite_version(node, []).number,
        sources,
        output,
        "ReducerOptions",
        KeepDims=False,
    )


def read_tflite(operator: TfliteOperator, scope: Scope) -> ReduceMax:
    """Return the node of an operator.

    Raises:
        ConversionError: It is over other axes.
    """
    read, target = reductions.read_tflite(operator, scope, "largest")
    return ReduceMax(input=read.name, output=scope.write(target, vector=True))


def write_onnx(
    model: OnnxWriter,
    node: ReduceMax,
    inputs: Sequence[OnnxInput],
    output: str,
    certificate: Certificate | None,
) -> None:
    """Add a ReduceMax of codes."""
    del node, certificate
    model.node("ReduceMax", [inputs[0].codes], output, axes=[2, 3], keepdims=0)


def layer_of_tflite(source: LayerSource) -> StoredLayer | None:
    """Return the largest over height and width; None over other axes."""
    return reductions.layer_of_tflite(source, "reduce_max")


def _read_reduce_max(reader: OnnxReader, node: OnnxOperator) -> OnnxActivation | None:
    """Read GlobalMaxPool, and ReduceMax over height and width."""
    reduced = reductions.over_height_and_width(reader, node, whole=node.op != "ReduceMax")
    if reduced is None:
        return None
    value, out, window = reduced
    if value.real:
        return reader.add_layer(node, "reduce_max", [value], out, window=window)
    return reader.move_codes(node, "reduce_max", [value], out, window=window)


ONNX: Mapping[str, FileForm] = {
    "ReduceMax": FileForm(read=_read_reduce_max),
    "GlobalMaxPool": FileForm(read=_read_reduce_max),
}


def examples() -> Iterator[Example]:
    """Yield one of few and one of many pixels."""
    for size in ((2, 3), (9, 7)):
        source = QTensor(name="image", shape=(*size, 5), scale=np.float32(0.031), zero_point=-17)
        node = ReduceMax(
            input="image", output=dataclasses.replace(source, name="largest", shape=(5,))
        )
        yield Example(name=f"{size[0]}x{size[1]}", node=node, inputs=(source,))
