"""Float files compute what the network computes."""

from collections import Counter
from collections.abc import Callable
from functools import cache

import ai_edge_litert.interpreter
import numpy as np
import onnx
import onnxruntime
import pytest
from tflite_editor import TfliteFile

from mobiledeploy.base.errors import RequestError
from mobiledeploy.formats.tflite import metadata
from mobiledeploy.models import registry
from mobiledeploy.network.network import Network
from mobiledeploy.ops.architecture import INPUT, Architecture, Layer
from mobiledeploy.ops.weights import Weights
from mobiledeploy.spec.config import Head, Preprocessing
from mobiledeploy.targets.description import Described, attachment
from mobiledeploy.targets.float_files import write_onnx, write_tflite
from mobiledeploy.training import predict

pytestmark = pytest.mark.tensorflow


def random_network(architecture: Architecture) -> Network:
    random = np.random.default_rng(0)
    weights = {}
    for layer in architecture.layers:
        if layer.has_weights:
            fan_in = np.prod(layer.kernel_shape[: 2 if layer.op == "depthwise" else -1])
            kernel = random.normal(0, (2 / fan_in) ** 0.5, layer.kernel_shape)
            bias = random.normal(0, 0.1, layer.out_channels)
            weights[layer.name] = Weights(
                kernel=kernel.astype(np.float32), bias=bias.astype(np.float32)
            )
    return Network(architecture=architecture, weights=weights)


@pytest.fixture(scope="module", params=["v1", pytest.param("v2", marks=pytest.mark.slow)])
def network(request: pytest.FixtureRequest) -> Network:
    alpha = {"v1": 0.25, "v2": 0.35}[request.param]
    return random_network(
        registry.architecture(request.param, alpha=alpha, image_size=40, classes=5)
    )


DESCRIBED = Described(
    name="network",
    license="",
    preprocessing=Preprocessing(image_size=40),
    task="classification",
    classes=("a", "b", "c", "d", "e"),
)


@cache
def tflite_file(network: Network, head: Head = "softmax") -> bytes:
    attached = attachment(DESCRIBED, network.architecture.input_shape, head=head)
    return write_tflite(network, head=head, attached=attached)


@cache
def onnx_file(network: Network, head: Head = "softmax") -> bytes:
    return write_onnx(network, head=head)


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (3, 40, 40, 3)).astype(np.uint8)


def expected(network: Network, pixels: np.ndarray, head: Head) -> np.ndarray:
    logits = predict.predict(network, pixels)
    if head == "logits":
        return logits
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    scores: np.ndarray = powers / powers.sum(axis=1, keepdims=True)
    return scores


def tolerance(outputs: np.ndarray) -> float:
    return 1e-5 * max(1.0, float(np.abs(outputs).max()))


def test_the_file_says_what_it_is(network: Network) -> None:
    said = metadata.classifier(tflite_file(network))
    assert said.labels == DESCRIBED.classes
    assert said.normalisation == ((128.0, 128.0),)


@pytest.mark.parametrize("head", ["softmax", "logits"])
def test_tflite_computes_the_network(network: Network, pixels: np.ndarray, head: Head) -> None:
    interpreter = ai_edge_litert.interpreter.Interpreter(model_content=tflite_file(network, head))
    call = interpreter.get_signature_runner("serving_default")
    images = (pixels.astype(np.float32) - 128) / 128
    outputs = np.concatenate([call(input=image[np.newaxis])["output"] for image in images])
    wanted = expected(network, pixels, head)
    np.testing.assert_allclose(outputs, wanted, atol=tolerance(wanted))


def test_tflite_names_its_input_and_output(network: Network) -> None:
    interpreter = ai_edge_litert.interpreter.Interpreter(model_content=tflite_file(network))
    (source,), (target,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert (source["name"], source["dtype"]) == (INPUT, np.float32)
    assert (target["name"], target["dtype"]) == ("predictions", np.float32)
    assert list(source["shape"]) == [1, 40, 40, 3]


def test_convolutions_stay_convolutions(network: Network) -> None:
    counted = Counter(layer.op for layer in network.architecture.layers)
    model = onnx.load_from_string(onnx_file(network))
    operators = Counter(node.op_type for node in model.graph.node)
    assert operators["Conv"] == counted["conv"] + counted["depthwise"]
    file = TfliteFile(tflite_file(network))
    kinds = Counter(map(file.builtin, file.graph.operators))
    assert kinds["CONV_2D"] == counted["conv"]


@pytest.mark.parametrize("head", ["softmax", "logits"])
def test_onnx_computes_the_network(network: Network, pixels: np.ndarray, head: Head) -> None:
    session = onnxruntime.InferenceSession(onnx_file(network, head))
    images = (pixels.astype(np.float32) - 128) / 128
    output = {"softmax": "predictions", "logits": "logits"}[head]
    (outputs,) = session.run([output], {INPUT: images})
    wanted = expected(network, pixels, head)
    np.testing.assert_allclose(outputs, wanted, atol=tolerance(wanted))


def test_onnx_is_valid_with_a_dynamic_batch(network: Network) -> None:
    model = onnx.load_from_string(onnx_file(network))
    onnx.checker.check_model(model, full_check=True)
    assert [opset.domain for opset in model.opset_import] == [""]
    (source,) = model.graph.input
    dimensions = source.type.tensor_type.shape.dim
    assert [d.dim_param or d.dim_value for d in dimensions] == ["batch", 40, 40, 3]


def test_the_same_network_gives_the_same_bytes(network: Network) -> None:
    assert tflite_file.__wrapped__(network) == tflite_file(network)
    assert write_onnx(network) == onnx_file(network)


@pytest.mark.parametrize("write", [write_tflite, write_onnx], ids=["tflite", "onnx"])
def test_asking_for_a_missing_softmax_is_refused(write: Callable[..., bytes]) -> None:
    head = Layer(name="logits", op="dense", inputs=("pool",), in_channels=3, out_channels=2)
    pool = Layer(name="pool", op="mean", inputs=(INPUT,), in_channels=3, out_channels=3)
    network = random_network(Architecture(name="tiny", input_shape=(4, 4, 3), layers=(pool, head)))
    with pytest.raises(RequestError, match="expected tiny to end in a softmax"):
        write(network, head="softmax")
