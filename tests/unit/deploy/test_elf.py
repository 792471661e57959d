"""A library runs with 16 KB pages only if each of its segments can be mapped by whole pages."""

import contextlib
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.deploy.elves import MACHINES, library

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.deploy import elf

PAGE = 16384


@pytest.mark.parametrize("abi", MACHINES)
def test_both_widths_are_read(abi: str) -> None:
    found = elf.read(library(abi, alignments=(16384, 4096)), where="lib.so")
    assert found.machine == elf.MACHINES[abi] == MACHINES[abi]
    assert found.bits == elf.BITS[abi]
    assert [segment.alignment for segment in found.segments] == [16384, 4096]
    assert [segment.offset for segment in found.segments] == [0, 64]


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
    assert elf.read(library(alignments=alignments), where="lib.so").fits(PAGE) is fits


def test_an_address_off_its_offset_cannot_be_mapped() -> None:
    assert not elf.read(library(skew=4096), where="lib.so").fits(PAGE)
    assert elf.read(library(skew=4096), where="lib.so").fits(4096)


def test_segments_that_are_not_loaded_do_not_count() -> None:
    with pytest.raises(CorruptFileError, match="nothing that is loaded"):
        elf.read(library(kind=2), where="lib.so")


@pytest.mark.parametrize("length", range(0, 200, 7))
def test_a_cut_library_is_refused(length: int) -> None:
    whole = library()
    with pytest.raises(CorruptFileError, match=r"lib\.so"):
        elf.read(whole[: min(length, 64 + 56 + 50)], where="lib.so")


@pytest.mark.parametrize("place", [32, 54, 56])
def test_a_header_that_points_outside_is_refused(place: int) -> None:
    data = bytearray(library())
    struct.pack_into("<H", data, place, 0xFFFF if place != 54 else 3)
    with pytest.raises(CorruptFileError):
        elf.read(bytes(data), where="lib.so")


def test_a_segment_outside_the_file_is_refused() -> None:
    data = bytearray(library())
    struct.pack_into("<Q", data, 64 + 8, 1 << 40)
    with pytest.raises(CorruptFileError, match="outside the file"):
        elf.read(bytes(data), where="lib.so")


def test_big_endian_is_refused() -> None:
    data = bytearray(library())
    data[5] = 2
    with pytest.raises(CorruptFileError, match="little-endian"):
        elf.read(bytes(data), where="lib.so")


@settings(deadline=2000)
@given(st.lists(st.tuples(st.integers(0, 175), st.integers(0, 255)), min_size=1, max_size=8))
def test_changed_bytes_give_segments_or_our_error(changes: list[tuple[int, int]]) -> None:
    data = bytearray(library())
    for place, value in changes:
        data[place] = value
    with contextlib.suppress(CorruptFileError):
        assert elf.read(bytes(data), where="lib.so").segments


@settings(deadline=2000)
@given(st.binary(max_size=300))
def test_any_bytes_behind_the_magic_are_survived(rest: bytes) -> None:
    with contextlib.suppress(CorruptFileError):
        assert elf.read(b"\x7fELF\x02\x01" + rest, where="lib.so").segments
