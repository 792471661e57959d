"""The configurations of all Keras versions give the same graphs."""

import json
from typing import Any

import pytest

from mobiledeploy.network import keras_graph
from mobiledeploy.network.keras_config import constant, parse
from mobiledeploy.network.keras_graph import KerasGraph
from mobiledeploy.network.keras_weights import KerasWeights, from_bytes, to_bytes


def graph_of(
    rows: list[dict[str, Any]], *, outputs: Any, inputs: Any = ("image", 0, 0)
) -> KerasGraph:
    inside = {"layers": rows, "input_layers": list(inputs), "output_layers": outputs}
    text = json.dumps({"class_name": "Functional", "config": inside})
    return keras_graph.graph_of(parse(text, "theirs.keras"))


def row(class_name: str, name: str, nodes: list[Any], **settings: Any) -> dict[str, Any]:
    module = settings.pop("module", "keras.layers")
    return {
        "class_name": class_name,
        "module": module,
        "name": name,
        "config": {"name": name, **settings},
        "inbound_nodes": nodes,
    }


IMAGE = row("InputLayer", "image", [], batch_shape=[None, 32, 48, 3])


def tensor(name: str) -> dict[str, Any]:
    return {"class_name": "__keras_tensor__", "config": {"keras_history": [name, 0, 0]}}


def new(*arguments: Any, **options: Any) -> list[Any]:
    """Return a call in the form of Keras 3."""
    return [{"args": list(arguments), "kwargs": options}]


def kinds(graph: KerasGraph) -> list[str]:
    return [node.op for node in graph.nodes]


def test_calls_of_keras_3_are_followed() -> None:
    ops = "keras.src.ops.numpy"
    graph = graph_of(
        [
            IMAGE,
            row("TrueDivide", "halved", new(tensor("image"), 2.0), module=ops),
            row("Subtract", "less", new(tensor("halved"), 1.0), module=ops),
            row("Subtract", "turned", new(1.0, tensor("less")), module=ops),
            row("Add", "summed", new([tensor("turned"), tensor("image")])),
        ],
        outputs=["summed", 0, 0],
    )
    assert kinds(graph) == ["input", "affine", "affine", "affine", "add"]
    assert [(n.scale, n.offset) for n in graph.nodes[1:4]] == [
        ((0.5,), (0.0,)), ((1.0,), (-1.0,)), ((-1.0,), (1.0,)),
    ]  # fmt: skip
    assert graph.nodes[4].inputs == (3, 0)
    assert graph.outputs == (4,)
    assert graph.image_size == (32, 48)


def test_calls_of_tf_keras_are_followed() -> None:
    def function(name: str, of: str, nodes: list[Any]) -> dict[str, Any]:
        return row("TFOpLambda", name, nodes, function=of, module="tf_keras.src.layers")

    graph = graph_of(
        [
            IMAGE,
            function("less", "math.subtract", [["image", 0, 0, {"y": 1, "name": None}]]),
            function("cut", "nn.relu6", [["less", 0, 0, {}]]),
            function("sum", "__operators__.add", [["cut", 0, 0, {"y": ["less", 0, 0]}]]),
            row("Add", "merged", [[["sum", 0, 0, {}], ["cut", 0, 0, {}]]]),
            function(
                "turned", "math.subtract", [["_CONSTANT_VALUE", -1, 2, {"y": ["sum", 0, 0]}]]
            ),
        ],
        outputs=[["merged", 0, 0], ["turned", 0, 0]],
    )
    assert kinds(graph) == ["input", "affine", "activation", "add", "add", "affine"]
    assert [node.inputs for node in graph.nodes[3:]] == [(2, 1), (3, 2), (3,)]
    assert (graph.nodes[5].scale, graph.nodes[5].offset) == ((-1.0,), (2.0,))
    assert graph.outputs == (4, 5)


def test_nested_models_are_flattened() -> None:
    inner = {
        "layers": [
            row("InputLayer", "image", [], batch_shape=[None, 8, 8, 3]),
            row("ReLU", "cut", new(tensor("image")), max_value=6.0),
        ],
        "input_layers": ["image", 0, 0],
        "output_layers": ["cut", 0, 0],
    }
    chain = {"layers": [row("Dropout", "dropped", []), row("Softmax", "scores", [])]}
    nested = row("Functional", "trunk", new(tensor("image")), **inner)
    graph = graph_of(
        [IMAGE, nested, row("Sequential", "head", new(tensor("trunk")), **chain)],
        outputs=["head", 0, 0],
    )
    assert kinds(graph) == ["input", "activation", "softmax"]
    assert graph.outputs == (2,)
    assert graph.nodes[1].path == "layers/functional/layers/re_lu"


def test_a_sequential_model_without_an_input_layer_gets_one() -> None:
    rows = [{"class_name": "ReLU", "config": {"name": "a", "batch_input_shape": [None, 8, 9, 3]}}]
    for inside in (rows, {"layers": rows}):
        text = json.dumps({"class_name": "Sequential", "config": inside})
        graph = keras_graph.graph_of(parse(text, "old.h5"))
        assert kinds(graph) == ["input", "activation"]
        assert graph.image_size == (8, 9)


