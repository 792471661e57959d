"""Read the metadata that tools add to a `.tflite`: descriptions, files, oldest runtime.

Schema of the entry `TFLITE_METADATA`: metadata_schema.fbs of tflite-support, which MediaPipe and
ML Kit read. Files such as labels.txt are appended to the flatbuffer as a ZIP archive.
"""

import dataclasses
import io
import zipfile
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.formats.tflite import flatbuffer, schema
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
_AXIS_LABELS: Final = 2
"""Number of labels of an axis in the metadata schema's `AssociatedFileType`."""
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


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Classifier:
    """What the metadata say about an image classifier.

    Attributes:
        labels: Names of the classes in their order; empty if there are none.
        normalisation: For each channel, or once for all: the mean that is subtracted from pixels
            of 0 to 255, then the standard deviation by which they are divided. Empty if they are
            not stated.
    """

    labels: tuple[str, ...] = ()
    normalisation: tuple[tuple[float, float], ...] = ()


def classifier(data: bytes) -> Classifier:
    """Return the labels and the normalisation that a file's metadata state.

    Args:
        data: The file, whose tables were checked.

    Raises:
        CorruptFileError: The metadata are damaged.
    """
    graph = _graph(data)
    names = [name for name in _files(data) if name.lower().endswith(".txt")]
    stated = [] if graph is None else [_labels_of(tensor) for tensor in graph.tables(3)[:1]]
    chosen = next((name for name in stated if name in names), names[0] if len(names) == 1 else "")
    labels = _lines(data, chosen) if chosen else ()
    pairs = [] if graph is None else [_normalisation(tensor) for tensor in graph.tables(2)[:1]]
    return Classifier(labels=labels, normalisation=pairs[0] if pairs else ())


def _graph(data: bytes) -> Table | None:
    """Return the metadata of the main graph; None if there are none."""
    root = flatbuffer.root(data, b"TFL3")
    buffers = root.tables(schema.Model.BUFFERS)
    for entry in root.tables(schema.Model.METADATA):
        number = entry.scalar(schema.Metadata.BUFFER, "I", 0)
        if entry.text(schema.Metadata.NAME) == ENTRY and number < len(buffers):
            content = buffers[number].numbers(schema.Buffer.DATA, np.uint8)
            if content is not None and 0 < content.size <= MOST_BYTES:
                graphs = flatbuffer.root(content.tobytes(), IDENTIFIER).tables(3)
                return graphs[0] if graphs else None
    return None


def _labels_of(tensor: Table) -> str:
    files = tensor.tables(6)[:MOST_FILES]
    return next((f.text(0) for f in files if f.scalar(2, "b", 0) == _AXIS_LABELS), "")


def _normalisation(tensor: Table) -> tuple[tuple[float, float], ...]:
    for unit in tensor.tables(4)[:8]:
        options = unit.table(1)
        if unit.scalar(0, "B", 0) == _NORMALISATION and options is not None:
            mean, std = (options.numbers(slot, np.float32) for slot in (0, 1))
            if mean is None or std is None or not 0 < max(mean.size, std.size) <= MOST_FILES:
                return ()
            if not (std > 0).all() or not all(np.isfinite(part).all() for part in (mean, std)):
                return ()
            size = max(mean.size, std.size)
            if {mean.size, std.size} - {1, size}:
                return ()
            pairs = zip(np.broadcast_to(mean, size), np.broadcast_to(std, size), strict=True)
            return tuple((float(m), float(s)) for m, s in pairs)
    return ()


def _lines(data: bytes, name: str) -> tuple[str, ...]:
    """Return the lines of a text in the archive behind the flatbuffer; empty if it is none."""
    try:
        with (
            zipfile.ZipFile(io.BytesIO(data[-MOST_BYTES:])) as archive,
            archive.open(name) as file,
        ):
            text = file.read(MOST_BYTES + 1)
        lines = text.decode().splitlines() if len(text) <= MOST_BYTES else []
    # An encrypted file gives a RuntimeError, a damaged one any of the others.
    except (zipfile.BadZipFile, RuntimeError, KeyError, ValueError, OverflowError, EOFError):
        return ()
    while lines and not lines[-1].strip():
        lines.pop()
    return tuple(line.strip() for line in lines)
