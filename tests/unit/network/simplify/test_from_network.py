"""A network becomes a graph that gives the same network, operator by operator."""

import dataclasses
from typing import Any

import graphs
import numpy as np
import pytest

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.models import registry
from mobiledeploy.network.float_graph import FloatGraph, FloatNode
from mobiledeploy.network.network import Network
from mobiledeploy.network.simplify.from_network import from_network
from mobiledeploy.network.simplify.to_network import to_network
from mobiledeploy.ops import table
from mobiledeploy.ops.architecture import INPUT, Architecture
from mobiledeploy.ops.operator import Example, Operator

EXAMPLES = [
    pytest.param(operator, example, id=f"{operator.LAYERS[0]}: {example.name}")
    for operator in table.OPERATORS
    for example in operator.examples()
    if getattr(example.node, "code", None) is None or example.name != "another code"
]


def require_same(network: Network) -> None:
    graph = from_network(network)
    again = from_network(to_network(graph, network.architecture.scaling))
    assert graph.shapes() == network.architecture.shapes()
    assert again.output == graph.output
    for node, other in zip(graph.nodes, again.nodes, strict=True):
        for field in ("name", "op", "inputs", "attributes", "activation"):
            assert getattr(node, field) == getattr(other, field)
        assert node.arrays.keys() == other.arrays.keys()
        for name, array in node.arrays.items():
            np.testing.assert_array_equal(array, other.arrays[name])


@pytest.mark.parametrize("arch", ["v1", "v2"])
def test_a_table_of_ours_is_the_same_again(arch: Any) -> None:
    network, _ = graphs.random_network(
        registry.architecture(arch, alpha=0.5, image_size=96, classes=3)
    )
    require_same(network)


@pytest.mark.parametrize(("operator", "example"), EXAMPLES)
def test_every_operator_is_the_same_again(operator: Operator[Any], example: Example) -> None:
    layer = operator.float_layer(example.node, example.inputs)
    if "centres" in layer.parameters:
        pytest.skip("importers refuse it")
    if len(example.inputs) > 1 and len({each.shape for each in example.inputs}) > 1:
        pytest.skip("a network has one input")
    architecture = Architecture(
        name="one",
        input_shape=example.inputs[0].shape,
        layers=(dataclasses.replace(layer, inputs=(INPUT,) * len(layer.inputs)),),
    )
    require_same(graphs.random_network(architecture)[0])


@pytest.mark.parametrize("value", [1.0, -np.inf])
def test_padding_with_another_value_than_zero_is_refused(value: float) -> None:
    pad = FloatNode(
        name="pad", op="pad", inputs=(INPUT,), attributes={"pads": (1, 1, 1, 1), "value": value}
    )
    graph = FloatGraph(name="padded", input_shape=(4, 4, 3), nodes=(pad,), output="pad")
    with pytest.raises(ConversionError, match=f"`pad` .pad.: padding with {value:g}"):
        to_network(graph, (0.0, 1.0))


@pytest.mark.parametrize(("size", "taken"), [(5, True), (6, False)])
def test_an_average_pool_with_other_padding_than_same_is_refused(size: int, taken: bool) -> None:
    pads = (1, 1, 1, 1)
    attributes = {"window": (3, 3), "strides": (2, 2), "pads": pads, "count_pads": False}
    pool = FloatNode(name="pool", op="average_pool", inputs=(INPUT,), attributes=attributes)
    graph = FloatGraph(name="pooled", input_shape=(size, size, 3), nodes=(pool,), output="pool")
    if taken:
        assert to_network(graph, (0.0, 1.0)).architecture.layers[0].padding == "same"
        return
    with pytest.raises(ConversionError, match=r"is \(0, 1, 0, 1\) here") as raised:
        to_network(graph, (0.0, 1.0))
    assert "count_include_pad=True" in str(raised.value.hint)
