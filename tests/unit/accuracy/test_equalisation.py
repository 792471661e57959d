"""Equalisation changes no output of the float network, and undoes a spread of channels."""

import dataclasses

import accuracy_networks
import float_graph_reference
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mobiledeploy.accuracy.equalisation import equalise
from mobiledeploy.network.float_graph import FloatGraph
from mobiledeploy.spec.config import WEIGHTS_PER

IMAGES = accuracy_networks.images()


def spread(graph: FloatGraph, exponents: np.ndarray) -> FloatGraph:
    """Scale channels of `expansion` by powers of two, and take that back in `depthwise`."""
    factors = (2.0**exponents).astype(np.float32)
    nodes = []
    for node in graph.nodes:
        arrays = dict(node.arrays)
        if node.name == "expansion":
            arrays = {name: array * factors for name, array in arrays.items()}
        if node.name == "depthwise":
            arrays["kernel"] = arrays["kernel"] / factors
        nodes.append(dataclasses.replace(node, arrays=arrays))
    return dataclasses.replace(graph, nodes=tuple(nodes))


@given(seed=st.integers(0, 2**16))
def test_the_float_function_stays_the_same(seed: int) -> None:
    graph = accuracy_networks.residual_graph(seed)
    before = float_graph_reference.run(graph, IMAGES[:4])["logits"]
    after = float_graph_reference.run(equalise(graph, IMAGES).graph, IMAGES[:4])["logits"]
    np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-5 * np.abs(before).max())


def test_spread_channels_get_equally_large() -> None:
    graph = accuracy_networks.residual_graph()
    uneven = spread(graph, np.linspace(-3, 3, 16))
    tensors = float_graph_reference.run(equalise(uneven, IMAGES).graph, IMAGES)
    largest = tensors["expansion"].max(axis=(0, 1, 2))
    assert largest.max() / largest[largest > 0].min() < 8
    uneven_tensors = float_graph_reference.run(uneven, IMAGES)
    assert np.ptp(uneven_tensors["expansion"].max(axis=(0, 1, 2))) > 4 * np.ptp(largest)


def test_channels_before_a_relu6_are_left_alone() -> None:
    graph = accuracy_networks.residual_graph()
    nodes = [
        dataclasses.replace(node, activation="relu6" if node.activation == "relu" else "none")
        for node in graph.nodes
    ]
    graph = dataclasses.replace(graph, nodes=tuple(nodes))
    after = {node.name: node for node in equalise(graph, IMAGES).graph.nodes}
    np.testing.assert_array_equal(after["depthwise"].arrays["kernel"], nodes[2].arrays["kernel"])


def test_one_scale_for_a_kernel_asks_for_other_factors() -> None:
    """A layer's own channels count only where they share a scale."""
    graph = accuracy_networks.residual_graph()
    uneven = spread(graph, np.linspace(-3, 3, 16))
    spreads = {}
    for weights_per in WEIGHTS_PER:
        scaled = equalise(uneven, IMAGES, weights_per=weights_per).graph
        spreads[weights_per] = spread_of_kernel(scaled)
    assert spreads["tensor"] < spreads["channel"]
    assert spreads["tensor"] < 0.8 * spread_of_kernel(uneven)


def spread_of_kernel(graph: FloatGraph) -> float:
    """Standard deviation of the logarithms of the channels' largest depthwise weights."""
    kernel = next(node for node in graph.nodes if node.name == "depthwise").arrays["kernel"]
    return float(np.log(np.abs(kernel).reshape(-1, kernel.shape[-1]).max(axis=0)).std())
