"""The fully connected layer on a vector: FULLY_CONNECTED.

Both runtimes compute the same int32 sums and multiply them by the same float32, as with `conv`, so
that it needs no certificate: see `products.requantise`.
"""

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from mobiledeploy.base.errors import RequestError
from mobiledeploy.formats.onnx.writer import OnnxWriter
from mobiledeploy.formats.tflite import TfliteOperator
from mobiledeploy.formats.tflite.writer import TfliteWriter
from mobiledeploy.ops import onnx, products, tflite
from mobiledeploy.ops import weights as integers
from mobiledeploy.ops.architecture import Layer
from mobiledeploy.ops.certificate import Certificate
from mobiledeploy.ops.grid import Grid
from mobiledeploy.ops.onnx import OnnxInput
from mobiledeploy.ops.operator import Example, Kernel, LayerInFile, Trials, Work
from mobiledeploy.ops.products import Exact
from mobiledeploy.ops.ranges import Interval, Ranges, step, wide_enough
from mobiledeploy.ops.tensors import QMAX, QMIN, Float32, Int8, QTensor, Shape, expect
from mobiledeploy.ops.tflite import Scope, TfliteInput, Version, refusal
from mobiledeploy.ops.weights import QWeights, Weights

LAYERS: tuple[str, ...] = ("dense",)
TFLITE: tuple[str, ...] = ("FULLY_CONNECTED",)
ONNX: tuple[str, ...] = ("Gemm",)
FIXED_RANGE: Interval | None = None
IMAGES: bool = False
SYMMETRIC: bool = False
LITERT_OWN: tuple[str, ...] = ()
LITERT_KERNELS: tuple[Kernel, ...] = ("x86",)
TRIALS: Trials | None = products.TRIALS

MOST_ROWS: Final = 256
"""Vectors a sign for the widest sums: each has those of one output."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dense:
    """A fully connected layer on a vector, bias included."""

    input: str
    output: QTensor
    weights: QWeights

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the tensors that it reads."""
        return (self.input,)

    @property
    def channel_axis(self) -> int:
        """Axis of the output channels in the kernel."""
        return 0

    def check(self, inputs: Sequence[QTensor]) -> None:
        """Check kernel, shapes and weights; see `operator.Node.check`."""
        (source,) = inputs
        name, out = self.output.name, self.output
        expect(name, "rank of the input", len(source.shape), 1)
        expect(name, "kernel shape", self.weights.kernel.shape, (*out.shape, *source.shape))
        integers.check(name, self.weights, source, out, 0)


NODE: type[Dense] = Dense


def kernel_shape(layer: Layer) -> Shape:
    """Return the kernel's shape: IO."""
    return (layer.in_channels, layer.out_channels)


