"""A model file as it was found: its bytes, its format, and nothing of it trusted yet."""

import dataclasses
import hashlib
from pathlib import Path
from typing import Final

from mobiledeploy.base.errors import ConversionError, CorruptFileError, RequestError
from mobiledeploy.formats import onnx
from mobiledeploy.formats.onnx import OnnxModel
from mobiledeploy.integer.tflite_file import IDENTIFIER
from mobiledeploy.runtimes.kinds import Format

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
        parsed: What stands in an `.onnx`; None for another file.
    """

    name: str
    format: Format
    data: bytes
    size: int
    sha256: str
    parsed: OnnxModel | None = None

    @property
    def onnx(self) -> OnnxModel:
        """What stands in an `.onnx`.

        Raises:
            TypeError: It is another file.
        """
        if self.parsed is None:
            raise TypeError(f"{self.name} is no .onnx")
        return self.parsed


def of_bytes(name: str, data: bytes, *, folder: Path | None = None) -> ModelFile:
    """Return a model file.

    Args:
        name: For people.
        data: The file.
        folder: Where tensors may lie that an ONNX file keeps outside; None allows none.

    Raises:
        CorruptFileError: The bytes are neither a `.tflite` nor an `.onnx`, or an ONNX file points
            at bytes outside of the folder.
    """
    tflite = data[4:8] == IDENTIFIER
    try:
        parsed = None if tflite else onnx.parse(data, folder=folder)
        whole = data if parsed is None else parsed.whole()
    except (CorruptFileError, ConversionError, RequestError) as error:
        raise type(error)(f"{name}: {error}", hint=error.hint) from error
    return ModelFile(
        name=name,
        format="tflite" if tflite else "onnx",
        data=whole,
        parsed=parsed,
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
