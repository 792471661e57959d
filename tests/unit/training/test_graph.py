"""The walk over an architecture computes what its layers say."""

import numpy as np
import pytest

from mobiledeploy.data.pixels import Images
from mobiledeploy.network.network import Network
from mobiledeploy.ops.architecture import INPUT, Architecture
from mobiledeploy.training import folded, graph, predict
from mobiledeploy.training.input_grid import SIGNED, to_input

pytestmark = pytest.mark.tensorflow


def numpy_logits(network: Network, images: np.ndarray) -> np.ndarray:
    """The tiny network written out: the one other implementation to compare with."""
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


def test_observer_sees_the_input_and_all_layers_but_the_softmax(
    network: Network, images: Images
) -> None:
    seen = []

    def observe(name: str, tensor: graph.Tensor) -> graph.Tensor:
        seen.append((name, tuple(tensor.shape[1:])))
        return tensor

    architecture = network.architecture
    scores = graph.forward(
        architecture,
        to_input(images.pixels, SIGNED),
        folded.constants(network),
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
    pooled = predict.runner(network.architecture, folded.constants(network), layer="pool")
    np.testing.assert_allclose(
        pooled(images.pixels) @ head.kernel + head.bias,
        predict.predict(network, images.pixels),
        atol=1e-5,
    )


def test_variables_return_the_network(network: Network) -> None:
    again = folded.network_of(network.architecture, folded.variables_of(network))
    assert isinstance(again.architecture, Architecture)
    for name, found in network.weights.items():
        np.testing.assert_array_equal(again.weights[name].kernel, found.kernel)
        np.testing.assert_array_equal(again.weights[name].bias, found.bias)


def test_what_trains_faster_computes_the_same(network: Network, images: Images) -> None:
    weights = {name: (found.kernel, found.bias) for name, found in network.weights.items()}
    plain, fast = (
        graph.forward(
            network.architecture,
            to_input(images.pixels, SIGNED),
            folded.layers(weights, convolve=convolve),
        )
        for convolve in (graph.convolve, graph.convolve_to_train)
    )
    assert plain.shape == fast.shape
    np.testing.assert_allclose(plain, fast, atol=1e-5)
