"""The largest code of each window of an image: MAX_POOL_2D.

Padding counts as the lowest code, so that it never is the largest.
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from mobiledeploy.base.errors import ConversionError, RequestError
from mobiledeploy.formats.onnx import OnnxOperator
from mobiledeploy.formats.onnx.writer import OnnxWriter
from mobiledeploy.formats.tflite import TfliteOperator, schema
from mobiledeploy.formats.tflite.writer import TfliteWriter
from mobiledeploy.ops import one_grid, onnx, padding, pools, tflite, without_weights
from mobiledeploy.ops.activation import activated, clamp, implied
from mobiledeploy.ops.architecture import Activation, Layer
from mobiledeploy.ops.certificate import Certificate, all_codes
from mobiledeploy.ops.file_form import FileForm
from mobiledeploy.ops.grid import Grid
from mobiledeploy.ops.node import OneInput
from mobiledeploy.ops.onnx import OnnxInput
from mobiledeploy.ops.onnx_reader import OnnxReader
from mobiledeploy.ops.onnx_values import OnnxValue
from mobiledeploy.ops.operator import Example, Kernel, Trials, layer_of
from mobiledeploy.ops.pad import write_tflite_before
from mobiledeploy.ops.padding import Padding, Pads, Pair, padding_from
from mobiledeploy.ops.ranges import Interval
from mobiledeploy.ops.stored import StoredLayer
from mobiledeploy.ops.tensors import QMIN, Float32, Int8, QTensor, Shape, expect, expect_grid
from mobiledeploy.ops.tflite import Scope, TfliteInput, refusal
from mobiledeploy.ops.tflite_reading import LayerSource
from mobiledeploy.ops.weights import Weights

LAYERS: tuple[str, ...] = ("max_pool",)
TFLITE: Mapping[str, FileForm] = {"MAX_POOL_2D": FileForm(versions={"int8": 2, "int16": 3})}
FIXED_RANGE: Interval | None = None
IMAGES: bool = True
SYMMETRIC: bool = False
LITERT_KERNELS: tuple[Kernel, ...] = ("x86",)
TRIALS: Trials | None = Trials(
    layers="max pool", cases="{cases} codes, every one that there is in {layers}"
)
MOVES: str = "it takes the largest code of each window"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MaxPool(OneInput):
    """The largest code of each window, activation included.

    Attributes:
        input: The image.
        output: On the image's grid.
        window: Height and width of the window.
        strides: Vertical and horizontal step.
        padding: With the lowest code.
        activation: Applied to the output.
    """

    window: tuple[int, int]
    strides: tuple[int, int]
    padding: Padding
    activation: Activation

    def check(self, inputs: Sequence[QTensor]) -> None:
        """Check shape, grid and window; see `node.Node.check`."""
        (source,) = inputs
        name, out = self.output.name, self.output
        expect(name, "rank of the input", len(source.shape), 3)
        if min(*self.window, *self.strides) < 1:
            raise ConversionError(f"`{name}`: expected a positive window and strides")
        if not _fits(self.window, self.padding):
            raise ConversionError(
                f"`{name}`: expected a padding smaller than the window of {self.window}, "
                f"received {self.padding}"
            )
        sides = padding.sides_after(source.shape[:2], self.window, self.strides, self.padding)
        what = f"output shape, with padding {str(self.padding).upper()},"
        expect(name, what, out.shape, (*sides, source.shape[2]))
        expect_grid(out, source.scale, source.zero_point)


def _fits(window: Pair, around: Padding) -> bool:
    """Whether no window lies in the padding only."""
    if isinstance(around, str):
        return True
    return min(around) >= 0 and max(around[:2]) < window[0] and max(around[2:]) < window[1]


NODE: type[MaxPool] = MaxPool
kernel_shape = without_weights.kernel_shape
tflite_version = tflite.second_version
work = without_weights.work
scale_ratios = without_weights.scale_ratios
given_shape = pools.given_shape
operand_ranges = one_grid.operand_ranges
output_range = one_grid.output_range


def output_shape(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    """Return height, width and channels of the output; see `operator.Operator.output_shape`."""
    shape = pools.shape_of_windows(layer, inputs)
    if not _fits(layer.kernel, layer.padding):
        raise RequestError(
            f"layer `{layer.name}`: expected a padding smaller than the window of {layer.kernel}, "
            f"received {layer.padding}"
        )
    return shape


def quantise(
    layer: Layer, inputs: Sequence[Grid], output: QTensor, weights: Weights | None
) -> MaxPool:
    """Return the node of a layer."""
    del inputs, weights
    return MaxPool(
        input=layer.inputs[0],
        output=output,
        window=layer.kernel,
        strides=layer.strides,
        padding=layer.padding,
        activation=layer.activation,
    )


def pad_code(zero_point: int | None) -> float:
    """Return what it pads with: the lowest value; see `capabilities.TakesPadding`."""
    return -math.inf if zero_point is None else QMIN


def padded(node: MaxPool, source: QTensor, around: Pads) -> MaxPool | None:
    """Return the node that reads an image without the padding around it.

    See `capabilities.TakesPadding`.
    """
    if node.padding == "same":
        return None
    total = padding.added(around, node.padding)
    simplest = padding_from(source.shape[:2], node.window, node.strides, total)
    if not _fits(node.window, simplest):
        return None
    return dataclasses.replace(
        node, input=source.name, padding=simplest if any(total) else "valid"
    )


def float_layer(node: MaxPool, inputs: Sequence[QTensor]) -> Layer:
    """Return the layer of a node."""
    return dataclasses.replace(
        layer_of("max_pool", node, inputs),
        kernel=node.window,
        strides=node.strides,
        padding=node.padding,
        activation=node.activation,
    )


def litert_codes(
    node: MaxPool, inputs: Sequence[QTensor], codes: Sequence[Int8], *, kernel: Kernel
) -> Int8:
    """Return the largest codes, clipped as the activation says."""
    del inputs, kernel
    return np.clip(_largest(node, codes[0], QMIN), *clamp(node.activation, node.output))


def _largest(node: MaxPool, image: padding.Array, lowest: float) -> padding.Array:
    """Return the largest value of each window.

    Args:
        node: The pool.
        image: Shape (batch, height, width, channels).
        lowest: Value of the padding.
    """
    around = padding.pads(image.shape[1:3], node.window, node.strides, node.padding)
    bordered = np.pad(image, ((0, 0), *around, (0, 0)), constant_values=lowest)
    height, width, _ = node.output.shape
    views = padding.windows(bordered, node.window, node.strides, (height, width))
    largest = next(views)[0].copy()
    for view, _, _ in views:
        np.maximum(largest, view, out=largest)
    return largest


def float_values(
    node: MaxPool, inputs: Sequence[Float32], weights: tuple[Float32, Float32] | None
) -> Float32:
    """Return the largest real values, after the activation."""
    del weights
    return activated(node.activation, _largest(node, inputs[0], -math.inf))


def node_of(layer: StoredLayer, inputs: Sequence[QTensor], output: QTensor) -> MaxPool:
    """Return the node of a layer in a file."""
    (source,) = inputs
    shape = (1, 1, *output.shape) if len(output.shape) == 1 else output.shape
    return MaxPool(
        input=source.name,
        output=dataclasses.replace(output, shape=shape),
        window=layer.window,
        strides=layer.strides,
        padding=padding_from(source.shape[:2], layer.window, layer.strides, layer.pads),
        activation="none",
    )


def trials(layer: StoredLayer, shapes: Sequence[Shape]) -> tuple[tuple[Int8, ...], int]:
    """Return all codes, in an order in which each is the largest of some window."""
    del layer
    codes = np.random.default_rng(0).permutation(all_codes()).astype(np.int8)
    images = -(-2 * codes.size // math.prod(shapes[0]))
    batch = np.resize(codes, (images, *shapes[0]))
    # Of many codes the largest is nearly always 127: a second batch has all codes but dimmed.
    dim = np.sort(np.resize(codes, batch.size)).reshape(batch.shape)
    return (np.concatenate([batch, dim]),), codes.size


def write_tflite(
    model: TfliteWriter, node: MaxPool, inputs: Sequence[TfliteInput], output: int
) -> None:
    """Add the operator, behind a PAD or PADV2 if its padding is given in numbers.

    A PAD, which XNNPACK runs, is enough where real 0 has the lowest code, as behind a ReLU.
    """
    first, around = write_tflite_before(
        model, node.output.name, inputs[0], node.padding, code=QMIN
    )
    model.operator(
        "MAX_POOL_2D",
        tflite_version(node, []).number,
        [first],
        output,
        "Pool2DOptions",
        **pools.options(node.window, node.strides, around),
        FusedActivationFunction=schema.ACTIVATIONS.index(node.activation),
    )


def read_tflite(operator: TfliteOperator, scope: Scope) -> MaxPool:
    """Return the node of an operator.

    Raises:
        ConversionError: It has another activation, or its numbers make no pool.
    """
    source, target = tflite.ends(operator, inputs=1)
    around = schema.padding(operator.option("padding"))
    activation = tflite.activation_of(operator)
    if around is None or activation is None:
        raise refusal(operator, "expected SAME or VALID, and at most a ReLU or ReLU6")
    return MaxPool(
        input=scope.read(source, operator).name,
        output=scope.write(target),
        window=pools.window_of(operator),
        strides=pools.strides_of(operator),
        padding=around,
        activation=activation,
    )


def write_onnx(
    model: OnnxWriter,
    node: MaxPool,
    inputs: Sequence[OnnxInput],
    output: str,
    certificate: Certificate | None,
) -> None:
    """Add a MaxPool of codes, and a Clip for an activation that the grid does not imply."""
    del certificate
    size = inputs[0].tensor.shape[:2]
    begins, ends = zip(*padding.pads(size, node.window, node.strides, node.padding), strict=True)
    plain = implied(node.activation, node.output)
    largest = model.node(
        "MaxPool",
        [inputs[0].codes],
        output if plain else None,
        kernel_shape=node.window,
        strides=node.strides,
        pads=[*begins, *ends],
    )
    if not plain:
        bounds = (np.uint8(code + onnx.OFFSET) for code in clamp(node.activation, node.output))
        model.node("Clip", [largest, *(model.scalar(bound) for bound in bounds)], output)


def layer_of_tflite(source: LayerSource) -> StoredLayer | None:
    """Return a pool; None if its numbers make none."""
    return pools.layer_of_tflite(source, "max_pool")


def _read_max_pool(reader: OnnxReader, node: OnnxOperator) -> OnnxValue | None:
    """Read MaxPool, of codes or of real values."""
    pooled = pools.pool_of(reader, node)
    if pooled is None:
        return None
    value, window, strides, around = pooled
    out = pools.output_of(value, window, strides, around)
    fields = {"window": window, "strides": strides, "pads": around}
    if value.real:
        return reader.add_layer(node, "max_pool", [value], out, **fields)
    return reader.move_codes(node, "max_pool", [value], out, **fields)


ONNX: Mapping[str, FileForm] = {"MaxPool": FileForm(read=_read_max_pool)}


def examples() -> Iterator[Example]:
    """Yield each form of padding, with and without stride and activation."""
    for name, zero, window, strides, around, activation in _EXAMPLES:
        source = QTensor(name="image", shape=(9, 7, 3), scale=np.float32(0.031), zero_point=zero)
        sides = padding.sides_after(source.shape[:2], window, strides, around)
        node = MaxPool(
            input="image",
            output=dataclasses.replace(source, name="pooled", shape=(*sides, 3)),
            window=window,
            strides=strides,
            padding=around,
            activation=activation,
        )
        yield Example(name=name, node=node, inputs=(source,))


_EXAMPLES: tuple[tuple[str, int, Pair, Pair, Padding, Activation], ...] = (
    ("2x2 valid", -7, (2, 2), (2, 2), "valid", "none"),
    ("3x3 same", -7, (3, 3), (2, 2), "same", "none"),
    ("padded by numbers", -7, (3, 3), (3, 2), (1, 1, 1, 1), "none"),
    ("padded behind a ReLU", -128, (3, 3), (3, 2), (1, 1, 1, 1), "none"),
    ("padded at the end", -7, (3, 2), (2, 3), (0, 2, 0, 1), "none"),
    ("large window", -7, (5, 4), (1, 1), "same", "none"),
    ("with ReLU", -7, (3, 3), (1, 2), "same", "relu"),
    ("2x1 with ReLU6", -100, (2, 1), (1, 1), "valid", "relu6"),
)
