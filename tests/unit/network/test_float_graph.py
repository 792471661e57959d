"""A `FloatGraph` names the layer that is not supported, or does not fit the ones before it."""

from typing import Any

import float_graph_reference
import numpy as np
import pytest

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.network.float_graph import (
    INPUT,
    OPERATORS,
    UNSUPPORTED,
    FloatArray,
    FloatGraph,
    FloatNode,
)


def f32(*values: Any) -> FloatArray:
    return np.array(values, np.float32)


def graph(*nodes: FloatNode, shape: tuple[int, ...] = (5, 4, 2)) -> FloatGraph:
    return FloatGraph(name="net", input_shape=shape, nodes=nodes, output=nodes[-1].name)


CONV = FloatNode(
    name="conv",
    op="conv",
    inputs=(INPUT,),
    attributes={"strides": (2, 1), "dilations": (1, 2), "groups": 2, "pads": (1, 0, 2, 1)},
    arrays={"kernel": np.ones((3, 2, 1, 4), np.float32), "bias": f32(0, 1, 2, 3)},
)
MEAN = FloatNode(name="mean", op="mean", inputs=("conv",), attributes={"keep_dims": False})


def test_shapes_follow_the_nodes_that_the_output_depends_on() -> None:
    loose = FloatNode(name="loose", op=UNSUPPORTED, inputs=(INPUT,), attributes={"reason": "x"})
    made = graph(CONV, loose, MEAN)
    assert made.shapes() == {INPUT: (5, 4, 2), "conv": (2, 5, 4), "mean": (4,)}
    images = np.random.default_rng(0).standard_normal((3, 5, 4, 2))
    assert float_graph_reference.output(made, images).shape == (3, 4)


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (FloatNode(name="a", op="gru", inputs=("conv",)), r"`a` \(gru\): there is no operator"),
        (
            FloatNode(
                name="a",
                op=UNSUPPORTED,
                inputs=("conv",),
                attributes={"reason": "why"},
                kind="GRU",
            ),
            r"`a` \(GRU\) is not supported: why",
        ),
        (FloatNode(name="a", op="tanh", inputs=("b",)), "reads `b`, which is not before it"),
        (FloatNode(name="conv", op="tanh", inputs=("conv",)), "two layers are named `conv`"),
        (FloatNode(name="a", op="add", inputs=("conv",)), "has 1 inputs"),
        (FloatNode(name="a", op="clip", inputs=("conv",)), "expected the attributes low, high"),
        (FloatNode(name="a", op="add", inputs=("conv", INPUT)), "cannot be broadcast"),
        (
            FloatNode(name="a", op="reshape", inputs=("conv",), attributes={"shape": (7,)}),
            "does not fit its inputs",
        ),
        (
            FloatNode(
                name="a", op="prelu", inputs=("conv",), arrays={"slope": f32(1, 2, 3, np.nan)}
            ),
            "holds NaN",
        ),
        (
            FloatNode(
                name="a",
                op="prelu",
                inputs=("conv",),
                arrays={"slope": np.ones(4)},  # type: ignore[dict-item]
            ),
            "is float64, not float32",
        ),
    ],
    ids=[
        "unknown operator",
        "unsupported",
        "later",
        "twice",
        "count",
        "attributes",
        "broadcast",
        "shape",
        "NaN",
        "float64",
    ],
)
def test_a_node_that_does_not_fit_is_named(node: FloatNode, words: str) -> None:
    with pytest.raises(ConversionError, match=words):
        graph(CONV, node).shapes()


def test_the_reference_computes_every_operator() -> None:
    assert set(float_graph_reference._COMPUTE) == set(OPERATORS)
