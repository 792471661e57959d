"""`read`: import a network from a file of any source, recognised by its first bytes."""

import dataclasses
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from mobiledeploy.formats import file_kind, model_file
from mobiledeploy.formats import tflite as tflite_format
from mobiledeploy.network.float_graph import rewrite
from mobiledeploy.network.hdf5 import SIGNATURE as HDF5
from mobiledeploy.network.importers import keras, onnx, tflite
from mobiledeploy.network.importers.imported import Imported, Notice, Source

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


IMPORTERS: Final = (
    Importer(
        source="tflite",
        recognises=lambda start: start[4:8] == tflite_format.IDENTIFIER,
        read=tflite.read,
    ),
    Importer(
        source="keras",
        recognises=lambda start: start.startswith((_ZIP, HDF5)),
        read=keras.read,
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
    file_kind.require_file(
        path,
        hint=f"name {EXPECTED}; `mobiledeploy verify` reads the int8 files of a build folder",
    )
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


def read(
    path: Path, *, image_size: tuple[int, int] | None = None, output: str | None = None
) -> Imported:
    """Return the network of a file. Where its scores are logarithms, it gives the scores.

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
    imported: Imported = importer_of(path).read(path, image_size=image_size, output=output)
    return _with_scores(imported)


def _with_scores(imported: Imported) -> Imported:
    """Return a network that ends in a softmax where it ends in its logarithm.

    The order of the classes is the same, and 8 bits hold no logarithms of small scores.
    """
    last = imported.graph.node(imported.graph.output)
    while last is not None and last.op == "reshape":
        last = imported.graph.node(last.inputs[0])
    if last is None or last.op != "log_softmax":
        return imported
    softmax = dataclasses.replace(last, op="softmax")
    return dataclasses.replace(
        imported,
        graph=rewrite(imported.graph, {last.name: (softmax,)}),
        notices=(*imported.notices, Notice(kind="log_scores", names=(last.name,))),
    )
