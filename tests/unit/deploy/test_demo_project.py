"""A new project is the whole template, or nothing; what is there is never overwritten."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from unit.deploy.projects import DEMO
from unit.deploy.test_bundle import assets, finish

from mobiledeploy.base.errors import CorruptFileError, RequestError, StorageError
from mobiledeploy.deploy import android_project, demo_project
from mobiledeploy.deploy.bundle import CARRIED, bundle, new_project


@pytest.fixture
def build(tmp_path: Path) -> Path:
    finish(tmp_path / "build")
    return tmp_path / "build"


def held(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def test_the_template_is_what_git_holds_without_tests_and_their_tools() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=DEMO, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listed.returncode:
        pytest.skip("no git checkout")
    tests = ("ci/", "app/src/test/", "library/src/test/")
    assert set(demo_project.files()) == {
        name for name in listed.stdout.splitlines() if not name.startswith(tests)
    }


def test_a_new_project_is_read_by_the_apk_build_and_holds_the_build(
    build: Path, tmp_path: Path
) -> None:
    result = new_project(tmp_path / "made/mine", build)
    mine = tmp_path / "made/mine"
    carried = {f"{(assets(mine) / name).relative_to(mine).as_posix()}" for name in CARRIED}
    assert held(mine) == set(demo_project.files()) | carried
    assert {file.path for file in result.files} == set(CARRIED)
    assert android_project.read(mine).application_id == "dev.mobiledeploy.demo"
    assert [path.name for path in mine.parent.iterdir()] == ["mine"]
    assert (mine / "README.md").stat().st_mode & 0o200
    assert mine.stat().st_mode & 0o777 == 0o755
    bundle(build, mine)


def test_its_pages_have_no_links_that_lead_out_of_it(tmp_path: Path) -> None:
    new_project(tmp_path / "mine", None)
    text = (tmp_path / "mine/README.md").read_text(encoding="utf-8")
    assert "](../" in (DEMO / "README.md").read_text(encoding="utf-8")
    assert "](../" not in text
    assert "docs/apk.md" in text


def test_a_project_without_a_build_has_no_assets(tmp_path: Path) -> None:
    assert new_project(tmp_path / "mine", None).files == ()
    assert not assets(tmp_path / "mine").exists()


@pytest.mark.parametrize("name", ["build/x", "app/build/y", ".gradle/z", "local.properties"])
def test_what_gradle_and_android_studio_write_is_left_out(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shutil.copytree(DEMO, tmp_path / "android_demo")
    (copy / name).parent.mkdir(parents=True, exist_ok=True)
    (copy / name).touch()
    monkeypatch.setattr(demo_project, "folder", lambda: copy)
    assert name not in demo_project.files()
    assert "app/build.gradle.kts" in demo_project.files()


def test_an_empty_folder_is_filled_and_anything_else_refused(build: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert new_project(tmp_path / "empty", build).files
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine.txt").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name, message in (
        ("full", "is not empty"),
        ("full/mine.txt", "which exists"),
        ("link", "which exists"),
        ("empty", "is not empty"),
    ):
        with pytest.raises(RequestError, match=message) as caught:
            new_project(tmp_path / name, build)
        assert "--new" in str(caught.value.hint)
    assert held(tmp_path / "full") == {"mine.txt"}


def test_the_current_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(RequestError, match="received the current one"):
        new_project(".", None)


def test_a_damaged_build_or_a_full_disk_leaves_nothing(
    build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(StorageError):
            new_project(tmp_path / "mine", build)
    (build / "model.onnx").write_bytes(b"another")
    with pytest.raises(CorruptFileError, match=r"model\.onnx"):
        new_project(tmp_path / "mine", build)
    assert [path.name for path in tmp_path.iterdir()] == ["build"]
