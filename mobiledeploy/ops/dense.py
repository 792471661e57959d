"""The fully connected layer on a vector: FULLY_CONNECTED.

It needs no certificate: as for `conv`, both runtimes compute the same int32 sums and multiply them
by the same float32. See `products.requantise`.
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from mobiledeploy.base.errors import RequestError
from mobiledeploy.formats.onnx import OnnxOperator
from mobiledeploy.formats.onnx.writer import OnnxWriter
from mobiledeploy.formats.tflite import TfliteOperator, schema
from mobiledeploy.formats.tflite.writer import TfliteWriter
from mobiledeploy.ops import onnx, products, tflite, without_weights
from mobiledeploy.ops import weights as integers
from mobiledeploy.ops.activation import activated, clamp
from mobiledeploy.ops.architecture import Activation, Layer
from mobiledeploy.ops.certificate import Certificate
from mobiledeploy.ops.file_form import FileForm, MisreadScales
from mobiledeploy.ops.grid import Grid
from mobiledeploy.ops.node import OneInput
from mobiledeploy.ops.onnx import OnnxInput
from mobiledeploy.ops.onnx_reader import OnnxReader
from mobiledeploy.ops.onnx_reading import dequantised_input, quantised_output
from mobiledeploy.ops.onnx_values import OnnxActivation, OnnxConstant, OnnxValue, QuantisedConstant
from mobiledeploy.ops.onnx_weights import (
    FLOATS,
    Bias,
    bias_of,
    codes_of_bias,
    stored_weights,
    transposed,
    weights_of,
)
from mobiledeploy.ops.operator import Example, Kernel, Trials, Work, layer_of
from mobiledeploy.ops.products import Exact
from mobiledeploy.ops.ranges import Interval
from mobiledeploy.ops.stored import Array, StoredLayer, with_fault
from mobiledeploy.ops.tensors import QMAX, QMIN, Float32, Int8, QTensor, Shape, expect
from mobiledeploy.ops.tflite import Scope, TfliteInput, Version, refusal
from mobiledeploy.ops.tflite_reading import LayerSource, with_weights
from mobiledeploy.ops.weights import QWeights, Weights

LAYERS: tuple[str, ...] = ("dense",)
FIXED_RANGE: Interval | None = None
IMAGES: bool = False
SYMMETRIC: bool = False
LITERT_KERNELS: tuple[Kernel, ...] = ("x86",)
TRIALS: Trials | None = products.TRIALS

MOST_ROWS: Final = 256
"""Vectors per sign for the largest sums, each for one output."""

GUARDED_VERSION: Final = 12
"""Version of FULLY_CONNECTED. TFLite 2.7 to 2.9 accept an int8 one of a lower version with several
weight scales and compute it wrongly, without an error; they refuse this version. Measured with
tflite-runtime's wheels 2.7.0, 2.8.0, 2.9.1 and 2.10.0."""

