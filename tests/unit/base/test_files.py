"""Files are written whole or not at all."""

import errno
import os
from pathlib import Path

import pytest

from mobiledeploy.base import files
from mobiledeploy.base.errors import StorageError


def test_a_written_file_holds_the_bytes_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    files.write_atomic(tmp_path / "deep" / "a.bin", b"one")
    files.write_atomic(tmp_path / "deep" / "a.bin", b"two")
    assert (tmp_path / "deep" / "a.bin").read_bytes() == b"two"
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["a.bin"]


def test_on_a_full_disk_the_old_file_stays_and_an_error_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="no space left") as caught:
        files.write_atomic(path, b"new")
    assert caught.value.hint
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.bin"]


def test_a_path_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StorageError, match="cannot write"):
        files.write_atomic(tmp_path / "file" / "a.bin", b"x")


def test_too_little_room_on_the_disk_is_refused(tmp_path: Path) -> None:
    files.check_room(tmp_path, 1)
    with pytest.raises(
        StorageError, match=r"expected 1000000000000\.0 GB, received [\d.]+ GB"
    ) as no:
        files.check_room(tmp_path, 10**21)
    assert no.value.hint


def test_only_paths_inside_the_folder_are_accepted(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    (folder / "deep").mkdir(parents=True)
    (folder / "link").symlink_to("deep")
    (folder / "out").symlink_to(tmp_path)
    (folder / "circle").symlink_to("circle")
    assert files.path_inside(folder, "a.bin") == folder.resolve() / "a.bin"
    assert files.path_inside(folder, "link/./a.bin") == folder.resolve() / "deep" / "a.bin"
    outside = ("", ".", "..", "deep/../../x", "/etc/passwd", "C:\\x", "a\\b", "a\0b", "out/x")
    for name in (*outside, "circle", "circle/x", "x" * 300, "x/" * 3000):
        assert files.path_inside(folder, name) is None, name
