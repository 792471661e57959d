"""`read`: import a network from a file of any source, recognised by its first bytes."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Final

from mobiledeploy.base.errors import RequestError
from mobiledeploy.formats import tflite as tflite_format
from mobiledeploy.network.importers import keras, onnx, tflite
from mobiledeploy.network.importers.imported import Imported, Source

_ZIP: Final = b"PK\x03\x04"
_HDF5: Final = b"\x89HDF\r\n\x1a\n"


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
        recognises=lambda start: start.startswith((_ZIP, _HDF5)),
        read=_read_keras,
    ),
    # Protobufs have no first bytes of their own: this one says what a file of another kind is.
    Importer(source="onnx", recognises=lambda _: True, read=onnx.read),
)
"""All importers, in the order in which they are asked."""


def importer_of(path: Path) -> Importer:
    """Return the importer of a file.

    Raises:
        RequestError: There is no such file.
    """
    if not path.is_file():
        raise RequestError(f"there is no file {path}", hint="name a model file")
    with path.open("rb") as file:
        start = file.read(16)
    return next(importer for importer in IMPORTERS if importer.recognises(start))


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
