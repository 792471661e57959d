"""Files of a build are read only if the manifest lists them and their size is plausible."""

import os
from pathlib import Path

import pytest

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.spec import contract, defaults, manifest
from mobiledeploy.spec.manifest import Manifest
from mobiledeploy.spec.results import File

NAMES = ("contract.json", "labels.txt", "model.onnx")


@pytest.fixture
def build(tmp_path: Path) -> Path:
    for name in NAMES:
        (tmp_path / name).write_text(name, encoding="utf-8")
    sign(tmp_path, NAMES)
    return tmp_path


def sign(folder: Path, names: tuple[str, ...]) -> None:
    listed = tuple(File.of(folder, folder / name) for name in names)
    written = Manifest(versions={}, config=defaults.decide(), data_digest="", files=listed)
    manifest.write(folder, written)


def test_a_file_that_the_manifest_does_not_name_is_not_read(build: Path) -> None:
    manifest.read(build, holding=NAMES)
    sign(build, NAMES[1:])
    (build / NAMES[0]).unlink()
    (build / NAMES[0]).symlink_to(os.devnull)  # reading it could never end
    manifest.read(build)
    with pytest.raises(CorruptFileError, match=r"holds no contract\.json") as caught:
        manifest.read(build, holding=NAMES)
    assert caught.value.hint


@pytest.mark.parametrize("name", [*NAMES[:2], manifest.NAME])
def test_a_text_file_of_gigabytes_is_not_read(build: Path, name: str) -> None:
    with (build / name).open("ab") as file:
        file.truncate(manifest.MOST_TEXT + 1)
    if name != manifest.NAME:
        sign(build, NAMES)
    with pytest.raises(CorruptFileError, match=f"{name}: expected at most 16,777,216 bytes"):
        manifest.read(build)


@pytest.mark.parametrize("path", ["x" * 300, "a\0b"])
def test_a_path_that_no_file_system_accepts_is_refused(build: Path, path: str) -> None:
    evil = File(path=path, size=0, sha256="")
    with pytest.raises(CorruptFileError, match="not a path inside"):
        evil.check(build)


def test_labels_that_are_not_utf_8_are_a_damaged_file(build: Path) -> None:
    (build / "labels.txt").write_bytes("Löwe\n".encode("latin-1"))
    with pytest.raises(CorruptFileError, match=r"labels\.txt: expected text in UTF-8.*0xf6 at 1"):
        contract.class_names(build)
