"""The configurations of all Keras versions give the same lists of layers."""

import json
from typing import Any

import pytest

from mobiledeploy.network.keras_config import KerasConfig, constant, parse


def parsed(
    rows: list[dict[str, Any]], *, outputs: Any, inputs: Any = ("image", 0, 0)
) -> KerasConfig:
    inside = {"layers": rows, "input_layers": list(inputs), "output_layers": outputs}
    text = json.dumps({"class_name": "Functional", "config": inside})
    return parse(text, "theirs.keras")


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


def kinds(config: KerasConfig) -> list[str]:
    return [layer.class_name for layer in config.layers]


def test_calls_of_keras_3_are_followed() -> None:
    ops = "keras.src.ops.numpy"
    config = parsed(
        [
            IMAGE,
            row("TrueDivide", "halved", new(tensor("image"), 2.0), module=ops),
            row("Subtract", "less", new(tensor("halved"), 1.0), module=ops),
            row("Subtract", "turned", new(1.0, tensor("less")), module=ops),
            row("Add", "summed", new([tensor("turned"), tensor("image")])),
        ],
        outputs=["summed", 0, 0],
    )
    assert kinds(config) == ["InputLayer", "TrueDivide", "Subtract", "Subtract", "Add"]
    assert [layer.operands for layer in config.layers] == [
        (), (0, (2.0,)), (1, (1.0,)), ((1.0,), 2), (3, 0),
    ]  # fmt: skip
    assert [layer.operator for layer in config.layers] == [False, True, True, True, False]
    assert config.outputs == (4,)


def test_calls_of_tf_keras_are_followed() -> None:
    def function(name: str, of: str, nodes: list[Any]) -> dict[str, Any]:
        return row("TFOpLambda", name, nodes, function=of, module="tf_keras.src.layers")

    config = parsed(
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
    assert [layer.operands for layer in config.layers] == [
        (), (0, (1.0,)), (1,), (2, 1), (3, 2), ((2.0,), 3),
    ]  # fmt: skip
    assert config.outputs == (4, 5)


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
    config = parsed(
        [IMAGE, nested, row("Sequential", "head", new(tensor("trunk")), **chain)],
        outputs=["head", 0, 0],
    )
    layers = {layer.name: layer for layer in config.layers}
    assert [layers[name].parents for name in ("cut", "dropped", "scores")] == [
        ("trunk",), ("head",), ("head",),
    ]  # fmt: skip
    assert layers["cut"].path == "layers/functional/layers/re_lu"
    assert config.outputs == (kinds(config).index("Softmax"),)


def test_a_sequential_model_without_an_input_layer_gets_one() -> None:
    rows = [{"class_name": "ReLU", "config": {"name": "a", "batch_input_shape": [None, 8, 9, 3]}}]
    for inside in (rows, {"layers": rows}):
        text = json.dumps({"class_name": "Sequential", "config": inside})
        config = parse(text, "old.h5")
        assert kinds(config) == ["InputLayer", "ReLU"]
        assert config.layers[0].settings == {"batch_input_shape": [None, 8, 9, 3]}
    nested = {"class_name": "Sequential", "config": {"name": "a", "layers": rows}}
    text = json.dumps({"class_name": "Sequential", "config": {"layers": [nested]}})
    config = parse(text, "old.h5")
    assert config.layers[0].settings == {"batch_input_shape": [None, 8, 9, 3]}


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
