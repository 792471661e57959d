"""Read the metadata that tools add to a `.tflite`: descriptions, files, oldest runtime.

Schema of the entry `TFLITE_METADATA`: metadata_schema.fbs of tflite-support, which MediaPipe and
ML Kit read. Files such as labels.txt are appended to the flatbuffer as a ZIP archive. They are
read in memory, as far as something here needs them, and never written anywhere.
"""

import dataclasses
import io
import struct
import zipfile
import zlib
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.formats.limits import StepLimit
from mobiledeploy.formats.tflite import flatbuffer, schema
from mobiledeploy.formats.tflite.flatbuffer import Table

IDENTIFIER: Final = b"M001"
ENTRY: Final = "TFLITE_METADATA"
RUNTIME: Final = "min_runtime_version"

Values: TypeAlias = dict[str, npt.NDArray[np.uint8]]
"""Bytes of the metadata entries, by name."""

MOST_ENTRIES: Final = 64
MOST_BYTES: Final = 1 << 20
"""Most bytes of the entry for MediaPipe and ML Kit, of the archive's directory and of a file in it
that is read."""
MOST_FILES: Final = 100
"""Most files of a tensor or of an archive that are kept, and most numbers of a normalisation."""
MOST_TENSORS: Final = 64
MOST_UNITS: Final = 8
MOST_TEXT: Final = 200
"""Characters of a text that are kept in short form."""
MOST_STEPS: Final = 1 << 21
"""Most characters of all texts; a table counts as `_TABLE` of them."""
_TABLE: Final = 64

UNKNOWN: Final = "unknown"
"""What stands for a number that the schema does not have."""
CONTENTS: Final = ("", "feature", "image", "bounding box", "audio")
"""What a tensor holds, by the schema's number in `ContentProperties`; empty if nothing says so."""
COLOURS: Final = ("", "rgb", "grey")
"""By number in `ColorSpaceType`."""
FILE_KINDS: Final = (
    "", "descriptions", "axis labels", "value labels", "score calibration", "vocabulary",
    "nearest neighbours",
)  # fmt: skip
"""By number in `AssociatedFileType`."""
AXIS_LABELS: Final = "axis labels"
UNITS: Final = (
    "", "normalisation", "score calibration", "score threshold", "BERT tokenizer",
    "SentencePiece tokenizer", "regular expression tokenizer",
)  # fmt: skip
"""By number in `ProcessUnitOptions`."""
NORMALISATION: Final = UNITS.index("normalisation")


class ModelSlots:
    """Slots of `ModelMetadata`, the root."""

    NAME: Final = 0
    DESCRIPTION: Final = 1
    VERSION: Final = 2
    GRAPHS: Final = 3
    AUTHOR: Final = 4
    LICENSE: Final = 5
    FILES: Final = 6
    PARSER: Final = 7


class GraphSlots:
    """Slots of `SubGraphMetadata`."""

    INPUTS: Final = 2
    OUTPUTS: Final = 3
    FILES: Final = 4


class TensorSlots:
    """Slots of `TensorMetadata`, and of the tables in it."""

    NAME: Final = 0
    DESCRIPTION: Final = 1
    CONTENT: Final = 3
    UNITS: Final = 4
    FILES: Final = 6

    KIND: Final = 0
    """Type of a union, in `Content` and `ProcessUnit`."""
    VALUE: Final = 1
    """Table of a union, likewise."""
    COLOUR: Final = 0
    SIZE: Final = 1
    WIDTH: Final = 0
    HEIGHT: Final = 1
    MEAN: Final = 0
    STD: Final = 1


