"""TILE, an operator that the package does not have: as small as a module can be."""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from mobiledeploy.base.errors import RequestError
from mobiledeploy.formats.onnx import OnnxOperator
from mobiledeploy.formats.onnx.writer import OnnxWriter
from mobiledeploy.formats.tflite import TfliteOperator
from mobiledeploy.formats.tflite.writer import TfliteWriter
from mobiledeploy.ops import one_grid, onnx, tflite, without_weights
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
from mobiledeploy.ops.tensors import Float32, Int8, QTensor, Shape, expect
from mobiledeploy.ops.tflite import Scope, TfliteInput, Version
from mobiledeploy.ops.tflite_reading import LayerSource
from mobiledeploy.ops.weights import Weights

LAYERS: tuple[str, ...] = ("tile",)
TFLITE: Mapping[str, FileForm] = {"TILE": FileForm(versions={"int8": 1})}
FIXED_RANGE: Interval | None = None
IMAGES: bool = False
SYMMETRIC: bool = False
LITERT_KERNELS: tuple[Kernel, ...] = ("x86",)
TRIALS: Trials | None = Trials(layers="tile", cases="{cases} codes in {layers}")
MOVES: str = "it repeats channels"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tile(OneInput):
    """The channels of a tensor, some times over."""

    def check(self, inputs: Sequence[QTensor]) -> None:
        """Check shape and grid; see `node.Node.check`."""
        (source,), name, out = inputs, self.output.name, self.output
        expect(name, "rest", out.shape[-1] % source.shape[-1], 0)
        expect(name, "output shape", out.shape[:-1], source.shape[:-1])
        expect(name, "scale", out.scale, source.scale)
        expect(name, "zero point", out.zero_point, source.zero_point)


NODE: type[Tile] = Tile
kernel_shape = without_weights.kernel_shape
work = without_weights.work
scale_ratios = without_weights.scale_ratios


def output_shape(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    """Return the shape."""
    if layer.parameters.keys() != {"times"}:
        raise RequestError(f"layer `{layer.name}`: expected how many times")
    return (*inputs[0][:-1], layer.parameters["times"] * inputs[0][-1])


operand_ranges = one_grid.operand_ranges
output_range = one_grid.output_range


def quantise(
    layer: Layer, inputs: Sequence[Grid], output: QTensor, weights: Weights | None
) -> Tile:
    """Return the node of a layer."""
    del inputs, weights
    return Tile(input=layer.inputs[0], output=output)


def float_layer(node: Tile, inputs: Sequence[QTensor]) -> Layer:
    """Return the layer of a node."""
    times = node.output.shape[-1] // inputs[0].shape[-1]
    return layer_of("tile", node, inputs, times=times)


def litert_codes(
    node: Tile, inputs: Sequence[QTensor], codes: Sequence[Int8], *, kernel: Kernel
) -> Int8:
    """Return the codes."""
    del kernel
    return np.concatenate([codes[0]] * (node.output.shape[-1] // inputs[0].shape[-1]), -1)


def float_values(
    node: Tile, inputs: Sequence[Float32], weights: tuple[Float32, Float32] | None
) -> Float32:
    """Return real values."""
    del weights
    return np.concatenate([inputs[0]] * (node.output.shape[-1] // inputs[0].shape[-1]), -1)


def node_of(layer: StoredLayer, inputs: Sequence[QTensor], output: QTensor) -> Tile:
    """Return the node of a layer in a file."""
    del layer
    return Tile(input=inputs[0].name, output=output)


def trials(layer: StoredLayer, shapes: Sequence[Shape]) -> tuple[tuple[Int8, ...], int]:
    """Return all codes."""
    del layer
    codes = all_codes().astype(np.int8)
    images = max(-(-codes.size // math.prod(shape)) for shape in shapes)
    return tuple(np.resize(codes, (images, *shape)) for shape in shapes), codes.size


def tflite_version(node: Tile, inputs: Sequence[QTensor]) -> Version:
    """Return the operator's version."""
    del node, inputs
    return Version(number=1, runtime="1.10.1")


def write_tflite(
    model: TfliteWriter, node: Tile, inputs: Sequence[TfliteInput], output: int
) -> None:
    """Add the operator."""
    (read,) = inputs
    times = _times(node, read.tensor)
    counts = model.constant("times", np.array([*[1] * len(node.output.shape), times], np.int32))
    model.operator("TILE", 1, [read.index, counts], output, "TileOptions")


def _times(node: Tile, source: QTensor) -> int:
    return node.output.shape[-1] // source.shape[-1]


def read_tflite(operator: TfliteOperator, scope: Scope) -> Tile:
    """Return the node of an operator."""
    read, _, target = tflite.ends(operator, inputs=2)
    return Tile(input=scope.read(read, operator).name, output=scope.write(target))


def write_onnx(
    model: OnnxWriter,
    node: Tile,
    inputs: Sequence[OnnxInput],
    output: str,
    certificate: Certificate | None,
) -> None:
    """Add a Concat of codes."""
    del certificate
    (read,), axes = inputs, len(node.output.shape)
    counts = np.ones(axes + 1, np.int64)
    counts[1 if axes == onnx.IMAGE_AXES else axes] = _times(node, read.tensor)
    model.node("Tile", [read.codes, model.constant("times", counts)], output)


def layer_of_tflite(source: LayerSource) -> StoredLayer | None:
    """Return a layer that repeats channels."""
    counts = source.constant(1)
    if counts is None or (counts.ravel()[:-1] != 1).any():
        return None
    layer = source.as_kind("tile")
    return dataclasses.replace(layer, parameters=(("times", int(counts.ravel()[-1])),))


def given_shape(layer: StoredLayer, shapes: Sequence[Shape]) -> Shape | None:
    """Return the shape."""
    return (*shapes[0][:-1], layer.parameter("times") * shapes[0][-1]) if shapes[0] else None


def _read(reader: OnnxReader, node: OnnxOperator) -> OnnxActivation | None:
    value, counts = reader.value(node, 0), reader.numbers(node, 1)
    if not isinstance(value, OnnxActivation) or counts is None or "C" not in value.axes:
        return None
    axis = value.axes.index("C")
    times = int(counts[axis])
    if times != np.prod(counts):
        return None
    sizes = list(value.sizes)
    sizes[axis] *= times
    out = dataclasses.replace(value, sizes=tuple(sizes))
    return reader.copy(node, "tile", [value], out, parameters=(("times", times),))


ONNX: Mapping[str, FileForm] = {"Tile": FileForm(read=_read)}


def examples() -> Iterator[Example]:
    """Yield an image and a vector."""
    for name, shape, times in (("image", (5, 4, 3), 2), ("vector", (12,), 3)):
        source = QTensor(name="a", shape=shape, scale=np.float32(0.031), zero_point=-7)
        tiled = (*shape[:-1], times * shape[-1])
        out = dataclasses.replace(source, name="tiled", shape=tiled)
        yield Example(name=name, node=Tile(input="a", output=out), inputs=(source,))
