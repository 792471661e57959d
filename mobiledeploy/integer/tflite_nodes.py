"""From a TFLite operator to the graph's node that is the same function, or to a refusal."""

import dataclasses
from typing import Final

import numpy as np

from mobiledeploy.formats.tflite import TfliteOperator, schema
from mobiledeploy.integer.activation import implied
from mobiledeploy.integer.certify_mean import average_pool_is_mean
from mobiledeploy.integer.graph import Add, Conv, Dense, Mean, Node, QTensor, QWeights, Softmax
from mobiledeploy.integer.tflite_scope import Scope, refusal
from mobiledeploy.ops.architecture import Activation

READABLE: Final = (
    "ADD",
    "AVERAGE_POOL_2D",
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "DEQUANTIZE",
    "FULLY_CONNECTED",
    "RESHAPE",
    "SOFTMAX",
    "MEAN",
    "QUANTIZE",
)
"""Operators that nodes stand for, and those that may stand at the input and output."""


def read_node(operator: TfliteOperator, scope: Scope) -> Node | None:
    """Return an operator's node, or None for one that only changes a shape.

    Raises:
        ConversionError: No node is the same function.
    """
    match operator.builtin:
        case "CONV_2D" | "DEPTHWISE_CONV_2D":
            return _conv(operator, scope)
        case "FULLY_CONNECTED":
            return _dense(operator, scope)
        case "ADD":
            a, b, target = _ends(operator, inputs=2)
            sources = scope.read(a, operator).name, scope.read(b, operator).name
            output = scope.write(target)
            _refuse_activation(operator, output)
            return Add(inputs=sources, output=output)
        case "MEAN":
            return _mean(operator, scope)
        case "AVERAGE_POOL_2D":
            return _average_pool(operator, scope)
        case "SOFTMAX":
            source, target = _ends(operator, inputs=1)
            if operator.option("beta") != 1.0:
                raise refusal(operator, "expected beta 1")
            return Softmax(
                input=scope.read(source, operator).name, output=scope.write(target, vector=True)
            )
        case "RESHAPE":
            _reshape(operator, scope)
            return None
        case _:
            raise refusal(operator, "expected it at the input or output only")


def _conv(operator: TfliteOperator, scope: Scope) -> Conv | Dense:
    depthwise = operator.builtin == "DEPTHWISE_CONV_2D"
    source, kernel, bias, target = _weighted_ends(operator)
    padding = schema.padding(operator.option("padding"))
    activation = _activation(operator)
    strides = operator.option("stride_h"), operator.option("stride_w")
    dilations = operator.option("dilation_h_factor"), operator.option("dilation_w_factor")
    if padding is None or activation is None or min(strides) < 1 or dilations != (1, 1):
        raise refusal(
            operator, "expected positive strides, no dilation and at most a ReLU or ReLU6"
        )
    read = scope.read(source, operator)
    weights = _per_channel(
        _weights(operator, scope, read, kernel, bias, axis=3 if depthwise else 0)
    )
    if len(read.shape) == 1 and weights.kernel.shape[1:3] == (1, 1) and not depthwise:
        # A 1x1 convolution of a vector, as at the end of Keras applications' V1.
        output = scope.write(target, vector=True)
        _refuse_activation(operator, output)
        rows = weights.kernel.reshape(weights.kernel.shape[0], -1)
        return Dense(
            input=read.name, output=output, weights=dataclasses.replace(weights, kernel=rows)
        )
    if depthwise and weights.kernel.shape[3] != read.shape[-1]:
        raise refusal(operator, "expected a depth multiplier of 1")
    return Conv(
        input=read.name,
        output=scope.write(target),
        weights=weights,
        depthwise=depthwise,
        strides=strides,
        padding=padding,
        activation=activation,
    )


def _dense(operator: TfliteOperator, scope: Scope) -> Dense:
    source, kernel, bias, target = _weighted_ends(operator)
    if operator.option("weights_format"):
        raise refusal(operator, "expected weights in the default format")
    read = scope.read(source, operator)
    weights = _weights(operator, scope, read, kernel, bias, axis=0)
    output = scope.write(target, vector=True)
    _refuse_activation(operator, output)
    return Dense(input=read.name, output=output, weights=weights)


def _mean(operator: TfliteOperator, scope: Scope) -> Mean:
    source, axes, target = _ends(operator, inputs=2)
    _, values = scope.constant(axes, operator, np.int32)
    read = scope.read(source, operator)
    if len(read.shape) != 3 or sorted(value % 4 for value in values.ravel()) != [1, 2]:
        raise refusal(operator, "expected the mean over height and width of an image")
    return Mean(input=read.name, output=scope.write(target, vector=True))


