"""Metadata are read as they were written; damaged and hostile ones are refused, or left unread."""

import contextlib
import dataclasses
import io
import lzma
import struct
import time
import tracemalloc
import zipfile
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tflite_editor import TfliteFile

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.formats.tflite import metadata, metadata_writer, parse
from mobiledeploy.formats.tflite.metadata import (
    COLOURS,
    CONTENTS,
    FILE_KINDS,
    AssociatedFile,
    ModelMetadata,
    Normalisation,
    TensorMetadata,
)
from mobiledeploy.formats.tflite.writer import TfliteWriter

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
NUMBER = st.floats(-1e6, 1e6, width=32)
STD = st.floats(0.0009765625, 1e6, width=32)
FILE = st.builds(
    AssociatedFile, name=TEXT, kind=st.sampled_from(FILE_KINDS), description=TEXT, locale=TEXT
)


@st.composite
def normalisations(draw: st.DrawFn) -> Normalisation:
    counts = draw(st.sampled_from([(1, 1), (3, 3), (1, 3), (3, 1)]))
    mean, std = (
        draw(st.lists(numbers, min_size=count, max_size=count))
        for numbers, count in zip((NUMBER, STD), counts, strict=True)
    )
    return Normalisation(mean=tuple(mean), std=tuple(std))


@st.composite
def tensors(draw: st.DrawFn) -> TensorMetadata:
    content, side = draw(st.sampled_from(CONTENTS)), st.integers(0, 2**32 - 1)
    image = content == "image"
    return TensorMetadata(
        name=draw(TEXT),
        description=draw(TEXT),
        content=content,
        colour=draw(st.sampled_from(COLOURS)) if image else "",
        size=draw(st.none() | st.tuples(side, side)) if image else None,
        normalisation=draw(st.none() | normalisations()),
        files=tuple(draw(st.lists(FILE, max_size=2))),
    )


MODEL = st.builds(
    ModelMetadata,
    name=TEXT,
    description=TEXT,
    version=TEXT,
    author=TEXT,
    license=TEXT,
    inputs=st.lists(tensors(), max_size=3).map(tuple),
    outputs=st.lists(tensors(), max_size=3).map(tuple),
    files=st.lists(FILE, max_size=2).map(tuple),
)

DIGITS = ModelMetadata(
    name="digits",
    description="Tells digits.",
    license="Apache-2.0",
    parser="1.0.0",
    inputs=(
        TensorMetadata(
            name="image",
            content="image",
            colour="rgb",
            size=(8, 9),
            normalisation=Normalisation(mean=(1.0, 2.0, 3.0), std=(4.0, 5.0, 6.0)),
        ),
    ),
    outputs=(
        TensorMetadata(
            name="scores",
            content="feature",
            files=(AssociatedFile(name="labels.txt", kind="axis labels"),),
        ),
    ),
)
LABELS = {"labels.txt": "null\neins\nzwei ä\n".encode()}


def a_file(entry: bytes = b"", files: dict[str, bytes] | None = None) -> bytes:
    writer = TfliteWriter()
    one, two = (writer.activation(name, np.float32, (1, 3)) for name in ("input", "output"))
    writer.operator("RELU", 1, [one], two)
    ends = {"input": one}, {"output": two}
    data = writer.finish(
        description="a", min_runtime="1.5.0", inputs=ends[0], outputs=ends[1], metadata=entry
    )
    return metadata_writer.with_files(data, files or {})


DATA = a_file(metadata_writer.entry(DIGITS), LABELS)


@given(MODEL)
@settings(max_examples=60, deadline=None)
def test_what_was_written_is_read(model: ModelMetadata) -> None:
    entry = metadata_writer.entry(model)
    assert entry == metadata_writer.entry(model)
    assert metadata.read(entry) == dataclasses.replace(
        model, parser=metadata_writer.parser_version(model)
    )


def test_a_file_holds_its_metadata_and_labels() -> None:
    model = parse(DATA)
    assert model.described == DIGITS
    assert [(file.name, file.stored) for file in model.archived] == [("labels.txt", True)]
    assert metadata.classifier(DATA) == metadata.Classifier(
        labels=("null", "eins", "zwei ä"), normalisation=((1, 4), (2, 5), (3, 6))
    )
    assert a_file(metadata_writer.entry(DIGITS), LABELS) == DATA


def test_the_entry_is_a_buffer_that_other_readers_of_the_schema_find() -> None:
    model = TfliteFile(DATA).model
    names = [entry.name.decode() for entry in model.metadata]
    assert names == ["min_runtime_version", "TFLITE_METADATA"]
    entry = model.buffers[model.metadata[1].buffer].data
    assert bytes(entry) == metadata_writer.entry(DIGITS)
    assert parse(a_file()).described is None


def test_the_entry_is_aligned_in_the_file() -> None:
    assert DATA.index(metadata_writer.entry(DIGITS)) % 16 == 0


def test_the_archive_depends_on_nothing_but_its_contents() -> None:
    with zipfile.ZipFile(io.BytesIO(DATA)) as archive:
        (info,) = archive.infolist()
        assert archive.testzip() is None
    assert (info.date_time, info.create_system) == ((1980, 1, 1, 0, 0, 0), 3)
    assert (info.external_attr, info.compress_type) == (0o100644 << 16, zipfile.ZIP_STORED)


