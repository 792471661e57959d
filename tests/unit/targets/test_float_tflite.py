"""A float `.tflite` of ours computes in LiteRT what NumPy computes."""

import math
from typing import Any

import float_graph_reference
import numpy as np
import pytest

from mobiledeploy.formats.tflite import parser
from mobiledeploy.network.float_graph import INPUT, OPERATORS, FloatArray, FloatGraph, FloatNode
from mobiledeploy.runtimes import litert
from mobiledeploy.targets import float_tflite

RANDOM = np.random.default_rng(0)
NO_PADS = (0, 0, 0, 0)


def f32(*shape: int) -> FloatArray:
    return RANDOM.standard_normal(shape).astype(np.float32)


def conv(kernel: tuple[int, ...], **given: Any) -> dict[str, Any]:
    attributes = {"strides": (1, 1), "dilations": (1, 1), "groups": 1, "pads": NO_PADS, **given}
    return {
        "op": "conv",
        "attributes": attributes,
        "arrays": {"kernel": f32(*kernel), "bias": f32(kernel[-1])},
    }


def pool(op: str, pads: tuple[int, ...] = NO_PADS, **more: Any) -> dict[str, Any]:
    return {"op": op, "attributes": {"window": (3, 2), "strides": (2, 1), "pads": pads, **more}}


def unary(op: str, **attributes: Any) -> dict[str, Any]:
    return {"op": op, "attributes": attributes}


NODES: list[dict[str, Any]] = [
    conv((3, 3, 4, 5), pads=(1, 1, 1, 1), strides=(2, 2)),
    conv((3, 3, 4, 5), pads=(0, 1, 1, 1), strides=(2, 1)),
    conv((3, 2, 4, 5), dilations=(2, 1)),
    conv((1, 1, 2, 6), groups=2),
    conv((3, 3, 1, 4), groups=4, pads=(1, 1, 1, 1)),
    conv((3, 3, 1, 8), groups=4, pads=(2, 0, 1, 1)),
    conv((3, 3, 1, 4), groups=4, dilations=(2, 2)),
    {"op": "dense", "arrays": {"kernel": f32(4, 3), "bias": f32(3)}},
    {"op": "affine", "arrays": {"scale": f32(4), "offset": f32(4)}},
    unary("clip", low=0.0, high=math.inf),
    unary("clip", low=0.0, high=6.0),
    unary("clip", low=-0.5, high=0.25),
    unary("clip", low=-math.inf, high=0.25),
    unary("logistic"),
    unary("tanh"),
    unary("hard_sigmoid", alpha=0.2, beta=0.5),
    unary("hard_swish"),
    unary("leaky_relu", alpha=0.1),
    {"op": "prelu", "arrays": {"slope": f32(4)}},
    unary("elu", alpha=1.0),
    unary("gelu", approximate=True),
    unary("gelu", approximate=False),
    unary("exp"),
    unary("softplus"),
    unary("softmax"),
    *(
        {"op": op, "inputs": (INPUT, "first")}
        for op in ("add", "sub", "mul", "maximum", "minimum")
    ),
    {"op": "mul", "inputs": (INPUT, "pixel")},
    {"op": "add", "inputs": ("constant", INPUT)},
    pool("max_pool"),
    pool("max_pool", pads=(1, 1, 0, 1)),
    pool("average_pool", count_pads=False),
    pool("average_pool", pads=(1, 1, 0, 1), count_pads=False),
    pool("average_pool", pads=(2, 0, 1, 1), count_pads=False),
    pool("average_pool", pads=(1, 1, 0, 1), count_pads=True),
    unary("mean", keep_dims=True),
    unary("mean", keep_dims=False),
    unary("reduce_max", keep_dims=True),
    unary("pad", pads=(1, 2, 0, 1), value=0.0),
    unary("pad", pads=(1, 2, 0, 1), value=-2.0),
    {"op": "concat", "inputs": (INPUT, "first", INPUT)},
    unary("reshape", shape=(7, 24)),
    unary("transpose", axes=(2, 0, 1)),
    unary("slice", begin=(1, 0, 1), end=(7, 5, 3), strides=(2, 1, 1)),
    unary("resize_nearest", size=(14, 12)),
    unary("log_softmax"),
]


