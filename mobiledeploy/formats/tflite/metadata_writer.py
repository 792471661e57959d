"""Write the metadata of a `.tflite` that clients such as MediaPipe read.

The entry is a flatbuffer of its own, which `writer.TfliteWriter.finish` puts into the file; the
files that it names follow the file as a ZIP archive. The same metadata give the same bytes.
"""

import dataclasses
import io
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np

from mobiledeploy.formats.tflite.metadata import (
    COLOURS,
    CONTENTS,
    FILE_KINDS,
    IDENTIFIER,
    NORMALISATION,
    AssociatedFile,
    FileSlots,
    GraphSlots,
    ModelMetadata,
    ModelSlots,
    Normalisation,
    TensorMetadata,
    TensorSlots,
)

_Number: TypeAlias = tuple[str, int]
"""A number's kind, `b`, `B` or `I`, and the number."""
_Table: TypeAlias = dict[int, Any]
"""Fields by their slots: a number, a text, a table, a list of tables, or a vector of float32.
Those that are empty are left out."""

_PUT: Final = {"b": "PrependInt8Slot", "B": "PrependUint8Slot", "I": "PrependUint32Slot"}
_FIRST: Final = "1.0.0"
_SINCE: Final[Mapping[str, str]] = {
    "vocabulary": "1.0.1",
    "audio": "1.3.0",
    "nearest neighbours": "1.4.0",
}
"""Versions of the schema that introduced kinds of files and contents; others are of the first."""
_WRITTEN: Final = (1980, 1, 1, 0, 0, 0)
"""Time of each file in the archive: the first that ZIP can state."""
_UNIX: Final = 3
_READABLE: Final = 0o100644 << 16


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """What is written besides a network.

    Attributes:
        metadata: The entry; its `parser` is not looked at, but computed.
        files: The contents of the files that it names, in the order of the archive.
    """

    metadata: ModelMetadata
    files: Mapping[str, bytes] = dataclasses.field(default_factory=dict)


def entry(metadata: ModelMetadata) -> bytes:
    """Return the bytes of the entry `TFLITE_METADATA`."""
    import flatbuffers

    builder: Any = flatbuffers.Builder(1024)
    graph = {
        GraphSlots.INPUTS: [*map(_tensor, metadata.inputs)],
        GraphSlots.OUTPUTS: [*map(_tensor, metadata.outputs)],
    }
    root = {
        ModelSlots.NAME: metadata.name,
        ModelSlots.DESCRIPTION: metadata.description,
        ModelSlots.VERSION: metadata.version,
        ModelSlots.GRAPHS: [graph],
        ModelSlots.AUTHOR: metadata.author,
        ModelSlots.LICENSE: metadata.license,
        ModelSlots.FILES: [*map(_file, metadata.files)],
        ModelSlots.PARSER: parser_version(metadata),
    }
    builder.Finish(_packed(builder, root), IDENTIFIER)
    return bytes(builder.Output())


def parser_version(metadata: ModelMetadata) -> str:
    """Return the oldest version of the schema that has everything in some metadata."""
    ends = (*metadata.inputs, *metadata.outputs)
    files = [*metadata.files, *(file for end in ends for file in end.files)]
    kinds = [*(file.kind for file in files), *(end.content for end in ends)]
    versions = [_FIRST, *(_SINCE[kind] for kind in kinds if kind in _SINCE)]
    return max(versions, key=lambda version: [int(part) for part in version.split(".")])


def with_files(data: bytes, files: Mapping[str, bytes]) -> bytes:
    """Return a file followed by an archive, whose members are stored as they are.

    Clients map them into memory, and refuse compressed ones.
    """
    if not files:
        return data
    whole = io.BytesIO()
    whole.write(data)
    with zipfile.ZipFile(whole, "a", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name, _WRITTEN)
            info.create_system, info.external_attr = _UNIX, _READABLE
            archive.writestr(info, content)
    return whole.getvalue()


def _tensor(tensor: TensorMetadata) -> _Table:
    return {
        TensorSlots.NAME: tensor.name,
        TensorSlots.DESCRIPTION: tensor.description,
        TensorSlots.CONTENT: _content(tensor),
        TensorSlots.UNITS: [] if tensor.normalisation is None else [_unit(tensor.normalisation)],
        TensorSlots.FILES: [*map(_file, tensor.files)],
    }


def _content(tensor: TensorMetadata) -> _Table | None:
    if not tensor.content:
        return None
    properties: _Table = {}
    if tensor.content == "image":
        properties[TensorSlots.COLOUR] = "b", COLOURS.index(tensor.colour)
        if tensor.size is not None:
            height, width = tensor.size
            properties[TensorSlots.SIZE] = {
                TensorSlots.WIDTH: ("I", width),
                TensorSlots.HEIGHT: ("I", height),
            }
    return {
        TensorSlots.KIND: ("B", CONTENTS.index(tensor.content)),
        TensorSlots.VALUE: properties,
    }


def _unit(normalisation: Normalisation) -> _Table:
    options = {
        TensorSlots.MEAN: np.array(normalisation.mean, np.float32),
        TensorSlots.STD: np.array(normalisation.std, np.float32),
    }
    return {TensorSlots.KIND: ("B", NORMALISATION), TensorSlots.VALUE: options}


def _file(file: AssociatedFile) -> _Table:
    return {
        FileSlots.NAME: file.name,
        FileSlots.DESCRIPTION: file.description,
        FileSlots.KIND: ("b", FILE_KINDS.index(file.kind)),
        FileSlots.LOCALE: file.locale,
    }


def _packed(builder: Any, table: _Table) -> int:
    """Write a table behind what it points to; return its offset."""
    numbers: dict[int, _Number] = {}
    offsets: dict[int, int] = {}
    for slot, value in table.items():
        match value:
            case (str(kind), int(number)):
                numbers[slot] = kind, number
            case np.ndarray():
                offsets[slot] = builder.CreateNumpyVector(value)
            case None | "" | []:
                pass
            case str():
                offsets[slot] = builder.CreateString(value)
            case dict():
                offsets[slot] = _packed(builder, value)
            case _:
                offsets[slot] = _vector(builder, [_packed(builder, each) for each in value])
    builder.StartObject(max(table, default=-1) + 1)
    for slot, (kind, number) in numbers.items():
        getattr(builder, _PUT[kind])(slot, number, 0)
    for slot, offset in offsets.items():
        builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
    end: int = builder.EndObject()
    return end


def _vector(builder: Any, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    end: int = builder.EndVector()
    return end
