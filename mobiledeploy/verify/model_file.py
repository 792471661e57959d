"""A model file as it was found: its bytes, its format, and nothing of it trusted yet."""

import dataclasses
import hashlib
from pathlib import Path
from typing import Final

from mobiledeploy.base.errors import CorruptFileError, RequestError
from mobiledeploy.integer.tflite_file import IDENTIFIER
from mobiledeploy.lint import other_kinds
from mobiledeploy.runtimes import Format
from mobiledeploy.verify import external_data

LARGEST: Final = 1 << 30
"""Bytes: a hundred times a large MobileNet."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ModelFile:
    """A model file in memory.

    Attributes:
        name: For people.
        format: What its bytes say, not its name.
        data: The file, whole: tensors that an ONNX file keeps beside it are inside.
        size: Bytes of the file itself.
        sha256: Hexadecimal digest of the file itself.
    """

    name: str
    format: Format
    data: bytes
    size: int
    sha256: str


def of_bytes(name: str, data: bytes, *, folder: Path | None = None) -> ModelFile:
    """Return a model file.

    Args:
        name: For people.
        data: The file.
        folder: Where tensors may lie that an ONNX file keeps outside; None allows none.

    Raises:
        RequestError: The file is recognisably of another kind, such as a Keras model.
        CorruptFileError: The bytes are neither a `.tflite` nor an `.onnx`, or an ONNX file points
            at bytes outside of the folder.
    """
    tflite = data[4:8] == IDENTIFIER
    if not tflite:
        other_kinds.require_model(name, data)
    try:
        whole = data if tflite else external_data.embedded(data, folder)
    except CorruptFileError as error:
        raise CorruptFileError(f"{name}: {error}", hint=error.hint) from error
    return ModelFile(
        name=name,
        format="tflite" if tflite else "onnx",
        data=whole,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
    )


def read(path: Path, *, name: str | None = None) -> ModelFile:
    """Return the model file at a path.

    Raises:
        RequestError: There is no such file.
        CorruptFileError: See `of_bytes`; or the file is absurdly large.
    """
    if not path.is_file():
        raise RequestError(
            f"there is no file {path}", hint="name a .tflite and an .onnx, or a build folder"
        )
    if path.stat().st_size > LARGEST:
        raise CorruptFileError(f"{path}: expected at most {LARGEST:,} bytes")
    return of_bytes(name or path.name, path.read_bytes(), folder=path.parent)