TFLITE: Mapping[str, FileForm] = {
    "FULLY_CONNECTED": FileForm(
        kernel=1,
        bias=2,
        versions={"int8": 4, "int16": 7},
        weight_versions={
            ("float32", "int8"): (3, 12),
            ("int8", "int4"): (10, 10),
            ("int16", "int4"): (13, 13),
            ("float32", "int2"): (14, 14),
            ("int8", "int2"): (14, 14),
            ("int16", "int2"): (14, 14),
        },
        misread_scales=MisreadScales(refused_from=GUARDED_VERSION, right_from="2.10"),
    ),
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dense(OneInput):
    """A fully connected layer on a vector, bias and activation included."""

    weights: QWeights
    activation: Activation = "none"

    @property
    def channel_axis(self) -> int:
        """Axis of the output channels in the kernel."""
        return 0

    def check(self, inputs: Sequence[QTensor]) -> None:
        """Check kernel, shapes and weights; see `node.Node.check`."""
        (source,) = inputs
        name, out = self.output.name, self.output
        expect(name, "rank of the input", len(source.shape), 1)
        expect(name, "kernel shape", self.weights.kernel.shape, (*out.shape, *source.shape))
        integers.check(name, self.weights, source, out, 0)


NODE: type[Dense] = Dense
operand_ranges = without_weights.operand_ranges
output_range = integers.output_range
scale_ratios = without_weights.scale_ratios
"""None: what XNNPACK looks at depends on the weights, see `weights.WIDEST_MULTIPLIER`."""


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


def quantise(
    layer: Layer, inputs: Sequence[Grid], output: QTensor, weights: Weights | None
) -> Dense:
    """Return the node of a layer.

    Its kernel has a single scale, because TFLite before 2.10 and older TFLite Micro compute
    per-channel dense layers wrongly.
    """
    given = integers.required(layer.name, weights)
    quantised = integers.quantise(
        given.kernel.transpose(1, 0), given.bias, inputs[0].scale, per_channel=False
    )
    return Dense(
        input=layer.inputs[0], output=output, weights=quantised, activation=layer.activation
    )


def float_layer(node: Dense, inputs: Sequence[QTensor]) -> Layer:
    """Return the layer of a node."""
    return dataclasses.replace(layer_of("dense", node, inputs), activation=node.activation)


def litert_codes(
    node: Dense, inputs: Sequence[QTensor], codes: Sequence[Int8], *, kernel: Kernel
) -> Int8:
    """Return the codes that XNNPACK computes, on every architecture."""
    del kernel
    sums = accumulators(node, inputs[0], codes[0])
    bounds = clamp(node.activation, node.output)
    return products.requantise(sums, node.weights, inputs[0], node.output, bounds)


def accumulators(node: Dense, source: QTensor, codes: Int8) -> Exact:
    """Return the kernel's int32 sums: products and bias.

    Args:
        node: The node with its weights.
        source: Grid of the input.
        codes: The input, shape (batch, inputs).

    Returns:
        Shape (batch, outputs).
    """
    values, reach = products.centred(source, codes), products.widest(source)
    sums = products.product(values, node.weights.centred(0).T, reach)
    bound = products.largest(node.weights, 0, source)
    return products.with_bias(sums, node.weights.bias, bound)


def node_of(layer: StoredLayer, inputs: Sequence[QTensor], output: QTensor) -> Dense:
    """Return the node of a layer in a file.

    Raises:
        ConversionError: Its weights are not symmetric int8.
    """
    return Dense(
        input=inputs[0].name, output=output, weights=integers.of_file(output.name, layer.weights)
    )


def trials(layer: StoredLayer, shapes: Sequence[Shape]) -> tuple[tuple[Int8, ...], int]:
    """Return input codes that drive a layer to its limits; see `products.trials`."""
    (shape,) = shapes

    def widest(kernel: Int8) -> Int8:
        codes = np.where(kernel > 0, QMAX, QMIN).astype(np.int8)
        return codes[: min(MOST_ROWS, products.batch_room(shape))].reshape(-1, *shape)

    return products.trials(layer, shape, math.prod(shape), widest)


def float_values(
    node: Dense, inputs: Sequence[Float32], weights: tuple[Float32, Float32] | None
) -> Float32:
    """Return a node's output from real values; see `operator.Operator.float_values`."""
    kernel, bias = node.weights.real(0) if weights is None else weights
    sums: Float32 = inputs[0] @ kernel.T + bias
    return activated(node.activation, sums)


def tflite_version(node: Dense, inputs: Sequence[QTensor]) -> Version:
    """Return the version: one that runtimes refuse which compute several scales wrongly."""
    del inputs
    if node.weights.kernel_scale.size > 1:
        return Version(number=GUARDED_VERSION, runtime="2.17.0")
    return Version(number=4, runtime="1.14.0")


def write_tflite(
    model: TfliteWriter, node: Dense, inputs: Sequence[TfliteInput], output: int
) -> None:
    """Add the operator with its weights."""
    weights = tflite.write_weights(model, node.output.name, node.weights, axis=0)
    version = tflite_version(node, []).number
    activation = {}
    if node.activation != "none":
        activation["FusedActivationFunction"] = schema.ACTIVATIONS.index(node.activation)
    model.operator(
        "FULLY_CONNECTED",
        version,
        [*tflite.indices(inputs), *weights],
        output,
        "FullyConnectedOptions",
        **activation,
    )


def read_tflite(operator: TfliteOperator, scope: Scope) -> Dense:
    """Return the node of an operator.

    Raises:
        ConversionError: Its weights are shuffled, or it has another activation.
    """
    source, kernel, bias, target = tflite.weighted_ends(operator)
    if operator.option("weights_format"):
        raise refusal(operator, "expected weights in the default format")
    read = scope.read(source, operator)
    weights = tflite.read_weights(operator, scope, read, kernel, bias, axis=0)
    output = scope.write(target, vector=True)
    activation = tflite.activation_of(operator)
    if activation is None:
        raise refusal(operator, "expected at most a ReLU or ReLU6")
    return Dense(input=read.name, output=output, weights=weights, activation=activation)


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
    product = model.node("Gemm", [*reals, *weights])
    onnx.quantise_clipped(model, product, node.output, node.activation, output)


def layer_of_tflite(source: LayerSource) -> StoredLayer:
    """Return a fully connected layer."""
    layer = source.as_kind("dense")
    if source.operator.option("weights_format"):
        layer = with_fault(layer, "weights", "weights in a shuffled format")
        return dataclasses.replace(layer, kind="unknown")
    return with_weights(source, layer, axis=0, rank=2)


def given_shape(layer: StoredLayer, shapes: Sequence[Shape]) -> Shape | None:
    """Return the shape that a layer of a file gives; see `operator.Operator.given_shape`."""
    vector = sum(size != 1 for size in shapes[0]) <= 1
    return (layer.weights.bias.size,) if layer.weights is not None and vector else None


def _read_gemm(reader: OnnxReader, node: OnnxOperator) -> OnnxValue | None:
    """Read Gemm and MatMul with constant weights."""
    value = reader.value(node, 0)
    options = {key: node.attributes.get(key) or 0 for key in ("transA", "transB")}
    usual = node.attributes.get("alpha", 1.0) == node.attributes.get("beta", 1.0) == 1.0
    if not isinstance(value, OnnxActivation) or options["transA"] or not usual:
        return None
    kernel = reader.value(node, 1)
    if not options["transB"]:
        kernel = transposed(kernel)
    return _multiply(reader, node, value, kernel, bias_of(reader, node, 2))


def _read_qgemm(reader: OnnxReader, node: OnnxOperator) -> OnnxValue | None:
    """Read QGemm: a, scale, zero, b, scale, zero, bias, y scale, y zero."""
    value, bias = dequantised_input(reader, node, 0), codes_of_bias(reader, node, 6)
    transposed = bool(node.attributes.get("transB"))
    usual = node.attributes.get("alpha", 1.0) == 1.0 and not node.attributes.get("transA")
    kernel = weights_of(reader, node, 3, axis=0 if transposed else 1)
    if value is None or kernel is None or kernel.codes.ndim != 2 or not usual:
        return None
    if not transposed:
        kernel = dataclasses.replace(kernel, codes=kernel.codes.T, axis=1 - kernel.axis)
    return quantised_output(reader, node, _multiply(reader, node, value, kernel, bias), 7)


def _read_qlinear_matmul(reader: OnnxReader, node: OnnxOperator) -> OnnxValue | None:
    """Read QLinearMatMul: a, scale, zero, b, scale, zero, y scale, y zero."""
    value, kernel = dequantised_input(reader, node, 0), weights_of(reader, node, 3, axis=1)
    if value is None or kernel is None or kernel.codes.ndim != 2:
        return None
    kernel = dataclasses.replace(kernel, codes=kernel.codes.T, axis=1 - kernel.axis)
    return quantised_output(reader, node, _multiply(reader, node, value, kernel, None), 6)


def _multiply(
    reader: OnnxReader,
    node: OnnxOperator,
    value: OnnxActivation,
    kernel: OnnxValue | None,
    bias: Bias | None,
) -> OnnxActivation | None:
    """Add a dense layer; return its output, or None if its form is not supported.

    Args:
        reader: The graph so far.
        node: The node that multiplies.
        value: Its input, a vector.
        kernel: The kernel, (outputs, inputs).
        bias: The bias, or None.
    """
    if value.axes != "NC":
        return None
    if isinstance(kernel, OnnxConstant) and kernel.values.ndim == 2:
        out = dataclasses.replace(value, sizes=(value.sizes[0], kernel.values.shape[0]))
        real = _columns_in_order(kernel.values, value)
        if kernel.values.dtype != np.float32:
            real = None
        return reader.add_layer(node, "dense", [value], out, real_kernel=real, faults=(FLOATS,))
    if not isinstance(kernel, QuantisedConstant) or kernel.codes.ndim != 2:
        return None
    outputs = kernel.codes.shape[0]
    codes = _columns_in_order(kernel.codes, value)
    if codes is None:
        return None
    weights, faults = stored_weights(kernel, codes, outputs, 0, value, bias)
    out = dataclasses.replace(value, sizes=(value.sizes[0], outputs), unrolled=None)
    return reader.add_layer(node, "dense", [value], out, weights=weights, faults=faults)


def _columns_in_order(matrix: Array, value: OnnxActivation) -> Array | None:
    """Return a kernel (outputs, inputs) with its columns in the order height, width, channels.

    Args:
        matrix: The kernel.
        value: What it is multiplied with, perhaps an image that was made a vector.

    Returns:
        None if the image does not fit the kernel.
    """
    if value.unrolled is None:
        return matrix
    axes, sizes = value.unrolled
    if 0 in sizes or np.prod(sizes) != matrix.shape[1] or sorted(axes) != sorted("HWC"):
        return None
    order = [1 + axes.index(axis) for axis in "HWC"]
    outputs = len(matrix)
    return matrix.reshape(outputs, *sizes).transpose(0, *order).reshape(outputs, -1)


ONNX: Mapping[str, FileForm] = {
    "Gemm": FileForm(
        kernel=1, bias=2, channel_axis=1, transpose="transB", read=_read_gemm, ort_kernel="QGemm"
    ),
    "MatMul": FileForm(kernel=1, channel_axis=-1, read=_read_gemm, ort_kernel="QGemm"),
    "QGemm": FileForm(
        kernel=3, bias=6, channel_axis=1, transpose="transB", read=_read_qgemm, ort_kernel="QGemm"
    ),
    "QLinearMatMul": FileForm(kernel=3, channel_axis=-1, read=_read_qlinear_matmul),
    "MatMulInteger": FileForm(kernel=1, channel_axis=-1, dynamic=True),
}


def examples() -> Iterator[Example]:
    """Yield one with a single scale, and one with a scale a channel; and with activations."""
    random = np.random.default_rng(1)
    source = QTensor(name="vector", shape=(40,), scale=np.float32(0.02), zero_point=-11)
    for scales, activation in _EXAMPLES:
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
            activation=activation,
        )
        name = f"{scales} scales" if activation == "none" else activation
        yield Example(name=name, node=node, inputs=(source,))


_EXAMPLES: tuple[tuple[int, Activation], ...] = (
    (1, "none"),
    (7, "none"),
    (1, "relu"),
    (7, "relu6"),
)
