"""Whole Keras models of MobileNet V1, and their weights alone, as files written without Keras."""

import io
import json
import zipfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import graphs
import h5py
import numpy as np

from mobiledeploy.models import registry
from mobiledeploy.network.keras_config import snake_case
from mobiledeploy.network.network import Float
from mobiledeploy.ops.architecture import Architecture

V1 = registry.architecture("v1", alpha=0.25, image_size=32, classes=3)


class Row(NamedTuple):
    class_name: str
    name: str
    arrays: dict[str, Float]
    settings: dict[str, Any]


def rows(
    architecture: Architecture = V1,
    *,
    prefix: str = "",
    epsilon: float = 1e-3,
    gamma: bool = True,
    random: bool = False,
    front: Sequence[Row] = (),
    head: Sequence[Row] | None = None,
) -> list[Row]:
    """Return V1 as rows of a Keras model.

    Args:
        architecture: Any V1.
        prefix: Before the layers' names.
        epsilon: Of the batch normalisations.
        gamma: Whether these have a gamma.
        random: Whether the weights are random; otherwise the values of each layer are unique.
        front: Rows before the first convolution.
        head: Rows after the last one; None for those of the architecture.
    """
    weights = graphs.random_network(architecture)[0].weights
    height, width, channels = architecture.input_shape
    shape = [None, height, width, channels]
    model = [Row("InputLayer", "image", {}, {"batch_shape": shape}), *front]
    for index, layer in enumerate(architecture.layers):
        if layer.op == "mean" and head is not None:
            return [*model, *head]
        if layer.op == "mean":
            model.append(Row("GlobalAveragePooling2D", "pooled", {}, {}))
        if not layer.has_weights:
            continue
        value = weights[layer.name].kernel if random else np.float32(index)
        kernel = {"kernel": np.broadcast_to(value, layer.kernel_shape).astype(np.float32)}
        full = np.full(layer.out_channels, index, np.float32)
        norm = {"gamma": full, "beta": full, "moving_mean": full, "moving_variance": full}
        if random:
            bias, ones = weights[layer.name].bias, np.ones(layer.out_channels, np.float32)
            norm = {
                "gamma": ones, "beta": bias, "moving_mean": 0 * ones, "moving_variance": ones,
            }  # fmt: skip
            full = bias
        name = prefix + layer.name
        match layer.op:
            case "dense":
                settings = {"units": layer.out_channels, "activation": "softmax"}
                model.append(Row("Dense", name, {**kernel, "bias": full}, settings))
            case op:
                class_name = "Conv2D" if op == "conv" else "DepthwiseConv2D"
                window = {
                    "filters": layer.out_channels, "kernel_size": list(layer.kernel),
                    "strides": list(layer.strides), "padding": "same", "use_bias": False,
                    "activation": "linear",
                }  # fmt: skip
                if not gamma:
                    del norm["gamma"]
                model += (
                    Row(class_name, name, kernel, window),
                    Row(
                        "BatchNormalization",
                        f"{name}_bn",
                        norm,
                        {"epsilon": epsilon, "scale": gamma, "axis": -1},
                    ),
                    Row("ReLU", f"{name}_relu", {}, {"max_value": 6.0}),
                )
    return model


def config_of(model: list[Row]) -> str:
    layers = [
        {"class_name": row.class_name, "config": {"name": row.name, **row.settings}}
        for row in model
    ]
    return json.dumps({"class_name": "Sequential", "config": {"layers": layers}})


def write_new(file: Any, model: list[Row], *, root: str = "layers", names: bool = True) -> None:
    """Write groups named by class, as Keras 3 does."""
    used: Counter[str] = Counter()
    for row in model:
        stem = snake_case(row.class_name)
        group = file.create_group(
            f"{root}/{stem}_{used[stem]}/vars" if used[stem] else f"{root}/{stem}/vars"
        )
        used[stem] += 1
        if names:
            group.attrs["name"] = row.name
        for index, array in enumerate(row.arrays.values()):
            group[str(index)] = array


def write_legacy(file: Any, model: list[Row]) -> None:
    """Write groups named by layer, as Keras 2 does."""
    file.attrs["layer_names"] = np.array([row.name.encode() for row in model])
    for row in model:
        group = file.create_group(row.name)
        paths = [f"{row.name}/{role}:0" for role in row.arrays]
        group.attrs["weight_names"] = np.array([path.encode() for path in paths], "S")
        for path, array in zip(paths, row.arrays.values(), strict=True):
            group[path] = array


def write_archive(path: Path, model: list[Row], **options: Any) -> Path:
    """Write a whole model as `.keras`."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        write_new(file, model, **options)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr("config.json", config_of(model))
        archive.writestr("model.weights.h5", buffer.getvalue())
    return path


def write_h5(path: Path, model: list[Row]) -> Path:
    """Write a whole model as `.h5`."""
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = config_of(model)
        write_legacy(file.create_group("model_weights"), model)
        file.create_group("optimizer_weights")
    return path