class FileSlots:
    """Slots of `AssociatedFile`."""

    NAME: Final = 0
    DESCRIPTION: Final = 1
    KIND: Final = 2
    LOCALE: Final = 3


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AssociatedFile:
    """A file in the archive behind the flatbuffer, as the metadata name it.

    Attributes:
        name: Its name in the archive.
        kind: One of `FILE_KINDS`.
        description: In words; may be empty.
        locale: Language of labels, such as `en`; empty for the language of the model itself.
    """

    name: str
    kind: str
    description: str = ""
    locale: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Normalisation:
    """How 8-bit pixels become real values: `(pixel - mean) / std`.

    Attributes:
        mean: One for all channels, or one a channel.
        std: Likewise.
        usable: Whether the numbers are finite, `std` positive, and there are as many of each, or
            one. Numbers that are not finite are replaced, so that JSON can hold them.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    usable: bool = True

    @property
    def pairs(self) -> tuple[tuple[float, float], ...]:
        """Mean and std for each channel, or once for all; empty if they are not usable."""
        size = max(len(self.mean), len(self.std))
        if not self.usable:
            return ()
        mean, std = (part * (size if len(part) == 1 else 1) for part in (self.mean, self.std))
        return tuple(zip(mean, std, strict=True))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TensorMetadata:
    """What the metadata say about an input or an output.

    Attributes:
        name: Of the tensor, for people.
        description: In words.
        content: One of `CONTENTS`.
        colour: Of an image: one of `COLOURS`.
        size: Height and width of an image, pixels; None if they are not stated.
        normalisation: How pixels become values; None if it is not stated.
        others: What else is done to the values before or after the model: names of `UNITS`.
        files: Files about the tensor, such as the labels of its last axis.
    """

    name: str = ""
    description: str = ""
    content: str = ""
    colour: str = ""
    size: tuple[int, int] | None = None
    normalisation: Normalisation | None = None
    others: tuple[str, ...] = ()
    files: tuple[AssociatedFile, ...] = ()

    @property
    def labels(self) -> str:
        """Name of the file that names the entries of the last axis; empty if there is none.

        Of several languages the model's own comes first.
        """
        names = [file for file in self.files if file.kind == AXIS_LABELS]
        own = [file.name for file in names if not file.locale]
        return next(iter([*own, *(file.name for file in names)]), "")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ModelMetadata:
    """What MediaPipe and ML Kit read: the entry `TFLITE_METADATA`.

    Attributes:
        name: Of the model.
        description: In words.
        version: Of the model.
        author: Who made it.
        license: Under which it may be used; empty if that is not stated.
        parser: Oldest version of the schema that has everything in here.
        inputs: One for each input of the main graph, in their order.
        outputs: Likewise.
        files: Files about the whole model.
    """

    name: str = ""
    description: str = ""
    version: str = ""
    author: str = ""
    license: str = ""
    parser: str = ""
    inputs: tuple[TensorMetadata, ...] = ()
    outputs: tuple[TensorMetadata, ...] = ()
    files: tuple[AssociatedFile, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedFile:
    """A file in the archive behind the flatbuffer, as the archive's directory lists it.

    Attributes:
        name: Its name.
        size: Bytes, uncompressed.
        stored: Whether it is stored as it is; clients map such files into memory.
    """

    name: str
    size: int
    stored: bool


def min_runtime(values: Values) -> str | None:
    """Return the oldest runtime that the file claims to need, or None if it claims nothing."""
    return _text(values[RUNTIME]) or None if RUNTIME in values else None


def describe(
    values: Values, model: ModelMetadata | None, files: tuple[ArchivedFile, ...]
) -> dict[str, str]:
    """Return metadata by name: the text of a short text, else the number of bytes.

    Args:
        values: The entries of a file.
        model: What the one for MediaPipe and ML Kit says.
        files: What the archive behind the flatbuffer lists.

    Raises:
        CorruptFileError: There are too many entries.
    """
    if len(values) > MOST_ENTRIES:
        raise CorruptFileError(
            f"expected at most {MOST_ENTRIES} entries of metadata, received {len(values)}"
        )
    described = {}
    for name, value in values.items():
        if name == ENTRY and model is not None:
            described.update(_in_short(model))
        else:
            described[name] = _text(value) or f"{value.size} bytes"
    listed = ", ".join(file.name for file in files)
    return {**described, "files": listed} if files else described


def _text(value: npt.NDArray[np.uint8]) -> str:
    """Return bytes as text; empty if they are not text, or too long."""
    if value.size > MOST_TEXT:
        return ""
    text = value.tobytes().rstrip(b"\0")
    return text.decode("ascii") if text.isascii() and text.decode().isprintable() else ""


def _in_short(model: ModelMetadata) -> dict[str, str]:
    names = ("name", "description", "version", "author", "license")
    texts = {name: getattr(model, name)[:MOST_TEXT] for name in names}
    for tensor in model.inputs[:1]:
        said = [tensor.name[:MOST_TEXT]]
        if tensor.normalisation is not None:
            for word in ("mean", "std"):
                numbers = getattr(tensor.normalisation, word)[:4]
                said.append(f"{word} {', '.join(f'{number:g}' for number in numbers)}")
        texts["input 0"] = "; ".join(text for text in said if text)
    return {name: text for name, text in texts.items() if text}


def of_values(values: Values) -> ModelMetadata | None:
    """Return what the entry for MediaPipe and ML Kit says.

    None if there is none, or one of more than `MOST_BYTES`, which is not read.

    Raises:
        CorruptFileError: It is damaged.
    """
    value = values.get(ENTRY)
    return None if value is None or value.size > MOST_BYTES else read(value.tobytes())


def read(entry: bytes) -> ModelMetadata:
    """Return what the bytes of an entry say.

    Raises:
        CorruptFileError: They are damaged, or take too long to read.
    """
    root, limit = flatbuffer.root(entry, IDENTIFIER), StepLimit(MOST_STEPS)
    graphs = root.tables(ModelSlots.GRAPHS)[:1]
    ends = [
        tuple(_tensor(table, limit) for graph in graphs for table in _tables(graph, slot, limit))
        for slot in (GraphSlots.INPUTS, GraphSlots.OUTPUTS)
    ]
    files = [file for graph in graphs for file in _files(graph, GraphSlots.FILES, limit)]
    return ModelMetadata(
        name=_string(root, ModelSlots.NAME, limit),
        description=_string(root, ModelSlots.DESCRIPTION, limit),
        version=_string(root, ModelSlots.VERSION, limit),
        author=_string(root, ModelSlots.AUTHOR, limit),
        license=_string(root, ModelSlots.LICENSE, limit),
        parser=_string(root, ModelSlots.PARSER, limit),
        inputs=ends[0],
        outputs=ends[1],
        files=(*_files(root, ModelSlots.FILES, limit), *files),
    )


def _string(table: Table, slot: int, limit: StepLimit) -> str:
    text = table.text(slot)
    limit.take(len(text))
    return text


def _tables(
    table: Table, slot: int, limit: StepLimit, most: int = MOST_TENSORS
) -> tuple[Table, ...]:
    tables = table.tables(slot)
    limit.take(_TABLE * len(tables))
    return tables[:most]


def _name(number: int, names: tuple[str, ...]) -> str:
    return names[number] if 0 <= number < len(names) else UNKNOWN


def _files(table: Table, slot: int, limit: StepLimit) -> tuple[AssociatedFile, ...]:
    return tuple(
        AssociatedFile(
            name=_string(file, FileSlots.NAME, limit),
            kind=_name(file.scalar(FileSlots.KIND, "b", 0), FILE_KINDS),
            description=_string(file, FileSlots.DESCRIPTION, limit),
            locale=_string(file, FileSlots.LOCALE, limit),
        )
        for file in _tables(table, slot, limit, MOST_FILES)
    )


def _tensor(table: Table, limit: StepLimit) -> TensorMetadata:
    units = _tables(table, TensorSlots.UNITS, limit, MOST_UNITS)
    kinds = [_name(unit.scalar(TensorSlots.KIND, "B", 0), UNITS) for unit in units]
    normalised = [
        _normalisation(unit)
        for unit, kind in zip(units, kinds, strict=True)
        if kind == UNITS[NORMALISATION]
    ]
    content, colour, size = _content(table.table(TensorSlots.CONTENT))
    return TensorMetadata(
        name=_string(table, TensorSlots.NAME, limit),
        description=_string(table, TensorSlots.DESCRIPTION, limit),
        content=content,
        colour=colour,
        size=size,
        normalisation=next(iter(normalised), None),
        others=tuple(kind for kind in kinds if kind not in {"", UNITS[NORMALISATION]}),
        files=_files(table, TensorSlots.FILES, limit),
    )


def _content(table: Table | None) -> tuple[str, str, tuple[int, int] | None]:
    """Return what a tensor holds, the colours of an image, and its height and width."""
    if table is None:
        return "", "", None
    content = _name(table.scalar(TensorSlots.KIND, "B", 0), CONTENTS)
    value = table.table(TensorSlots.VALUE)
    if content != "image" or value is None:
        return content, "", None
    stated = value.table(TensorSlots.SIZE)
    size = None
    if stated is not None:
        height, width = (
            int(stated.scalar(slot, "I", 0)) for slot in (TensorSlots.HEIGHT, TensorSlots.WIDTH)
        )
        size = height, width
    return content, _name(value.scalar(TensorSlots.COLOUR, "b", 0), COLOURS), size


def _normalisation(unit: Table) -> Normalisation:
    options = unit.table(TensorSlots.VALUE)
    stated = [
        None if options is None else options.numbers(slot, np.float32)
        for slot in (TensorSlots.MEAN, TensorSlots.STD)
    ]
    mean, std = (np.zeros(0, np.float32) if part is None else part for part in stated)
    size = max(mean.size, std.size)
    usable = (
        0 < size <= MOST_FILES
        and not {mean.size, std.size} - {1, size}
        and bool(np.isfinite(mean).all() and np.isfinite(std).all() and (std > 0).all())
    )
    with np.errstate(invalid="ignore"):  # a NaN of damaged bytes may be a signalling one
        kept = [
            np.nan_to_num(part[:MOST_FILES].astype(np.float64)).tolist() for part in (mean, std)
        ]
    return Normalisation(mean=tuple(kept[0]), std=tuple(kept[1]), usable=usable)


_DAMAGED: Final = (
    zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, EOFError, struct.error,
    RuntimeError, KeyError, zlib.error, OSError,
)  # fmt: skip
"""What damaged archives give; the first also for a file without one, RuntimeError for an encrypted
file."""
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Methods of compression that are read: others take as much memory as the file asks for."""