def _average_pool(operator: TfliteOperator, scope: Scope) -> Mean:
    source, target = _ends(operator, inputs=1)
    read = scope.read(source, operator)
    output = scope.write(target, vector=True)
    window = operator.option("filter_height"), operator.option("filter_width")
    if read.shape[:-1] != window or len(output.shape) != 1:
        raise refusal(operator, f"expected a window over the whole {read.shape}, got {window}")
    _refuse_activation(operator, output)
    if (read.scale, read.zero_point) != (output.scale, output.zero_point):
        raise refusal(operator, "expected input and output on one grid")
    positions = window[0] * window[1]
    if not average_pool_is_mean(
        output.name, positions=positions, scale=read.scale, zero_point=read.zero_point
    ):
        raise refusal(operator, f"rounds halves of {positions} values otherwise than a mean")
    return Mean(input=read.name, output=output)


def _reshape(operator: TfliteOperator, scope: Scope) -> None:
    source, target = operator.inputs[:1], operator.outputs
    if len(source) != 1 or len(target) != 1 or min(source + target) < 0:
        raise refusal(operator, "expected an input and an output")
    read, shape = scope.read(source[0], operator), scope.tensors[target[0]].fixed_shape
    if len(read.shape) != 1 or shape != (1, *read.shape):
        raise refusal(operator, f"expected a vector to become (1, channels), received {shape}")
    scope.rename(target[0], read)


def _weights(
    operator: TfliteOperator, scope: Scope, source: QTensor, kernel: int, bias: int, *, axis: int
) -> QWeights:
    tensor, codes = scope.constant(kernel, operator, np.int8)
    if codes.ndim <= axis:
        raise refusal(operator, f"expected a kernel with an axis {axis}, received {codes.shape}")
    scale = tensor.scale
    if not scale.size or tensor.zero_point.any() or (scale.size > 1 and tensor.axis != axis):
        raise refusal(operator, f"expected symmetric weights, quantised along axis {axis}")
    if bias < 0:
        return QWeights(
            kernel=codes,
            kernel_scale=scale,
            bias=np.zeros(codes.shape[axis], np.int32),
            bias_scale=source.scale * scale,
        )
    bias_tensor, values = scope.constant(bias, operator, np.int32)
    if bias_tensor.zero_point.any() or bias_tensor.scale.size not in {1, scale.size}:
        raise refusal(operator, "expected a bias with the scales of the accumulator")
    return QWeights(
        kernel=codes,
        kernel_scale=scale,
        bias=values.ravel(),
        bias_scale=np.broadcast_to(bias_tensor.scale, scale.shape),
    )


def _per_channel(weights: QWeights) -> QWeights:
    """Return weights with a scale for each channel, equal ones where there was one in all.

    XNNPACK rounds depthwise convolutions with a single scale otherwise on ARM than on x86.
    """
    if weights.kernel_scale.size > 1:
        return weights
    return dataclasses.replace(
        weights,
        kernel_scale=np.repeat(weights.kernel_scale, weights.bias.size),
        bias_scale=np.repeat(weights.bias_scale, weights.bias.size),
    )


def _activation(operator: TfliteOperator) -> Activation | None:
    """Return what is fused into an operator; None for what no node has."""
    match operator.activation:
        case "none" | "relu" | "relu6" as activation:
            return activation
        case _:
            return None


def _refuse_activation(operator: TfliteOperator, output: QTensor) -> None:
    """Accept a fused activation only where the grid does it anyway."""
    activation = _activation(operator)
    if activation is None or not implied(activation, output):
        raise refusal(operator, "expected no activation")


def _ends(operator: TfliteOperator, *, inputs: int) -> tuple[int, ...]:
    """Return the indices of an operator's inputs and of its output."""
    if len(operator.inputs) != inputs or len(operator.outputs) != 1:
        raise refusal(
            operator,
            f"expected {inputs} inputs and 1 output, received {len(operator.inputs)} and "
            f"{len(operator.outputs)}",
        )
    return *operator.inputs, *operator.outputs


def _weighted_ends(operator: TfliteOperator) -> tuple[int, ...]:
    """Return the indices of input, kernel, bias (-1 if there is none) and output."""
    if len(operator.inputs) == 2:
        source, kernel, target = _ends(operator, inputs=2)
        return source, kernel, -1, target
    return _ends(operator, inputs=3)
