"""The TensorFlow graph computes what the architecture's layers define."""

import dataclasses

import numpy as np
import pytest

from mobiledeploy.data.pixels import Images
from mobiledeploy.data.preprocess import to_float32
from mobiledeploy.integer.quantise import quantise
from mobiledeploy.network.network import Network
from mobiledeploy.ops.architecture import INPUT, Architecture
from mobiledeploy.ops.weights import Weights
from mobiledeploy.pipeline.calibrate import calibrate
from mobiledeploy.spec.config import SCALINGS, InputRange
from mobiledeploy.training import predict, tensorflow_graph
from mobiledeploy.training.augment import SIGNED, augmentation, from_signed
from mobiledeploy.training.tensorflow_graph import input_limits, to_input

pytestmark = pytest.mark.tensorflow

PIXELS = np.arange(256, dtype=np.uint8)
RANGES: tuple[InputRange, ...] = tuple(SCALINGS)


def numpy_logits(network: Network, images: np.ndarray) -> np.ndarray:
    """Compute the small network in NumPy, independently."""
    weights = network.weights

    def same(values: np.ndarray, stride: int) -> np.ndarray:
        size = values.shape[1]
        total = max((-(-size // stride) - 1) * stride + 3 - size, 0)
        before = total // 2
        padded = np.pad(values, ((0, 0), *((before, total - before),) * 2, (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2))
        return windows[:, ::stride, ::stride]  # (batch, height, width, channels, 3, 3)

    stem = np.einsum("bhwcij,ijco->bhwo", same(images, 2), weights["stem"].kernel)
    stem = np.clip(stem + weights["stem"].bias, 0, 6)
    filtered = np.einsum("bhwcij,ijc->bhwc", same(stem, 1), weights["filter"].kernel[..., 0])
    filtered = np.clip(filtered + weights["filter"].bias, 0, 6)
    projected = filtered @ weights["project"].kernel[0, 0] + weights["project"].bias
    pooled = (stem + projected).mean(axis=(1, 2))
    return np.asarray(pooled @ weights["logits"].kernel + weights["logits"].bias)


def test_prediction_equals_numpy(network: Network, images: Images) -> None:
    expected = numpy_logits(network, (images.pixels.astype(np.float64) - 128) / 128)
    np.testing.assert_allclose(predict.predict(network, images.pixels), expected, atol=2e-5)


def test_prediction_does_not_depend_on_the_batch(network: Network, images: Images) -> None:
    one = np.concatenate([predict.predict(network, images.pixels[i : i + 1]) for i in range(4)])
    np.testing.assert_allclose(predict.predict(network, images.pixels)[:4], one, atol=1e-6)


def test_observe_is_called_for_the_input_and_all_layers_but_the_softmax(
    network: Network, images: Images
) -> None:
    seen = []

    def observe(name: str, tensor: tensorflow_graph.TfTensor) -> tensorflow_graph.TfTensor:
        seen.append((name, tuple(tensor.shape[1:])))
        return tensor

    architecture = network.architecture
    scores = tensorflow_graph.forward(
        architecture,
        to_input(images.pixels, SIGNED),
        tensorflow_graph.constant_layers(network),
        observe=observe,
        until="softmax",
    )
    shapes = architecture.shapes()
    assert seen == [
        (name, shapes[name])
        for name in (INPUT, *(layer.name for layer in architecture.layers[:-1]))
    ]
    np.testing.assert_allclose(np.sum(scores, axis=1), 1, rtol=1e-6)


def test_features_are_the_output_of_a_layer(network: Network, images: Images) -> None:
    head = network.weights["logits"]
    pooled = predict.runner(
        network.architecture, tensorflow_graph.constant_layers(network), layer="pool"
    )
    np.testing.assert_allclose(
        pooled(images.pixels) @ head.kernel + head.bias,
        predict.predict(network, images.pixels),
        atol=1e-5,
    )


def test_a_network_survives_the_conversion_to_variables(network: Network) -> None:
    again = tensorflow_graph.network_of(
        network.architecture, tensorflow_graph.variables_of(network)
    )
    assert isinstance(again.architecture, Architecture)
    for name, each in network.weights.items():
        np.testing.assert_array_equal(again.weights[name].kernel, each.kernel)
        np.testing.assert_array_equal(again.weights[name].bias, each.bias)


def test_convolve_to_train_computes_the_same_as_convolve(network: Network, images: Images) -> None:
    weights = {name: (each.kernel, each.bias) for name, each in network.weights.items()}
    plain, fast = (
        tensorflow_graph.forward(
            network.architecture,
            to_input(images.pixels, SIGNED),
            tensorflow_graph.float_layers(weights, convolve=convolve),
        )
        for convolve in (tensorflow_graph.convolve, tensorflow_graph.convolve_to_train)
    )
    assert plain.shape == fast.shape
    np.testing.assert_allclose(plain, fast, atol=1e-5)


@pytest.mark.parametrize("name", RANGES)
def test_inputs_in_training_equal_those_of_preprocess(name: InputRange) -> None:
    mean, std = SCALINGS[name]
    received = to_input(PIXELS, SCALINGS[name]).numpy()
    expected = to_float32(PIXELS, (mean, std))
    np.testing.assert_array_equal(received, expected)
    assert input_limits(SCALINGS[name]) == pytest.approx((received[0], received[-1]), abs=1e-7)
    moved = from_signed(to_input(PIXELS, SIGNED), SCALINGS[name]).numpy()
    np.testing.assert_allclose(moved, received, rtol=1e-6)


@pytest.mark.parametrize("name", RANGES)
def test_the_int8_value_of_a_pixel_is_the_pixel_minus_128(
    network: Network, images: Images, name: InputRange
) -> None:
    scaled = on(network, name)
    source = quantise(scaled, calibrate(scaled, images.pixels)).input
    low, high = input_limits(SCALINGS[name])
    assert (-128 - source.zero_point) * source.scale == pytest.approx(low)
    assert (127 - source.zero_point) * source.scale == pytest.approx(high)


def on(network: Network, name: InputRange) -> Network:
    return dataclasses.replace(
        network, architecture=dataclasses.replace(network.architecture, scaling=SCALINGS[name])
    )


@pytest.mark.parametrize("name", RANGES)
def test_an_equivalent_network_with_another_input_range_gives_the_same_logits(
    network: Network, images: Images, name: InputRange
) -> None:
    """The stem is rewritten for the other range, which without padding is exact."""
    mean, std = SCALINGS[name]
    stem, *rest = network.architecture.layers
    valid = dataclasses.replace(
        network.architecture, layers=(dataclasses.replace(stem, padding="valid"), *rest)
    )
    signed = Network(architecture=valid, weights=network.weights)
    weights = network.weights[stem.name]
    moved = Weights(
        kernel=(weights.kernel * (std / SIGNED[1])).astype(np.float32),
        bias=weights.bias
        + weights.kernel.sum((0, 1, 2)) * np.float32((mean - SIGNED[0]) / SIGNED[1]),
    )
    other = on(Network(architecture=valid, weights={**network.weights, stem.name: moved}), name)
    expected = predict.predict(signed, images.pixels)
    np.testing.assert_allclose(predict.predict(other, images.pixels), expected, atol=1e-4)


@pytest.mark.parametrize("augment", ["digits", "photos"])
def test_augmentation_does_not_depend_on_the_input_range(images: Images, augment: str) -> None:
    made = {
        name: augmentation(augment, seed=1, scaling=SCALINGS[name])(  # type: ignore[arg-type]
            images.pixels, np.int32(2)
        ).numpy()
        for name in RANGES
    }
    for name in RANGES:
        expected = from_signed(made["-1..1"], SCALINGS[name])
        np.testing.assert_allclose(made[name], expected, rtol=1e-6, atol=1e-6)
        low, high = input_limits(SCALINGS[name])
        assert low <= made[name].min() < made[name].max() <= high
