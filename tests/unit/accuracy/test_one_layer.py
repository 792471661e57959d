"""A layer's cost is the noise that its integers alone cause, and a spoilt layer costs most."""

import dataclasses

import accuracy_networks
import float_graph_reference
import numpy as np
import pytest

from mobiledeploy.accuracy.agreement import compare
from mobiledeploy.accuracy.one_layer import _parts, _run, _with_output_on_grid, one_by_one
from mobiledeploy.integer import oracle
from mobiledeploy.integer.quantise import quantise
from mobiledeploy.network.float_graph import INPUT
from mobiledeploy.network.simplify.to_network import to_network

IMAGES = accuracy_networks.images()
GRAPH = accuracy_networks.residual_graph()


def test_a_spoilt_layer_costs_most() -> None:
    spoilt = accuracy_networks.spoilt(GRAPH)
    _, _, integers = accuracy_networks.quantised(spoilt, IMAGES)
    costs = one_by_one(spoilt, integers, IMAGES, threads=2)
    assert [cost.name for cost in costs] == [node.name for node in spoilt.nodes]
    worst = max(costs, key=lambda cost: cost.noise)
    assert worst.name == "projection"
    assert worst.noise > 0.9 * sum(cost.noise for cost in costs)
    assert worst.weights is not None
    assert worst.weights.sqnr < 25 < worst.output.sqnr


def test_a_wide_range_costs_the_layer_that_writes_the_tensor() -> None:
    _, ranges, _ = accuracy_networks.quantised(GRAPH, IMAGES)
    low, high = ranges["sum"]
    wide = {**ranges, "sum": (30 * low, 30 * high)}
    network = to_network(GRAPH, accuracy_networks.SCALING)
    costs = one_by_one(GRAPH, quantise(network, wide), IMAGES)
    assert max(costs, key=lambda cost: cost.noise).name == "sum"


def test_the_noise_of_single_layers_adds_up_to_that_of_the_int8_network() -> None:
    _, _, integers = accuracy_networks.quantised(GRAPH, IMAGES)
    costs = one_by_one(GRAPH, integers, IMAGES)
    codes = np.rint(IMAGES / integers.input.scale + integers.input.zero_point).astype(np.int8)
    logits = oracle.run(integers, codes, keep=["logits"])["logits"]
    real = (logits.astype(np.float32) - integers.logits.zero_point) * integers.logits.scale
    on_grid = (codes.astype(np.float32) - integers.input.zero_point) * integers.input.scale
    floats = float_graph_reference.run(GRAPH, on_grid)["logits"]
    together = -10 * np.log10(sum(cost.noise for cost in costs))
    assert compare(floats, real).sqnr == pytest.approx(together, abs=2)


def test_an_output_on_its_grid_is_rounded_and_clipped() -> None:
    _, _, integers = accuracy_networks.quantised(GRAPH, IMAGES)
    grid = dataclasses.replace(integers.tensors()["sum"], scale=np.float32(0.013))
    (node,) = (node for node in GRAPH.nodes if node.name == "sum")
    rounded = _with_output_on_grid(GRAPH, node, grid)
    exact = float_graph_reference.run(GRAPH, IMAGES)["sum"]
    codes = np.clip(np.rint(exact / grid.scale) + grid.zero_point, -128, 127)
    assert 0 < (codes == 127).mean() < 1
    expected = (codes - grid.zero_point) * grid.scale
    sums = _run(dataclasses.replace(rounded, output="sum"), IMAGES, 1)
    np.testing.assert_allclose(sums, expected, atol=1e-6)


def test_what_follows_a_part_computes_the_same_outputs() -> None:
    expected = float_graph_reference.run(GRAPH, IMAGES)
    parts = list(_parts(GRAPH))
    assert [node.name for _, part in parts for node in part] == [n.name for n in GRAPH.nodes]
    # The sum reads the stem as well, so that nothing between them is all that it depends on.
    assert [part[-1].name for _, part in parts] == ["stem", "sum", "mean", "logits"]
    source = INPUT
    for rest, part in parts:
        inputs = IMAGES if source == INPUT else expected[source]
        np.testing.assert_allclose(
            float_graph_reference.run(rest, inputs)["logits"], expected["logits"], rtol=1e-5
        )
        source = part[-1].name
