"""All files of a build go into an app, or none."""

import os
from pathlib import Path

import numpy as np
import pytest
from unit.deploy.projects import minimal, write_project

from mobiledeploy.base import codec
from mobiledeploy.base.errors import (
    BundleError,
    CorruptFileError,
    ParityError,
    RequestError,
    StorageError,
)
from mobiledeploy.deploy.bundle import CARRIED, Contents, bundle
from mobiledeploy.spec import defaults, manifest
from mobiledeploy.spec.contract import Contract, ContractTensor, Int8Grid, Tolerance
from mobiledeploy.spec.manifest import Manifest
from mobiledeploy.spec.results import File

LABELS = ("cat", "dog", "großer Hund")


def finish(build: Path, labels: tuple[str, ...] = LABELS, *, constant: bool = False) -> None:
    """Write a build folder whose models are placeholders: bundling only copies them."""
    build.mkdir(exist_ok=True)
    for name in ("model.tflite", "model.onnx"):
        (build / name).write_bytes(name.encode())
    logits = np.array([[1, 2, 3], [3, 2, 1]], np.int8)
    np.savez(
        build / "golden.npz",
        names=np.array(["a", "b"]),
        pixels=np.zeros((2, 32, 32, 3), np.uint8),
        logits=np.zeros_like(logits) if constant else logits,
        scores=logits,
    )
    (build / "labels.txt").write_text("".join(f"{label}\n" for label in labels), encoding="utf-8")
    config = defaults.decide()
    grid = Int8Grid(scale=1 / 128, zero_point=0)
    contract = Contract(
        name="tiny",
        classes=len(LABELS),
        head="logits",
        preprocessing=config.preprocessing,
        resize_check="0" * 64,
        input=ContractTensor(dtype="int8", shape=(1, 32, 32, 3), grid=grid),
        output=ContractTensor(dtype="int8", shape=(1, 3), grid=grid),
        logits=grid,
        tolerance=Tolerance(),
        files=tuple(File.of(build, build / name) for name in ("model.tflite", "model.onnx")),
        labels=File.of(build, build / "labels.txt"),
        taps=(),
    )
    (build / "contract.json").write_bytes(codec.to_json(contract))
    sign(build)


def sign(build: Path) -> None:
    """Write a manifest of the files in the folder."""
    config = defaults.decide()
    files = tuple(File.of(build, build / name) for name in sorted(CARRIED))
    manifest.write(build, Manifest(versions={}, config=config, data_digest="", files=files))


@pytest.fixture
def build(tmp_path: Path) -> Path:
    finish(tmp_path / "build")
    return tmp_path / "build"


@pytest.fixture
def app(tmp_path: Path) -> Path:
    return minimal(tmp_path / "demo")


def assets(app: Path) -> Path:
    return app / "app" / "src" / "main" / "assets" / "mobiledeploy"


def test_the_assets_are_the_builds_files(build: Path, app: Path) -> None:
    result = bundle(build, app)
    assert {f.path for f in result.files} == set(CARRIED)
    for name in CARRIED:
        assert (assets(app) / name).read_bytes() == (build / name).read_bytes()


@pytest.mark.parametrize(
    ("contents", "left_out"),
    [
        (Contents(engine="onnx"), {"model.tflite"}),
        (Contents(engine="tflite"), {"model.onnx"}),
        (Contents(golden=False), {"golden.npz"}),
        (Contents(engine="onnx", golden=False), {"model.tflite", "golden.npz"}),
    ],
)
def test_what_an_app_does_not_need_is_left_out_and_removed(
    contents: Contents, left_out: set[str], build: Path, app: Path
) -> None:
    bundle(build, app)
    result = bundle(build, app, contents=contents)
    assert {file.path for file in result.files} == set(CARRIED) - left_out
    assert {path.name for path in assets(app).iterdir()} == set(CARRIED) - left_out


def test_an_apk_without_its_model_is_refused_before_any_work(build: Path, app: Path) -> None:
    with pytest.raises(RequestError, match="engine `onnx` needs its model"):
        bundle(build, app, contents=Contents(engine="tflite"), apk=app / "a.apk")
    assert not assets(app).exists()


