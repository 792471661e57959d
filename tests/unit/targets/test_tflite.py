"""The `.tflite` writer: operators of old runtimes, fixed shapes for delegates, readable names."""

import dataclasses
from typing import Any

import graphs
import numpy as np
import pytest
from tflite_editor import TfliteFile

from mobiledeploy.base.errors import RequestError
from mobiledeploy.integer.graph import IntegerGraph, with_head
from mobiledeploy.ops.dense import Dense
from mobiledeploy.ops.node import WeightedNode
from mobiledeploy.runtimes import litert
from mobiledeploy.spec.config import Io
from mobiledeploy.targets import tflite


@pytest.fixture(scope="module")
def graph() -> IntegerGraph:
    return graphs.mobilenet("v2", alpha=0.35, image_size=32)


def parsed(data: bytes) -> Any:
    return TfliteFile(data).model


def operators(data: bytes) -> list[tuple[str, int]]:
    file = TfliteFile(data)
    codes = file.model.operatorCodes
    return [(file.builtin(op), codes[op.opcodeIndex].version) for op in file.graph.operators]


def metadata(model: Any, name: bytes) -> bytes:
    entry = next(entry for entry in model.metadata if entry.name == name)
    return bytes(model.buffers[entry.buffer].data)


def test_operators_and_versions_are_those_of_the_oldest_runtimes(graph: IntegerGraph) -> None:
    data = tflite.write(graph)
    model, kinds = parsed(data), operators(data)
    assert set(kinds) == {
        ("CONV_2D", 3),
        ("DEPTHWISE_CONV_2D", 3),
        ("ADD", 2),
        ("MEAN", 2),
        ("FULLY_CONNECTED", 4),
        ("SOFTMAX", 2),
    }
    assert len(kinds) == 65
    assert len(model.operatorCodes) == 6
    assert metadata(model, b"min_runtime_version") == b"1.14.0".ljust(16, b"\0")


@pytest.mark.parametrize(
    ("io", "first", "last", "dtype"),
    [
        ("int8", ("CONV_2D", 3), ("SOFTMAX", 2), np.int8),
        ("uint8", ("QUANTIZE", 1), ("QUANTIZE", 1), np.uint8),
        ("float32", ("QUANTIZE", 1), ("DEQUANTIZE", 2), np.float32),
    ],
)
def test_input_and_output_have_the_requested_type(
    graph: IntegerGraph, io: Io, first: tuple[str, int], last: tuple[str, int], dtype: type
) -> None:
    data = tflite.write(graph, io=io)
    kinds = operators(data)
    assert (kinds[0], kinds[-1]) == (first, last)
    session = litert.load(data)
    assert session.input.dtype == session.outputs[0].dtype == np.dtype(dtype)
    assert (session.input.name, session.outputs[0].name) == ("input", "predictions")


def test_the_signature_names_input_and_output(graph: IntegerGraph) -> None:
    from ai_edge_litert.interpreter import Interpreter

    signatures = Interpreter(model_content=tflite.write(graph)).get_signature_list()
    assert signatures == {"serving_default": {"inputs": ["input"], "outputs": ["output"]}}


def test_tensors_have_the_layers_names_and_a_fixed_batch(graph: IntegerGraph) -> None:
    tensors = {t.name.decode(): t for t in parsed(tflite.write(graph)).subgraphs[0].tensors}
    assert set(graph.tensors()) <= set(tensors)
    for name, tensor in graph.tensors().items():
        assert tuple(tensors[name].shape) == (1, *tensor.shape)
        assert tensors[name].shapeSignature is None


def test_the_file_ends_in_the_logits_if_asked(graph: IntegerGraph) -> None:
    data = tflite.write(graph, head="logits")
    assert litert.load(data).output_names == (graph.logits.name,)
    assert ("SOFTMAX", 2) not in operators(data)


def test_asking_for_a_missing_softmax_is_refused(graph: IntegerGraph) -> None:
    with pytest.raises(RequestError, match="ends in its logits"):
        tflite.write(with_head(graph, "logits"), head="softmax")


def test_a_per_channel_dense_layer_states_a_minimum_runtime_that_knows_it(
    graph: IntegerGraph,
) -> None:
    def per_channel(dense: Dense) -> Dense:
        weights = dense.weights
        scales = {
            name: np.repeat(getattr(weights, name), weights.bias.size)
            for name in ("kernel_scale", "bias_scale")
        }
        return dataclasses.replace(dense, weights=dataclasses.replace(weights, **scales))

    nodes = tuple(per_channel(n) if isinstance(n, Dense) else n for n in graph.nodes)
    other = dataclasses.replace(graph, nodes=nodes)
    data = tflite.write(other)
    model = parsed(data)
    assert ("FULLY_CONNECTED", 12) in operators(data)
    assert metadata(model, b"min_runtime_version").startswith(b"2.17.0")
    images = graphs.extremes(graph.input.shape)
    same, expected = (litert.load(tflite.write(g)).run(images)[0] for g in (other, graph))
    np.testing.assert_array_equal(same, expected)


def test_the_same_graph_gives_the_same_bytes(graph: IntegerGraph) -> None:
    again = graphs.mobilenet("v2", alpha=0.35, image_size=32)
    assert tflite.write(graph) == tflite.write(again)
    assert tflite.write(graph) != tflite.write(
        graphs.mobilenet("v2", alpha=0.35, image_size=32, seed=1)
    )


def test_constants_are_aligned_for_memory_mapping(graph: IntegerGraph) -> None:
    data = tflite.write(graph)
    (first, *_) = graph.nodes
    assert isinstance(first, WeightedNode)
    kernel = first.weights.kernel.tobytes()
    assert data.count(kernel) == 1
    assert data.index(kernel) % 16 == 0


def test_the_file_is_little_larger_than_its_weights() -> None:
    graph = graphs.mobilenet("v2", alpha=0.35, image_size=96, stem_stride=2)
    for io in ("int8", "uint8", "float32"):
        assert len(tflite.write(graph, io=io)) <= 525_000
