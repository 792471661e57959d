"""An APK is judged by its worst library, which the message names."""

from pathlib import Path

import pytest
from unit.deploy.elves import library

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.deploy import pages, zips
from mobiledeploy.deploy.zips import NewEntry

SMALL = (4096, 4096)


def apk(path: Path, *entries: tuple[str, bytes, int | None]) -> Path:
    content = [NewEntry(name=name, data=data, alignment=step) for name, data, step in entries]
    zips.write(path / "a.apk", [NewEntry(name="first", data=b"x", alignment=4), *content])
    return path / "a.apk"


def test_aligned_libraries_at_whole_pages_pass(tmp_path: Path) -> None:
    path = apk(
        tmp_path,
        ("lib/arm64-v8a/liba.so", library(), 16384),
        ("lib/x86_64/liba.so", library("x86_64"), 16384),
    )
    assert pages.problems(path) == ()


def test_the_library_of_4_kb_is_named(tmp_path: Path) -> None:
    path = apk(
        tmp_path,
        ("lib/arm64-v8a/liba.so", library(), 16384),
        ("lib/arm64-v8a/libb.so", library(alignments=(16384, 4096)), 16384),
    )
    assert pages.problems(path) == (
        "lib/arm64-v8a/libb.so is aligned for pages of 4,096 bytes, expected 16,384",
    )
    assert pages.problems(path, page=4096) == ()


def test_a_stored_library_off_a_page_is_named_with_its_place(tmp_path: Path) -> None:
    path = apk(tmp_path, ("lib/arm64-v8a/liba.so", library(), 4))
    (problem,) = pages.problems(path)
    assert problem.startswith("lib/arm64-v8a/liba.so begins at byte ")
    assert problem.endswith("no multiple of 16,384")


def test_a_compressed_library_is_unpacked_and_may_begin_anywhere(tmp_path: Path) -> None:
    path = apk(tmp_path, ("lib/arm64-v8a/liba.so", library(), None))
    assert pages.problems(path) == ()


def test_phones_of_32_bits_have_small_pages(tmp_path: Path) -> None:
    data = library("armeabi-v7a", alignments=SMALL)
    assert pages.problems(apk(tmp_path, ("lib/armeabi-v7a/liba.so", data, 4096))) == ()


@pytest.mark.parametrize("abi", ["arm64-v8a", "armeabi-v7a", "x86"])
def test_a_library_for_another_processor_is_named(tmp_path: Path, abi: str) -> None:
    path = apk(tmp_path, (f"lib/{abi}/liba.so", library("x86_64"), 16384))
    assert pages.problems(path) == (
        f"lib/{abi}/liba.so is a library for another processor than {abi}",
    )


def test_an_unknown_abi_is_named(tmp_path: Path) -> None:
    (problem,) = pages.problems(apk(tmp_path, ("lib/mips/liba.so", library(), 16384)))
    assert "ABI that Android does not have" in problem


@pytest.mark.parametrize("name", ["lib/arm64-v8a/liba.so", "lib/x"])
def test_what_is_no_library_is_refused(tmp_path: Path, name: str) -> None:
    path = apk(tmp_path, (name, b"text", 16384))
    if name.count("/") == 2:
        with pytest.raises(CorruptFileError, match="no ELF"):
            pages.problems(path)
    else:
        assert len(pages.problems(path)) == 1
