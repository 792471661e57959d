"""Whatever stands in a Keras configuration is understood, or refused by a deliberate error."""

import copy
import json
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mobiledeploy.base.errors import MobileDeployError
from mobiledeploy.models import registry
from mobiledeploy.network.importers import keras as importer
from mobiledeploy.network.keras_variables import KerasFile
from mobiledeploy.network.table_matching import match_table

OURS = registry.architecture("v2", alpha=0.35, image_size=96, classes=3)
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats()
    | st.sampled_from(["", "image", "Conv2D", "relu6", "same", "valid", "float32", "cut"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["class_name", "config", "args", "layers"]), inner)
    ),
    max_leaves=5,
)


def call(*names: Any, **options: Any) -> list[Any]:
    tensors = [
        {"class_name": "__keras_tensor__", "config": {"keras_history": [name, 0, 0]}}
        if isinstance(name, str)
        else name
        for name in names
    ]
    return [{"args": tensors, "kwargs": options}]


def row(class_name: str, name: str, nodes: list[Any], **settings: Any) -> dict[str, Any]:
    return {
        "module": settings.pop("module", "keras.layers"),
        "class_name": class_name,
        "name": name,
        "config": {"name": name, **settings},
        "inbound_nodes": nodes,
    }


WINDOW = {"kernel_size": [3, 3], "strides": [2, 2], "padding": "valid", "dilation_rate": [1, 1]}
INNER = {
    "layers": [
        row("InputLayer", "image", [], batch_shape=[None, 96, 96, 3]),
        row("ZeroPadding2D", "zeros", call("image"), padding=[[0, 1], [0, 1]]),
        row("Conv2D", "Conv1", call("zeros"), filters=16, activation="linear", **WINDOW),
        row("BatchNormalization", "norm", call("Conv1"), axis=-1),
        row("ReLU", "cut", call("norm"), max_value=6.0),
    ],
    "input_layers": ["image", 0, 0],
    "output_layers": ["cut", 0, 0],
}
OPS = "keras.src.ops.numpy"
CONFIG = {
    "class_name": "Functional",
    "config": {
        "layers": [
            row("InputLayer", "image", [], batch_shape=[None, 96, 96, 3]),
            row("Cast", "cast", call("image"), module=OPS, dtype="float32"),
            row("Rescaling", "scaled", call("cast"), scale=0.5, offset=[0.0, 0.0, 0.0]),
            row("Normalization", "even", call("scaled"), mean=[1.0], variance=[4.0], axis=[-1]),
            row("Subtract", "less", call("even", 1.0), module=OPS),
            row("Functional", "trunk", call("less"), **INNER),
            row("AveragePooling2D", "mean", call("trunk"), pool_size=[3, 3], **WINDOW),
            row("Dense", "dense", call("mean"), units=3, activation="softmax"),
        ],
        "input_layers": ["image", 0, 0],
        "output_layers": [["dense", 0, 0]],
    },
}


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the way to every value inside another."""
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    return [path, *(found for key, inner in items for found in places(inner, (*path, key)))][
        0 if path else 1 :
    ]


PLACES = places(CONFIG)
CONV = "layers/functional/layers/conv2d/vars"
NORM = "layers/functional/layers/batch_normalization/vars"
ARRAYS = {
    f"{CONV}/0": np.ones((3, 3, 3, 16), np.float32),
    f"{CONV}/1": np.ones(16, np.float32),
    **{f"{NORM}/{number}": np.ones(16, np.float32) for number in range(4)},
}
"""Variables of the convolution and its normalisation."""


@given(st.lists(st.tuples(st.sampled_from(PLACES), ANYTHING), min_size=1, max_size=3))
def test_a_changed_configuration_is_read_or_refused(
    changes: list[tuple[tuple[Any, ...], Any]],
) -> None:
    changed: Any = copy.deepcopy(CONFIG)
    for (*way, last), value in changes:
        inside = changed
        for key in way:
            if not isinstance(inside, dict | list) or (
                isinstance(inside, dict) and key not in inside
            ):
                break
            if isinstance(inside, list) and not (isinstance(key, int) and key < len(inside)):
                break
            inside = inside[key]
        if isinstance(inside, dict):
            inside[last] = value
    try:
        file = KerasFile(
            origin="theirs.keras", config=json.dumps(changed), version="3.9.0", layout="class",
            names={}, arrays=ARRAYS,
        )  # fmt: skip
        match_table(importer.of_file(file, image_size=(96, 96), resized=True).graph, OURS)
    except MobileDeployError:
        return
    raise AssertionError("half a network was taken for a whole one")
