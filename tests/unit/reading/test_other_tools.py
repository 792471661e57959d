"""Products and hard swishes in files that other tools wrote are read."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from mobiledeploy import reading
from mobiledeploy.formats.onnx import parse as parse_onnx
from mobiledeploy.formats.tflite import parse as parse_tflite
from mobiledeploy.ops import mul


def gated() -> onnx.ModelProto:
    """A float network: a convolution, a hard swish, and a gate multiplied with each channel."""
    random = np.random.default_rng(0)
    constants = {
        "kernel": random.normal(0, 0.3, (6, 3, 3, 3)),
        "gate/kernel": random.normal(0, 0.3, (6, 6, 6, 6)),
        "last/kernel": random.normal(0, 0.3, (4, 6, 1, 1)),
        "bias": random.normal(0, 0.1, 6),
        "last/bias": random.normal(0, 0.1, 4),
    }
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "kernel", "bias"], ["conv"]),
            helper.make_node("HardSwish", ["conv"], ["swished"]),
            helper.make_node("Conv", ["swished", "gate/kernel", "bias"], ["gate"]),
            helper.make_node("Mul", ["swished", "gate"], ["gated"]),
            helper.make_node("Conv", ["gated", "last/kernel", "last/bias"], ["y"]),
        ],
        "gated",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, (1, 3, 8, 8))],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, (1, 4, 6, 6))],
        [numpy_helper.from_array(v.astype(np.float32), name) for name, v in constants.items()],
    )
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])


@pytest.mark.parametrize("form", ["QDQ", "QOperator"])
@pytest.mark.parametrize("activations", ["QInt8", "QUInt8"])
def test_a_file_from_onnx_runtimes_quantiser_is_read(
    form: str, activations: str, tmp_path: Path
) -> None:
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    random = np.random.default_rng(1)
    images = iter(random.normal(0, 1, (4, 1, 3, 8, 8)).astype(np.float32))

    class Images(CalibrationDataReader):  # type: ignore[misc]
        def get_next(self) -> dict[str, Any] | None:
            image = next(images, None)
            return None if image is None else {"x": image}

    source, target = tmp_path / "float.onnx", tmp_path / "int8.onnx"
    onnx.save(gated(), source)
    logging.disable(logging.WARNING)
    try:
        quantize_static(
            source,
            target,
            Images(),
            quant_format=QuantFormat[form],
            activation_type=QuantType[activations],
            weight_type=QuantType.QInt8,
        )
    finally:
        logging.disable(logging.NOTSET)
    layers = reading.read_onnx(parse_onnx(target.read_bytes())).layers
    assert [layer.kind for layer in layers] == ["conv", "hard_swish", "conv", "mul", "conv"]
    assert not [fault for layer in layers for fault in layer.faults]
    product = layers[3]
    assert product.op == mul.QLINEAR
    assert [read.source for read in product.reads] == [1, 2]
    assert product.output.shape == (6, 6, 6)
    for layer in layers:
        for read in layer.reads:
            if read.source >= 0:
                before = layers[read.source].output
                assert (read.scale, read.zero_point) == (before.scale, before.zero_point)


@pytest.mark.slow
@pytest.mark.tensorflow
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore:Statistics for quantized inputs were expected")
def test_a_file_from_tensorflows_converter_is_read() -> None:
    import tensorflow as tf

    image = tf.keras.Input((8, 8, 3), batch_size=1)
    stem = tf.keras.layers.Conv2D(6, 3, padding="same")(image)
    swished = tf.keras.layers.Lambda(lambda x: x * tf.nn.relu6(x + 3.0) / 6.0)(stem)
    gate = tf.keras.layers.Conv2D(6, 8)(swished)
    product = tf.keras.layers.ReLU()(tf.keras.layers.Multiply()([swished, gate]))
    model = tf.keras.Model(image, tf.keras.layers.Conv2D(4, 1)(product))
    images = np.random.default_rng(0).normal(0, 1, (8, 1, 8, 8, 3)).astype(np.float32)
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([image] for image in images)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    layers = reading.read_tflite(parse_tflite(converter.convert())).layers
    assert [layer.kind for layer in layers] == ["conv", "hard_swish", "conv", "mul", "conv"]
    assert not [fault for layer in layers for fault in layer.faults]
    assert [read.source for read in layers[3].reads] == [1, 2]
    zero_point = layers[3].output.zero_point
    assert zero_point is not None
    assert layers[3].clamp == (zero_point, 127)