def archived(data: bytes) -> tuple[ArchivedFile, ...]:
    """Return what the archive behind a flatbuffer lists, at most `MOST_FILES`; empty for none."""
    try:
        # The archive's directory is at its end. A long one would take minutes to read.
        with zipfile.ZipFile(io.BytesIO(data[-MOST_BYTES:])) as archive:
            return tuple(
                ArchivedFile(
                    name=info.filename,
                    size=info.file_size,
                    stored=info.compress_type == zipfile.ZIP_STORED,
                )
                for info in archive.infolist()[:MOST_FILES]
            )
    except _DAMAGED:
        return ()


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
    model = _of_file(data)
    names = [file.name for file in archived(data) if file.name.lower().endswith(".txt")]
    stated = "" if model is None or not model.outputs else model.outputs[0].labels
    chosen = stated if stated in names else names[0] if len(names) == 1 else ""
    labels = lines(data, chosen) if chosen else ()
    said = None if model is None or not model.inputs else model.inputs[0].normalisation
    return Classifier(labels=labels, normalisation=() if said is None else said.pairs)


def _of_file(data: bytes) -> ModelMetadata | None:
    """Return the metadata of a file; None if it has none that can be read."""
    root = flatbuffer.root(data, b"TFL3")
    buffers = root.tables(schema.Model.BUFFERS)
    for entry in root.tables(schema.Model.METADATA):
        number = entry.scalar(schema.Metadata.BUFFER, "I", 0)
        if entry.text(schema.Metadata.NAME) == ENTRY and number < len(buffers):
            content = buffers[number].numbers(schema.Buffer.DATA, np.uint8)
            if content is not None and 0 < content.size <= MOST_BYTES:
                return read(content.tobytes())
    return None


def lines(data: bytes, name: str) -> tuple[str, ...]:
    """Return the lines of a text in the archive behind the flatbuffer; empty if it is none.

    Args:
        data: The file.
        name: Of the text in the archive. One of more than `MOST_BYTES` is not read.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data[-MOST_BYTES:])) as archive:
            if archive.getinfo(name).compress_type not in _METHODS:
                return ()
            with archive.open(name) as file:
                text = file.read(MOST_BYTES + 1)
        read_lines = text.decode("utf-8-sig").split("\n") if len(text) <= MOST_BYTES else []
    except _DAMAGED:
        return ()
    while read_lines and not read_lines[-1].strip():
        read_lines.pop()
    return tuple(line.strip() for line in read_lines)
