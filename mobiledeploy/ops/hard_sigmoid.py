"""x / 6 + 1/2 of each code, cut off to 0..1, on the grid of scale 1/255, zero point -128.

TFLite has no such operator. A depthwise convolution of single pixels with the weight 1/6 and the
bias 1/2 is one: its output's grid ends at 0 and 1. Both runtimes compute it alike, fast and with
one rounding; see `conv`. What reads files layer by layer sees the convolution.

Sources: the gates of Howard et al., "Searching for MobileNetV3", arXiv:1905.02244, section 5.2.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from mobiledeploy.base.errors import RequestError
from mobiledeploy.formats.onnx.writer import OnnxWriter
from mobiledeploy.formats.tflite import TfliteOperator, TfliteTensor
from mobiledeploy.formats.tflite.writer import TfliteWriter
from mobiledeploy.ops import conv, each_code, stored, tflite, without_weights
from mobiledeploy.ops.architecture import Layer
from mobiledeploy.ops.certificate import Certificate, batches_of_all_codes
from mobiledeploy.ops.conv import Conv
from mobiledeploy.ops.each_code import EachCode
from mobiledeploy.ops.file_form import FileForm
from mobiledeploy.ops.grid import Grid
from mobiledeploy.ops.onnx import IMAGE_AXES, OnnxInput
from mobiledeploy.ops.operator import Example, Kernel, Trials, layer_of
from mobiledeploy.ops.ranges import Interval, Ranges, wide_enough
from mobiledeploy.ops.stored import StoredLayer
from mobiledeploy.ops.tensors import (
    QMAX,
    Float32,
    Int8,
    QTensor,
    Shape,
    expect,
    expect_grid,
    tensors,
)
from mobiledeploy.ops.tflite import Scope, TfliteInput, Version
from mobiledeploy.ops.tflite_reading import LayerSource
from mobiledeploy.ops.weights import BIAS_LIMIT, QWeights, Weights

LAYERS: tuple[str, ...] = ("hard_sigmoid",)
TFLITE: Mapping[str, FileForm] = {}
ONNX: Mapping[str, FileForm] = {}
DEPTHWISE: Final = "DEPTHWISE_CONV_2D"
SPECIAL_IN_TFLITE: frozenset[str] = frozenset({DEPTHWISE})
SPECIAL_IN_ONNX: frozenset[str] = frozenset()
FIXED_RANGE: Interval | None = (0.0, 1.0)
IMAGES: bool = True
SYMMETRIC: bool = False
LITERT_KERNELS: tuple[Kernel, ...] = ("x86",)
TRIALS: Trials | None = None

SCALE: Final = np.float32(1 / 255)
ZERO_POINT: Final = -128
SLOPE: Final = np.float32(1 / 6 / QMAX)
"""Scale of the weight, whose code is 127."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HardSigmoid(EachCode):
    """The hard sigmoid of each element of an image."""

    def check(self, inputs: Sequence[QTensor]) -> None:
        """Check shape and grid; see `node.Node.check`."""
        EachCode.check(self, inputs)
        expect(self.output.name, "rank of the input", len(inputs[0].shape), IMAGE_AXES)
        expect_grid(self.output, SCALE, ZERO_POINT)
        convolution(self, inputs[0]).check(inputs)


NODE: type[HardSigmoid] = HardSigmoid
kernel_shape = without_weights.kernel_shape
work = without_weights.work
output_range = without_weights.output_range
scale_ratios = without_weights.scale_ratios
given_shape = stored.same_shape
trials = batches_of_all_codes


