"""Keras models for tests: random weights, and what Keras and the imported graph give."""

import warnings
from pathlib import Path
from typing import Any

import float_graph_reference
import numpy as np
import numpy.typing as npt

from mobiledeploy.network.importers import keras as importer
from mobiledeploy.network.importers.imported import Imported

Array = npt.NDArray[Any]


def randomise(model: Any, seed: int = 0) -> None:
    """Give all variables random values that keep activations near 1."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        name, shape = variable.name, tuple(variable.shape)
        if "float" not in str(variable.dtype):
            continue
        if "variance" in name:
            values = rng.uniform(0.5, 1.5, shape)
        elif "gamma" in name:
            values = rng.uniform(0.7, 1.3, shape)
        elif "depthwise" in name or (len(shape) == 4 and shape[3] == 1):
            values = rng.normal(0, 1, shape) / np.sqrt(np.prod(shape[:2]))
        elif len(shape) > 1:
            values = rng.normal(0, 1.4, shape) / np.sqrt(np.prod(shape[:-1]))
        else:
            values = rng.normal(0, 0.3, shape)
        variable.assign(values)
    _finalise(model)


def _finalise(model: Any) -> None:
    """Make Keras's Normalization use its variables."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            _finalise(layer)
        elif hasattr(layer, "finalize_state"):
            layer.finalize_state()


def saved(model: Any, path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save(path)
    return path


def predicted(model: Any, inputs: Array) -> Array:
    return np.asarray(model(inputs, training=False), np.float64)


def difference(imported: Imported, inputs: Array, expected: Array) -> float:
    """Return the largest difference, as a share of the largest value."""
    assert not imported.unsupported, [(n.label, n.attributes) for n in imported.unsupported]
    computed = float_graph_reference.output(imported.graph, inputs)
    assert computed.shape == expected.shape
    return float(np.abs(computed - expected).max() / np.abs(expected).max())


def differences(model: Any, inputs: Array, folder: Path, *suffixes: str) -> list[float]:
    """Return how far the graphs are from the model: that of the model in memory, then of files."""
    expected = predicted(model, inputs)
    imported = [importer.read_model(model)]
    imported += [importer.read(saved(model, folder / f"model{suffix}")) for suffix in suffixes]
    return [difference(one, inputs, expected) for one in imported]