def output_shape(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    """Return the number of outputs; see `operator.Operator.output_shape`."""
    if len(inputs) != 1 or len(inputs[0]) != 1:
        raise RequestError(
            f"layer `{layer.name}` (dense) expects a vector, received {list(inputs)}"
        )
    return (layer.out_channels,)


def work(layer: Layer, inputs: Sequence[Shape]) -> Work:
    """Return what a layer costs; it has a bias, and no batch norm."""
    del inputs
    kernel = math.prod(kernel_shape(layer))
    return Work(
        macs=kernel,
        parameters=kernel + layer.out_channels,
        int8_bytes=kernel + layer.out_channels * integers.BIAS_BYTES,
    )


def operand_ranges(layer: Layer, ranges: Ranges) -> Ranges:
    """Leave the input's range as it is."""
    del layer, ranges
    return {}


def output_range(
    layer: Layer, ranges: Ranges, inputs: Sequence[Shape], weights: Weights | None
) -> Interval:
    """Return a range whose step is large enough for the multiplier."""
    del inputs
    limit = integers.smallest_output_step(
        integers.required(layer.name, weights), step(ranges, layer.inputs[0])
    )
    return wide_enough(limit, layer.name, ranges[layer.name])


def quantise(
    layer: Layer, inputs: Sequence[Grid], output: QTensor, weights: Weights | None
) -> Dense:
    """Return the node of a layer.

    Its kernel has one scale in all, because TFLite before 2.10 and older TFLite Micro compute
    per-channel dense layers wrongly.
    """
    given = integers.required(layer.name, weights)
    found = integers.quantise(
        given.kernel.transpose(1, 0), given.bias, inputs[0].scale, per_channel=False
    )
    return Dense(input=layer.inputs[0], output=output, weights=found)


def float_layer(node: Dense, inputs: Sequence[QTensor]) -> Layer:
    """Return the layer of a node."""
    return Layer(
        name=node.output.name,
        op="dense",
        inputs=node.inputs,
        in_channels=inputs[0].shape[-1],
        out_channels=node.output.shape[-1],
    )


def litert_codes(
    node: Dense, inputs: Sequence[QTensor], codes: Sequence[Int8], *, kernel: Kernel
) -> Int8:
    """Return what XNNPACK computes, on every architecture."""
    del kernel
    sums = accumulators(node, inputs[0], codes[0])
    return products.requantise(sums, node.weights, inputs[0], node.output, (QMIN, QMAX))


def accumulators(node: Dense, source: QTensor, codes: Int8) -> Exact:
    """Return what the kernel accumulates in int32: products and bias.

    Args:
        node: With its weights.
        source: Grid of the input.
        codes: The input, shape (batch, inputs).

    Returns:
        Shape (batch, outputs).
    """
    values, reach = products.centred(source, codes), products.widest(source)
    sums = products.product(values, node.weights.kernel.T, reach)
    bound = products.largest(node.weights, 0, source)
    return products.with_bias(sums, node.weights.bias, bound)


def node_of(layer: LayerInFile, inputs: Sequence[QTensor], output: QTensor) -> Dense:
    """Return the node of a layer in a file.

    Raises:
        ConversionError: Its weights are none of ours.
    """
    return Dense(
        input=inputs[0].name, output=output, weights=integers.of_file(output.name, layer.weights)
    )


def trials(layer: LayerInFile, shapes: Sequence[Shape]) -> tuple[tuple[Int8, ...], int]:
    """Return what drives a layer to its limits; see `products.trials`."""
    (shape,) = shapes

    def widest(kernel: Int8) -> Int8:
        codes = np.where(kernel > 0, QMAX, QMIN).astype(np.int8)
        return codes[: min(MOST_ROWS, products.batch_room(shape))].reshape(-1, *shape)

    return products.trials(layer, shape, math.prod(shape), widest)


def float_values(
    node: Dense, inputs: Sequence[Float32], weights: tuple[Float32, Float32] | None
) -> Float32:
    """Return what a node computes from real values; see `operator.Operator.float_values`."""
    kernel, bias = node.weights.real(0) if weights is None else weights
    return inputs[0] @ kernel.T + bias


def tflite_version(node: Dense, inputs: Sequence[QTensor]) -> Version:
    """Return the version.

    TFLite 2.7 and 2.8 load a version 4 with several scales and compute it wrongly: with version
    12 a runtime that does not know better refuses.
    """
    del inputs
    if node.weights.kernel_scale.size > 1:
        return Version(number=12, runtime="2.17.0")
    return Version(number=4, runtime="1.14.0")


def write_tflite(
    model: TfliteWriter, node: Dense, inputs: Sequence[TfliteInput], output: int
) -> None:
    """Add the operator with its weights."""
    weights = tflite.write_weights(model, node.output.name, node.weights, axis=0)
    version = tflite_version(node, []).number
    model.operator(
        "FULLY_CONNECTED",
        version,
        [*tflite.indices(inputs), *weights],
        output,
        "FullyConnectedOptions",
    )


def read_tflite(operator: TfliteOperator, scope: Scope) -> Dense:
    """Return the node of an operator.

    Raises:
        ConversionError: Its weights are shuffled, or an activation would change codes.
    """
    source, kernel, bias, target = tflite.weighted_ends(operator)
    if operator.option("weights_format"):
        raise refusal(operator, "expected weights in the default format")
    read = scope.read(source, operator)
    weights = tflite.read_weights(operator, scope, read, kernel, bias, axis=0)
    output = scope.write(target, vector=True)
    tflite.refuse_activation(operator, output)
    return Dense(input=read.name, output=output, weights=weights)


def write_onnx(
    model: OnnxWriter,
    node: Dense,
    inputs: Sequence[OnnxInput],
    output: str,
    certificate: Certificate | None,
) -> None:
    """Add a Gemm, which ONNX Runtime fuses into QGemm."""
    del certificate
    reals = onnx.dequantise(model, inputs)
    kernel = node.weights.kernel.T
    weights = onnx.add_weights(model, node.output.name, node.weights, kernel, axis=1)
    onnx.quantise(model, model.node("Gemm", [*reals, *weights]), node.output, output)


def examples() -> Iterator[Example]:
    """Yield one with a single scale, and one with a scale a channel."""
    random = np.random.default_rng(1)
    source = QTensor(name="vector", shape=(40,), scale=np.float32(0.02), zero_point=-11)
    for scales in (1, 7):
        scale = random.uniform(0.005, 0.02, scales).astype(np.float32)
        node = Dense(
            input="vector",
            output=QTensor(name="product", shape=(7,), scale=np.float32(0.08), zero_point=20),
            weights=QWeights(
                kernel=random.integers(-127, 128, (7, 40)).astype(np.int8),
                kernel_scale=scale,
                bias=random.integers(-900, 900, 7).astype(np.int32),
                bias_scale=source.scale * scale,
            ),
        )
        yield Example(name=f"{scales} scales", node=node, inputs=(source,))
