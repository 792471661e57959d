"""Axes in another order: TRANSPOSE.

Input and output are on one grid. The `.onnx` holds images with the channels first; they are
transposed with the channels last.

Source: TFLite's tflite/kernels/transpose.cc.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from mobiledeploy.base.errors import ConversionError, RequestError
from mobiledeploy.formats.onnx.writer import OnnxWriter
from mobiledeploy.formats.tflite import TfliteOperator
from mobiledeploy.formats.tflite.writer import TfliteWriter
from mobiledeploy.ops import one_grid, onnx, tflite, without_weights
from mobiledeploy.ops.architecture import Layer
from mobiledeploy.ops.certificate import Certificate, batches_of_all_codes
from mobiledeploy.ops.file_form import FileForm
from mobiledeploy.ops.grid import Grid
from mobiledeploy.ops.node import OneInput
from mobiledeploy.ops.onnx import IMAGE_AXES, OnnxInput
from mobiledeploy.ops.operator import Example, Kernel, Trials, layer_of
from mobiledeploy.ops.ranges import Interval
from mobiledeploy.ops.stored import StoredLayer
from mobiledeploy.ops.tensors import Float32, Int8, QTensor, Shape, expect
from mobiledeploy.ops.tflite import Scope, TfliteInput, Version
from mobiledeploy.ops.tflite_reading import LayerSource
from mobiledeploy.ops.weights import Weights

LAYERS: tuple[str, ...] = ("transpose",)
TFLITE: Mapping[str, FileForm] = {"TRANSPOSE": FileForm(versions={"int8": 2, "int16": 5})}
ONNX: Mapping[str, FileForm] = {}
"""None: `reading.onnx_moves` tells a Transpose that is a layer from another order of the axes."""
FIXED_RANGE: Interval | None = None
IMAGES: bool = False
SYMMETRIC: bool = False
LITERT_KERNELS: tuple[Kernel, ...] = ("x86",)
TRIALS: Trials | None = Trials(layers="transpose", cases="{cases} codes in {layers}")
MOVES: str = "it puts the axes in another order"

FIVE_AXES: Final = 4
"""Axes, without the batch, from which TRANSPOSE has another version."""

_LAST_FIRST: Final = (2, 0, 1)
"""The order that makes the channels rows: of an image, what the `.onnx` does anyway."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Transpose(OneInput):
    """A tensor with its axes in another order.

    Attributes:
        perm: For each axis of the output, the batch left out, the axis of the input.
    """

    perm: Shape

    def check(self, inputs: Sequence[QTensor]) -> None:
        """Check order, shape and grid; see `node.Node.check`."""
        (source,) = inputs
        name, axes = self.output.name, len(source.shape)
        expect(name, "axes, in ascending order,", tuple(sorted(self.perm)), tuple(range(axes)))
        if self.perm == tuple(range(axes)):
            raise ConversionError(f"`{name}`: expected axes in another order, received the same")
        shape = tuple(source.shape[axis] for axis in self.perm)
        expect(name, "output shape", self.output.shape, shape)
        one_grid.expect_one_grid(self.output, inputs)


NODE: type[Transpose] = Transpose
kernel_shape = without_weights.kernel_shape
work = without_weights.work
scale_ratios = without_weights.scale_ratios
operand_ranges = one_grid.operand_ranges
output_range = one_grid.output_range
trials = batches_of_all_codes