def output_shape(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    """Return the input's shape; see `operator.Operator.output_shape`.

    Raises:
        RequestError: It reads something else than an image.
    """
    shape = each_code.output_shape(layer, inputs)
    if len(shape) != IMAGE_AXES:
        raise RequestError(
            f"layer `{layer.name}` (hard_sigmoid) expects an image, if only of one pixel, "
            f"received {shape}"
        )
    return shape


def operand_ranges(layer: Layer, ranges: Ranges) -> Ranges:
    """Return a range of the input whose step is not too small for the bias to fit int32."""
    (source,) = layer.inputs
    limit = 0.5 / (float(SLOPE) * BIAS_LIMIT)
    return {source: wide_enough(limit, source, ranges[source])}


def quantise(
    layer: Layer, inputs: Sequence[Grid], output: QTensor, weights: Weights | None
) -> HardSigmoid:
    """Return the node of a layer."""
    del inputs, weights
    return HardSigmoid(input=layer.inputs[0], output=output)


def float_layer(node: HardSigmoid, inputs: Sequence[QTensor]) -> Layer:
    """Return the layer of a node."""
    return layer_of("hard_sigmoid", node, inputs)


def convolution(node: HardSigmoid, source: QTensor) -> Conv:
    """Return the convolution that it is.

    Args:
        node: The node.
        source: Its input.
    """
    channels = source.shape[-1]
    step = source.scale * SLOPE
    bias = round(0.5 / float(step))
    return Conv(
        input=node.input,
        output=node.output,
        weights=QWeights(
            kernel=np.full((1, 1, 1, channels), QMAX, np.int8),
            kernel_scale=np.full(channels, SLOPE),
            bias=np.full(channels, min(bias, np.iinfo(np.int32).max), np.int32),
            bias_scale=np.full(channels, step),
        ),
        depthwise=True,
        strides=(1, 1),
        padding="same",
        activation="none",
    )


def node_of(layer: StoredLayer, inputs: Sequence[QTensor], output: QTensor) -> HardSigmoid:
    """Return the node of a layer in a file.

    Raises:
        ConversionError: It has another number of inputs.
    """
    del layer
    expect(output.name, "number of inputs", len(inputs), 1)
    return HardSigmoid(input=inputs[0].name, output=output)


def litert_codes(
    node: HardSigmoid, inputs: Sequence[QTensor], codes: Sequence[Int8], *, kernel: Kernel
) -> Int8:
    """Return the codes that XNNPACK computes, on every architecture."""
    return conv.litert_codes(convolution(node, inputs[0]), inputs, codes, kernel=kernel)


def float_values(
    node: HardSigmoid, inputs: Sequence[Float32], weights: tuple[Float32, Float32] | None
) -> Float32:
    """Return the hard sigmoid of real values."""
    del node, weights
    line = inputs[0] / np.float32(6) + np.float32(0.5)
    gates: Float32 = np.clip(line, np.float32(0), np.float32(1))
    return gates


def tflite_version(node: HardSigmoid, inputs: Sequence[QTensor]) -> Version:
    """Return the convolution's version."""
    return conv.tflite_version(convolution(node, inputs[0]), inputs)


def write_tflite(
    model: TfliteWriter, node: HardSigmoid, inputs: Sequence[TfliteInput], output: int
) -> None:
    """Add the convolution."""
    conv.write_tflite(model, convolution(node, inputs[0].tensor), inputs, output)


def is_in_tflite(operator: TfliteOperator, tensors: Sequence[TfliteTensor]) -> bool:
    """Whether a convolution has just the integers of a hard sigmoid; see `SpecialCase`."""
    if len(operator.inputs) != 3 or len(operator.outputs) != 1:
        return False
    places = (*operator.inputs, *operator.outputs)
    if min(places) < 0:
        return False
    source, kernel, bias, out = (tensors[place] for place in places)
    ones = ("stride_w", "stride_h", "dilation_w_factor", "dilation_h_factor", "depth_multiplier")
    plain = operator.activation == "none" and {operator.option(name) for name in ones} == {1}
    alone = source.scale.size == out.scale.size == 1 and len(source.fixed_shape) == 4
    if not plain or not alone or kernel.data is None or bias.data is None:
        return False
    if (out.scale[0], out.zero_point[0]) != (SCALE, ZERO_POINT):
        return False
    image, gates = (
        QTensor(
            name=name,
            shape=tuple(source.fixed_shape[1:]),
            scale=np.float32(tensor.scale[0]),
            zero_point=int(tensor.zero_point[0]),
        )
        for name, tensor in (("image", source), ("gates", out))
    )
    expected = convolution(HardSigmoid(input="image", output=gates), image).weights
    return (
        np.array_equal(kernel.data, expected.kernel)
        and np.array_equal(kernel.scale, expected.kernel_scale)
        and np.array_equal(bias.data, expected.bias)
    )


def read_tflite(operator: TfliteOperator, scope: Scope) -> HardSigmoid:
    """Return the node of an operator."""
    source, _, _, target = tflite.ends(operator, inputs=3)
    return HardSigmoid(input=scope.read(source, operator).name, output=scope.write(target))


def write_onnx(
    model: OnnxWriter,
    node: HardSigmoid,
    inputs: Sequence[OnnxInput],
    output: str,
    certificate: Certificate | None,
) -> None:
    """Add the convolution, which ONNX Runtime fuses into QLinearConv."""
    conv.write_onnx(model, convolution(node, inputs[0].tensor), inputs, output, certificate)


def layer_of_tflite(source: LayerSource) -> StoredLayer:
    """Return the convolution."""
    return conv.layer_of_tflite(source)


def examples() -> Iterator[Example]:
    """Yield gates of an image and of channels."""
    for name, shape, scale, zero in (
        ("image", (4, 6, 3), 0.0411, 3),
        ("more channels", (5, 4, 6), 0.0323, 20),
        ("wide", (4, 6, 3), 0.31, -40),
    ):
        scales, zeros = (scale, float(SCALE)), (zero, ZERO_POINT)
        source, out = tensors(("image", "result"), shape, scales, zeros)
        yield Example(name=name, node=HardSigmoid(input="image", output=out), inputs=(source,))
