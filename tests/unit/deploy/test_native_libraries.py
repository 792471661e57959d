"""A library runs with 16 KB pages only if each of its segments can be mapped by whole pages."""

import contextlib
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.deploy.elf_files import MACHINES, library

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.deploy import native_libraries, zips
from mobiledeploy.deploy.native_libraries import apk_problems, read_elf
from mobiledeploy.deploy.zips import NewEntry

PAGE = 16384
SMALL = (4096, 4096)


@pytest.mark.parametrize("abi", MACHINES)
def test_libraries_of_32_and_64_bits_are_read(abi: str) -> None:
    parsed = read_elf(library(abi, alignments=(16384, 4096)), where="lib.so")
    assert parsed.machine == native_libraries.MACHINES[abi] == MACHINES[abi]
    assert parsed.bits == native_libraries.BITS[abi]
    assert [segment.alignment for segment in parsed.segments] == [16384, 4096]
    assert [segment.offset for segment in parsed.segments] == [0, 64]


@pytest.mark.parametrize(
    ("alignments", "fits"),
    [
        ((16384,), True),
        ((65536, 16384), True),
        ((4096, 4096), False),
        ((16384, 4096), False),
        ((16384, 0), False),
        ((16384, 16385), False),
    ],
)
def test_the_least_aligned_segment_decides(alignments: tuple[int, ...], fits: bool) -> None:
    assert read_elf(library(alignments=alignments), where="lib.so").fits(PAGE) is fits


def test_a_segment_whose_address_and_offset_differ_within_a_page_cannot_be_mapped() -> None:
    assert not read_elf(library(skew=4096), where="lib.so").fits(PAGE)
    assert read_elf(library(skew=4096), where="lib.so").fits(4096)


def test_segments_that_are_not_loaded_do_not_count() -> None:
    with pytest.raises(CorruptFileError, match="no segment that is loaded"):
        read_elf(library(kind=2), where="lib.so")


@pytest.mark.parametrize("length", range(0, 200, 7))
def test_a_cut_library_is_refused(length: int) -> None:
    whole = library()
    with pytest.raises(CorruptFileError, match=r"lib\.so"):
        read_elf(whole[: min(length, 64 + 56 + 50)], where="lib.so")


@pytest.mark.parametrize("place", [32, 54, 56])
def test_a_header_that_points_outside_the_file_is_refused(place: int) -> None:
    data = bytearray(library())
    struct.pack_into("<H", data, place, 0xFFFF if place != 54 else 3)
    with pytest.raises(CorruptFileError):
        read_elf(bytes(data), where="lib.so")


def test_a_segment_outside_the_file_is_refused() -> None:
    data = bytearray(library())
    struct.pack_into("<Q", data, 64 + 8, 1 << 40)
    with pytest.raises(CorruptFileError, match="outside the file"):
        read_elf(bytes(data), where="lib.so")


def test_big_endian_is_refused() -> None:
    data = bytearray(library())
    data[5] = 2
    with pytest.raises(CorruptFileError, match="little-endian"):
        read_elf(bytes(data), where="lib.so")


@given(st.lists(st.tuples(st.integers(0, 175), st.integers(0, 255)), min_size=1, max_size=8))
def test_changed_bytes_give_segments_or_a_corrupt_file_error(
    changes: list[tuple[int, int]],
) -> None:
    data = bytearray(library())
    for place, value in changes:
        data[place] = value
    with contextlib.suppress(CorruptFileError):
        assert read_elf(bytes(data), where="lib.so").segments


@given(st.binary(max_size=300))
def test_any_bytes_after_the_magic_number_give_segments_or_a_corrupt_file_error(
    rest: bytes,
) -> None:
    with contextlib.suppress(CorruptFileError):
        assert read_elf(b"\x7fELF\x02\x01" + rest, where="lib.so").segments


def apk(path: Path, *entries: tuple[str, bytes, int | None]) -> Path:
    content = [NewEntry(name=name, data=data, alignment=step) for name, data, step in entries]
    zips.write(path / "a.apk", [NewEntry(name="first", data=b"x", alignment=4), *content])
    return path / "a.apk"


def test_aligned_libraries_at_whole_pages_have_no_problems(tmp_path: Path) -> None:
    path = apk(
        tmp_path,
        ("lib/arm64-v8a/liba.so", library(), 16384),
        ("lib/x86_64/liba.so", library("x86_64"), 16384),
    )
    assert apk_problems(path) == ()


def test_a_library_that_is_aligned_to_4_kb_is_named(tmp_path: Path) -> None:
    path = apk(
        tmp_path,
        ("lib/arm64-v8a/liba.so", library(), 16384),
        ("lib/arm64-v8a/libb.so", library(alignments=(16384, 4096)), 16384),
    )
    assert apk_problems(path) == (
        "lib/arm64-v8a/libb.so is aligned for pages of 4,096 bytes, expected 16,384",
    )
    assert apk_problems(path, page=4096) == ()


def test_a_stored_library_that_does_not_begin_at_a_page_is_named_with_its_offset(
    tmp_path: Path,
) -> None:
    path = apk(tmp_path, ("lib/arm64-v8a/liba.so", library(), 4))
    (problem,) = apk_problems(path)
    assert problem.startswith("lib/arm64-v8a/liba.so begins at byte ")
    assert problem.endswith("expected a multiple of 16,384")


def test_a_compressed_library_is_unpacked_and_may_begin_anywhere(tmp_path: Path) -> None:
    path = apk(tmp_path, ("lib/arm64-v8a/liba.so", library(), None))
    assert apk_problems(path) == ()


def test_32_bit_libraries_need_4_kb_alignment_only(tmp_path: Path) -> None:
    data = library("armeabi-v7a", alignments=SMALL)
    assert apk_problems(apk(tmp_path, ("lib/armeabi-v7a/liba.so", data, 4096))) == ()


@pytest.mark.parametrize("abi", ["arm64-v8a", "armeabi-v7a", "x86"])
def test_a_library_for_another_processor_is_named(tmp_path: Path, abi: str) -> None:
    path = apk(tmp_path, (f"lib/{abi}/liba.so", library("x86_64"), 16384))
    assert apk_problems(path) == (
        f"lib/{abi}/liba.so is a library for another processor, expected {abi}",
    )


def test_an_unknown_abi_is_named(tmp_path: Path) -> None:
    (problem,) = apk_problems(apk(tmp_path, ("lib/mips/liba.so", library(), 16384)))
    assert "unknown ABI, expected one of arm64-v8a" in problem


@pytest.mark.parametrize("name", ["lib/arm64-v8a/liba.so", "lib/x"])
def test_a_file_that_is_not_a_library_is_refused(tmp_path: Path, name: str) -> None:
    path = apk(tmp_path, (name, b"text", 16384))
    if name.count("/") == 2:
        with pytest.raises(CorruptFileError, match="not an ELF"):
            apk_problems(path)
    else:
        assert len(apk_problems(path)) == 1
