"""A whole Keras model as a file, written without Keras."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np

CLASSES = 4
SIDE = 16


def layer(kind: str, **settings: Any) -> dict[str, Any]:
    return {
        "class_name": kind,
        "module": "keras.layers",
        "config": {"name": kind.lower(), "dtype": "float32", **settings},
    }


def config(*first: dict[str, Any], shape: tuple[int, ...] = (SIDE, SIDE, 3)) -> str:
    """Return the configuration of a classifier that begins with some layers."""
    layers = [
        layer("InputLayer", batch_shape=[None, *shape]),
        *first,
        layer("Conv2D", filters=5, kernel_size=[3, 3], strides=[2, 2], padding="same",
              data_format="channels_last", dilation_rate=[1, 1], groups=1, activation="relu",
              use_bias=True),
        layer("GlobalAveragePooling2D", data_format="channels_last", keepdims=False),
        layer("Dense", units=CLASSES, activation="softmax", use_bias=True),
    ]  # fmt: skip
    return json.dumps(
        {"class_name": "Sequential", "config": {"name": "handmade", "layers": layers}}
    )


def arrays(channels: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return kernel and bias of each layer that has weights."""
    rng = np.random.default_rng(0)
    shapes = {"conv2d": (3, 3, channels, 5), "dense": (5, CLASSES)}
    return {
        name: (
            rng.normal(0, 0.3, shape).astype(np.float32),
            rng.normal(0, 0.3, shape[-1]).astype(np.float32),
        )
        for name, shape in shapes.items()
    }


def write(
    path: Path,
    *first: dict[str, Any],
    shape: tuple[int, ...] = (SIDE, SIDE, 3),
    bad: float | None = None,
) -> Path:
    """Write a model; the path's ending, `.keras` or `.h5`, decides how.

    Args:
        path: The file.
        first: Its first layers.
        shape: Of its input.
        bad: Value of one weight, such as NaN; None for usual weights.
    """
    text, weights = config(*first, shape=shape), arrays(shape[-1])
    if bad is not None:
        weights["dense"][0][0, 0] = bad
    if path.suffix == ".h5":
        with h5py.File(path, "w") as file:
            file.attrs["model_config"], file.attrs["keras_version"] = text, "3.9.0"
            groups = file.create_group("model_weights")
            groups.attrs["layer_names"] = list(weights)
            for name, pair in weights.items():
                names = [f"{name}/kernel:0", f"{name}/bias:0"]
                groups.create_group(name).attrs["weight_names"] = names
                for key, array in zip(names, pair, strict=True):
                    groups[name][key] = array
        return path
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, pair in weights.items():
            variables = file.create_group(f"layers/{name}/vars")
            for number, array in enumerate(pair):
                variables[str(number)] = array
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.9.0"}))
        archive.writestr("config.json", text)
        archive.writestr("model.weights.h5", buffer.getvalue())
    return path
