"""An `.onnx` of one convolution, in the forms that other tools write."""

from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper


def convolution(
    *, activations: Any = np.uint8, weights: Any = np.int8, float_weights: bool = False
) -> Any:
    """A graph of one convolution between codes, by hand."""
    random = np.random.default_rng(1)
    codes = helper.np_dtype_to_tensor_dtype(np.dtype(activations))
    zero = 128 if weights == np.uint8 else 0
    kernel = (random.integers(-127, 128, (6, 5, 3, 3)) + zero).astype(weights)
    constants = {
        "scale": np.float32(0.02),
        "zero": activations(3),
        "kernel": kernel.astype(np.float32) if float_weights else kernel,
        "kernel_scale": np.float32(0.01) if zero else np.full(6, 0.01, np.float32),
        "kernel_zero": weights(zero) if zero else np.zeros(6, weights),
        "bias": np.zeros(6, np.int32),
        "bias_scale": np.float32(0.0002) if zero else np.full(6, 0.0002, np.float32),
    }
    quantised = ["kernel", "kernel_scale", "kernel_zero"]
    nodes = [
        helper.make_node("DequantizeLinear", ["image", "scale", "zero"], ["x"]),
        helper.make_node("DequantizeLinear", quantised, ["w"], axis=0),
        helper.make_node("DequantizeLinear", ["bias", "bias_scale"], ["b"], axis=0),
        helper.make_node("Conv", ["x", "w", "b"], ["y"]),
        helper.make_node("QuantizeLinear", ["y", "scale", "zero"], ["result"]),
    ]
    if float_weights:
        nodes.insert(1, helper.make_node("QuantizeLinear", quantised, ["codes"], axis=0))
        nodes[2].input[0] = "codes"
    graph = helper.make_graph(
        nodes,
        "convolution",
        [helper.make_tensor_value_info("image", codes, ["n", 5, 8, 8])],
        [helper.make_tensor_value_info("result", codes, ["n", 6, 6, 6])],
        [numpy_helper.from_array(np.array(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])


def on_codes() -> Any:
    """The same as one operator."""
    model = convolution()
    inputs = ["image", "scale", "zero", "kernel", "kernel_scale", "kernel_zero"]
    del model.graph.node[:]
    model.graph.node.append(
        helper.make_node("QLinearConv", [*inputs, "scale", "zero", "bias"], ["result"])
    )
    model.graph.initializer.remove(
        next(tensor for tensor in model.graph.initializer if tensor.name == "bias_scale")
    )
    return model


def dynamic() -> Any:
    """The same with codes that are chosen anew for each image."""
    model = convolution()
    del model.graph.node[:], model.graph.input[:], model.graph.output[:]
    model.graph.input.append(
        helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 5, 8, 8])
    )
    model.graph.output.append(
        helper.make_tensor_value_info("result", TensorProto.FLOAT, ["n", 6, 6, 6])
    )
    model.graph.node.extend(
        [
            helper.make_node("DynamicQuantizeLinear", ["image"], ["x", "x_scale", "x_zero"]),
            helper.make_node("ConvInteger", ["x", "kernel", "x_zero"], ["sums"]),
            helper.make_node("Cast", ["sums"], ["real"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["real", "x_scale"], ["result"]),
        ]
    )
    kept = [tensor for tensor in model.graph.initializer if tensor.name == "kernel"]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    return model
