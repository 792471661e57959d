"""Write one node of an integer graph as ONNX: its inputs dequantised, the operator, quantised.

The form is the one that ONNX Runtime fuses into a single integer kernel.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.formats.onnx.writer import OnnxWriter
from mobiledeploy.integer.activation import clamp, implied
from mobiledeploy.integer.certificate import Certificate
from mobiledeploy.integer.graph import (
    Add,
    Conv,
    Dense,
    Float32,
    Int8,
    Mean,
    Node,
    QTensor,
    Softmax,
)
from mobiledeploy.integer.padding import pads

OFFSET: Final = 128
"""Activations are uint8 inside: the int8 code plus 128. ONNX Runtime's fast kernels are those
for uint8 activations with int8 weights."""


def zero_point(tensor: QTensor) -> np.uint8:
    """Return an activation's zero point as it is inside."""
    return np.uint8(tensor.zero_point + OFFSET)


def write_layer(
    model: OnnxWriter,
    node: Node,
    inputs: Sequence[tuple[str, QTensor]],
    output: str,
    certificates: Mapping[str, Certificate],
) -> None:
    """Add a node's ONNX nodes.

    Args:
        model: To add them to.
        node: What to compute.
        inputs: Names of the tensors with the inputs' codes, NCHW or (batch, channels).
        output: Name of the tensor with the output's codes.
        certificates: By name; additions and means take their scales from there.
    """
    own = tuple(tensor.scale for _, tensor in inputs)
    scales = certificates[node.output.name].scales if isinstance(node, Add | Mean) else own
    reals = [
        model.dequantise(codes, scale, zero_point(tensor))
        for (codes, tensor), scale in zip(inputs, scales, strict=True)
    ]
    scale, zero = node.output.scale, zero_point(node.output)
    match node:
        case Conv():
            begins, ends = zip(*pads(node, inputs[0][1].shape[:2]), strict=True)
            kernel = kernel_oihw(node)
            real = model.node(
                "Conv",
                [*reals, *add_weights(model, node, kernel, axis=0)],
                kernel_shape=kernel.shape[2:],
                strides=node.strides,
                pads=[*begins, *ends],
                group=kernel.shape[0] if node.depthwise else 1,
            )
            quantise_clipped(model, real, node, output)
        case Dense():
            weights = add_weights(model, node, node.weights.kernel.T, axis=1)
            model.quantise(model.node("Gemm", [*reals, *weights]), scale, zero, output)
        case Add():
            model.quantise(model.node("Add", reals), scale, zero, output)
        case Mean():
            real = model.node("GlobalAveragePool", reals)
            model.node("Flatten", [model.quantise(real, scale, zero)], output)
        case Softmax():
            real = model.node("Softmax", reals, axis=-1)
            model.quantise(real, scale, zero, output)


def kernel_oihw(node: Conv) -> Int8:
    """Return a kernel in ONNX's order: OHWI becomes OIHW, and 1HWC becomes C1HW."""
    return node.weights.kernel.transpose((3, 0, 1, 2) if node.depthwise else (0, 3, 1, 2))


def add_weights(
    model: OnnxWriter, node: Conv | Dense, kernel: Int8, *, axis: int, repeat: int = 1
) -> tuple[str, str]:
    """Add kernel and bias; return the names of their real values.

    A kernel's zero points are its own: with `session.x64quantprecision` ONNX Runtime rewrites
    them in place and fails where two kernels share them. A bias has none.

    Args:
        model: To add them to.
        node: Whose weights they are.
        kernel: Its kernel, in ONNX's order.
        axis: Of the output channels in `kernel`.
        repeat: How often `kernel` repeats the node's output channels.
    """
    name, weights = node.output.name, node.weights

    def scales(values: Float32) -> npt.NDArray[np.float32]:
        return np.tile(values, repeat) if values.size > 1 else values[0]

    scale = scales(weights.kernel_scale)
    kernel_names = [
        model.constant(f"{name}/kernel", kernel),
        model.constant(f"{name}/scale", scale),
        model.constant(f"{name}/zero_point", np.zeros_like(scale, np.int8)),
    ]
    bias_names = [
        model.constant(f"{name}/bias", np.tile(weights.bias, repeat)),
        model.constant(f"{name}/bias_scale", scales(weights.bias_scale)),
    ]
    return (
        model.node("DequantizeLinear", kernel_names, axis=axis),
        model.node("DequantizeLinear", bias_names, axis=0),
    )


def quantise_clipped(model: OnnxWriter, real: str, node: Conv, output: str | None = None) -> str:
    """Add a convolution's codes, activated where the grid does not imply it; return their name.

    The activation works on codes: a float one between the layer and its quantisation would keep
    ONNX Runtime from fusing them.
    """
    scale, zero = node.output.scale, zero_point(node.output)
    if implied(node.activation, node.output):
        return model.quantise(real, scale, zero, output)
    bounds = (np.uint8(code + OFFSET) for code in clamp(node.activation, node.output))
    codes = model.quantise(real, scale, zero)
    return model.node("Clip", [codes, *(model.scalar(bound) for bound in bounds)], output)
