"""The same codes in another shape: RESHAPE.

It flattens an image to a vector, row by row with the channels last, and makes five axes of an
image and back, as when channels are shuffled. Input and output are on one grid. The `.onnx` holds
images with the channels first, so that they are transposed before and after.

A shuffle of channels is RESHAPE, TRANSPOSE, RESHAPE: an operator of its own would be these three
in both formats, and where shuffled channels are split in halves, permuted weights cannot replace
it.

Source: TFLite's tflite/kernels/reshape.cc.
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from mobiledeploy.base.errors import RequestError
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
from mobiledeploy.ops.stored import StoredLayer, with_fault
from mobiledeploy.ops.tensors import Float32, Int8, QTensor, Shape, expect
from mobiledeploy.ops.tflite import Scope, TfliteInput, Version
from mobiledeploy.ops.tflite_reading import LayerSource
from mobiledeploy.ops.weights import Weights

LAYERS: tuple[str, ...] = ("reshape",)
TFLITE: Mapping[str, FileForm] = {"RESHAPE": FileForm()}
ONNX: Mapping[str, FileForm] = {}
"""None: `reading.onnx_moves` tells a Reshape that is a layer from one that is not."""
FIXED_RANGE: Interval | None = None
IMAGES: bool = False
SYMMETRIC: bool = False
LITERT_KERNELS: tuple[Kernel, ...] = ("x86",)
TRIALS: Trials | None = Trials(layers="reshape", cases="{cases} codes in {layers}")
MOVES: str = "it gives the same codes another shape"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reshape(OneInput):
    """The elements of a tensor, in the same order, in the output's shape."""

    def check(self, inputs: Sequence[QTensor]) -> None:
        """Check the number of elements and the grid; see `node.Node.check`."""
        (source,) = inputs
        name, out = self.output.name, self.output
        expect(name, "number of elements", math.prod(out.shape), math.prod(source.shape))
        one_grid.expect_one_grid(out, inputs)


NODE: type[Reshape] = Reshape
kernel_shape = without_weights.kernel_shape
work = without_weights.work
scale_ratios = without_weights.scale_ratios
operand_ranges = one_grid.operand_ranges
output_range = one_grid.output_range
trials = batches_of_all_codes


