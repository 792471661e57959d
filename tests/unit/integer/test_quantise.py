"""Float layers and ranges are quantised to integers, degenerate ones included."""

import dataclasses
from typing import Any

import graphs
import numpy as np
import pytest

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.integer.certify import certify, exact_ranges
from mobiledeploy.integer.graph import IntegerGraph, digest, same_function
from mobiledeploy.integer.quantise import quantise
from mobiledeploy.network.network import Network
from mobiledeploy.ops.architecture import INPUT
from mobiledeploy.ops.conv import Conv
from mobiledeploy.ops.dense import Dense
from mobiledeploy.ops.ranges import Ranges
from mobiledeploy.ops.softmax import Softmax


@pytest.fixture
def network() -> Network:
    return graphs.random_network(graphs.assorted())[0]


@pytest.fixture
def ranges() -> Ranges:
    return graphs.random_network(graphs.assorted())[1]


def with_weights(network: Network, name: str, **arrays: Any) -> Network:
    changed = dataclasses.replace(network.weights[name], **arrays)
    return dataclasses.replace(network, weights={**network.weights, name: changed})


def node(graph: IntegerGraph, name: str) -> Conv | Dense:
    named = next(node for node in graph.nodes if node.output.name == name)
    assert isinstance(named, Conv | Dense)
    return named


def test_quantised_weights_are_within_half_a_step_of_the_real_ones(
    network: Network, ranges: Ranges
) -> None:
    graph = quantise(network, ranges)
    for name, axes in (("stem", (3, 0, 1, 2)), ("spread", (3, 0, 1, 2)), ("logits", (1, 0))):
        integers, real = node(graph, name).weights, network.weights[name]
        kernel = real.kernel.transpose(axes)
        error = np.abs(
            integers.kernel * integers.kernel_scale.reshape(-1, *[1] * (kernel.ndim - 1))
            if name == "stem"
            else integers.kernel * integers.kernel_scale
        ) - np.abs(kernel)
        scale = integers.kernel_scale.max()
        assert np.abs(error).max() <= 0.501 * scale
        np.testing.assert_allclose(
            integers.bias * integers.bias_scale, real.bias, atol=0.501 * integers.bias_scale.max()
        )


def test_convolutions_have_a_scale_per_channel_and_dense_layers_one(
    network: Network, ranges: Ranges
) -> None:
    graph = quantise(network, ranges)
    assert node(graph, "stem").weights.kernel_scale.shape == (8,)
    assert node(graph, "spread").weights.kernel_scale.shape == (8,)
    assert node(graph, "logits").weights.kernel_scale.shape == (1,)


def test_a_dead_channel_keeps_its_bias(network: Network, ranges: Ranges) -> None:
    kernel = network.weights["narrow"].kernel.copy()
    kernel[..., 3] = 0
    bias = network.weights["narrow"].bias.copy()
    bias[3] = -1.25
    graph = quantise(with_weights(network, "narrow", kernel=kernel, bias=bias), ranges)
    weights = node(graph, "narrow").weights
    assert not weights.kernel[3].any()
    assert weights.bias[3] * weights.bias_scale[3] == pytest.approx(-1.25, rel=1e-6)


def test_a_large_bias_with_small_weights_makes_the_weight_scale_coarser(
    network: Network, ranges: Ranges
) -> None:
    kernel = network.weights["narrow"].kernel * np.float32(1e-7)
    bias = np.full(8, 2.0, np.float32)
    graph = quantise(with_weights(network, "narrow", kernel=kernel, bias=bias), ranges)
    weights = node(graph, "narrow").weights
    np.testing.assert_allclose(weights.bias * weights.bias_scale, bias, rtol=1e-6)
    assert np.abs(weights.bias.astype(np.int64)).max() < 2**30 + 2**10


