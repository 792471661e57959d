"""Convolutions, full and depthwise: the operators `CONV_2D`, `DEPTHWISE_CONV_2D`.

They need no certificate: both runtimes compute the same int32 sums, multiply them by the same
float32 (`input scale * kernel scale / output scale`) and round halves to even. See
`products.requantise` for XNNPACK, and ONNX Runtime's mlas/lib/requantize.cpp and qgemm.cpp.
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import ConversionError, RequestError
from mobiledeploy.formats.onnx import OnnxOperator
from mobiledeploy.formats.onnx.writer import OnnxWriter
from mobiledeploy.formats.tflite import TfliteOperator, schema
from mobiledeploy.formats.tflite.writer import TfliteWriter
from mobiledeploy.ops import average_pool, onnx, products, tflite, without_weights
from mobiledeploy.ops import weights as integers
from mobiledeploy.ops.activation import activated, clamp
from mobiledeploy.ops.architecture import Activation, Layer
from mobiledeploy.ops.certificate import Certificate
from mobiledeploy.ops.dense import Dense
from mobiledeploy.ops.file_form import FileForm
from mobiledeploy.ops.grid import Grid
from mobiledeploy.ops.node import OneInput
from mobiledeploy.ops.onnx import OnnxInput
from mobiledeploy.ops.onnx_reader import OnnxReader
from mobiledeploy.ops.onnx_reading import (
    channels_as_before,
    channels_first,
    dequantised_input,
    padding_of,
    quantised_output,
)
from mobiledeploy.ops.onnx_stem import over_single_pixels
from mobiledeploy.ops.onnx_values import OnnxActivation, OnnxConstant, OnnxValue, QuantisedConstant
from mobiledeploy.ops.onnx_weights import (
    FLOATS,
    Bias,
    bias_of,
    codes_of_bias,
    stored_weights,
    weights_of,
)
from mobiledeploy.ops.operator import Example, Kernel, Trials, Work, layer_of
from mobiledeploy.ops.pad import write_tflite_before
from mobiledeploy.ops.padding import (
    NO_DILATION,
    Padding,
    Pads,
    Pair,
    added,
    output_size,
    padding_from,
    same_pads,
    sides_after,
)
from mobiledeploy.ops.padding import pads as window_pads
from mobiledeploy.ops.padding import windows as window_views
from mobiledeploy.ops.products import EXACT, Exact
from mobiledeploy.ops.ranges import Interval
from mobiledeploy.ops.stored import INPUT, Fault, StoredLayer, with_fault
from mobiledeploy.ops.tensors import QMAX, QMIN, Float32, Int8, QTensor, Shape, expect
from mobiledeploy.ops.tflite import Scope, TfliteInput, Version, refusal
from mobiledeploy.ops.tflite_reading import LayerSource, with_weights
from mobiledeploy.ops.weights import QWeights, Weights

LAYERS: tuple[str, ...] = ("conv", "depthwise")
TFLITE: Mapping[str, FileForm] = {
    "CONV_2D": FileForm(
        kernel=1,
        bias=2,
        per_channel=True,
        versions={"int8": 3, "int16": 4},
        weight_versions={("float32", "int8"): (2, 5), ("int8", "int4"): (7, 7)},
    ),
    "DEPTHWISE_CONV_2D": FileForm(
        kernel=1,
        bias=2,
        channel_axis=3,
        per_channel=True,
        versions={"int8": 3, "int16": 5},
        weight_versions={("float32", "int8"): (4, 6), ("int8", "int4"): (7, 7)},
    ),
}
FIXED_RANGE: Interval | None = None
IMAGES: bool = True
SYMMETRIC: bool = False
LITERT_KERNELS: tuple[Kernel, ...] = ("x86",)
TRIALS: Trials | None = products.TRIALS

MOST_TRIALS: Final = 16
"""Images a sign for the widest sums of the channels: several channels share one."""
_PACKED: Final = Fault(
    field="weights",
    detail="several pixels are computed at a time, and not with one kernel for each of them",
)

BATCH_NORM_PARAMETERS = 4
"""Batch norm parameters of a channel: gamma, beta, moving mean, moving variance."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Conv(OneInput):
    """A convolution, bias and activation included: full, depthwise or of groups of channels.

    A kernel of fewer input channels than the input has is one of groups. A depthwise one with more
    channels than the input has several for each: its channel c * multiplier + k reads channel c.
    Padding is with real 0.
    """

    weights: QWeights
    depthwise: bool
    strides: tuple[int, int]
    padding: Padding
    activation: Activation
    dilations: tuple[int, int] = NO_DILATION

    @property
    def channel_axis(self) -> int:
        """Axis of the output channels in the kernel."""
        return 3 if self.depthwise else 0

    @property
    def window(self) -> Pair:
        """Height and width of the kernel."""
        height, width = self.weights.kernel.shape[1:3]
        return height, width

    def check(self, inputs: Sequence[QTensor]) -> None:
        """Check kernel, shapes and weights; see `node.Node.check`."""
        (source,) = inputs
        name, out, kernel = self.output.name, self.output, self.weights.kernel
        expect(name, "rank of the input", len(source.shape), 3)
        expect(name, "rank of the kernel", kernel.ndim, 4)
        if min(*kernel.shape, *self.strides, *self.dilations) < 1:
            raise ConversionError(f"`{name}`: expected a positive window, strides and dilations")
        if not isinstance(self.padding, str) and min(self.padding) < 0:
            raise ConversionError(f"`{name}`: expected no padding below 0, not {self.padding}")
        channels, read, written = source.shape[2], kernel.shape[3], out.shape[-1]
        if self.depthwise:
            shape = (1, *self.window, channels * max(written // channels, 1))
        elif read == 1 or channels % read or written % (channels // read):
            shape = (written, *self.window, channels)
        else:
            shape = (written, *self.window, read)
        expect(name, "kernel shape", kernel.shape, shape)
        sides = sides_after(
            source.shape[:2], self.window, self.strides, self.padding, self.dilations
        )
        what = f"output shape, with padding {str(self.padding).upper()},"
        expect(name, what, out.shape, (*sides, kernel.shape[self.channel_axis]))
        integers.check(name, self.weights, source, out, self.channel_axis)


NODE: type[Conv] = Conv
operand_ranges = without_weights.operand_ranges
output_range = integers.output_range
scale_ratios = without_weights.scale_ratios
"""None: what XNNPACK looks at depends on the weights, see `weights.WIDEST_MULTIPLIER`."""


GROUPS: Final = "groups"
"""Parameter of a layer `conv`: how many groups its channels are in; 1 if it is left out."""
DILATIONS: Final = "dilations"
"""Parameter of a layer: vertical and horizontal dilation of its window; 1 if it is left out."""


def dilations_of(layer: Layer) -> Pair:
    """Return the vertical and horizontal dilation of a layer's window."""
    dilations: Pair = layer.parameters.get(DILATIONS, NO_DILATION)
    return dilations


def kernel_shape(layer: Layer) -> Shape:
    """Return the kernel's shape: HWIO, I being one group's; HWCM for a depthwise one.

    M is the depth multiplier, how many output channels each input channel has.
    """
    if layer.op == "depthwise":
        multiplier = max(layer.out_channels // layer.in_channels, 1)
        return (*layer.kernel, layer.in_channels, multiplier)
    groups = layer.parameters.get(GROUPS, 1)
    return (*layer.kernel, layer.in_channels // groups, layer.out_channels)


def output_shape(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    """Return height, width and channels of the output; see `operator.Operator.output_shape`."""
    if len(inputs) != 1 or len(inputs[0]) != 3:
        raise RequestError(
            f"layer `{layer.name}` ({layer.op}) expects an image, received {list(inputs)}"
        )
    dilations, groups = dilations_of(layer), layer.parameters.get(GROUPS, 1)
    if groups < 1 or inputs[0][2] % groups or layer.out_channels % groups:
        raise RequestError(
            f"layer `{layer.name}`: {groups} groups do not fit {inputs[0][2]} and "
            f"{layer.out_channels} channels"
        )
    if groups > 1 and groups == inputs[0][2]:
        raise RequestError(
            f"layer `{layer.name}`: a group for each of {groups} channels",
            hint="name it depthwise",
        )
    if not isinstance(layer.padding, str) and min(layer.padding) < 0:
        raise RequestError(f"layer `{layer.name}`: expected no padding below 0")
    sides = sides_after(inputs[0][:2], layer.kernel, layer.strides, layer.padding, dilations)
    if min(*sides, *layer.kernel, *layer.strides, *dilations) < 1:
        raise RequestError(
            f"layer `{layer.name}`: a window of {layer.kernel} does not fit {inputs[0]}"
        )
    return (*sides, kernel_shape(layer)[3] * (inputs[0][2] if layer.op == "depthwise" else 1))


def work(layer: Layer, inputs: Sequence[Shape]) -> Work:
    """Return what a layer costs."""
    kernel = math.prod(kernel_shape(layer))
    return Work(
        macs=kernel * math.prod(output_shape(layer, inputs)[:-1]),
        parameters=kernel + layer.out_channels * BATCH_NORM_PARAMETERS,
        int8_bytes=kernel + layer.out_channels * integers.BIAS_BYTES,
    )


def quantise(
    layer: Layer, inputs: Sequence[Grid], output: QTensor, weights: Weights | None
) -> Conv:
    """Return the node of a layer; the kernel is quantised per channel.

    With `one_scale` that of the widest channel is repeated, see `per_channel`.

    One that is depthwise over a single channel is a full convolution, as it is in an `.onnx`.
    """
    depthwise, given = layer.op == "depthwise", integers.required(layer.name, weights)
    # HWIO to OHWI, HWCM to CMHW and then to one channel after the other.
    first = given.kernel.transpose((2, 3, 0, 1) if depthwise else (3, 0, 1, 2))
    if depthwise:
        first = first.reshape(layer.out_channels, *layer.kernel, 1)
    quantised = per_channel(
        integers.quantise(first, given.bias, inputs[0].scale, per_channel=not given.one_scale)
    )
    depthwise &= layer.in_channels > 1
    if depthwise:
        codes = np.ascontiguousarray(quantised.kernel.transpose(3, 1, 2, 0))
        quantised = dataclasses.replace(quantised, kernel=codes)
    return Conv(
        input=layer.inputs[0],
        output=output,
        weights=quantised,
        depthwise=depthwise,
        strides=layer.strides,
        padding=layer.padding,
        activation=layer.activation,
        dilations=dilations_of(layer),
    )


def pad_code(zero_point: int | None) -> float:
    """Return what it pads with: real 0; see `TakesPadding`."""
    return 0.0 if zero_point is None else zero_point


def padded(node: Conv, source: QTensor, around: Pads) -> Conv | None:
    """Return the node that reads an image without the padding around it; see `TakesPadding`."""
    if node.padding == "same":
        return None
    total = added(around, node.padding)
    padding = padding_from(source.shape[:2], node.window, node.strides, total, node.dilations)
    return dataclasses.replace(node, input=source.name, padding=padding if any(total) else "valid")


def float_layer(node: Conv, inputs: Sequence[QTensor]) -> Layer:
    """Return the layer of a node."""
    groups = 1 if node.depthwise else inputs[0].shape[-1] // node.weights.kernel.shape[3]
    parameters: dict[str, Any] = {GROUPS: groups} if groups > 1 else {}
    if node.dilations != NO_DILATION:
        parameters[DILATIONS] = node.dilations
    return dataclasses.replace(
        layer_of("depthwise" if node.depthwise else "conv", node, inputs, **parameters),
        kernel=node.window,
        strides=node.strides,
        padding=node.padding,
        activation=node.activation,
    )


def pads(node: Conv, size: tuple[int, ...]) -> tuple[Pair, Pair]:
    """Return how much is added (above, below) and (left, right) of an input.

    Args:
        node: The convolution.
        size: Height and width of its input.
    """
    return window_pads(size, node.window, node.strides, node.padding, node.dilations)


def litert_codes(
    node: Conv, inputs: Sequence[QTensor], codes: Sequence[Int8], *, kernel: Kernel
) -> Int8:
    """Return the codes that XNNPACK computes, on every architecture."""
    del kernel
    (source,) = inputs
    bounds = clamp(node.activation, node.output)
    sums = accumulators(node, source, codes[0])
    return products.requantise(sums, node.weights, source, node.output, bounds)


def accumulators(node: Conv, source: QTensor, codes: Int8) -> Exact:
    """Return the kernel's int32 sums: products and bias.

    Args:
        node: The node with its weights.
        source: Grid of the input.
        codes: The input, shape (batch, height, width, channels).

    Returns:
        Shape (batch, height, width, output channels).
    """
    values, reach = products.centred(source, codes), products.widest(source)
    if node.depthwise:
        sums = _depthwise(node, values, reach)
    else:
        sums = np.concatenate(
            [
                products.product(_patches(node, part), kernel.reshape(len(kernel), -1).T, reach)
                for part, kernel in _groups(node, values, node.weights.centred(0))
            ],
            axis=-1,
        )
    bound = products.largest(node.weights, node.channel_axis, source)
    return products.with_bias(sums, node.weights.bias, bound)


def _groups(
    node: Conv, source: Float32, kernel: npt.NDArray[np.generic]
) -> Iterator[tuple[Float32, Any]]:
    """Yield the channels and the rows of the kernel of each group, a full one's all at once."""
    read = node.weights.kernel.shape[3]
    count = source.shape[-1] // read
    rows = len(kernel) // count
    for group in range(count):
        part = source[..., group * read : (group + 1) * read]
        yield part, kernel[group * rows : (group + 1) * rows]


def _for_each_output(node: Conv, source: Float32) -> Float32:
    """Return an image with a copy of each channel for each that a depthwise kernel has for it."""
    return np.repeat(source, node.output.shape[-1] // source.shape[-1], axis=-1)


def _depthwise(node: Conv, source: Float32, reach: int) -> Exact:
    kernel, source = node.weights.centred(3), _for_each_output(node, source)
    widest = int(np.abs(kernel.astype(np.int16)).max())
    dtype = np.float32 if kernel[..., 0].size * widest * reach <= EXACT else np.float64
    sums = np.zeros((len(source), *node.output.shape), dtype)
    part = np.empty_like(sums)
    for view, row, column in windows(node, source):
        np.multiply(view, kernel[0, row, column].astype(dtype), out=part)
        sums += part
    return sums


def _patches(node: Conv, source: Float32) -> Float32:
    """Return, for each output pixel, the inputs under the kernel in the kernel's order."""
    views = [view for view, _, _ in windows(node, source)]
    return views[0] if len(views) == 1 else np.concatenate(views, axis=-1)


def windows(
    node: Conv, source: npt.NDArray[np.float32]
) -> Iterator[tuple[npt.NDArray[np.float32], int, int]]:
    """Yield, for each place in the kernel, the inputs that it meets, shaped like the output.

    Args:
        node: The convolution.
        source: Its input, real 0 being 0, shape (batch, height, width, channels).

    Returns:
        Yields a view of the padded input, and the row and the column of the kernel.
    """
    around = pads(node, source.shape[1:3])
    padded_source = np.pad(source, ((0, 0), *around, (0, 0))) if np.any(around) else source
    height, width, _ = node.output.shape
    return window_views(padded_source, node.window, node.strides, (height, width), node.dilations)


def node_of(layer: StoredLayer, inputs: Sequence[QTensor], output: QTensor) -> Conv:
    """Return the node of a layer in a file.

    Raises:
        ConversionError: Its weights are not symmetric int8, or it has another number of groups
            than its kernel.
    """
    (source,) = inputs
    shape = (1, 1, *output.shape) if len(output.shape) == 1 else output.shape
    weights = integers.of_file(output.name, layer.weights)
    height, width = weights.kernel.shape[1:3]
    groups = 1 if layer.kind == "depthwise" else source.shape[-1] // weights.kernel.shape[3]
    expect(output.name, "number of groups", layer.groups, groups)
    padding = padding_from(
        source.shape[:2], (height, width), layer.strides, layer.pads, layer.dilations
    )
    return Conv(
        input=source.name,
        output=dataclasses.replace(output, shape=shape),
        weights=weights,
        depthwise=layer.kind == "depthwise",
        strides=layer.strides,
        padding=padding,
        activation="none",
        dilations=layer.dilations,
    )


def trials(layer: StoredLayer, shapes: Sequence[Shape]) -> tuple[tuple[Int8, ...], int]:
    """Return input codes that drive a layer to its limits; see `products.trials`."""
    (shape,) = shapes

    def widest(kernel: Int8) -> Int8:
        return _widest(layer, kernel, shape)

    inputs = shape[-1] // layer.groups
    if layer.kind == "depthwise" and layer.weights is not None:
        inputs *= max(layer.weights.kernel.shape[-1] // shape[-1], 1)
    return products.trials(layer, shape, inputs, widest)


def _widest(layer: StoredLayer, kernel: Int8, shape: Shape) -> Int8:
    """Return the highest code wherever a weight is positive, the lowest elsewhere."""
    height, width, depth = shape if len(shape) == 3 else (1, 1, *shape)
    codes = _over_all_channels(layer, np.where(kernel > 0, QMAX, QMIN).astype(np.int8), depth)
    count, high, wide, _ = codes.shape
    down, across = layer.dilations
    reach = (high - 1) * down + 1, (wide - 1) * across + 1
    rows = _starts(height, reach[0], layer.strides[0], layer.pads[0])
    columns = _starts(width, reach[1], layer.strides[1], layer.pads[2])
    places = rows.size * columns.size
    images = min(MOST_TRIALS, products.batch_room(shape), -(-count // places))
    # Neighbouring windows drive one channel after the other.
    chosen = np.arange(images * places).reshape(images, rows.size, columns.size) % count
    # Room on all sides for a window that hangs over the edge.
    room = (images, height + 2 * reach[0], width + 2 * reach[1], depth)
    canvas = np.full(room, QMAX, np.int8)
    for row, column in np.ndindex(high, wide):
        place = np.ix_(
            range(images), rows + reach[0] + row * down, columns + reach[1] + column * across
        )
        canvas[place] = codes[chosen, row, column]
    cropped = canvas[:, reach[0] : reach[0] + height, reach[1] : reach[1] + width]
    return np.ascontiguousarray(cropped).reshape(images, *shape)


def _over_all_channels(layer: StoredLayer, codes: Int8, depth: int) -> Int8:
    """Return codes for a kernel, (patterns, height, width, channels), over all channels.

    One pattern drives all channels of a depthwise kernel; several outputs of one channel, and
    those of the groups, have patterns of their own.
    """
    count, high, wide, read = codes.shape
    if layer.kind == "depthwise":
        patterns: Int8 = codes[0].reshape(high, wide, depth, -1).transpose(3, 0, 1, 2)
        return patterns
    if layer.groups == 1:
        return codes
    whole = np.full((layer.groups, count // layer.groups, high, wide, depth), QMAX, np.int8)
    for group, part in enumerate(codes.reshape(layer.groups, -1, high, wide, read)):
        whole[group, ..., group * read : (group + 1) * read] = part
    return whole.reshape(count, high, wide, depth)


def _starts(size: int, window: int, stride: int, pad: int) -> npt.NDArray[np.int64]:
    """Return where non-overlapping windows begin, along one axis.

    Windows within the image; if there are none, the first window.
    """
    period = -(-window // stride) * stride
    inside = np.arange(-pad % stride, size - window + 1, period)
    return inside if inside.size else np.array([-pad])


def float_values(
    node: Conv, inputs: Sequence[Float32], weights: tuple[Float32, Float32] | None
) -> Float32:
    """Return a node's output from real values; see `operator.Operator.float_values`."""
    kernel, bias = node.weights.real(node.channel_axis) if weights is None else weights
    total = np.zeros((len(inputs[0]), *node.output.shape), np.float32)
    if node.depthwise:
        for view, row, column in windows(node, _for_each_output(node, inputs[0])):
            total += view * kernel[0, row, column]
    else:
        begin = 0
        for part, rows in _groups(node, inputs[0], kernel):
            for view, row, column in windows(node, part):
                total[..., begin : begin + len(rows)] += view @ rows[:, row, column].T
            begin += len(rows)
    return activated(node.activation, total + bias)


def tflite_version(node: Conv, inputs: Sequence[QTensor]) -> Version:
    """Return the version of int8 convolutions; one of groups has its own."""
    channels, kernel = inputs[0].shape[-1], node.weights.kernel
    if not node.depthwise and kernel.shape[3] != channels:
        return Version(number=6, runtime="2.9.0")
    return Version(number=3, runtime="1.14.0")


def write_tflite(
    model: TfliteWriter, node: Conv, inputs: Sequence[TfliteInput], output: int
) -> None:
    """Add the operator with its weights, behind a PAD if its padding is given in numbers.

    XNNPACK computes both at once.
    """
    source = inputs[0].tensor
    first, padding = write_tflite_before(model, node.output.name, inputs[0], node.padding)
    common = {
        "Padding": schema.PADDINGS.index(padding),
        "StrideH": node.strides[0],
        "StrideW": node.strides[1],
        "FusedActivationFunction": schema.ACTIVATIONS.index(node.activation),
        "DilationHFactor": node.dilations[0],
        "DilationWFactor": node.dilations[1],
    }
    name, version = node.output.name, tflite_version(node, [source]).number
    weights = tflite.write_weights(model, name, node.weights, axis=node.channel_axis)
    ends = [first, *weights]
    if node.depthwise:
        options = "DepthwiseConv2DOptions"
        fields = {"DepthMultiplier": node.output.shape[-1] // source.shape[-1], **common}
        model.operator("DEPTHWISE_CONV_2D", version, ends, output, options, **fields)
    else:
        model.operator("CONV_2D", version, ends, output, "Conv2DOptions", **common)


def read_tflite(operator: TfliteOperator, scope: Scope) -> Conv | Dense:
    """Return the node of an operator: a dense layer for a 1x1 convolution of a vector.

    Raises:
        ConversionError: It has another activation, or its numbers do not fit its kernel.
    """
    depthwise = operator.builtin == "DEPTHWISE_CONV_2D"
    source, kernel, bias, target = tflite.weighted_ends(operator)
    padding = schema.padding(operator.option("padding"))
    activation = tflite.activation_of(operator)
    strides = operator.option("stride_h"), operator.option("stride_w")
    dilations = operator.option("dilation_h_factor"), operator.option("dilation_w_factor")
    if padding is None or activation is None or min(*strides, *dilations) < 1:
        raise refusal(
            operator, "expected positive strides and dilations, and at most a ReLU or ReLU6"
        )
    read = scope.read(source, operator)
    weights = per_channel(
        tflite.read_weights(operator, scope, read, kernel, bias, axis=3 if depthwise else 0)
    )
    if len(read.shape) == 1 and weights.kernel.shape[1:3] == (1, 1) and not depthwise:
        # As at the end of Keras applications' V1.
        rows = weights.kernel.reshape(weights.kernel.shape[0], -1)
        return Dense(
            input=read.name,
            output=scope.write(target, vector=True),
            weights=dataclasses.replace(weights, kernel=rows),
            activation=activation,
        )
    if depthwise and weights.kernel.shape[3] != read.shape[-1] * operator.option(
        "depth_multiplier"
    ):
        raise refusal(operator, "expected a kernel for its depth multiplier")
    depthwise, turned = _kind_and_kernel(weights.kernel, read.shape[-1], depthwise=depthwise)
    weights = dataclasses.replace(weights, kernel=turned)
    return Conv(
        input=read.name,
        output=scope.write(target),
        weights=weights,
        depthwise=depthwise,
        strides=strides,
        padding=padding,
        activation=activation,
        dilations=dilations,
    )


def _kind_and_kernel(kernel: Int8, channels: int, *, depthwise: bool) -> tuple[bool, Int8]:
    """Return whether a convolution of a file counts as depthwise, and its kernel for that.

    Groups of one channel are a depthwise convolution, and one over a single channel is a full one,
    whatever a file calls them.

    Args:
        kernel: OHWI, or 1HWC if it is depthwise.
        channels: Number of channels of the input.
        depthwise: Whether the file calls it so.
    """
    if depthwise and channels == 1:
        return False, np.ascontiguousarray(kernel.transpose(3, 1, 2, 0))
    if not depthwise and channels > 1 and kernel.shape[3] == 1:
        return True, np.ascontiguousarray(kernel.transpose(3, 1, 2, 0))
    return depthwise, kernel


def per_channel(weights: QWeights) -> QWeights:
    """Return per-channel weights; a single scale is repeated for each channel.

    XNNPACK rounds depthwise convolutions with a single scale differently on ARM and x86.
    """
    if weights.kernel_scale.size > 1:
        return weights
    return dataclasses.replace(
        weights,
        kernel_scale=np.repeat(weights.kernel_scale, weights.bias.size),
        bias_scale=np.repeat(weights.bias_scale, weights.bias.size),
        kernel_zero=None
        if weights.kernel_zero is None
        else np.repeat(weights.kernel_zero, weights.bias.size),
    )


def write_onnx(
    model: OnnxWriter,
    node: Conv,
    inputs: Sequence[OnnxInput],
    output: str,
    certificate: Certificate | None,
) -> None:
    """Add a Conv, which ONNX Runtime fuses into QLinearConv."""
    del certificate
    reals = onnx.dequantise(model, inputs)
    begins, ends = zip(*pads(node, inputs[0].tensor.shape[:2]), strict=True)
    kernel = kernel_oihw(node)
    dilated: dict[str, Any] = {}
    if node.dilations != NO_DILATION:
        dilated["dilations"] = node.dilations
    real = model.node(
        "Conv",
        [*reals, *onnx.add_weights(model, node.output.name, node.weights, kernel, axis=0)],
        kernel_shape=kernel.shape[2:],
        strides=node.strides,
        pads=[*begins, *ends],
        group=inputs[0].tensor.shape[-1] // kernel.shape[1],
        **dilated,
    )
    onnx.quantise_clipped(model, real, node.output, node.activation, output)


def kernel_oihw(node: Conv) -> Int8:
    """Return a kernel in ONNX's order: OHWI becomes OIHW, and 1HWC becomes C1HW."""
    return node.weights.kernel.transpose((3, 0, 1, 2) if node.depthwise else (0, 3, 1, 2))


def layer_of_tflite(source: LayerSource) -> StoredLayer:
    """Return a full or depthwise convolution; a dense layer where it works on a vector."""
    operator, before = source.operator, source.inputs[0]
    depthwise = operator.builtin == "DEPTHWISE_CONV_2D"
    strides = operator.option("stride_h"), operator.option("stride_w")
    dilations = operator.option("dilation_h_factor"), operator.option("dilation_w_factor")
    layer = with_weights(
        source,
        source.as_kind("depthwise" if depthwise else "conv"),
        axis=3 if depthwise else 0,
        rank=4,
    )
    if min(*strides, *dilations) < 1:
        layer = with_fault(layer, "strides", f"strides {strides} and dilations {dilations}")
        return dataclasses.replace(layer, kind="unknown")
    padding = source.padding()
    if padding is None:
        number = operator.option("padding")
        layer = with_fault(layer, "padding", f"padding number {number} of the schema")
    layer = dataclasses.replace(layer, strides=strides, dilations=dilations)
    weights = layer.weights
    if weights is None:
        return layer
    kernel = weights.kernel
    if before.shape[:-1] in {(), (1, 1)} and kernel.shape[1:3] == (1, 1) and not depthwise:
        rows = dataclasses.replace(weights, kernel=kernel.reshape(kernel.shape[0], -1))
        return dataclasses.replace(layer, kind="dense", weights=rows, strides=(1, 1))
    if padding == "same" and len(before.shape) == 3:
        around = same_pads(before.shape[:2], kernel.shape[1:3], strides, dilations)
        layer = dataclasses.replace(layer, pads=around)
    inputs = before.shape[-1] if before.shape else 0
    if depthwise and operator.option("depth_multiplier") * inputs != kernel.shape[3]:
        detail = f"the kernel has {kernel.shape[3]} channels for {inputs} of the input"
        return with_fault(layer, "weights", f"{detail} and its depth multiplier")
    depthwise, turned = _kind_and_kernel(kernel, inputs, depthwise=depthwise)
    weights = dataclasses.replace(weights, kernel=turned)
    kind = "depthwise" if depthwise else "conv"
    layer = dataclasses.replace(layer, kind=kind, weights=weights)
    if not depthwise and inputs and turned.shape[3] and inputs != turned.shape[3]:
        layer = dataclasses.replace(layer, groups=inputs // turned.shape[3])
        if inputs % turned.shape[3] or len(turned) % layer.groups:
            detail = f"a kernel of {turned.shape} does not fit {inputs} channels"
            layer = with_fault(layer, "groups", detail)
    return layer


def given_shape(layer: StoredLayer, shapes: Sequence[Shape]) -> Shape | None:
    """Return the shape that a layer of a file gives; see `operator.Operator.given_shape`."""
    (before, *_), weights = shapes, layer.weights
    if weights is None or len(before) != 3:
        return None
    window = weights.kernel.shape[1:3]
    sides = output_size(before[:2], window, layer.strides, layer.dilations, layer.pads)
    return *sides, weights.bias.size


def _read_conv(reader: OnnxReader, node: OnnxOperator) -> OnnxActivation | None:
    value = reader.value(node, 0)
    if not isinstance(value, OnnxActivation):
        return None
    return _convolve(reader, node, value, reader.value(node, 1), bias_of(reader, node, 2))


def _read_qlinear_conv(reader: OnnxReader, node: OnnxOperator) -> OnnxValue | None:
    """Read x, scale, zero, w, scale, zero, y scale, y zero, bias.

    ONNX Runtime's own domain has it for images of channels last too, the kernel as ever.
    """
    value = channels_first(node, dequantised_input(reader, node, 0))
    if value is None:
        return None
    kernel, bias = weights_of(reader, node, 3, axis=0), codes_of_bias(reader, node, 8)
    out = _convolve(reader, node, value, kernel, bias)
    return quantised_output(reader, node, channels_as_before(reader, node, out), 6)


def _convolve(
    reader: OnnxReader,
    node: OnnxOperator,
    value: OnnxActivation,
    kernel: OnnxValue | None,
    bias: Bias | None,
) -> OnnxActivation | None:
    """Add a convolution; return its output, or None if its form is not supported."""
    value = _channels_first(reader, value)
    strides = tuple(node.attributes.get("strides") or (1, 1))
    dilations = tuple(node.attributes.get("dilations") or (1, 1))
    groups = int(node.attributes.get("group", 1) or 0)
    if value.axes[:2] != "NC" or len(value.axes) != 4 or len(strides) != 2 or len(dilations) != 2:
        return None
    if min(*strides, *dilations, groups) < 1:
        return None
    pooled = average_pool.read_convolution(reader, node, value, kernel, biased=bias is not None)
    if pooled is not None:
        return pooled
    if not isinstance(kernel, QuantisedConstant) or kernel.codes.ndim != 4:
        return _without_weights(reader, node, value, kernel)
    outputs, _, *window = kernel.codes.shape
    pads = padding_of(node, value.sizes[2:], tuple(window), strides, dilations)
    high, wide = output_size(value.sizes[2:], window, strides, dilations, pads)
    out = dataclasses.replace(
        value, axes=value.axes, sizes=(value.sizes[0], outputs, max(high, 0), max(wide, 0))
    )
    # On a transposed image, rows are columns.
    turned = value.axes == "NCWH"
    if turned:
        pads, strides, dilations = (*pads[2:], *pads[:2]), strides[::-1], dilations[::-1]
    depthwise = groups > 1 and kernel.codes.shape[1] == 1
    order = (0, 3, 2, 1) if turned else (0, 2, 3, 1)
    if depthwise:
        order = (1, 3, 2, 0) if turned else (1, 2, 3, 0)
    weights, faults = stored_weights(
        kernel, kernel.codes.transpose(order), outputs, 0, value, bias
    )
    faults = (*faults, *_contradictions(node, value, kernel.codes.shape, groups))
    fields = {"strides": strides, "dilations": dilations, "pads": pads}
    if value.pixels > 1:
        single = over_single_pixels(
            weights,
            pixels=value.pixels,
            stride=strides[1],
            pads=pads[2:],
            width=value.size("W") * value.pixels,
        )
        if single is None or groups > 1:
            # As our files have it: half as many pixels come out of a group.
            out = dataclasses.replace(out, pixels=max(value.pixels // 2, 1))
            return reader.add_layer(
                node, "conv", [value], out, faults=(*faults, _PACKED), **fields
            )
        weights, faults = single.weights, (*faults, *single.faults)
        fields |= {"strides": (strides[0], single.stride), "pads": (*pads[:2], *single.pads)}
        out = dataclasses.replace(out, pixels=single.outputs)
    if not depthwise and weights.kernel.shape[1:3] == (1, 1) and value.shape[1:] == ():
        rows = dataclasses.replace(weights, kernel=weights.kernel.reshape(outputs, -1))
        return reader.add_layer(node, "dense", [value], out, weights=rows, faults=faults)
    return reader.add_layer(
        node,
        "depthwise" if depthwise else "conv",
        [value],
        out,
        weights=weights,
        faults=faults,
        groups=1 if depthwise else groups,
        **fields,
    )


def _contradictions(
    node: OnnxOperator, value: OnnxActivation, shape: tuple[int, ...], groups: int
) -> tuple[Fault, ...]:
    """Return where a convolution's attributes do not fit its kernel (outputs, inputs, ...)."""
    faults = []
    stated = tuple(node.attributes.get("kernel_shape") or shape[2:])
    if stated != shape[2:]:
        detail = f"the node states a kernel of {stated}, and has one of {shape[2:]}"
        faults.append(Fault(field="weights", detail=detail))
    inputs = value.size("C") or shape[1] * groups
    if shape[1] * groups != inputs or shape[0] % groups:
        detail = f"{groups} groups do not fit a kernel of {shape[:2]} and {inputs} channels"
        faults.append(Fault(field="groups", detail=detail))
    return tuple(faults)


def _channels_first(reader: OnnxReader, value: OnnxActivation) -> OnnxActivation:
    """Return a value as a convolution reads it: an input image must then be channels first."""
    untouched = value.source == INPUT and value.axes == "NHWC" and not reader.layers.shape_only
    if untouched:
        value = dataclasses.replace(value, axes="NCHW")
        reader.layers.input = dataclasses.replace(
            reader.layers.input, shape=value.shape, axes=value.axes
        )
    return value


def _without_weights(
    reader: OnnxReader, node: OnnxOperator, value: OnnxActivation, kernel: OnnxValue | None
) -> OnnxActivation | None:
    """Add a convolution whose kernel is floats."""
    if not isinstance(kernel, OnnxConstant | QuantisedConstant):
        return None
    shape = kernel.codes.shape if isinstance(kernel, QuantisedConstant) else kernel.values.shape
    if len(shape) != 4:
        return None
    strides = tuple(node.attributes.get("strides") or (1, 1))
    pads = padding_of(node, value.sizes[2:], shape[2:], strides, (1, 1))
    high, wide = output_size(value.sizes[2:], shape[2:], strides, (1, 1), pads)
    out = dataclasses.replace(value, sizes=(value.sizes[0], shape[0], max(high, 0), max(wide, 0)))
    depthwise = int(node.attributes.get("group", 1) or 1) > 1 and shape[1] == 1
    real = kernel.values if isinstance(kernel, OnnxConstant) else None
    if real is not None and real.dtype == np.float32 and value.axes == "NCHW":
        real = real.transpose((1, 2, 3, 0) if depthwise else (0, 2, 3, 1))
    else:
        real = None
    return reader.add_layer(
        node,
        "depthwise" if depthwise else "conv",
        [value],
        out,
        strides=strides,
        pads=pads,
        real_kernel=real,
        faults=(FLOATS,),
    )


ONNX: Mapping[str, FileForm] = {
    "Conv": FileForm(
        kernel=1, bias=2, per_channel=True, read=_read_conv, ort_kernel="QLinearConv"
    ),
    "QLinearConv": FileForm(
        kernel=3, bias=8, per_channel=True, read=_read_qlinear_conv, ort_kernel="QLinearConv"
    ),
    "ConvInteger": FileForm(kernel=1, per_channel=True, dynamic=True),
}


def _example(
    name: str,
    kernel: Shape,
    *,
    depthwise: bool = False,
    channels: int = 5,
    strides: Pair = (1, 1),
    padding: Padding = "valid",
    dilations: Pair = NO_DILATION,
    activation: Activation = "none",
) -> Example:
    random = np.random.default_rng(0)
    source = QTensor(name="image", shape=(7, 6, channels), scale=np.float32(0.02), zero_point=3)
    filters = kernel[3] if depthwise else kernel[0]
    height, width = kernel[1:3]
    scale = random.uniform(0.005, 0.02, filters).astype(np.float32)
    sides = sides_after(source.shape[:2], (height, width), strides, padding, dilations)
    node = Conv(
        input="image",
        output=QTensor(
            name="convolved",
            shape=(*sides, filters),
            scale=np.float32(0.07),
            zero_point=-9,
        ),
        weights=QWeights(
            kernel=random.integers(-127, 128, kernel).astype(np.int8),
            kernel_scale=scale,
            bias=random.integers(-900, 900, filters).astype(np.int32),
            bias_scale=source.scale * scale,
        ),
        depthwise=depthwise,
        strides=strides,
        padding=padding,
        activation=activation,
        dilations=dilations,
    )
    return Example(name=name, node=node, inputs=(source,))


def examples() -> Iterator[Example]:
    """Yield both kinds, with each form of padding, stride, dilation, groups and activation."""
    yield _example("full (1, 1) valid", (4, 1, 1, 5))
    yield _example(
        "full (3, 2) same",
        (4, 3, 2, 5),
        strides=(2, 1),
        padding="same",
        activation="relu6",
    )
    yield _example(
        "depthwise (3, 3) same",
        (1, 3, 3, 5),
        depthwise=True,
        strides=(1, 2),
        padding="same",
        activation="relu",
    )
    yield _example("depthwise (2, 3) valid", (1, 2, 3, 5), depthwise=True)
    yield _example("full, padded by numbers", (4, 3, 3, 5), strides=(2, 2), padding=(1, 1, 1, 1))
    yield _example(
        "depthwise, padded on one side",
        (1, 3, 3, 5),
        depthwise=True,
        strides=(2, 2),
        padding=(0, 2, 1, 0),
        activation="relu6",
    )
    yield _example("dilated", (4, 3, 2, 5), padding="same", dilations=(2, 3))
    yield _example(
        "depthwise, dilated", (1, 3, 3, 5), depthwise=True, padding=(2, 2, 1, 2), dilations=(3, 2)
    )
    yield _example("two groups", (4, 3, 3, 3), channels=6, strides=(1, 2), padding=(1, 1, 1, 1))
    yield _example("three groups", (9, 1, 1, 2), channels=6, activation="relu")
    yield _example(
        "two outputs a channel",
        (1, 3, 3, 10),
        depthwise=True,
        strides=(2, 2),
        padding="same",
    )
    yield _example("of one channel", (4, 3, 3, 1), channels=1, padding=(1, 0, 0, 1))