def output_shape(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    """Return the shape with the axes in the order of the parameter `perm`, which has no batch.

    See `operator.Operator.output_shape`.
    """
    without_weights.expect_inputs(layer, inputs, 1)
    given, (shape,) = layer.parameters, inputs
    perm = tuple(given["perm"]) if given.keys() == {"perm"} else ()
    order = tuple(range(len(shape)))
    if tuple(sorted(perm)) != order or perm == order:
        raise RequestError(
            f"layer `{layer.name}` (transpose) expects a parameter `perm` with the axes {order} "
            f"in another order, received {dict(given)}"
        )
    return tuple(shape[axis] for axis in perm)


def quantise(
    layer: Layer, inputs: Sequence[Grid], output: QTensor, weights: Weights | None
) -> Transpose:
    """Return the node of a layer."""
    del inputs, weights
    return Transpose(input=layer.inputs[0], output=output, perm=tuple(layer.parameters["perm"]))


def float_layer(node: Transpose, inputs: Sequence[QTensor]) -> Layer:
    """Return the layer of a node."""
    return layer_of("transpose", node, inputs, perm=node.perm)


def _with_batch(perm: Shape) -> tuple[int, ...]:
    return (0, *(axis + 1 for axis in perm))


def litert_codes(
    node: Transpose, inputs: Sequence[QTensor], codes: Sequence[Int8], *, kernel: Kernel
) -> Int8:
    """Return the codes, copied."""
    del inputs, kernel
    return np.ascontiguousarray(codes[0].transpose(_with_batch(node.perm)))


def float_values(
    node: Transpose, inputs: Sequence[Float32], weights: tuple[Float32, Float32] | None
) -> Float32:
    """Return the real values, copied."""
    del weights
    return np.ascontiguousarray(inputs[0].transpose(_with_batch(node.perm)))


def node_of(layer: StoredLayer, inputs: Sequence[QTensor], output: QTensor) -> Transpose:
    """Return the node of a layer in a file.

    Raises:
        ConversionError: It has another number of inputs.
    """
    expect(output.name, "number of inputs", len(inputs), 1)
    perm: Shape = layer.parameter("perm")
    expect(output.name, "number of axes", len(inputs[0].shape), len(perm))
    shape = tuple(inputs[0].shape[axis] for axis in perm)
    return Transpose(
        input=inputs[0].name, output=dataclasses.replace(output, shape=shape), perm=perm
    )


def tflite_version(node: Transpose, inputs: Sequence[QTensor]) -> Version:
    """Return the version: 4 for five axes."""
    del inputs
    if len(node.perm) >= FIVE_AXES:
        return Version(number=4, runtime="2.3.0")
    return Version(number=2, runtime="1.14.0")


def write_tflite(
    model: TfliteWriter, node: Transpose, inputs: Sequence[TfliteInput], output: int
) -> None:
    """Add the operator."""
    perm = np.array(_with_batch(node.perm), np.int32)
    sources = [*tflite.indices(inputs), model.constant(f"{node.output.name}/perm", perm)]
    version = tflite_version(node, []).number
    model.operator("TRANSPOSE", version, sources, output, "TransposeOptions")


def read_tflite(operator: TfliteOperator, scope: Scope) -> Transpose:
    """Return the node of an operator.

    Raises:
        ConversionError: Its order is no constant, or moves the batch.
    """
    read, order, target = tflite.ends(operator, inputs=2)
    source, output = scope.read(read, operator), scope.write(target)
    axes = [int(axis) for axis in scope.constant(order, operator, np.int32)[1].ravel()]
    perm = _without_batch(axes, len(source.shape) + 1)
    if perm is None:
        raise tflite.refusal(operator, f"expected an order of axes after the batch, got {axes}")
    return Transpose(input=source.name, output=output, perm=perm)


def _without_batch(axes: Sequence[int], rank: int) -> Shape | None:
    """Return an order of axes without the batch; None if it is none, or moves the batch."""
    if rank < 1 or not all(-rank <= axis < rank for axis in axes):
        return None
    order = [axis % rank for axis in axes]
    if order[:1] != [0] or sorted(order) != [*range(rank)]:
        return None
    return tuple(axis - 1 for axis in order[1:])


def write_onnx(
    model: OnnxWriter,
    node: Transpose,
    inputs: Sequence[OnnxInput],
    output: str,
    certificate: Certificate | None,
) -> None:
    """Add a Transpose of codes, channels last before and after it."""
    del certificate
    (read,), image = inputs, len(node.perm) == IMAGE_AXES
    if image and node.perm == _LAST_FIRST:
        # With the channels last this would look like the way back to channels first.
        model.node("Transpose", [read.codes], output, perm=[0, 3, 1, 2])
        return
    codes = onnx.channels_last(model, read)
    perm = [*_with_batch(node.perm)]
    if not image:
        model.node("Transpose", [codes], output, perm=perm)
        return
    onnx.channels_first(model, model.node("Transpose", [codes], perm=perm), output)


def layer_of_tflite(source: LayerSource) -> StoredLayer | None:
    """Return a transposition that leaves the batch in place."""
    index, axes = source.operator.input(0), source.constant(1)
    if index < 0 or axes is None or axes.dtype.kind != "i":
        return None
    rank = len(source.model.tensors[index].fixed_shape)
    perm = _without_batch([int(axis) for axis in axes.ravel()], rank)
    if perm is None:
        return None
    return dataclasses.replace(source.layer, kind="transpose", parameters=(("perm", perm),))


def given_shape(layer: StoredLayer, shapes: Sequence[Shape]) -> Shape | None:
    """Return the shape that a layer of a file gives; see `operator.Operator.given_shape`."""
    perm: Shape = layer.parameter("perm")
    if len(shapes[0]) != len(perm):
        return None
    return tuple(shapes[0][axis] for axis in perm)


def examples() -> Iterator[Example]:
    """Yield every order of an image's axes, and some of fewer and more axes."""
    for name, shape, perm in (
        ("rows and columns", (4, 5, 3), (1, 0, 2)),
        ("channels first", (4, 5, 3), _LAST_FIRST),
        ("channels last", (6, 4, 5), (1, 2, 0)),
        ("columns and channels", (4, 5, 3), (0, 2, 1)),
        ("rows and channels", (4, 5, 3), (2, 1, 0)),
        ("two axes", (12, 5), (1, 0)),
        ("four axes", (4, 5, 2, 3), (0, 1, 3, 2)),
        ("four axes, all moved", (4, 5, 2, 3), (2, 3, 1, 0)),
    ):
        source = QTensor(name="image", shape=shape, scale=np.float32(0.029), zero_point=-11)
        moved = tuple(shape[axis] for axis in perm)
        out = dataclasses.replace(source, name="transposed", shape=moved)
        node = Transpose(input="image", output=out, perm=perm)
        yield Example(name=name, node=node, inputs=(source,))