@pytest.mark.parametrize(
    ("kind", "version"), [("vocabulary", "1.0.1"), ("nearest neighbours", "1.4.0")]
)
def test_the_parser_version_is_that_of_the_newest_part(kind: str, version: str) -> None:
    files = (AssociatedFile(name="a", kind=kind), AssociatedFile(name="b", kind="vocabulary"))
    assert metadata.read(metadata_writer.entry(ModelMetadata(files=files))).parser == version
    audio = ModelMetadata(inputs=(TensorMetadata(content="audio"),))
    assert metadata_writer.parser_version(audio) == "1.3.0"


def test_each_truncated_entry_is_refused_or_read() -> None:
    entry = metadata_writer.entry(DIGITS)
    for end in range(len(entry)):
        try:
            assert metadata.read(entry[:end]) == DIGITS
        except CorruptFileError:
            continue
        assert not any(entry[end:])  # what is missing is the padding at the end


def test_each_changed_byte_gives_an_error_of_ours_or_is_read() -> None:
    entry = metadata_writer.entry(DIGITS)
    for place in range(len(entry)):
        for value in (0, 1, 0x7F, 0xFF):
            changed = entry[:place] + bytes([value]) + entry[place + 1 :]
            with contextlib.suppress(CorruptFileError):
                metadata.read(changed)


def test_a_damaged_entry_is_named_when_the_file_is_parsed() -> None:
    broken = bytearray(metadata_writer.entry(DIGITS))
    broken[:4] = struct.pack("<I", 2**31)
    with pytest.raises(CorruptFileError):
        parse(a_file(bytes(broken)))


def test_tables_that_share_their_parts_without_end_take_no_time() -> None:
    """64 tensors that are one tensor, whose 16,000 files are one file: a million tables."""
    import flatbuffers

    builder = flatbuffers.Builder(1 << 18)

    def table(slots: dict[int, int]) -> int:
        builder.StartObject(8)
        for slot, offset in slots.items():
            builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
        return int(builder.EndObject())

    def vector(offset: int, count: int) -> int:
        builder.StartVector(4, count, 4)
        for _ in range(count):
            builder.PrependUOffsetTRelative(offset)
        return int(builder.EndVector())

    files = vector(table({0: builder.CreateString("a")}), 16_000)
    graph = table({2: vector(table({6: files}), 64)})
    builder.Finish(table({3: vector(graph, 1)}), file_identifier=b"M001")
    begun = time.process_time()
    with pytest.raises(CorruptFileError, match="too long"):
        metadata.read(bytes(builder.Output()))
    assert time.process_time() - begun < 1


def zipped(content: bytes, method: int = zipfile.ZIP_DEFLATED, name: str = "labels.txt") -> bytes:
    whole = io.BytesIO()
    whole.write(a_file(metadata_writer.entry(DIGITS)))
    with zipfile.ZipFile(whole, "a", method) as archive:
        archive.writestr(name, content)
    return whole.getvalue()


def test_a_bomb_is_not_inflated() -> None:
    bomb = zipped(bytes(1 << 26))
    assert len(bomb) < 1 << 17
    tracemalloc.start()
    labels = metadata.classifier(bomb).labels
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert labels == ()
    assert peak < 1 << 23
    assert parse(bomb).archived[0].size == 1 << 26


def test_compressed_labels_are_read_but_not_by_methods_that_choose_their_memory() -> None:
    assert metadata.classifier(zipped(b"a\nb\n")).labels == ("a", "b")
    for method in (zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2):
        assert metadata.classifier(zipped(b"a\nb\n", method)).labels == ()


def encrypted(data: bytes) -> bytes:
    at = data.rindex(b"PK\x01\x02") + 8
    return data[:at] + struct.pack("<H", 1) + data[at + 2 :]


def another_stream(data: bytes) -> bytes:
    at = data.rindex(b"labels.txt", 0, data.rindex(b"PK\x01\x02")) + len("labels.txt")
    return data[:at] + b"\xff\xff\xff" + data[at + 3 :]


@pytest.mark.parametrize(
    "change",
    [
        encrypted,
        another_stream,
        lambda data: data[:-10],
        lambda data: data[:-30] + bytes(8) + data[-22:],
        lambda data: data[:-6] + b"\xff\xff" + data[-4:],
    ],
    ids=["encrypted", "stream", "cut", "directory", "place of the directory"],
)
def test_a_damaged_archive_gives_no_labels(change: Callable[[bytes], bytes]) -> None:
    data = change(zipped(bytes(range(256)) * 4))
    assert metadata.classifier(data).labels == ()
    assert parse(data).described == DIGITS


def test_labels_that_are_no_text_are_none() -> None:
    assert metadata.classifier(zipped(b"\xff\xfe\x00")).labels == ()
    assert metadata.classifier(zipped(lzma.compress(b"a"))).labels == ()


def test_files_of_other_names_are_listed_and_never_unpacked() -> None:
    data = zipped(b"a\n", name="../../etc/labels.txt")
    assert [file.name for file in parse(data).archived] == ["../../etc/labels.txt"]


@pytest.mark.parametrize(
    ("mean", "std"),
    [((0.0,), (0.0,)), ((1.0, 2.0), (1.0, 2.0, 3.0)), ((np.nan,), (1.0,)), ((), ())],
)
def test_a_normalisation_without_sense_is_marked(
    mean: tuple[float, ...], std: tuple[float, ...]
) -> None:
    said = Normalisation(mean=mean, std=std)
    entry = metadata_writer.entry(ModelMetadata(inputs=(TensorMetadata(normalisation=said),)))
    read = metadata.read(entry).inputs[0].normalisation
    assert read is not None
    assert not read.usable
    assert read.pairs == ()
    assert np.isfinite([*read.mean, *read.std]).all()