def output_shape(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    """Return the layer's parameter `shape`; see `operator.Operator.output_shape`."""
    without_weights.expect_inputs(layer, inputs, 1)
    given = layer.parameters
    shape = tuple(given["shape"]) if given.keys() == {"shape"} else ()
    if not shape or min(shape) < 1 or math.prod(shape) != math.prod(inputs[0]):
        raise RequestError(
            f"layer `{layer.name}` (reshape) expects a parameter `shape` of "
            f"{math.prod(inputs[0])} elements, received {dict(given)}"
        )
    return shape


def quantise(
    layer: Layer, inputs: Sequence[Grid], output: QTensor, weights: Weights | None
) -> Reshape:
    """Return the node of a layer."""
    del inputs, weights
    return Reshape(input=layer.inputs[0], output=output)


def float_layer(node: Reshape, inputs: Sequence[QTensor]) -> Layer:
    """Return the layer of a node."""
    return layer_of("reshape", node, inputs, shape=node.output.shape)


def litert_codes(
    node: Reshape, inputs: Sequence[QTensor], codes: Sequence[Int8], *, kernel: Kernel
) -> Int8:
    """Return the codes, copied."""
    del inputs, kernel
    return codes[0].reshape(len(codes[0]), *node.output.shape)


def float_values(
    node: Reshape, inputs: Sequence[Float32], weights: tuple[Float32, Float32] | None
) -> Float32:
    """Return the real values, copied."""
    del weights
    return inputs[0].reshape(len(inputs[0]), *node.output.shape)


def node_of(layer: StoredLayer, inputs: Sequence[QTensor], output: QTensor) -> Reshape:
    """Return the node of a layer in a file.

    Raises:
        ConversionError: It has another number of inputs.
    """
    expect(output.name, "number of inputs", len(inputs), 1)
    output = dataclasses.replace(output, shape=layer.parameter("shape"))
    return Reshape(input=inputs[0].name, output=output)


def tflite_version(node: Reshape, inputs: Sequence[QTensor]) -> Version:
    """Return the operator's only version."""
    del node, inputs
    return Version(number=1, runtime="1.5.0")


def write_tflite(
    model: TfliteWriter, node: Reshape, inputs: Sequence[TfliteInput], output: int
) -> None:
    """Add the operator."""
    # The batch is the rest, also where an app resizes it.
    sizes = np.array([-1, *node.output.shape], np.int32)
    shape = model.constant(f"{node.output.name}/shape", sizes)
    version = tflite_version(node, []).number
    model.operator("RESHAPE", version, [*tflite.indices(inputs), shape], output, "ReshapeOptions")


def read_tflite(operator: TfliteOperator, scope: Scope) -> Reshape:
    """Return the node of an operator.

    Raises:
        ConversionError: Its shape is no constant, or not the one that the output states.
    """
    if len(operator.inputs) not in {1, 2} or len(operator.outputs) != 1:
        raise tflite.refusal(operator, "expected an input, a shape and an output")
    source, output = scope.read(operator.inputs[0], operator), scope.write(operator.outputs[0])
    if operator.inputs[1:]:
        sizes = scope.constant(operator.inputs[1], operator, np.int32)[1].ravel().tolist()
    else:
        sizes = list(operator.option("new_shape") or ())
    if asked(sizes, (1, *source.shape)) != (1, *output.shape):
        raise tflite.refusal(
            operator, f"expected the shape {(1, *output.shape)}, as its output states, got {sizes}"
        )
    return Reshape(input=source.name, output=output)


def asked(sizes: Sequence[int], before: Sequence[int]) -> tuple[int, ...]:
    """Return the shape that a RESHAPE asks for.

    Args:
        sizes: As the file has them: one may be -1, the rest.
        before: Shape of what it reads.
    """
    rest = math.prod(size for size in sizes if size != -1)
    whole = math.prod(before)
    return tuple(whole // rest if size == -1 and rest else size for size in sizes)


def write_onnx(
    model: OnnxWriter,
    node: Reshape,
    inputs: Sequence[OnnxInput],
    output: str,
    certificate: Certificate | None,
) -> None:
    """Add a Reshape of codes, channels last before and after it."""
    del certificate
    (read,), name, shape = inputs, node.output.name, node.output.shape
    image = len(shape) == IMAGE_AXES
    codes = onnx.channels_last(model, read)
    if image and len(read.tensor.shape) == IMAGE_AXES:
        # From image to image only by way of a vector: in a Reshape from one to the other, readers
        # of files look for neighbouring pixels that become channels.
        flat = model.constant(f"{name}/flat", np.array([-1, math.prod(shape)]))
        codes = model.node("Reshape", [codes, flat])
    sizes = model.constant(f"{name}/shape", np.array([-1, *shape]))
    if not image:
        model.node("Reshape", [codes, sizes], output)
        return
    onnx.channels_first(model, model.node("Reshape", [codes, sizes]), output)


def layer_of_tflite(source: LayerSource) -> StoredLayer | None:
    """Return a reshape to the shape that the file asks for.

    `reading.tflite` leaves out those that only flatten what a dense layer reads, or that add or
    drop axes of size 1.
    """
    tensors, operator = source.model.tensors, source.operator
    stated = tensors[operator.outputs[0]].fixed_shape
    index = operator.input(0)
    before = tensors[index].fixed_shape if index >= 0 else ()
    sizes: Sequence[int] | None = operator.option("new_shape")
    if operator.inputs[1:]:
        numbers = source.constant(1)
        usable = numbers is not None and numbers.dtype.kind == "i"
        sizes = numbers.ravel().tolist() if numbers is not None and usable else None
    given = stated if sizes is None else asked(sizes, before)
    layer = dataclasses.replace(
        source.layer, kind="reshape", parameters=(("shape", tuple(given[1:])),)
    )
    if given[:1] != stated[:1] or math.prod(given) != math.prod(before):
        return with_fault(layer, "form", f"a reshape of {before} to {given}")
    return layer


def given_shape(layer: StoredLayer, shapes: Sequence[Shape]) -> Shape | None:
    """Return the shape that a layer of a file gives; see `operator.Operator.given_shape`."""
    del shapes
    shape: Shape = layer.parameter("shape")
    return shape


def examples() -> Iterator[Example]:
    """Yield a flattened image, one of another size, and to and from other numbers of axes."""
    for name, before, after in (
        ("flattened", (4, 5, 3), (60,)),
        ("other size", (4, 6, 3), (8, 3, 3)),
        ("pixels to channels", (4, 6, 3), (4, 2, 9)),
        ("vector to image", (60,), (4, 5, 3)),
        ("five axes", (5, 4, 6), (5, 4, 2, 3)),
        ("from five axes", (4, 5, 2, 3), (4, 5, 6)),
        ("three axes", (5, 4, 6), (20, 6)),
        ("from three axes", (20, 6), (5, 8, 3)),
    ):
        source = QTensor(name="image", shape=before, scale=np.float32(0.029), zero_point=-11)
        out = dataclasses.replace(source, name="reshaped", shape=after)
        yield Example(name=name, node=Reshape(input="image", output=out), inputs=(source,))
