"""Fake quantisation rounds to the int8 grids of TFLite."""

import numpy as np
import pytest

from mobiledeploy.network.network import Network
from mobiledeploy.ops.architecture import Layer
from mobiledeploy.training import qat_folded, tensorflow_setup

pytestmark = pytest.mark.tensorflow


def layer_of(network: Network, name: str) -> Layer:
    return next(layer for layer in network.architecture.layers if layer.name == name)


@pytest.mark.parametrize(
    ("name", "axes"), [("stem", (0, 1, 2)), ("filter", (0, 1, 3)), ("project", (0, 1, 2))]
)
def test_every_channel_uses_all_127_codes(
    network: Network, name: str, axes: tuple[int, ...]
) -> None:
    values = network.weights[name].kernel
    rounded = qat_folded.fake_quantised_kernel(layer_of(network, name), values).numpy()
    scale = np.abs(values).max(axis=axes, keepdims=True) / 127
    codes = rounded / scale
    np.testing.assert_allclose(codes, np.rint(codes), atol=1e-4)
    np.testing.assert_array_equal(np.abs(np.rint(codes)).max(axis=axes), 127)
    assert np.abs(rounded - values).max(axis=axes, keepdims=True) == pytest.approx(
        scale / 2, rel=0.7
    )
    assert (np.abs(rounded - values) <= scale * 0.5001).all()


def test_the_dense_layer_has_one_scale(network: Network) -> None:
    values = network.weights["logits"].kernel
    codes = qat_folded.fake_quantised_kernel(layer_of(network, "logits"), values).numpy() / (
        np.abs(values).max() / 127
    )
    np.testing.assert_allclose(codes, np.rint(codes), atol=1e-4)
    assert np.abs(np.rint(codes)).max() == 127


def test_a_channel_of_zeros_stays_zero(network: Network) -> None:
    values = network.weights["stem"].kernel.copy()
    values[..., 3] = 0
    rounded = qat_folded.fake_quantised_kernel(layer_of(network, "stem"), values).numpy()
    np.testing.assert_array_equal(rounded[..., 3], 0)
    assert np.isfinite(rounded).all()


def test_activations_have_256_codes_and_an_exact_zero() -> None:
    observe = qat_folded.fake_quantised_activations({"x": (-1.0, 3.0)})
    values = np.append(np.linspace(-2, 4, 5000), 0).astype(np.float32)
    rounded = observe("x", values).numpy()
    assert len(np.unique(rounded)) == 256
    assert rounded[-1] == 0
    assert rounded.max() - rounded.min() == pytest.approx(4, rel=1e-5)


def test_gradients_are_one_inside_the_range_and_zero_outside() -> None:
    tf = tensorflow_setup.tensorflow()
    observe = qat_folded.fake_quantised_activations({"x": (-1.0, 1.0)})
    values = tf.constant([-3.0, -0.3, 0.4, 3.0])
    with tf.GradientTape() as tape:
        tape.watch(values)
        total = tf.reduce_sum(observe("x", values))
    np.testing.assert_array_equal(tape.gradient(total, values), [0, 1, 1, 0])


def test_every_weight_has_its_own_gradient(network: Network) -> None:
    tf = tensorflow_setup.tensorflow()
    layer = layer_of(network, "filter")
    values = tf.constant(network.weights["filter"].kernel)
    with tf.GradientTape() as tape:
        tape.watch(values)
        total = tf.reduce_sum(qat_folded.fake_quantised_kernel(layer, values))
    # The scale is no path for gradients: every weight has exactly its own.
    np.testing.assert_array_equal(tape.gradient(total, values), np.ones(values.shape))


@pytest.mark.parametrize("name", ["stem", "filter", "project"])
def test_with_weights_per_tensor_all_channels_have_one_scale(network: Network, name: str) -> None:
    values = network.weights[name].kernel
    rounded = qat_folded.fake_quantised_kernel(layer_of(network, name), values, "tensor").numpy()
    scale = np.abs(values).max() / 127
    np.testing.assert_allclose(rounded / scale, np.rint(values / scale), atol=1e-3)
