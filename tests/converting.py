"""Finished int8 files of other tools, small enough to convert in a test."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

KINDS = ("residual", "gated", "joined")


def float_model(kind: str) -> onnx.ModelProto:
    """A float network of 12 by 12 pixels, NCHW.

    `residual`: an Add with a Relu. `gated`: SiLU, squeeze and excite. `joined`: pools, a Concat
    and a leaky ReLU.
    """
    random = np.random.default_rng(0)
    nodes: list[Any] = []
    constants: dict[str, np.ndarray] = {}

    def add(op: str, inputs: list[str], name: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(op, inputs, [name], **attributes))
        return name

    def conv(source: str, name: str, inputs: int, outputs: int, size: int, **more: Any) -> str:
        fan_in = inputs // more.get("group", 1) * size * size
        kernel = (outputs, inputs // more.get("group", 1), size, size)
        constants[f"{name}/kernel"] = random.normal(0, (2 / fan_in) ** 0.5, kernel)
        constants[f"{name}/bias"] = random.normal(0, 0.1, outputs)
        names = [source, f"{name}/kernel", f"{name}/bias"]
        return add("Conv", names, name, pads=[size // 2] * 4, **more)

    x = add("Relu", [conv("x", "stem", 3, 8, 3, strides=[2, 2])], "stem/relu")
    if kind == "residual":
        y = add("Relu", [conv(x, "depthwise", 8, 8, 3, group=8)], "depthwise/relu")
        y = add("Add", [x, conv(y, "pointwise", 8, 8, 1)], "sum")
        x = add("Relu", [y], "sum/relu")
    elif kind == "gated":
        y = conv(x, "wide", 8, 8, 1)
        y = add("Mul", [y, add("Sigmoid", [y], "sigmoid")], "swish")
        gate = conv(add("GlobalAveragePool", [y], "squeezed"), "gate", 8, 8, 1)
        x = add("Mul", [y, add("Sigmoid", [gate], "gate/sigmoid")], "gated")
    else:
        pool = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}
        x = add("MaxPool", [x], "pool", **pool)
        a = add("LeakyRelu", [conv(x, "a", 8, 4, 1)], "a/leaky", alpha=0.1)
        b = add("Relu", [conv(x, "b", 8, 4, 3)], "b/relu")
        x = add("Concat", [a, b], "joined", axis=1)
    flat = add("Flatten", [add("GlobalAveragePool", [x], "mean")], "flat")
    constants["dense/kernel"] = random.normal(0, 0.5, (8, 5))
    constants["dense/bias"] = random.normal(0, 0.1, 5)
    add("Gemm", [flat, "dense/kernel", "dense/bias"], "logits")
    graph = helper.make_graph(
        nodes,
        kind,
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, (1, 3, 12, 12))],
        [helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, (1, 5))],
        [numpy_helper.from_array(v.astype(np.float32), name) for name, v in constants.items()],
    )
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])


def quantised(kind: str, folder: Path, form: str, **options: Any) -> Path:
    """What ONNX Runtime's `quantize_static` makes of a network, calibrated on noise.

    Args:
        kind: One of `KINDS`.
        folder: Where to write it.
        form: `QDQ` or `QOperator`.
        options: Of `quantize_static`; types by their names.
    """
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    random = np.random.default_rng(1)
    images = iter(random.uniform(-1, 1, (4, 1, 3, 12, 12)).astype(np.float32))

    class Images(CalibrationDataReader):  # type: ignore[misc]
        def get_next(self) -> dict[str, Any] | None:
            image = next(images, None)
            return None if image is None else {"x": image}

    for key in ("activation_type", "weight_type"):
        options[key] = QuantType[options.get(key, "QInt8")]
    source, target = folder / f"{kind}.float.onnx", folder / f"{kind}.onnx"
    onnx.save(float_model(kind), source)
    logging.disable(logging.WARNING)
    try:
        quantize_static(source, target, Images(), quant_format=QuantFormat[form], **options)
    finally:
        logging.disable(logging.NOTSET)
    return target
