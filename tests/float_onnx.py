"""A float network as a plain `.onnx`, and what ONNX Runtime's own quantiser makes of it."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from mobiledeploy.network.network import Network
from mobiledeploy.ops.architecture import INPUT
from mobiledeploy.ops.padding import same_pads


def float_onnx(network: Network) -> onnx.ModelProto:
    """Return the network: NHWC at its input, NCHW inside, as exporters of Keras models have it."""
    nodes, constants = [], []
    shapes = network.architecture.shapes()

    def constant(name: str, values: np.ndarray) -> str:
        constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    nodes.append(helper.make_node("Transpose", [INPUT], ["nchw"], perm=[0, 3, 1, 2]))
    names = {INPUT: "nchw"}
    for layer in network.architecture.layers:
        name, inputs = layer.name, [names[source] for source in layer.inputs]
        names[name] = name
        if layer.op in {"conv", "depthwise"}:
            weights = network.weights[name]
            order = (2, 3, 0, 1) if layer.op == "depthwise" else (3, 2, 0, 1)
            kernel = constant(f"{name}/kernel", weights.kernel.transpose(order))
            bias = constant(f"{name}/bias", weights.bias)
            source = shapes[layer.inputs[0]]
            pads = (0, 0, 0, 0)
            if layer.padding == "same":
                pads = same_pads(source[:2], layer.kernel, layer.strides, (1, 1))
            top, bottom, left, right = pads
            product = name if layer.activation == "none" else f"{name}/product"
            nodes.append(
                helper.make_node(
                    "Conv",
                    [*inputs, kernel, bias],
                    [product],
                    kernel_shape=layer.kernel,
                    strides=layer.strides,
                    pads=[top, left, bottom, right],
                    group=layer.in_channels if layer.op == "depthwise" else 1,
                )
            )
            if layer.activation == "relu":
                nodes.append(helper.make_node("Relu", [product], [name]))
            elif layer.activation == "relu6":
                ends = [constant(f"{name}/{end}", np.array(end, np.float32)) for end in (0, 6)]
                nodes.append(helper.make_node("Clip", [product, *ends], [name]))
        elif layer.op == "add":
            nodes.append(helper.make_node("Add", inputs, [name]))
        elif layer.op == "mean":
            nodes.append(helper.make_node("GlobalAveragePool", inputs, [f"{name}/nchw"]))
            nodes.append(helper.make_node("Flatten", [f"{name}/nchw"], [name]))
        elif layer.op == "dense":
            weights = network.weights[name]
            kernel = constant(f"{name}/kernel", weights.kernel)
            bias = constant(f"{name}/bias", weights.bias)
            nodes.append(helper.make_node("Gemm", [*inputs, kernel, bias], [name]))
        else:
            nodes.append(helper.make_node("Softmax", inputs, [name], axis=-1))
    shape = ["batch", *network.architecture.input_shape]
    classes = ["batch", network.architecture.classes]
    output = network.architecture.output.name
    graph = helper.make_graph(
        nodes,
        network.architecture.name,
        [helper.make_tensor_value_info(INPUT, onnx.TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(output, onnx.TensorProto.FLOAT, classes)],
        constants,
    )
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, ir_version=8, opset_imports=opset)


def quantised_by_ort(network: Network, folder: Path, **options: Any) -> bytes:
    """Return what `quantize_static` makes of it, calibrated on noise."""
    from onnxruntime.quantization import CalibrationDataReader, quantize_static

    random = np.random.default_rng(0)
    shape = (4, 1, *network.architecture.input_shape)
    images = iter(random.uniform(-1, 1, shape).astype(np.float32))

    class Images(CalibrationDataReader):  # type: ignore[misc]
        def get_next(self) -> dict[str, Any] | None:
            image = next(images, None)
            return None if image is None else {INPUT: image}

    source, target = folder / "float.onnx", folder / "int8.onnx"
    onnx.save(float_onnx(network), source)
    # It advises to prepare the model, on the root logger.
    logging.disable(logging.WARNING)
    try:
        quantize_static(source, target, Images(), **options)
    finally:
        logging.disable(logging.NOTSET)
    return target.read_bytes()
