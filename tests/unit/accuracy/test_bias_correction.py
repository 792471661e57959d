"""Corrected biases leave no mean error of rounded kernels, and change no kernel."""

import dataclasses

import accuracy_networks
import float_graph_reference
import numpy as np
import numpy.typing as npt

from mobiledeploy.accuracy.bias_correction import mean_errors, with_corrected_biases
from mobiledeploy.network.float_graph import FloatArray, FloatGraph
from mobiledeploy.ops.node import WeightedNode

IMAGES = accuracy_networks.images()


def with_rounded_kernel(
    graph: FloatGraph, node: WeightedNode, bias: FloatArray, layer: str
) -> FloatGraph:
    """Return a graph that ends in a layer with the integers' kernel, and another bias."""
    kernel, _ = node.weights.real(node.channel_axis)
    if kernel.ndim == 2:
        kernel = kernel.T
    elif node.channel_axis == 0:
        kernel = kernel.transpose(1, 2, 3, 0)
    else:
        kernel = kernel.transpose(1, 2, 0, 3)
    return ending_in(graph, layer, kernel=kernel, bias=bias)


def ending_in(graph: FloatGraph, layer: str, **arrays: FloatArray) -> FloatGraph:
    """Return a graph that ends in a layer without its activation, with other arrays."""
    nodes = tuple(
        dataclasses.replace(node, activation="none", arrays={**node.arrays, **arrays})
        if node.name == layer
        else node
        for node in graph.nodes
    )
    return dataclasses.replace(graph, nodes=nodes, output=layer)


def mean_of(graph: FloatGraph) -> npt.NDArray[np.float64]:
    """Return the mean of each channel of a graph's output over images and positions."""
    values = float_graph_reference.run(graph, IMAGES)[graph.output].astype(np.float64)
    mean: npt.NDArray[np.float64] = values.mean(axis=tuple(range(values.ndim - 1)))
    return mean


def test_the_mean_error_of_every_layer_is_zero() -> None:
    graph = accuracy_networks.residual_graph()
    network, _, integers = accuracy_networks.quantised(graph, IMAGES)
    corrected = with_corrected_biases(network, mean_errors(graph, integers, IMAGES, threads=2))
    layers = [node for node in integers.nodes if isinstance(node, WeightedNode)]
    assert len(layers) == 5
    for node in layers:
        name = node.output.name
        before, after = (held.weights[name] for held in (network, corrected))
        np.testing.assert_array_equal(after.kernel, before.kernel)
        expected = mean_of(ending_in(graph, name))
        errors = [
            np.abs(mean_of(with_rounded_kernel(graph, node, bias, name)) - expected).max()
            for bias in (before.bias, after.bias)
        ]
        assert errors[1] < 2e-6 < 1e-4 < errors[0], (name, errors)
