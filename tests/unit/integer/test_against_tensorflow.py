"""TensorFlow's converter computes the same integers from the same fake-quant graph."""

import dataclasses
from typing import Any

import graphs
import numpy as np
import pytest

from mobiledeploy.formats.tflite import edit, parse
from mobiledeploy.integer import tflite_reader
from mobiledeploy.integer.certify import exact_ranges
from mobiledeploy.integer.graph import digest
from mobiledeploy.integer.quantise import quantise
from mobiledeploy.models import keras_builder, registry
from mobiledeploy.network.keras_model import network_of
from mobiledeploy.network.network import Network
from mobiledeploy.ops.architecture import Architecture, Layer
from mobiledeploy.ops.conv import Conv
from mobiledeploy.ops.dense import Dense
from mobiledeploy.ops.ranges import Ranges
from mobiledeploy.runtimes import litert
from mobiledeploy.targets import tflite

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.filterwarnings("ignore:Statistics for quantized inputs were expected"),
]

CLASSES = 4
STEPS = 40


def pictures(size: int) -> tuple[np.ndarray[Any, np.dtype[np.uint8]], Any]:
    """Noise, brighter in one quarter: which one is the class."""
    random = np.random.default_rng(3)
    labels = np.arange(128) % CLASSES
    pixels = random.integers(0, 120, (128, size, size, 3))
    half = size // 2
    for pixel, label in zip(pixels, labels, strict=True):
        row, column = divmod(int(label), 2)
        pixel[row * half : (row + 1) * half, column * half : (column + 1) * half] += 120
    return pixels.astype(np.uint8), labels


def trained(architecture: Architecture) -> Network:
    import keras

    keras.utils.set_random_seed(1)
    model = keras_builder.build(architecture, batch_norm_momentum=0.7)
    model.compile(keras.optimizers.SGD(0.02, momentum=0.9), "sparse_categorical_crossentropy")
    pixels, labels = pictures(architecture.input_shape[0])
    for step in range(STEPS):
        batch = slice(step * 16 % 128, step * 16 % 128 + 16)
        images = (pixels[batch].astype(np.float32) - 128) / 128
        model.train_on_batch(images, labels[batch])
    return network_of(architecture, model)


def converted(network: Network, ranges: Ranges) -> bytes:
    """What TFLiteConverter makes of a fake-quant graph."""
    from mobiledeploy.training import qat_folded, tensorflow_graph, tensorflow_setup

    tf = tensorflow_setup.tensorflow()
    architecture = network.architecture
    observe = qat_folded.fake_quantised_activations(ranges)

    def apply(layer: Layer, source: Any) -> Any:
        weights = network.weights[layer.name]
        product = tensorflow_graph.convolve(
            layer, source, qat_folded.fake_quantised_kernel(layer, weights.kernel)
        )
        return tf.nn.bias_add(product, weights.bias)

    def forward(image: Any) -> Any:
        return tensorflow_graph.forward(
            architecture, image, apply, observe=observe, until=architecture.output.name
        )

    shape = tf.TensorSpec((1, *architecture.input_shape), tf.float32, name="input")
    traced: Any = tensorflow_graph.traced(forward, shape)
    function = traced.get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    converter._experimental_disable_per_channel_quantization_for_dense_layers = True
    data: bytes = converter.convert()
    return data


def untrained(architecture: Architecture) -> Network:
    return graphs.random_network(architecture)[0]


@dataclasses.dataclass(frozen=True)
class Case:
    network: Network
    ranges: Ranges
    theirs: bytes
    trained: bool


NETWORKS = [
    pytest.param((untrained, "v1", 0.25, 32, 1), id="untrained_v1_32"),
    pytest.param((untrained, "v2", 0.35, 96, 2), id="untrained_v2_96"),
    # Training takes ten to twenty seconds of CPU time, most of them to build the gradients.
    pytest.param((trained, "v1", 0.25, 32, 1), id="v1_32", marks=pytest.mark.slow),
    pytest.param((trained, "v2", 0.35, 32, 1), id="v2_32", marks=pytest.mark.slow),
    pytest.param((trained, "v2", 0.35, 96, 2), id="v2_96", marks=pytest.mark.slow),
]


@pytest.fixture(scope="module", params=NETWORKS)
def case(request: pytest.FixtureRequest) -> Case:
    from mobiledeploy.pipeline.calibrate import calibrate

    make, arch, alpha, size, stride = request.param
    network = make(
        registry.architecture(
            arch, alpha=alpha, image_size=size, classes=CLASSES, stem_stride=stride
        )
    )
    pixels, _ = pictures(size)
    ranges = exact_ranges(network, calibrate(network, pixels[:64]))
    return Case(network, ranges, converted(network, ranges), trained=make is trained)


def test_operators_weights_scales_and_zero_points_equal_tensorflows_converter_s(
    case: Case,
) -> None:
    ours, read = quantise(case.network, case.ranges), tflite_reader.read_file(case.theirs)
    for mine, other in zip(ours.nodes, read.nodes, strict=True):
        assert type(mine) is type(other)
        assert (mine.output.scale, mine.output.zero_point) == (
            other.output.scale,
            other.output.zero_point,
        )
        if isinstance(mine, Conv | Dense) and isinstance(other, Conv | Dense):
            np.testing.assert_array_equal(mine.weights.kernel, other.weights.kernel)
            np.testing.assert_array_equal(mine.weights.bias, other.weights.bias)
    assert digest(ours) == digest(read)


def test_outputs_equal_tensorflows_converter_s_and_vary(case: Case) -> None:
    pixels, labels = pictures(case.network.architecture.input_shape[0])
    codes = (pixels[:32].astype(np.int16) - 128).astype(np.int8)
    ours = tflite.write(quantise(case.network, case.ranges))
    scores, logits = litert.load(edit.tap(parse(ours))).run(codes)
    other_scores, other_logits = litert.load(edit.tap(parse(case.theirs))).run(codes)
    np.testing.assert_array_equal(logits, other_logits)
    np.testing.assert_array_equal(scores, other_scores)
    assert len(np.unique(logits, axis=0)) > 16
    assert not case.trained or (scores.argmax(axis=1) == labels[:32]).mean() > 0.5
