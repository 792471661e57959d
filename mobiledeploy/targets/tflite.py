"""Write an integer graph as `.tflite`: a pure function, the same graph gives the same bytes."""

from typing import Final

import numpy as np

from mobiledeploy.formats.tflite import schema
from mobiledeploy.formats.tflite.writer import TfliteWriter
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
from mobiledeploy.spec.config import Head, Io
from mobiledeploy.targets.border import border

MIN_RUNTIME: Final = "1.14.0"
"""What TensorFlow's table of operator versions gives for the versions below."""
MIN_RUNTIME_PER_CHANNEL_DENSE: Final = "2.17.0"

DENSE_VERSION: Final = 4
PER_CHANNEL_DENSE_VERSION: Final = 12
"""TFLite 2.7 and 2.8 load a version 4 with several scales and compute it wrongly: with this
version a runtime that does not know better refuses."""


def write(graph: IntegerGraph, *, io: Io = "int8", head: Head = "softmax") -> bytes:
    """Return the bytes of a `.tflite` for one image (resize the input for more).

    The tensors inside are int8 and carry the names of the graph. Where `io` is another type,
    the outer input and output carry these names, and the int8 tensor next to it has `_int8`
    after it. The batch is a fixed 1 and not a free dimension, which NNAPI and other delegates
    refuse; `resize_tensor_input` works all the same.

    Args:
        graph: The model.
        io: Type of the input and output tensor.
        head: Where the file ends.

    Raises:
        RequestError: A softmax is asked for and the graph has none.
    """
    graph = with_head(graph, head)
    model = TfliteWriter()
    indices: dict[str, int] = {}
    first = _outer(model, graph.input, io)
    indices[graph.input.name] = first
    if io != "int8":
        codes = _inner(model, graph.input, suffix="_int8")
        model.operator("QUANTIZE", 1, [first], codes, "QuantizeOptions")
        indices[graph.input.name] = codes
    for node in graph.nodes:
        at_border = io != "int8" and node.output == graph.output
        output = _inner(model, node.output, suffix="_int8" if at_border else "")
        _add_operator(model, node, [indices[name] for name in sources(node)], output)
        indices[node.output.name] = output
    last = indices[graph.output.name]
    if io != "int8":
        codes, last = last, _outer(model, graph.output, io)
        if io == "float32":
            model.operator("DEQUANTIZE", 2, [codes], last, "DequantizeOptions")
        else:
            model.operator("QUANTIZE", 1, [codes], last, "QuantizeOptions")
    per_channel_dense = any(isinstance(n, Dense) and _per_channel(n) for n in graph.nodes)
    return model.finish(
        description=graph.name,
        min_runtime=MIN_RUNTIME_PER_CHANNEL_DENSE if per_channel_dense else MIN_RUNTIME,
        inputs={"input": first},
        outputs={"output": last},
    )


def _inner(model: TfliteWriter, tensor: QTensor, *, suffix: str) -> int:
    return model.activation(
        tensor.name + suffix,
        np.int8,
        (1, *tensor.shape),
        scale=tensor.scale,
        zero_point=tensor.zero_point,
    )


def _outer(model: TfliteWriter, tensor: QTensor, io: Io) -> int:
    outside = border(tensor, io)
    return model.activation(
        tensor.name,
        outside.dtype,
        (1, *tensor.shape),
        scale=None if outside.zero_point is None else tensor.scale,
        zero_point=outside.zero_point or 0,
    )


def _add_operator(model: TfliteWriter, node: Node, inputs: list[int], output: int) -> None:
    match node:
        case Conv():
            common = {
                "Padding": schema.PADDINGS.index(node.padding),
                "StrideH": node.strides[0],
                "StrideW": node.strides[1],
                "FusedActivationFunction": schema.ACTIVATIONS.index(node.activation),
                "DilationHFactor": 1,
                "DilationWFactor": 1,
            }
            inputs = [*inputs, *_weights(model, node, axis=3 if node.depthwise else 0)]
            if node.depthwise:
                options = "DepthwiseConv2DOptions"
                model.operator(
                    "DEPTHWISE_CONV_2D", 3, inputs, output, options, DepthMultiplier=1, **common
                )
            else:
                model.operator("CONV_2D", 3, inputs, output, "Conv2DOptions", **common)
        case Dense():
            inputs = [*inputs, *_weights(model, node, axis=0)]
            version = PER_CHANNEL_DENSE_VERSION if _per_channel(node) else DENSE_VERSION
            model.operator("FULLY_CONNECTED", version, inputs, output, "FullyConnectedOptions")
        case Add():
            model.operator("ADD", 2, inputs, output, "AddOptions")
        case Mean():
            axes = model.constant(f"{node.output.name}/axes", np.array([1, 2], np.int32))
            model.operator("MEAN", 2, [*inputs, axes], output, "ReducerOptions", KeepDims=False)
        case Softmax():
            model.operator("SOFTMAX", 2, inputs, output, "SoftmaxOptions", Beta=1.0)


def _weights(model: TfliteWriter, node: Conv | Dense, *, axis: int) -> tuple[int, int]:
    name, weights = node.output.name, node.weights
    return (
        model.constant(f"{name}/kernel", weights.kernel, scale=weights.kernel_scale, axis=axis),
        model.constant(f"{name}/bias", weights.bias, scale=weights.bias_scale),
    )


def _per_channel(node: Dense) -> bool:
    return node.weights.kernel_scale.size > 1