@pytest.mark.parametrize("name", ["flutter", "react native", "nested"])
def test_other_projects_get_the_files_where_they_look_for_them(
    name: str, build: Path, tmp_path: Path
) -> None:
    project = write_project(tmp_path / "mine", name)
    result = bundle(build, project)
    places = {
        "flutter": "assets/mobiledeploy",
        "react native": "android/app/src/main/assets/mobiledeploy",
        "nested": "apps/phone/src/main/assets/mobiledeploy",
    }
    assert Path(result.folder) == project / places[name]
    assert {path.name for path in (project / places[name]).iterdir()} == set(CARRIED)
    assert result.project is not None
    assert result.project.additions


def test_bundling_again_replaces_the_assets_and_leaves_no_other_files(
    build: Path, app: Path
) -> None:
    bundle(build, app)
    (assets(app) / "old.bin").write_bytes(b"of an earlier version")
    bundle(build, app)
    assert {p.name for p in assets(app).iterdir()} == set(CARRIED)
    assert [p.name for p in assets(app).parent.iterdir()] == ["mobiledeploy"]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (("cat", "dog"), "2 labels.*3 classes"),
        (("cat", "dog", "cat"), "twice"),
        (("cat", " ", "dog"), "empty label in line 2"),
    ],
)
def test_labels_that_do_not_fit_are_refused_and_the_app_is_untouched(
    build: Path, app: Path, labels: tuple[str, ...], message: str
) -> None:
    finish(build, labels)
    with pytest.raises(BundleError, match=message):
        bundle(build, app)
    assert not assets(app).exists()


def test_labels_in_another_order_than_the_contracts_are_refused(build: Path, app: Path) -> None:
    (build / "labels.txt").write_text("dog\ncat\ngroßer Hund\n", encoding="utf-8")
    sign(build)
    with pytest.raises(CorruptFileError, match=r"labels\.txt is not the file that was built"):
        bundle(build, app)
    assert not assets(app).exists()


def test_golden_vectors_that_do_not_vary_are_refused(build: Path, app: Path) -> None:
    finish(build, constant=True)
    with pytest.raises(ParityError, match="would prove nothing"):
        bundle(build, app)
    assert not assets(app).exists()


@pytest.mark.parametrize("name", CARRIED)
def test_a_changed_file_is_refused_by_name(build: Path, app: Path, name: str) -> None:
    path = build / name
    path.write_bytes(path.read_bytes()[::-1])
    with pytest.raises(CorruptFileError, match=name):
        bundle(build, app)
    assert not assets(app).exists()


def test_a_folder_without_a_build_is_refused(tmp_path: Path, app: Path) -> None:
    with pytest.raises(CorruptFileError, match="no finished build") as caught:
        bundle(tmp_path, app)
    for command in ("quantize", "build", "convert"):
        assert f"`mobiledeploy {command}`" in str(caught.value.hint)


def test_a_folder_that_is_not_an_android_project_is_refused(build: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="is not an Android project"):
        bundle(build, tmp_path)
    with pytest.raises(BundleError, match="does not exist"):
        bundle(build, tmp_path / "elsewhere")


def test_a_failure_in_the_middle_keeps_the_earlier_assets(
    build: Path, app: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle(build, app)
    before = {p.name: p.read_bytes() for p in assets(app).iterdir()}
    (build / "golden.npz").write_bytes(b"new vectors")
    finish(build)

    def full(_: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError):
        bundle(build, app)
    assert {p.name: p.read_bytes() for p in assets(app).iterdir()} == before


@pytest.mark.parametrize("path", ["../outside", "/etc/passwd", "a/../../b", "..\\b", ""])
def test_a_manifest_cannot_name_files_outside_the_build(build: Path, app: Path, path: str) -> None:
    earlier = manifest.read(build)
    evil = File(path=path, size=1, sha256="0" * 64)
    manifest.write(
        build,
        Manifest(versions={}, config=earlier.config, data_digest="", files=(*earlier.files, evil)),
    )
    with pytest.raises(CorruptFileError, match="not a path inside"):
        bundle(build, app)


@pytest.mark.parametrize("content", [b"my notes", b"PK\x03\x04 cut off"])
def test_a_file_that_is_no_apk_is_not_overwritten_by_one(
    build: Path, app: Path, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "mine.txt").write_bytes(content)
    with pytest.raises(RequestError, match="exists and is no APK") as caught:
        bundle(build, app, apk=tmp_path / "mine.txt")
    assert caught.value.hint
    assert (tmp_path / "mine.txt").read_bytes() == content
    assert not assets(app).exists()
