"""The NumPy oracle computes what LiteRT computes with XNNPACK, tensor for tensor."""

import graphs
import numpy as np
import pytest

from mobiledeploy.errors import RequestError
from mobiledeploy.integer import oracle
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.runtimes import litert
from mobiledeploy.targets import tap, tflite

GRAPHS = {
    "assorted": graphs.assorted_graph,
    "v1": lambda: graphs.mobilenet("v1", alpha=0.25, image_size=24),
    "v2": lambda: graphs.mobilenet("v2", alpha=0.35, image_size=24),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_every_tensor_is_litert_s(name: str) -> None:
    graph: IntegerGraph = GRAPHS[name]()
    images = graphs.extremes(graph.input.shape)
    expected = oracle.run(graph, images)
    names = [node.output.name for node in graph.nodes[:-1]]
    session = litert.load(tap.tflite(tflite.write(graph), names))
    assert session.output_names == (graph.output.name, *names)
    for tensor, codes in zip(session.output_names, session.run(images), strict=True):
        np.testing.assert_array_equal(codes, expected[tensor], err_msg=tensor)
    assert len(np.unique(expected[graph.logits.name], axis=0)) == len(images)


def test_activations_that_the_grid_does_not_imply_are_applied() -> None:
    graph = graphs.assorted_graph()
    values = oracle.run(graph, graphs.extremes(graph.input.shape))
    zero_points = {name: tensor.zero_point for name, tensor in graph.tensors().items()}
    for name in ("spread", "shrink"):
        assert values[name].min() == zero_points[name] > -128
    assert values["shrink"].max() < 127


def test_images_of_another_shape_are_refused() -> None:
    graph = graphs.assorted_graph()
    with pytest.raises(RequestError, match=r"\(batch, 13, 10, 3\)"):
        oracle.run(graph, np.zeros((1, 10, 13, 3), np.int8))
    with pytest.raises(RequestError, match="uint8"):
        oracle.run(graph, np.zeros((1, 13, 10, 3), np.uint8))
