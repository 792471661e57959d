"""A network with batch norm folded computes the same as the one without."""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from mobiledeploy.base.errors import RequestError
from mobiledeploy.models import registry
from mobiledeploy.network.fold import BatchNorm, Variables, fold
from mobiledeploy.network.network import Float
from mobiledeploy.ops.architecture import INPUT, Architecture, Layer

CHANNELS = 4


def random(*shape: int, seed: int = 0, low: float = -2.0, high: float = 2.0) -> Float:
    return np.random.default_rng(seed).uniform(low, high, shape).astype(np.float32)


def norm(**changes: Any) -> BatchNorm:
    plain = BatchNorm(
        gamma=random(CHANNELS, seed=1),
        beta=random(CHANNELS, seed=2),
        mean=random(CHANNELS, seed=3),
        variance=random(CHANNELS, seed=4, low=0.01, high=3),
        epsilon=1e-3,
    )
    return dataclasses.replace(plain, **changes)


def one_layer(op: Any) -> Architecture:
    """Return a network of a single 1x1 layer: its output is simple arithmetic."""
    channels = CHANNELS if op == "depthwise" else 3
    layer = Layer(name="only", op=op, inputs=(INPUT,), in_channels=channels, out_channels=CHANNELS)
    return Architecture(name="one", input_shape=(8, 8, channels), layers=(layer,))


def apply(op: str, x: npt.NDArray[np.float64], kernel: Float) -> npt.NDArray[np.float64]:
    return x * kernel[0, 0, :, 0] if op == "depthwise" else x @ kernel[0, 0]


@pytest.mark.parametrize("op", ["conv", "depthwise"])
@pytest.mark.parametrize("biased", [False, True])
def test_folding_changes_results_by_rounding_only(op: str, biased: bool) -> None:
    network = one_layer(op)
    kernel = random(*network.layers[0].kernel_shape)
    bias = random(CHANNELS, seed=5) if biased else None
    n = norm()
    weights = fold(network, {"only": Variables(kernel=kernel, bias=bias, batch_norm=n)}).weights[
        "only"
    ]
    x = random(100, network.input_shape[2], seed=6).astype(np.float64)
    before = apply(op, x, kernel) + (0 if bias is None else bias)
    expected = (before - n.mean) / np.sqrt(n.variance + n.epsilon) * n.gamma + n.beta
    assert weights.kernel.dtype == weights.bias.dtype == np.float32
    np.testing.assert_allclose(
        apply(op, x, weights.kernel) + weights.bias, expected, rtol=0, atol=3e-6
    )


def test_without_batch_norm_the_weights_are_unchanged() -> None:
    network = one_layer("conv")
    variables = Variables(kernel=random(1, 1, 3, CHANNELS), bias=random(CHANNELS))
    weights = fold(network, {"only": variables}).weights["only"]
    np.testing.assert_array_equal(weights.kernel, variables.kernel)
    np.testing.assert_array_equal(weights.bias, variables.bias)
    no_bias = fold(network, {"only": dataclasses.replace(variables, bias=None)})
    np.testing.assert_array_equal(no_bias.weights["only"].bias, 0)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({}, "`only` has no weights"),
        (
            {"only": Variables(kernel=random(1, 1, 3, 5))},
            r"kernel of layer `only`: expected shape \(1, 1, 3, 4\), received \(1, 1, 3, 5\)",
        ),
        (
            {"only": Variables(kernel=random(1, 1, 3, 4), bias=random(5))},
            r"bias of layer `only`: expected shape \(4,\), received \(5,\)",
        ),
        (
            {"only": Variables(kernel=random(1, 1, 3, 4), batch_norm=norm(gamma=random(1)))},
            r"gamma of layer `only`: expected shape \(4,\), received \(1,\)",
        ),
        (
            {"only": Variables(kernel=random(1, 1, 3, 4), batch_norm=norm(variance=-random(4)))},
            "`only`: expected a moving variance of 0 or more",
        ),
        (
            {"only": Variables(kernel=random(1, 1, 3, 4) + np.float32(np.inf))},
            "`only` holds NaN or infinite",
        ),
        (
            {
                "only": Variables(
                    kernel=random(1, 1, 3, 4), batch_norm=norm(gamma=random(4) * np.float32(1e38))
                )
            },
            "`only` holds NaN or infinite",
        ),
    ],
)
def test_an_error_names_the_layer_that_cannot_be_folded(
    variables: dict[str, Variables], message: str
) -> None:
    with pytest.raises(RequestError, match=message):
        fold(one_layer("conv"), variables)


def test_every_layer_of_a_real_network_is_folded() -> None:
    network = registry.architecture("v2", alpha=0.35, image_size=32, classes=3)
    variables = {
        layer.name: Variables(kernel=np.zeros(layer.kernel_shape, np.float32))
        for layer in network.layers
        if layer.has_weights
    }
    assert fold(network, variables).weights.keys() == variables.keys()
