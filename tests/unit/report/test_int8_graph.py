"""The cost of an int8 graph is that of its architecture."""

import graphs

from mobiledeploy.network.cost import cost
from mobiledeploy.report.int8_graph import graph_cost


def test_the_cost_of_a_graph_equals_that_of_its_architecture() -> None:
    architecture = graphs.assorted()
    counted, expected = graph_cost(graphs.assorted_graph()), cost(architecture)
    assert (counted.macs, counted.peak_bytes) == (expected.macs, expected.peak_bytes)
    assert counted.peak_layer == expected.peak_layer
    assert [line.live_bytes for line in counted.layers] == [
        line.live_bytes for line in expected.layers
    ]
