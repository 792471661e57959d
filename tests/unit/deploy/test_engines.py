"""Which libraries may go into an APK."""

import io
import zipfile
from pathlib import Path

import pytest
from unit.deploy.elves import library

from mobiledeploy.base.errors import BundleError, CorruptFileError, RequestError
from mobiledeploy.deploy import aar, engines
from mobiledeploy.deploy.aar import Aar
from mobiledeploy.deploy.apk import Options
from mobiledeploy.deploy.toolchain import Toolchain

ARM = ("arm64-v8a",)
LITERT = ("Interpreter", "InterpreterApi", "Tensor")


def written(
    path: Path, *, classes: tuple[str, ...] = LITERT, libraries: dict[str, bytes] | None = None
) -> Path:
    """Write an AAR with empty classes of TensorFlow Lite's names."""
    jar = io.BytesIO()
    with zipfile.ZipFile(jar, "w") as archive:
        for name in classes:
            archive.writestr(f"org/tensorflow/lite/{name}.class", b"")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("classes.jar", jar.getvalue())
        archive.writestr("proguard.txt", "-keep class a\n")
        for place, data in (libraries or {}).items():
            archive.writestr(f"jni/{place}", data)
    return path


def nothing(folder: Path) -> Toolchain:
    return Toolchain(folder=folder, parts=())


def test_an_aar_gives_what_an_app_needs_for_its_processors(tmp_path: Path) -> None:
    both = {"arm64-v8a/liba.so": library(), "x86/liba.so": library("x86")}
    found = aar.read(written(tmp_path / "a.aar", libraries=both), abis=ARM)
    assert set(found.libraries) == {("arm64-v8a", "liba.so")}
    assert found.rules == b"-keep class a\n"
    assert found.has("org.tensorflow.lite.Tensor")
    assert not found.has("org.tensorflow.lite.Tense")


def test_an_aar_without_the_processor_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.aar", libraries={"x86/liba.so": library("x86")})
    with pytest.raises(BundleError, match="no native libraries for arm64-v8a") as caught:
        aar.read(path, abis=ARM)
    assert "it has them for x86" in str(caught.value.hint)


def test_what_is_no_aar_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.aar", "w") as archive:
        archive.writestr("a", b"")
    with pytest.raises(BundleError, match=r"holds no classes\.jar"):
        aar.read(tmp_path / "a.aar", abis=ARM)
    with zipfile.ZipFile(tmp_path / "b.aar", "w") as archive:
        archive.writestr("classes.jar", b"no jar")
    with pytest.raises(CorruptFileError, match=r"classes\.jar is damaged"):
        aar.read(tmp_path / "b.aar", abis=ARM)


def test_the_two_aars_of_litert_are_taken_together(tmp_path: Path) -> None:
    runtime = written(
        tmp_path / "litert.aar",
        classes=("Interpreter",),
        libraries={"arm64-v8a/libtensorflowlite_jni.so": library()},
    )
    api = written(tmp_path / "api.aar", classes=("InterpreterApi", "Tensor"))
    found = engines.libraries(
        "tflite", litert=(runtime, api), abis=ARM, toolchain=nothing(tmp_path)
    )
    assert [one.path for one in found] == [runtime, api]
    assert engines.page_size(found, allow_4kb=False) == 16384
    assert engines.parts("both", own_litert=True) == ("onnxruntime-android",)


@pytest.mark.parametrize(
    ("classes", "libraries", "message"),
    [
        (("Interpreter",), {"arm64-v8a/liba.so": library()}, "no class .*InterpreterApi"),
        (("InterpreterApi", "Tensor"), {"arm64-v8a/liba.so": library()}, "no class .*Interpreter"),
        (LITERT, {}, "no native library"),
    ],
)
def test_what_is_not_all_of_litert_is_refused(
    tmp_path: Path, classes: tuple[str, ...], libraries: dict[str, bytes], message: str
) -> None:
    path = written(tmp_path / "a.aar", classes=classes, libraries=libraries)
    with pytest.raises(BundleError, match=message):
        engines.libraries("tflite", litert=(path,), abis=ARM, toolchain=nothing(tmp_path))


def opened(tmp_path: Path, data: bytes) -> tuple[Aar, ...]:
    path = written(tmp_path / "a.aar", libraries={"arm64-v8a/liba.so": data})
    return (aar.read(path, abis=ARM),)


def test_4_kb_pages_need_leave_and_are_told(tmp_path: Path) -> None:
    small = opened(tmp_path, library(alignments=(4096,)))
    with pytest.raises(BundleError, match=r"a\.aar: arm64-v8a/liba\.so .* 4,096") as caught:
        engines.page_size(small, allow_4kb=False)
    assert "--litert-aar" in str(caught.value.hint)
    assert engines.page_size(small, allow_4kb=True) == 4096


def test_leave_for_4_kb_pages_is_no_leave_for_worse(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="another processor"):
        engines.page_size(opened(tmp_path, library("x86_64")), allow_4kb=True)
    with pytest.raises(BundleError, match="aligned for pages of 64 bytes"):
        engines.page_size(opened(tmp_path, library(alignments=(64,))), allow_4kb=True)


@pytest.mark.parametrize("abis", [(), ("mips",), ("x86", "x86")])
def test_impossible_processors_are_refused(abis: tuple[str, ...]) -> None:
    with pytest.raises(RequestError, match="expected different ABIs"):
        Options(abis=abis)


def test_litert_without_a_use_for_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="--litert-aar"):
        Options(litert=(tmp_path / "a.aar",))
