"""A `Network` in one `.npz` file: `architecture` as JSON, `<layer>/kernel` and `<layer>/bias`."""

import io
import zipfile
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.base import codec, files
from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.network.network import Network
from mobiledeploy.ops.architecture import Architecture
from mobiledeploy.ops.weights import Weights

_ARCHITECTURE: Final = "architecture"


def save(path: Path, network: Network) -> None:
    """Write a network, whole or not at all.

    Raises:
        StorageError: The file cannot be written.
    """
    arrays: dict[str, npt.NDArray[Any]] = {}
    arrays[_ARCHITECTURE] = np.frombuffer(codec.to_json(network.architecture), np.uint8)
    for name, weights in network.weights.items():
        arrays[f"{name}/kernel"] = weights.kernel
        arrays[f"{name}/bias"] = weights.bias
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    files.write_atomic(path, buffer.getvalue())


def load(path: Path) -> Network:
    """Read a network.

    Raises:
        CorruptFileError: The file is missing, damaged or holds something else.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (EOFError, OSError, ValueError, zipfile.BadZipFile) as error:
        raise CorruptFileError(f"{path} cannot be read as a network: {error}") from error
    if _ARCHITECTURE not in arrays:
        raise CorruptFileError(f"{path} holds no architecture")
    text = arrays[_ARCHITECTURE].tobytes()
    architecture = codec.from_json(Architecture, text, where=str(path))
    try:
        weights = {
            layer.name: Weights(
                kernel=arrays[f"{layer.name}/kernel"], bias=arrays[f"{layer.name}/bias"]
            )
            for layer in architecture.layers
            if layer.has_weights
        }
    except KeyError as error:
        raise CorruptFileError(f"{path} lacks the array {error}") from error
    return Network(architecture=architecture, weights=weights)
