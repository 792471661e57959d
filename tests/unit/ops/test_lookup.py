"""A table of all codes, or of all pairs, gives its codes in both runtimes."""

import dataclasses

import graphs
import numpy as np
import pytest

from mobiledeploy import reading
from mobiledeploy.base.errors import ConversionError
from mobiledeploy.formats.onnx import parse as parse_onnx
from mobiledeploy.formats.tflite import parse as parse_tflite
from mobiledeploy.integer import oracle, tflite_reader
from mobiledeploy.integer.graph import IntegerGraph, digest
from mobiledeploy.ops import lookup
from mobiledeploy.ops.tensors import QTensor, Shape
from mobiledeploy.runtimes import litert, ort
from mobiledeploy.targets import onnx, tflite


def tensor(name: str, shape: Shape, *, scale: float = 0.03, zero: int = -4) -> QTensor:
    return QTensor(name=name, shape=shape, scale=np.float32(scale), zero_point=zero)


def looked_up(shapes: tuple[Shape, ...], codes: int) -> IntegerGraph:
    """A graph that ends in a random table."""
    inputs = tuple(tensor("ab"[place], shape) for place, shape in enumerate(shapes))
    shape = np.broadcast_shapes(*shapes)
    table = np.random.default_rng(0).integers(-128, 128, codes)
    output = tensor("found", shape, scale=0.07, zero=11)
    return graphs.around(lookup.of_table(table, inputs, output), inputs)


GRAPHS = {
    "an image": looked_up(((5, 4, 3),), 256),
    "a vector": looked_up(((40,),), 256),
    "each channel": looked_up(((5, 4, 3),), 768),
    "pairs": looked_up(((5, 4, 3), (5, 4, 3)), 65_536),
    "pairs of vectors": looked_up(((40,), (40,)), 65_536),
    "pairs, one of them a pixel": looked_up(((5, 4, 3), (1, 1, 3)), 65_536),
}
each_graph = pytest.mark.parametrize("graph", GRAPHS.values(), ids=GRAPHS)


@each_graph
def test_both_runtimes_give_the_table_s_codes(graph: IntegerGraph) -> None:
    images = np.random.default_rng(1).integers(-128, 128, (20, *graph.input.shape), np.int8)
    expected = oracle.run(graph, images, keep=["found"])["found"]
    data = tflite.write(graph, head="logits")
    np.testing.assert_array_equal(litert.load(data).run(images)[0], expected)
    data = onnx.write(graph, {}, head="logits")
    np.testing.assert_array_equal(ort.load(data).run(images)[0], expected)


@each_graph
def test_a_tflite_reads_back_as_the_table_that_was_written(graph: IntegerGraph) -> None:
    back = tflite_reader.read_file(tflite.write(graph, head="logits"))
    assert digest(back) == digest(graph)


@each_graph
def test_both_files_hold_a_layer_with_the_table(graph: IntegerGraph) -> None:
    node = graph.nodes[-1]
    assert isinstance(node, lookup.Lookup)
    for layers in (
        reading.read_tflite(parse_tflite(tflite.write(graph, head="logits"))).layers,
        reading.read_onnx(parse_onnx(onnx.write(graph, {}, head="logits"))).layers,
    ):
        assert (layers[-1].kind, len(layers[-1].reads)) == ("table", len(node.inputs))
        table = layers[-1].table
        assert table is not None
        np.testing.assert_array_equal(table.ravel(), node.codes)


def test_a_table_of_another_size_is_refused() -> None:
    graph = GRAPHS["an image"]
    node = graph.nodes[-1]
    assert isinstance(node, lookup.Lookup)
    with pytest.raises(ConversionError, match="expected 256 codes, or as many for each of 3"):
        dataclasses.replace(graph, nodes=(dataclasses.replace(node, codes=node.codes[:255]),))


def test_a_gather_of_something_else_is_no_table() -> None:
    data = tflite.write(GRAPHS["an image"], head="logits")
    model = parse_tflite(data)
    operators = lookup.joined(model)
    assert [operator.builtin for operator in operators] == ["GATHER"]
    # The same operators from another first place.
    first = next(each for each in model.tensors if each.name.endswith("/first"))
    assert first.data is not None
    moved = dataclasses.replace(first, data=first.data + 1)
    tensors = tuple(moved if each is first else each for each in model.tensors)
    others = lookup.joined(dataclasses.replace(model, tensors=tensors))
    assert [operator.builtin for operator in others] == ["CAST", "ADD", "GATHER"]
