"""`read`: import a network from a file of any source, recognised by its first bytes."""

import dataclasses
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from mobiledeploy.base.errors import RequestError
from mobiledeploy.formats import file_kind, model_file
from mobiledeploy.formats import tflite as tflite_format
from mobiledeploy.network.hdf5 import SIGNATURE as HDF5
from mobiledeploy.network.importers import keras, onnx, tflite
from mobiledeploy.network.importers.imported import Imported, Source

_ZIP: Final = b"PK\x03\x04"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Importer:
    """An importer.

    Attributes:
        source: What it imports.
        recognises: Whether a file's first 16 bytes are those of its source.
        read: Imports a file, with the image's size and the output's name where they are needed.
    """

    source: Source
    recognises: Callable[[bytes], bool]
    read: Callable[..., Imported]


def _read_keras(
    path: Path, *, image_size: tuple[int, int] | None = None, output: str | None = None
) -> Imported:
    if output is not None:
        raise RequestError(
            f"expected no name of an output, received `{output}`: a Keras model has one output",
            hint="save a model with one output",
        )
    return keras.read(path, image_size=image_size)


IMPORTERS: Final = (
    Importer(
        source="tflite",
        recognises=lambda start: start[4:8] == tflite_format.IDENTIFIER,
        read=tflite.read,
    ),
    Importer(
        source="keras",
        recognises=lambda start: start.startswith((_ZIP, HDF5)),
        read=_read_keras,
    ),
    # Protobufs have no first bytes of their own: this one says what a file of another kind is.
    Importer(source="onnx", recognises=lambda _: True, read=onnx.read),
)
"""All importers, in the order in which they are asked."""


EXPECTED: Final = "a .keras, .h5, .onnx or .tflite with a float network"


def importer_of(path: Path) -> Importer:
    """Return the importer of a file.

    Raises:
        RequestError: There is no such file, or it is an intact file of another kind.
        CorruptFileError: It is empty, or begins like an archive and is damaged.
    """
    if not path.is_file():
        raise _no_file(path)
    with path.open("rb") as file:
        start = file.read(16)
    importer = next(importer for importer in IMPORTERS if importer.recognises(start))
    known = importer.source == "tflite" or start.startswith(HDF5) or _is_keras_archive(path)
    if not known and path.stat().st_size <= model_file.LARGEST:
        file_kind.require_model(path.name, path.read_bytes(), expected=EXPECTED)
    return importer


def _is_keras_archive(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return set(archive.namelist()) >= file_kind.KERAS_PARTS
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        return False


def _no_file(path: Path) -> RequestError:
    """Return the error that a path is no file: it may be a folder that TensorFlow wrote."""
    if not path.is_dir():
        return RequestError(f"there is no file {path}", hint="name a model file")
    if (path / "saved_model.pb").is_file():
        kind = file_kind.SAVED_MODEL
        return RequestError(f"{path} is {kind.name}, expected {EXPECTED}", hint=kind.hint)
    return RequestError(
        f"{path} is a folder, expected {EXPECTED}",
        hint="name the file itself; a build folder holds int8 files, which `mobiledeploy verify` "
        "reads",
    )


def read(
    path: Path, *, image_size: tuple[int, int] | None = None, output: str | None = None
) -> Imported:
    """Return the network of a file.

    Args:
        path: The file.
        image_size: Height and width of images, where the file leaves them open.
        output: Name of the output, if the file has several.

    Raises:
        RequestError: There is no such file, it is none that can be imported, or it needs an
            image's size or an output's name.
        ConversionError: It holds no network with one input, or is quantised.
        CorruptFileError: It is damaged.
    """
    return importer_of(path).read(path, image_size=image_size, output=output)
