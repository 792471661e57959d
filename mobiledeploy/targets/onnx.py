"""Write an integer graph as int8 QDQ `.onnx`: a pure function, the same graph, the same bytes.

ONNX Runtime turns the quantise/dequantise pairs into integer kernels that compute what XNNPACK
computes, if the graph has exactly the form below; docs/decisions/ says what was tried.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from mobiledeploy._version import __version__
from mobiledeploy.config import Head, Io
from mobiledeploy.integer.activation import clamp, implied
from mobiledeploy.integer.certificate import Certificate
from mobiledeploy.integer.digest import digest
from mobiledeploy.integer.graph import (
    Add,
    Conv,
    Dense,
    IntegerGraph,
    Mean,
    Node,
    QTensor,
    Softmax,
    sources,
)
from mobiledeploy.integer.head import with_head
from mobiledeploy.integer.padding import pads
from mobiledeploy.targets.border import border
from mobiledeploy.targets.onnx_model import OnnxModel

OFFSET: Final = 128
"""Activations are uint8 inside: the int8 code plus 128. ONNX Runtime's fast kernels are those
for uint8 activations with int8 weights."""
INNER: Final = "_uint8"
"""Behind the name of the input or output where a tensor inside holds its codes."""

PREFIX: Final = "mobiledeploy."
"""Of the keys in the model's metadata."""


def write(
    graph: IntegerGraph,
    certificates: Mapping[str, Certificate],
    *,
    io: Io = "int8",
    head: Head = "softmax",
) -> bytes:
    """Return the bytes of an `.onnx` for a batch of images of any size.

    The input is NHWC as in TFLite. Inside, activations are uint8 NCHW; the tensor that holds a
    layer's codes plus 128 carries the layer's name, except for the outer input and output, which
    have the names and `io` as type, and next to which a tensor with `_uint8` after the name holds
    the codes.

    Args:
        graph: The model.
        certificates: Of its additions and means, by name; from `certify`.
        io: Type of the input and output tensor.
        head: Where the file ends.

    Raises:
        RequestError: A softmax is asked for and the graph has none.
    """
    graph = with_head(graph, head)
    tensors = graph.tensors()
    model = OnnxModel()
    codes = {graph.input.name: _write_input(model, graph.input, io)}
    for node in graph.nodes:
        name = node.output.name
        inner = io != "uint8" and node.output == graph.output
        codes[name] = f"{name}{INNER}" if inner else name
        inputs = [(codes[source], tensors[source]) for source in sources(node)]
        _write_node(model, node, inputs, codes[name], certificates)
    if io != "uint8":
        _write_output(model, graph.output, codes[graph.output.name], io)
    return model.finish(
        graph.name,
        inputs=[(graph.input.name, border(graph.input, io).dtype, graph.input.shape)],
        outputs=[(graph.output.name, border(graph.output, io).dtype, graph.output.shape)],
        producer_version=__version__,
        metadata={f"{PREFIX}graph": digest(graph)},
    )


def _zero_point(tensor: QTensor) -> np.uint8:
    return np.uint8(tensor.zero_point + OFFSET)


def _write_input(model: OnnxModel, tensor: QTensor, io: Io) -> str:
    """From the outer input to uint8 NCHW. A pair of equal scales moves codes by 128, exactly."""
    codes = tensor.name
    if io == "int8":
        real = model.dequantise(codes, tensor.scale, np.int8(tensor.zero_point))
        codes = model.quantise(real, tensor.scale, _zero_point(tensor))
    elif io == "float32":
        codes = model.quantise(codes, tensor.scale, _zero_point(tensor))
    return model.node("Transpose", [codes], f"{tensor.name}{INNER}", perm=[0, 3, 1, 2])


def _write_output(model: OnnxModel, tensor: QTensor, codes: str, io: Io) -> None:
    if io == "float32":
        model.dequantise(codes, tensor.scale, _zero_point(tensor), tensor.name)
    else:
        real = model.dequantise(codes, tensor.scale, _zero_point(tensor))
        model.quantise(real, tensor.scale, np.int8(tensor.zero_point), tensor.name)


def _write_node(
    model: OnnxModel,
    node: Node,
    inputs: list[tuple[str, QTensor]],
    output: str,
    certificates: Mapping[str, Certificate],
) -> None:
    own = tuple(tensor.scale for _, tensor in inputs)
    scales = certificates[node.output.name].scales if isinstance(node, Add | Mean) else own
    reals = [
        model.dequantise(codes, scale, _zero_point(tensor))
        for (codes, tensor), scale in zip(inputs, scales, strict=True)
    ]
    scale, zero_point = node.output.scale, _zero_point(node.output)
    match node:
        case Conv():
            real = _conv(model, node, reals[0], inputs[0][1])
            _quantise_clipped(model, real, node, output)
        case Dense():
            real = model.node(
                "Gemm", [*reals, *_weights(model, node, node.weights.kernel.T, axis=1)]
            )
            model.quantise(real, scale, zero_point, output)
        case Add():
            model.quantise(model.node("Add", reals), scale, zero_point, output)
        case Mean():
            real = model.node("GlobalAveragePool", reals)
            model.node("Flatten", [model.quantise(real, scale, zero_point)], output)
        case Softmax():
            real = model.node("Softmax", reals, axis=-1)
            model.quantise(real, scale, zero_point, output)


def _conv(model: OnnxModel, node: Conv, real: str, source: QTensor) -> str:
    kernel = node.weights.kernel
    # OHWI to OIHW, and 1HWC to C1HW.
    kernel = kernel.transpose((3, 0, 1, 2) if node.depthwise else (0, 3, 1, 2))
    begins, ends = zip(*pads(node, source.shape[:2]), strict=True)
    return model.node(
        "Conv",
        [real, *_weights(model, node, kernel, axis=0)],
        kernel_shape=kernel.shape[2:],
        strides=node.strides,
        pads=[*begins, *ends],
        group=kernel.shape[0] if node.depthwise else 1,
    )


def _weights(
    model: OnnxModel, node: Conv | Dense, kernel: npt.NDArray[np.int8], *, axis: int
) -> tuple[str, str]:
    """Add kernel and bias; return the names of their real values.

    A kernel's zero points are its own: with `session.x64quantprecision` ONNX Runtime rewrites
    them in place and fails where two kernels share them. A bias has none.
    """
    name, weights = node.output.name, node.weights
    kernel_names = [
        model.constant(f"{name}/kernel", kernel),
        model.constant(f"{name}/kernel_scale", weights.kernel_scale),
        model.constant(f"{name}/kernel_zero_point", np.zeros_like(weights.kernel_scale, np.int8)),
    ]
    bias_names = [
        model.constant(f"{name}/bias", weights.bias),
        model.constant(f"{name}/bias_scale", weights.bias_scale),
    ]
    return (
        model.node("DequantizeLinear", kernel_names, axis=axis),
        model.node("DequantizeLinear", bias_names, axis=0),
    )


def _quantise_clipped(model: OnnxModel, real: str, node: Conv, output: str) -> None:
    """Add the codes of a convolution, with its activation where the grid does not imply it.

    The activation works on codes: a float one between the layer and its quantisation would keep
    ONNX Runtime from fusing them.
    """
    scale, zero_point = node.output.scale, _zero_point(node.output)
    if implied(node.activation, node.output):
        model.quantise(real, scale, zero_point, output)
        return
    bounds = (np.uint8(code + OFFSET) for code in clamp(node.activation, node.output))
    codes = model.quantise(real, scale, zero_point)
    model.node("Clip", [codes, *(model.scalar(bound) for bound in bounds)], output)
