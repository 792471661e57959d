"""Read a Keras weights or model file without Keras: no code in it can run.

`.keras` is a ZIP archive of a configuration and an HDF5 file. `.weights.h5` and `.h5`, with
weights only or a whole model, are HDF5 files. Files of Keras 3, tf.keras and Keras applications
are understood. Nothing is unpickled, no layer of the file is built, and the HDF5 library, which
damaged bytes can crash or hang, runs in a child process.
"""

import json
import zipfile
import zlib
from pathlib import Path
from typing import Final

from mobiledeploy.base import child_process
from mobiledeploy.base.errors import CorruptFileError, RequestError
from mobiledeploy.base.files import Name, require_file, user_path
from mobiledeploy.network import keras_h5, keras_variables, keras_weights
from mobiledeploy.network.hdf5 import entry, open_file, string, strings
from mobiledeploy.network.keras_variables import KerasFile
from mobiledeploy.network.keras_weights import KerasWeights

CONFIG: Final = "config.json"
WEIGHTS: Final = "model.weights.h5"
METADATA: Final = "metadata.json"

_MODEL: Final = b"model\n"
"""What the child process writes before a whole model."""

MAX_WEIGHTS_BYTES: Final = 1 << 29
MAX_CONFIG_BYTES: Final = 1 << 24
SMALL: Final = 1 << 24
"""Bytes that an entry of an archive may unpack to however few it has."""
MOST_RATIO: Final = 100
"""Most bytes for each byte of a larger entry: Keras does not compress at all."""


def read(path: Name) -> KerasWeights | KerasFile:
    """Read a whole model, or all weights of a file of weights alone, in a child process.

    Raises:
        RequestError: There is no such file, or the path is a folder.
        CorruptFileError: The file is damaged, or not a Keras file.
        MissingDependencyError: h5py is not installed.
    """
    function = read_to_bytes
    data = child_process.call(function.__module__, function.__name__, str(_existing(path)))
    if data.startswith(_MODEL):
        return keras_variables.from_bytes(data[len(_MODEL) :])
    return keras_weights.from_bytes(data)


def _existing(name: Name) -> Path:
    path = user_path(name)
    require_file(path, hint="name a .keras, .h5 or .weights.h5 file: no SavedModel folder is read")
    return path


def read_model(path: Name) -> KerasFile:
    """Read the configuration and all variables of a whole model, in a child process.

    Raises:
        RequestError: There is no such file, or it holds weights only.
        CorruptFileError: The file is damaged, or not a Keras file.
        MissingDependencyError: h5py is not installed.
    """
    function = read_model_to_bytes
    data = child_process.call(function.__module__, function.__name__, str(_existing(path)))
    return keras_variables.from_bytes(data)


def read_model_to_bytes(path: str) -> bytes:
    """Read a whole model in the child process; return it as bytes for the parent."""
    model = _whole_model(Path(path))
    if model is None:
        raise RequestError(
            f"{path} holds weights without the model that they belong to",
            hint="save the whole model: `model.save` as .keras or .h5; weights of a MobileNet "
            "V1 or V2 alone: `mobiledeploy build --weights FILE`",
        )
    return keras_variables.to_bytes(model)


def read_to_bytes(path: str) -> bytes:
    """Read a file in the child process; return what it holds as bytes for the parent."""
    model = _whole_model(Path(path))
    if model is None:
        return keras_weights.to_bytes(read_weights_in_this_process(Path(path)))
    return _MODEL + keras_variables.to_bytes(model)


def _whole_model(path: Path) -> KerasFile | None:
    """Return a whole model; None for a file of weights alone."""
    if zipfile.is_zipfile(path):
        config, weights, metadata = _members(path)
        with open_file(weights, f"{WEIGHTS} in {path}") as file:
            names, arrays = keras_variables.read_by_class(file)
        return KerasFile(
            origin=path.name,
            config=config.decode(errors="replace"),
            version=_version(metadata),
            layout="class",
            names=names,
            arrays=arrays,
        )
    with open_file(path, str(path)) as file:
        text = string(file, "model_config")
        groups = entry(file, "model_weights")
        if text is None or groups is None:
            return None
        return KerasFile(
            origin=path.name,
            config=text,
            version=string(file, "keras_version") or string(groups, "keras_version") or "",
            layout="layer",
            names={},
            arrays=keras_variables.read_by_layer(groups),
        )


def _version(metadata: bytes) -> str:
    """Return the version of Keras that the metadata of an archive state."""
    try:
        said = json.loads(metadata).get("keras_version", "")
    except (ValueError, AttributeError, RecursionError):
        return ""
    return said if isinstance(said, str) else ""


def read_weights_in_this_process(path: Path) -> KerasWeights:
    """Read all weights of a file of weights alone, in this process.

    A hostile file can crash the HDF5 library, hence this process: call `read` instead.

    Raises:
        CorruptFileError: The file is missing, damaged or not a Keras file.
        MissingDependencyError: h5py is not installed.
    """
    with open_file(path, str(path)) as file:
        weights = entry(file, "model_weights") or file
        if strings(weights, "layer_names"):
            return keras_h5.read_by_layer_name(weights, path.name)
        if any(entry(file, root) is not None for root in keras_variables.ROOTS):
            return keras_h5.read_by_class_name(file, path.name)
    raise CorruptFileError(
        f"{path} is HDF5, but holds no Keras layers",
        hint="expected .keras, .weights.h5 or .h5, as written by Keras",
    )


def _members(path: Path) -> tuple[bytes, bytes, bytes]:
    """Return configuration, weights and metadata of an archive; old ones have no metadata."""
    try:
        with zipfile.ZipFile(path) as archive:
            return (
                _member(archive, CONFIG, MAX_CONFIG_BYTES),
                _member(archive, WEIGHTS, MAX_WEIGHTS_BYTES),
                _member(archive, METADATA, MAX_CONFIG_BYTES)
                if METADATA in archive.namelist()
                else b"{}",
            )
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:
        raise CorruptFileError(f"{path} is damaged: {error}") from error


def _member(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    if name not in archive.namelist():
        raise CorruptFileError(f"{archive.filename} is not a .keras file: it holds no {name}")
    # `read` never unpacks more than the archive's directory states.
    stated = archive.getinfo(name)
    if stated.file_size > limit:
        raise CorruptFileError(f"{archive.filename}: {name} unpacks to more than {limit:,} bytes")
    if stated.file_size > max(SMALL, MOST_RATIO * stated.compress_size):
        raise CorruptFileError(
            f"{archive.filename}: {name} unpacks to more than {MOST_RATIO} times its bytes, as no "
            "weights do"
        )
    return archive.read(name)