def test_a_dense_layer_without_weights_is_quantised(network: Network, ranges: Ranges) -> None:
    zeros = np.zeros_like(network.weights["logits"].kernel)
    weights = node(
        quantise(with_weights(network, "logits", kernel=zeros), ranges), "logits"
    ).weights
    real = network.weights["logits"].bias
    np.testing.assert_allclose(weights.bias * weights.bias_scale, real, rtol=1e-6)


@pytest.mark.parametrize("flat", [(0.0, 0.0), (0.0, 1e-6), (-1e-12, 0.0)])
@pytest.mark.parametrize("name", ["stem", "spread", "narrow", "sum", "wide", "pool", "logits"])
def test_a_tensor_that_hardly_varies_can_be_quantised_and_certified(
    network: Network, ranges: Ranges, name: str, flat: tuple[float, float]
) -> None:
    graph = quantise(network, {**ranges, name: flat})
    assert set(certify(graph)) == {"sum", "pool"}


def test_exact_ranges_do_not_change_and_others_by_less_than_a_thousandth(
    network: Network, ranges: Ranges
) -> None:
    exact = exact_ranges(network, ranges)
    assert exact_ranges(network, exact) == exact
    assert same_function(quantise(network, exact), quantise(network, ranges))
    for name, interval in ranges.items():
        assert exact[name] == pytest.approx(interval, rel=1e-3)


def test_a_missing_range_is_refused_by_name(network: Network, ranges: Ranges) -> None:
    with pytest.raises(ConversionError, match="`shrink`"):
        quantise(
            network, {name: interval for name, interval in ranges.items() if name != "shrink"}
        )


def test_an_infinite_range_is_refused_by_name(network: Network, ranges: Ranges) -> None:
    with pytest.raises(ConversionError, match="`wide`"):
        quantise(network, {**ranges, "wide": (float("-inf"), 1.0)})


def test_weights_beyond_float32_are_refused_by_name(network: Network, ranges: Ranges) -> None:
    kernel = np.full_like(network.weights["narrow"].kernel, 3e38)
    with pytest.raises(ConversionError, match="`narrow`"):
        quantise(with_weights(network, "narrow", kernel=kernel), ranges)


def test_one_changed_number_changes_the_digest(network: Network, ranges: Ranges) -> None:
    graph = quantise(network, ranges)
    bias = network.weights["stem"].bias + np.float32(0.01)
    assert digest(quantise(network, ranges)) == digest(graph)
    assert digest(quantise(with_weights(network, "stem", bias=bias), ranges)) != digest(graph)
    assert digest(quantise(network, {**ranges, INPUT: (-1.0, 1.0)})) != digest(graph)


def test_names_do_not_change_the_digest(network: Network, ranges: Ranges) -> None:
    graph = quantise(network, ranges)
    last = graph.nodes[-1]
    assert isinstance(last, Softmax)
    renamed = dataclasses.replace(
        last, output=dataclasses.replace(last.output, name="another name")
    )
    assert same_function(dataclasses.replace(graph, nodes=(*graph.nodes[:-1], renamed)), graph)


def test_weights_per_tensor_have_the_scale_of_their_widest_channel(
    network: Network, ranges: Ranges
) -> None:
    per_channel = quantise(network, ranges)
    per_tensor = quantise(dataclasses.replace(network, weights_per="tensor"), ranges)
    certify(per_tensor)
    convolutions = [node for node in per_channel.nodes if isinstance(node, Conv)]
    assert any(each.depthwise for each in convolutions)
    for wide in convolutions:
        narrow = node(per_tensor, wide.output.name)
        scale = wide.weights.kernel_scale.max()
        np.testing.assert_array_equal(
            narrow.weights.kernel_scale, np.full(wide.output.shape[-1], scale)
        )
        (expected, _), (received, _) = (
            each.weights.real(each.channel_axis) for each in (wide, narrow)
        )
        assert np.abs(received - expected).max() <= 1.01 * scale
    assert node(per_tensor, "logits").weights.kernel_scale.shape == (1,)
