"""Read the metadata that tools add to a `.tflite`: descriptions, files, oldest runtime.

Schema of the entry `TFLITE_METADATA`: metadata_schema.fbs of tflite-support, which MediaPipe and
ML Kit read. Files such as labels.txt are appended to the flatbuffer as a ZIP archive.
"""

import io
import zipfile
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.formats.tflite import flatbuffer
from mobiledeploy.formats.tflite.flatbuffer import Table

IDENTIFIER: Final = b"M001"
ENTRY: Final = "TFLITE_METADATA"
RUNTIME: Final = "min_runtime_version"

Values: TypeAlias = dict[str, npt.NDArray[np.uint8]]
"""Bytes of the metadata entries, by name."""

MOST_ENTRIES: Final = 64
MOST_BYTES: Final = 1 << 20
"""Most bytes of the entry for MediaPipe and ML Kit, and of the archive's directory."""
MOST_FILES: Final = 100
MOST_TEXT: Final = 200
"""Characters of a text that are kept."""
_NORMALISATION: Final = 1
"""Number of normalisation in the metadata schema's `ProcessUnitOptions`."""


def min_runtime(values: Values) -> str | None:
    """Return the oldest runtime that the file claims to need, or None if it claims nothing."""
    return _text(values[RUNTIME]) or None if RUNTIME in values else None


def describe(data: bytes, values: Values) -> dict[str, str]:
    """Return metadata by name: the text of a short text, else the number of bytes.

    Args:
        data: The file.
        values: Its metadata entries.

    Raises:
        CorruptFileError: There are too many entries, or the one for MediaPipe and ML Kit is
            damaged.
    """
    if len(values) > MOST_ENTRIES:
        raise CorruptFileError(
            f"expected at most {MOST_ENTRIES} entries of metadata, received {len(values)}"
        )
    described = {}
    for name, value in values.items():
        if name == ENTRY and value.size <= MOST_BYTES:
            described.update(_model(flatbuffer.root(value.tobytes(), IDENTIFIER)))
        else:
            described[name] = _text(value) or f"{value.size} bytes"
    files = _files(data)
    return {**described, "files": ", ".join(files)} if files else described


def _text(value: npt.NDArray[np.uint8]) -> str:
    """Return bytes as text; empty if they are not text, or too long."""
    if value.size > MOST_TEXT:
        return ""
    text = value.tobytes().rstrip(b"\0")
    return text.decode("ascii") if text.isascii() and text.decode().isprintable() else ""


def _model(table: Table) -> dict[str, str]:
    slots = {"name": 0, "description": 1, "version": 2, "author": 4, "license": 5}
    texts = {name: table.text(slot)[:MOST_TEXT] for name, slot in slots.items()}
    for number, graph in enumerate(table.tables(3)[:1]):
        for tensor in graph.tables(2)[:1]:
            texts[f"input {number}"] = "; ".join(_tensor(tensor))
    return {name: text for name, text in texts.items() if text}


def _tensor(table: Table) -> list[str]:
    texts = [text for text in (table.text(0)[:MOST_TEXT],) if text]
    for unit in table.tables(4)[:8]:
        options = unit.table(1)
        if unit.scalar(0, "B", 0) == _NORMALISATION and options is not None:
            for word, slot in (("mean", 0), ("std", 1)):
                numbers = options.numbers(slot, np.float32)
                if numbers is not None:
                    texts.append(f"{word} {', '.join(f'{n:g}' for n in numbers[:4])}")
    return texts


def _files(data: bytes) -> list[str]:
    """Return the names of the files in the archive behind the flatbuffer."""
    try:
        # The archive's directory is at its end. A long one would take minutes to read.
        with zipfile.ZipFile(io.BytesIO(data[-MOST_BYTES:])) as archive:
            return archive.namelist()[:MOST_FILES]
    # Damaged archives give any of these; a file without an archive gives the first.
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, EOFError):
        return []
