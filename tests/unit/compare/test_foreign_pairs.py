"""Files that other tools make from the same weights are read, and differences described."""

from pathlib import Path
from typing import Any

import comparing
import graphs
import numpy as np
import pytest
from float_onnx import quantised_by_ort

from mobiledeploy import reading
from mobiledeploy.formats.onnx import parse as parse_onnx
from mobiledeploy.formats.tflite import parse
from mobiledeploy.integer.certify import certify
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.integer.quantise import quantise
from mobiledeploy.network.network import Network
from mobiledeploy.reading import Reading
from mobiledeploy.targets import onnx as onnx_target
from mobiledeploy.targets import tflite


@pytest.fixture(scope="module")
def network() -> Network:
    return graphs.random_network(graphs.assorted())[0]


@pytest.fixture(scope="module")
def graph() -> IntegerGraph:
    return quantise(*graphs.random_network(graphs.assorted()))


@pytest.fixture(scope="module")
def ours(graph: IntegerGraph) -> Reading:
    return reading.read_tflite(parse(tflite.write(graph)))


def quantised(network: Network, folder: Path, **options: Any) -> Reading:
    return reading.read_onnx(parse_onnx(quantised_by_ort(network, folder, **options)))


@pytest.mark.parametrize("form", ["QDQ", "QOperator"])
@pytest.mark.parametrize("activations", ["QInt8", "QUInt8"])
@pytest.mark.parametrize("per_channel", [False, True])
def test_files_of_orts_quantizer_are_reported_as_calibrated_separately(
    form: str,
    activations: str,
    per_channel: bool,
    network: Network,
    ours: Reading,
    tmp_path: Path,
) -> None:
    from onnxruntime.quantization import QuantFormat, QuantType

    theirs = quantised(
        network,
        tmp_path,
        quant_format=QuantFormat[form],
        activation_type=QuantType[activations],
        weight_type=QuantType.QInt8,
        per_channel=per_channel,
    )
    assert [layer.kind for layer in theirs.layers] == [layer.kind for layer in ours.layers]
    assert not [layer.faults for layer in theirs.layers if layer.faults]
    report = comparing.compare(ours, theirs)
    assert report.matched == len(ours.layers)
    assert not report.same
    assert "quantised separately" in report.cause
    per_tensor = [
        difference for difference in report.differences if difference.field == "per-tensor weights"
    ]
    # Ours have a scale for each channel, except the dense layer.
    expected = {"logits"} if per_channel else {"stem", "narrow", "shrink", "wide", "spread"}
    assert {difference.layer for difference in per_tensor} == expected
    assert ("one scale for the whole kernel" in report.cause) == bool(per_tensor)


@pytest.mark.slow
@pytest.mark.tensorflow
def test_a_file_of_tf2onnx_holds_our_integers_and_adds_differently(tmp_path: Path) -> None:
    import tf2onnx

    graph = graphs.mobilenet("v2", alpha=0.35, image_size=32)
    path = tmp_path / "model.tflite"
    path.write_bytes(tflite.write(graph))
    model, _ = tf2onnx.convert.from_tflite(str(path), opset=17)
    theirs = reading.read_onnx(parse_onnx(model.SerializeToString()))
    report = comparing.compare(reading.read_tflite(parse(path.read_bytes())), theirs)
    assert report.matched == report.layers == report.other_layers == len(graph.nodes)
    # tf2onnx keeps the scales; we change them where kernels would round differently.
    moved = {name for name, c in certify(graph).items() if c.differing_before}
    assert {
        difference.layer for difference in report.differences if not difference.equivalent
    } == moved
    assert {difference.field for difference in report.differences} == {"rounding"}
    assert "the runtimes' kernels round this layer differently" in report.cause


@pytest.mark.slow
@pytest.mark.tensorflow
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore:Statistics for quantized inputs were expected")
def test_a_file_of_tensorflows_converter_is_reported_as_calibrated_separately() -> None:
    import tensorflow as tf

    from mobiledeploy.models import keras_builder, registry
    from mobiledeploy.network.keras_model import network_of

    architecture = registry.architecture(
        "v1", alpha=0.25, image_size=32, classes=10, stem_stride=1
    )
    model = keras_builder.build(architecture)
    network = network_of(architecture, model)
    graph = quantise(network, graphs.random_network(architecture)[1])
    random = np.random.default_rng(0)
    images = random.uniform(-1, 1, (8, 1, 32, 32, 3)).astype(np.float32)
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([image] for image in images)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    theirs = reading.read_tflite(parse(converter.convert()))
    ours = reading.read_onnx(parse_onnx(onnx_target.write(graph, certify(graph))))
    report = comparing.compare(theirs, ours)
    assert report.matched == report.layers == report.other_layers == len(graph.nodes)
    assert "quantised separately" in report.cause
    assert ours.input.dtype != theirs.input.dtype
    assert {difference.field for difference in report.differences if difference.position < 0} >= {
        "input type"
    }
