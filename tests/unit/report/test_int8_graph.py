"""What the report says of an int8 graph follows from the network that it was made from."""

import graphs
import numpy as np

from mobiledeploy.integer.quantise import quantise
from mobiledeploy.network.cost import cost
from mobiledeploy.report.int8_graph import graph_cost, real_weights


def test_the_cost_of_a_graph_equals_that_of_its_architecture() -> None:
    architecture = graphs.assorted()
    counted, expected = graph_cost(graphs.assorted_graph()), cost(architecture)
    assert (counted.macs, counted.peak_bytes) == (expected.macs, expected.peak_bytes)
    assert counted.peak_layer == expected.peak_layer
    assert [line.live_bytes for line in counted.layers] == [
        line.live_bytes for line in expected.layers
    ]


def test_a_trained_network_of_any_layers_is_the_reference() -> None:
    network, ranges = graphs.random_network(graphs.assorted())
    graph = quantise(network, ranges)
    weights, reference = real_weights(graph, network)
    own, without = real_weights(graph, None)
    assert (reference, without) == ("float network", "int8 weights in float")
    for name, (kernel, bias) in own.items():
        step = np.abs(kernel).max() / 127
        np.testing.assert_allclose(weights[name][0], kernel, atol=step)
        np.testing.assert_allclose(weights[name][1], bias, atol=0.05)
