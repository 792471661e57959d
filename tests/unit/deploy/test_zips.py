"""ZIP files: entries are aligned, and a file that readers could disagree about is refused."""

import contextlib
import io
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.deploy import zips
from mobiledeploy.deploy.zips import NewEntry

CONTENT = (
    NewEntry(name="AndroidManifest.xml", data=b"manifest" * 50, alignment=None),
    NewEntry(name="assets/größe.onnx", data=b"model" * 7, alignment=4),
    NewEntry(name="lib/arm64-v8a/liba.so", data=b"library", alignment=16384),
    NewEntry(name="lib/arm64-v8a/libb.so", data=b"another", alignment=16384),
)


def test_stored_entries_begin_at_multiples_of_their_alignment(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    zips.write(path, CONTENT)
    data = path.read_bytes()
    read = {entry.name: entry for entry in zips.entries(path)}
    for entry in CONTENT:
        assert read[entry.name].stored is (entry.alignment is not None)
        if entry.alignment:
            offset = read[entry.name].offset
            assert offset % entry.alignment == 0
            assert data[offset : offset + len(entry.data)] == entry.data
    assert zips.read(path, read) == {entry.name: entry.data for entry in CONTENT}


def test_pythons_zipfile_reads_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    zips.write(path, CONTENT)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert {info.date_time for info in archive.infolist()} == {zips.TIME}


def test_equal_content_gives_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        zips.write(tmp_path / name, CONTENT)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@given(
    st.lists(
        st.tuples(st.binary(max_size=40), st.sampled_from([None, 1, 4, 64, 4096])), max_size=12
    )
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_any_content_is_aligned_and_read_back_unchanged(
    tmp_path: Path, content: list[tuple[bytes, int | None]]
) -> None:
    entries = [
        NewEntry(name=f"{number:x}" * (number % 5 + 1), data=data, alignment=alignment)
        for number, (data, alignment) in enumerate(content)
    ]
    path = tmp_path / "any.zip"
    zips.write(path, entries)
    read = {entry.name: entry for entry in zips.entries(path)}
    assert len(read) == len(entries)
    for entry in entries:
        assert entry.alignment is None or read[entry.name].offset % entry.alignment == 0
    assert zips.read(path, read) == {entry.name: entry.data for entry in entries}


def write_zip(path: Path, *names: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), name)
    return path


@pytest.mark.parametrize("name", ["../a", "/a", "a/../b", "a//b", "a\\b", "./a"])
def test_names_outside_the_archive_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(CorruptFileError, match="unsafe name"):
        zips.entries(write_zip(tmp_path / "a.zip", name))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_given_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorruptFileError, match="holds a twice"):
        zips.entries(write_zip(tmp_path / "a.zip", "a", "b", "a"))


def changed(path: Path, place: int, value: bytes) -> Path:
    data = bytearray(path.read_bytes())
    data[place : place + len(value)] = value
    path.write_bytes(data)
    return path


def test_two_headers_that_disagree_about_the_name_are_refused(tmp_path: Path) -> None:
    path = changed(write_zip(tmp_path / "a.zip", "safe"), 30, b"evil")
    with pytest.raises(CorruptFileError, match="another name"):
        zips.entries(path)


def test_two_headers_that_disagree_about_the_method_are_refused(tmp_path: Path) -> None:
    path = changed(write_zip(tmp_path / "a.zip", "safe"), 8, struct.pack("<H", 8))
    with pytest.raises(CorruptFileError, match="another method"):
        zips.entries(path)


def test_an_entry_that_would_unpack_to_too_much_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", "bomb")
    central = path.read_bytes().index(b"PK\x01\x02")
    size = struct.pack("<I", zips.LARGEST + 1)
    changed(path, central + 10, struct.pack("<H", 8))
    changed(path, 8, struct.pack("<H", 8))
    with pytest.raises(CorruptFileError, match="more than"):
        zips.entries(changed(path, central + 24, size))


def test_a_garbled_entry_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    zips.write(path, CONTENT)
    start = next(entry.offset for entry in zips.entries(path) if not entry.stored)
    changed(path, start, b"\xff\xff\xff")
    with pytest.raises(CorruptFileError, match=r"a\.zip is"):
        zips.read(path, ["AndroidManifest.xml"])


def test_a_missing_entry_or_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorruptFileError, match="classes"):
        zips.read(write_zip(tmp_path / "a.zip", "b"), ["classes.dex"])
    with pytest.raises(CorruptFileError, match="cannot be read"):
        zips.entries(tmp_path / "none.zip")


def whole() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("a"), b"a" * 40)
        archive.writestr(zipfile.ZipInfo("lib/b"), b"b" * 10)
    return buffer.getvalue()


@given(
    st.lists(
        st.tuples(st.integers(0, len(whole()) - 1), st.integers(0, 255)), min_size=1, max_size=6
    ),
    st.integers(0, len(whole())),
)
@example(changes=[(209, 0)], cut=1)  # the length of a name is 0 in the directory
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
def test_changed_and_cut_bytes_give_entries_or_a_corrupt_file_error(
    tmp_path: Path, changes: list[tuple[int, int]], cut: int
) -> None:
    data = bytearray(whole())
    for place, value in changes:
        data[place] = value
    path = tmp_path / "hostile.zip"
    path.write_bytes(data if cut % 3 else data[:cut])
    with contextlib.suppress(CorruptFileError):
        entries = zips.entries(path)
        content = zips.read(path, [entry.name for entry in entries])
        assert {name: len(data) for name, data in content.items()} == {
            entry.name: entry.size for entry in entries
        }
