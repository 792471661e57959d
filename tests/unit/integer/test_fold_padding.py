"""A padding has one form in a graph: that in which it is read from a `.tflite`."""

import dataclasses

import graphs
import numpy as np
import pytest
import windows

from mobiledeploy.integer import oracle, tflite_reader
from mobiledeploy.integer.certify import certify
from mobiledeploy.integer.fold_padding import fold_padding
from mobiledeploy.integer.graph import IntegerGraph, digest
from mobiledeploy.integer.quantise import quantise
from mobiledeploy.ops.architecture import INPUT, Architecture, Layer
from mobiledeploy.ops.conv import Conv
from mobiledeploy.ops.max_pool import MaxPool
from mobiledeploy.ops.node import Node
from mobiledeploy.ops.pad import Pad
from mobiledeploy.ops.padding import Padding
from mobiledeploy.runtimes import litert, litert_xnnpack, ort
from mobiledeploy.targets import onnx, tflite
from mobiledeploy.training import tensorflow_graph


def quantised(*layers: Layer) -> IntegerGraph:
    architecture = Architecture(name="padded", input_shape=(8, 9, 4), layers=layers)
    return quantise(*graphs.random_network(architecture))


def conv(name: str, source: str, padding: Padding, kernel: tuple[int, int] = (3, 3)) -> Layer:
    return windows.layer(name, "conv", source, 4, 4, kernel=kernel, padding=padding)


def pad(name: str, source: str, *pads: int) -> Layer:
    return windows.layer(name, "pad", source, 4, 4, parameters={"pads": pads})


def kinds(graph: IntegerGraph) -> list[tuple[type[Node], object]]:
    return [(type(node), getattr(node, "padding", None)) for node in graph.nodes]


def read_back(graph: IntegerGraph) -> IntegerGraph:
    return tflite_reader.read_file(tflite.write(graph, head="logits"))


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ((pad("p", INPUT, 1, 0, 2, 0), conv("c", "p", "valid")), [(Conv, (1, 0, 2, 0))]),
        ((pad("p", INPUT, 1, 1, 1, 1), conv("c", "p", "valid")), [(Conv, "same")]),
        ((conv("c", INPUT, (1, 1, 1, 1)),), [(Conv, "same")]),
        ((conv("c", INPUT, (0, 0, 0, 0)),), [(Conv, "valid")]),
        ((conv("c", INPUT, "same", (1, 1)),), [(Conv, "same")]),
        (
            (pad("p", INPUT, 1, 0, 0, 0), pad("q", "p", 0, 2, 0, 0), conv("c", "q", "valid")),
            [(Conv, (1, 2, 0, 0))],
        ),
        (
            (pad("p", INPUT, 1, 0, 0, 0), conv("c", "p", (0, 1, 2, 0))),
            [(Conv, (1, 1, 2, 0))],
        ),
        (
            (pad("p", INPUT, 1, 0, 0, 0), conv("c", "p", "same")),
            [(Pad, None), (Conv, "same")],
        ),
        (
            (
                pad("p", INPUT, 1, 1, 1, 1), conv("a", "p", "valid"), conv("b", "p", "valid"),
                windows.layer("sum", "add", "a", 4, 4),
            ),
            None,
        ),
    ],
)  # fmt: skip
def test_what_reads_a_padding_alone_takes_it_over(
    layers: tuple[Layer, ...], expected: list[tuple[type[Node], object]] | None
) -> None:
    if expected is None:
        layers = (*layers[:-1], dataclasses.replace(layers[-1], inputs=("a", "b")))
        expected = [(Pad, None), (Conv, "valid"), (Conv, "valid")]
    graph = quantised(*layers)
    assert kinds(graph)[: len(expected)] == expected
    assert digest(read_back(graph)) == digest(graph)


def test_a_max_pool_takes_over_a_padding_only_where_that_is_below_all_values() -> None:
    pool = windows.layer("m", "max_pool", "p", 4, 4, kernel=(3, 3), padding="valid")
    plain = quantised(conv("c", INPUT, "same"), pad("p", "c", 1, 0, 1, 0), pool)
    assert [kind for kind, _ in kinds(plain)] == [Conv, Pad, MaxPool]
    positive = dataclasses.replace(conv("c", INPUT, "same"), activation="relu")
    network, ranges = graphs.random_network(
        Architecture(
            name="padded",
            input_shape=(8, 9, 4),
            layers=(positive, pad("p", "c", 1, 0, 1, 0), pool),
        )
    )
    # As calibration measures them: a copy holds no other values.
    folded = quantise(network, {**ranges, "p": ranges["c"], "m": ranges["c"]})
    assert kinds(folded) == [(Conv, "same"), (MaxPool, (1, 0, 1, 0))]
    for graph in (plain, folded):
        assert digest(read_back(graph)) == digest(graph)


def test_both_runtimes_give_the_oracle_s_codes_for_a_network_of_windows() -> None:
    graph = windows.graph()
    assert "zeros" not in graph.tensors()
    random = np.random.default_rng(0)
    noise = random.integers(-128, 128, (40, *graph.input.shape)).astype(np.int8)
    images = np.concatenate([graphs.extremes(graph.input.shape), noise])
    expected = oracle.run(graph, images)[graph.output.name]
    data = tflite.write(graph, head="logits")
    assert digest(tflite_reader.read_file(data)) == digest(graph)
    np.testing.assert_array_equal(litert.load(data).run(images)[0], expected)
    other = onnx.write(graph, certify(graph), head="logits")
    np.testing.assert_array_equal(ort.load(other).run(images)[0], expected)
    assert len(np.unique(expected)) > 30
    names = {node.output.name for node in graph.nodes}
    assert names - litert_xnnpack.delegated(data) == {"smooth", "halves", "counted"}


def test_tensorflow_computes_the_same_windows() -> None:
    architecture = windows.architecture()
    network, ranges = graphs.random_network(architecture, seed=3)
    graph = quantise(network, ranges)
    random = np.random.default_rng(0)
    image = random.normal(0, 0.5, (2, *graph.input.shape)).astype(np.float32)
    weights = {}
    for node in graph.nodes:
        name = node.output.name
        if name not in network.weights:
            continue
        kernel = network.weights[name].kernel
        if isinstance(node, Conv) and node.depthwise:
            kernel = kernel.reshape(1, *node.window, -1)
        elif isinstance(node, Conv):
            kernel = kernel.transpose(3, 0, 1, 2)
        else:
            kernel = kernel.T
        weights[name] = kernel, network.weights[name].bias
    from mobiledeploy.integer import float_reference

    computed = float_reference.run(graph, image, weights)
    apply = tensorflow_graph.constant_layers(network)
    for node in graph.nodes:
        name = node.output.name
        expected = tensorflow_graph.forward(architecture, image, apply, until=name)
        np.testing.assert_allclose(computed[name], expected.numpy(), atol=2e-5)


def test_a_graph_in_its_simplest_form_is_returned_as_it_is() -> None:
    graph = quantised(conv("one", INPUT, "same"), conv("two", "one", "valid"))
    assert fold_padding(graph) is graph
