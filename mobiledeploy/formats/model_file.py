"""A model file in memory: its bytes, and what stands in them, parsed once."""

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

from mobiledeploy.base.errors import CorruptFileError, RequestError
from mobiledeploy.formats import tflite
from mobiledeploy.formats.model import Format
from mobiledeploy.formats.tflite import TfliteModel

LARGEST: Final = 1 << 30
"""Bytes: a hundred times a large MobileNet."""

Parsed: TypeAlias = TfliteModel | None
"""None for an `.onnx`, which is parsed where it is used."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ModelFile:
    """A model file in memory.

    Attributes:
        name: For people.
        format: What its bytes say, not its name.
        data: The file, whole: tensors that an ONNX file keeps beside it are inside.
        size: Bytes of the file itself.
        sha256: Hexadecimal digest of the file itself.
        parsed: What stands in it.
    """

    name: str
    format: Format
    data: bytes
    size: int
    sha256: str
    parsed: Parsed = None

    @property
    def tflite(self) -> TfliteModel:
        """What stands in a `.tflite`.

        Raises:
            TypeError: It is another file.
        """
        if not isinstance(self.parsed, TfliteModel):
            raise TypeError(f"{self.name} is no .tflite")
        return self.parsed


def format_of(data: bytes) -> Format:
    """Return the format that a file's bytes claim: only TFLite's carry a mark."""
    return "tflite" if data[4:8] == tflite.IDENTIFIER else "onnx"


def of_bytes(name: str, data: bytes, *, folder: Path | None = None) -> ModelFile:
    """Return a model file.

    Args:
        name: For people.
        data: The file.
        folder: Where tensors may lie that an ONNX file keeps outside; None allows none.

    Raises:
        CorruptFileError: The bytes are neither a `.tflite` nor an `.onnx`, or damaged, or an ONNX
            file points at bytes outside of the folder.
    """
    kind = format_of(data)
    try:
        whole, parsed = _PARSERS[kind](data, folder)
    except CorruptFileError as error:
        raise CorruptFileError(f"{name}: {error}", hint=error.hint) from error
    return ModelFile(
        name=name,
        format=kind,
        data=whole,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        parsed=parsed,
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


def _tflite(data: bytes, _: Path | None) -> tuple[bytes, Parsed]:
    return data, tflite.parse(data)


def _onnx(data: bytes, folder: Path | None) -> tuple[bytes, Parsed]:
    from mobiledeploy.verify import external_data  # until `formats.onnx` reads them

    return external_data.embedded(data, folder), None


_PARSERS: Final[dict[Format, Callable[[bytes, Path | None], tuple[bytes, Parsed]]]] = {
    "tflite": _tflite,
    "onnx": _onnx,
}
"""Of a file's bytes and its folder: the file with all of its tensors, and what stands in it."""