@pytest.mark.parametrize(
    ("layer", "why"),
    [
        (row("ReLU", "a", new(tensor("image")) * 2), "called 2 times"),
        (row("ReLU", "a", new(tensor("nowhere"))), "inputs are unknown"),
        (row("ReLU", "a", new(tensor("image")), module="mine"), "not a Keras class"),
        (row("Dropout", "a", new(tensor("image"), training=True)), "training=True"),
        (row("BatchNormalization", "a", new(tensor("image")), axis=1), "axis 1"),
        (row("BatchNormalization", "a", new(tensor("image"), training=True)), "training=True"),
        (row("GlobalAveragePooling2D", "a", new(tensor("image")), data_format="channels_first"),
         "channels_first"),
        (row("Normalization", "a", new(tensor("image")), mean=None, variance=None),
         "not in the configuration"),
        (row("Rescaling", "a", new(tensor("image")), scale="x"), "not a number"),
        (row("Rescaling", "a", new(tensor("image"), mode=1), scale=1.0), "called with mode"),
        (row("Conv2D", "a", new(tensor("image")), filters=8, kernel_size=[3, 3], strides=[1, 1],
             padding="same", groups=3), "groups 3"),
        (row("DepthwiseConv2D", "a", new(tensor("image")), depth_multiplier=2),
         "depth_multiplier 2"),
        (row("Conv2D", "a", new(tensor("image")), filters=8, kernel_size=[3, 3], strides=[1, 1],
             padding="causal"), "padding causal"),
        (row("Conv2D", "a", new(tensor("image"))), "expected a whole number"),
        (row("Softmax", "a", new(tensor("image")), axis=1), "axis 1"),
        (row("GetItem", "a", new(tensor("image"), [1]), module="keras.src.ops"), "unsupported"),
        (row("Maximum", "a", new(tensor("image"), 0), module="keras.src.ops"), "unsupported"),
        (row("Divide", "a", new(1.0, tensor("image")), module="keras.src.ops"), "division"),
        (row("Lambda", "a", new(tensor("image"))), ""),
        (row("LayerNormalization", "a", new(tensor("image"))), ""),
    ],
)  # fmt: skip
def test_a_layer_that_is_not_understood_stays_in_the_graph_with_the_reason(
    layer: Any, why: str
) -> None:
    graph = graph_of([IMAGE, layer], outputs=["a", 0, 0])
    assert graph.nodes[-1].op == "other"
    assert why in graph.nodes[-1].what
    assert "`a`" in graph.nodes[-1].label


@pytest.mark.parametrize(
    "name", ["Dropout", "GaussianNoise", "RandomFlip", "RandomRotation", "SpatialDropout2D"]
)
def test_layers_that_compute_in_training_only_are_left_out(name: str) -> None:
    graph = graph_of([IMAGE, row(name, "a", new(tensor("image")))], outputs=["a", 0, 0])
    assert kinds(graph) == ["input"]
    assert graph.outputs == (0,)


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"max_value": 6.0}, "relu6"),
        ({"max_value": 6, "negative_slope": 0.0, "threshold": 0.0}, "relu6"),
        ({"max_value": None}, "relu"),
        ({"max_value": 5.0}, "ReLU with max_value 5.0"),
        ({"max_value": 6.0, "negative_slope": 0.1}, "negative_slope 0.1"),
        ({"max_value": 6.0, "threshold": 1.0}, "threshold 1.0"),
    ],
)
def test_the_kind_of_a_relu_follows_from_its_settings(settings: dict[str, Any], name: str) -> None:
    inside = {"class_name": "ReLU", "config": {"name": "r", **settings}}
    for layer in (
        row("ReLU", "a", new(tensor("image")), **settings),
        row("Activation", "a", new(tensor("image")), activation=inside),
    ):
        graph = graph_of([IMAGE, layer], outputs=["a", 0, 0])
        assert graph.nodes[-1].op == "activation"
        assert name in graph.nodes[-1].what


def test_an_activation_inside_a_layer_follows_it() -> None:
    settings = {"filters": 8, "kernel_size": [3, 3], "strides": [2, 2], "padding": "same"}
    layer = row("Conv2D", "a", new(tensor("image")), activation="relu6", **settings)
    graph = graph_of([IMAGE, layer, row("Softmax", "b", new(tensor("a")))], outputs=["b", 0, 0])
    assert kinds(graph) == ["input", "conv", "activation", "softmax"]
    assert [node.inputs for node in graph.nodes] == [(), (0,), (1,), (2,)]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (2, (2.0,)),
        ([1, 2.5], (1.0, 2.5)),
        ([[[[1, 2, 3]]]], (1.0, 2.0, 3.0)),
        ({"class_name": "__numpy__", "config": {"value": [1, 2]}}, (1.0, 2.0)),
        (True, None),
        ("x", None),
        ([[1, 2], [3, 4]], None),
        (None, None),
    ],
)
def test_a_constant_is_one_number_or_one_per_channel(value: Any, expected: object) -> None:
    assert constant(value) == expected


def test_the_graph_survives_the_transfer_from_the_child_process() -> None:
    graph = graph_of([IMAGE, row("Rescaling", "a", new(tensor("image")), scale=2)], outputs=[])
    stored = KerasWeights(origin="theirs.keras", kernels=(), norms=(), graph=graph)
    assert from_bytes(to_bytes(stored)).graph == graph