def graph_of(node: dict[str, Any], activation: Any = "none") -> FloatGraph:
    before = (
        FloatNode(name="first", op="tanh", inputs=(INPUT,)),
        FloatNode(name="pixel", op="mean", inputs=(INPUT,), attributes={"keep_dims": True}),
        FloatNode(name="constant", op="constant", inputs=(), arrays={"value": f32(7, 6, 4)}),
    )
    made = FloatNode(**{"name": "made", "inputs": (INPUT,), "activation": activation, **node})
    return FloatGraph(
        name="net", input_shape=(7, 6, 4), nodes=(*before, made), output="made"
    )  # fmt: skip


def run(model: bytes, images: FloatArray) -> list[Any]:
    session = litert.load(model)
    return [session.run(image[np.newaxis]) for image in images]


def test_every_operator_is_tried() -> None:
    assert {node["op"] for node in NODES} | {"constant"} == set(OPERATORS)
    assert set(float_tflite._WRITERS) == set(OPERATORS)


@pytest.mark.parametrize("number", range(len(NODES)), ids=lambda n: f"{n}-{NODES[n]['op']}")
def test_litert_computes_what_numpy_computes(number: int) -> None:
    graph = graph_of(NODES[number])
    images = (3 * RANDOM.standard_normal((2, 7, 6, 4))).astype(np.float32)
    expected = float_graph_reference.output(graph, images)
    received = np.concatenate([row[0] for row in run(float_tflite.write(graph), images)])
    np.testing.assert_allclose(received, expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("activation", ["relu", "relu6"])
@pytest.mark.parametrize("number", [0, 4, 7, 25])
def test_a_fused_activation_is_computed(number: int, activation: str) -> None:
    graph = graph_of(NODES[number], activation)
    images = (5 * RANDOM.standard_normal((2, 7, 6, 4))).astype(np.float32)
    expected = float_graph_reference.output(graph, images)
    received = np.concatenate([row[0] for row in run(float_tflite.write(graph), images)])
    np.testing.assert_allclose(received, expected, rtol=2e-5, atol=2e-5)
    assert expected.min() == 0


def test_the_extremes_of_every_tensor_are_outputs() -> None:
    first = FloatNode(name="first", op="tanh", inputs=(INPUT,))
    mean = FloatNode(name="mean", op="mean", inputs=("first",), attributes={"keep_dims": False})
    last = FloatNode(name="last", op="softmax", inputs=("mean",))
    graph = FloatGraph(name="net", input_shape=(3, 4, 2), nodes=(first, mean, last), output="last")
    names = float_tflite.extremes_of(graph)
    assert names["REDUCE_MIN"] == (INPUT, "first", "mean")
    assert names["REDUCE_MAX"] == (INPUT, "first", "mean", "last")
    images = f32(2, 3, 4, 2)
    values = float_graph_reference.run(graph, images)
    least, greatest = litert.load(float_tflite.write(graph, extremes=True)).run(images)
    for ends, kept, reduction in (
        (least, names["REDUCE_MIN"], np.min),
        (greatest, names["REDUCE_MAX"], np.max),
    ):
        expected = [reduction(values[name].reshape(2, -1), axis=1) for name in kept]
        np.testing.assert_allclose(ends, np.stack(expected, axis=1), rtol=1e-6, atol=1e-6)


def test_extremes_are_taken_before_the_next_layer_is_computed() -> None:
    first = FloatNode(name="first", op="tanh", inputs=(INPUT,))
    last = FloatNode(name="last", op="logistic", inputs=("first",))
    graph = FloatGraph(name="net", input_shape=(3, 4, 2), nodes=(first, last), output="last")
    model = parser.parse(float_tflite.write(graph, extremes=True))
    both = ("REDUCE_MIN", "REDUCE_MAX")
    assert [operator.kind for operator in model.operators] == [
        *both, "TANH", *both, "LOGISTIC", "REDUCE_MAX", "PACK", "PACK"
    ]  # fmt: skip
