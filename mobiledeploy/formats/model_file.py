"""A model file in memory, parsed once."""

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeAlias, assert_never

from mobiledeploy.base.errors import ConversionError, CorruptFileError, RequestError
from mobiledeploy.base.files import printable
from mobiledeploy.formats import file_kind, onnx, tflite
from mobiledeploy.formats.model import Format
from mobiledeploy.formats.onnx import OnnxModel
from mobiledeploy.formats.onnx import edit as onnx_edit
from mobiledeploy.formats.onnx.external_data import ExternalFile
from mobiledeploy.formats.tflite import TfliteModel
from mobiledeploy.formats.tflite import edit as tflite_edit

LARGEST: Final = 1 << 30
"""Largest file that is read, in bytes: a hundred times a large MobileNet."""

Parsed: TypeAlias = TfliteModel | OnnxModel


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ModelFile:
    """A model file in memory.

    Attributes:
        name: Name for messages.
        format: The format by its bytes, not by its name.
        data: The whole model; the external data of an ONNX file is included.
        size: Size of the file itself, in bytes.
        sha256: Hexadecimal digest of the file itself.
        parsed: The parsed model.
        external: The files beside an ONNX file that hold values of it.
    """

    name: str
    format: Format
    data: bytes
    size: int
    sha256: str
    parsed: Parsed
    external: tuple[ExternalFile, ...] = ()

    @property
    def tflite(self) -> TfliteModel:
        """The parsed `.tflite`.

        Raises:
            TypeError: The file is an `.onnx`.
        """
        if not isinstance(self.parsed, TfliteModel):
            raise TypeError(f"{self.name} is not a .tflite")
        return self.parsed

    @property
    def onnx(self) -> OnnxModel:
        """The parsed `.onnx`.

        Raises:
            TypeError: The file is a `.tflite`.
        """
        if not isinstance(self.parsed, OnnxModel):
            raise TypeError(f"{self.name} is not an .onnx")
        return self.parsed


def format_of(data: bytes) -> Format:
    """Return the format of a file's bytes: `tflite` if they carry its identifier, else `onnx`."""
    return "tflite" if data[4:8] == tflite.IDENTIFIER else "onnx"


def of_bytes(name: str, data: bytes, *, folder: Path | None = None) -> ModelFile:
    """Return a model file.

    Args:
        name: Name for messages.
        data: The file.
        folder: The folder of an ONNX file's external data; None refuses external data.

    Raises:
        RequestError: The file is recognisably of another kind, such as a Keras model.
        CorruptFileError: The bytes are neither a `.tflite` nor an `.onnx`, or damaged, or an ONNX
            file names external data outside the folder.
    """
    name = printable(name)
    kind = format_of(data)
    if kind == "onnx":
        file_kind.require_model(name, data)
    try:
        whole, parsed = _PARSERS[kind](data, folder)
        external = parsed.external.files() if isinstance(parsed, OnnxModel) else ()
    except (CorruptFileError, ConversionError, RequestError) as error:
        if kind == "onnx" and name.lower().endswith(".tflite"):
            # Neither format: what a file of its name should begin with says more.
            error = _refused_as_tflite(data) or error
        raise type(error)(f"{name}: {error}", hint=error.hint) from error
    return ModelFile(
        name=name,
        format=kind,
        data=whole,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        parsed=parsed,
        external=external,
    )


def _refused_as_tflite(data: bytes) -> CorruptFileError | None:
    try:
        tflite.parse(data)
    except CorruptFileError as error:
        return error
    return None


def read(path: Path, *, name: str | None = None) -> ModelFile:
    """Return the model file at a path.

    Raises:
        RequestError: There is no such file, or the path is a folder.
        CorruptFileError: See `of_bytes`, or the file is larger than `LARGEST`.
    """
    file_kind.require_file(path, hint="name a .tflite and an .onnx, or a build folder")
    if path.stat().st_size > LARGEST:
        raise CorruptFileError(f"{path}: expected at most {LARGEST:,} bytes")
    return of_bytes(name or path.name, path.read_bytes(), folder=path.parent)


def _tflite(data: bytes, _: Path | None) -> tuple[bytes, Parsed]:
    return data, tflite.parse(data)


def _onnx(data: bytes, folder: Path | None) -> tuple[bytes, Parsed]:
    parsed = onnx.parse(data, folder=folder)
    return parsed.whole(), parsed


_PARSERS: Final[dict[Format, Callable[[bytes, Path | None], tuple[bytes, Parsed]]]] = {
    "tflite": _tflite,
    "onnx": _onnx,
}
"""By format: from a file's bytes and folder to the whole model's bytes and the parsed model."""


def tap(kind: Format, data: bytes, tensors: Sequence[str]) -> bytes:
    """Return a copy of a file with further outputs.

    ONNX's shape inference is C++: call this on untrusted files only in a child process.

    Args:
        kind: The file's format.
        data: The whole file.
        tensors: Names of tensors that become outputs after the file's own.

    Raises:
        CorruptFileError: The file is damaged.
        ConversionError: There is no inner tensor of that name.
    """
    match kind:
        case "tflite":
            return tflite_edit.tap(tflite.parse(data), tensors)
        case "onnx":
            return onnx_edit.tap(onnx.parse(data), tensors)
        case _:
            assert_never(kind)
