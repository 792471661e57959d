"""Which Android libraries can be read, and which of them may go into an APK."""

import io
import zipfile
from pathlib import Path

import pytest
from unit.deploy.elf_files import library

from mobiledeploy.base.errors import BundleError, CorruptFileError, RequestError
from mobiledeploy.deploy import aar, app_runtimes
from mobiledeploy.deploy.aar import Aar
from mobiledeploy.deploy.apk import ApkOptions
from mobiledeploy.deploy.toolchain import Toolchain

ARM = ("arm64-v8a",)
LITERT = ("Interpreter", "InterpreterApi", "Tensor")


def write_aar(
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


def empty_toolchain(folder: Path) -> Toolchain:
    return Toolchain(folder=folder, parts=())


def test_an_aar_is_read_with_the_libraries_for_the_chosen_processors(tmp_path: Path) -> None:
    both = {"arm64-v8a/liba.so": library(), "x86/liba.so": library("x86")}
    library_archive = aar.read(write_aar(tmp_path / "a.aar", libraries=both), abis=ARM)
    assert set(library_archive.libraries) == {("arm64-v8a", "liba.so")}
    assert library_archive.rules == b"-keep class a\n"
    assert library_archive.has("org.tensorflow.lite.Tensor")
    assert not library_archive.has("org.tensorflow.lite.Tense")


def test_an_aar_without_the_processor_is_refused(tmp_path: Path) -> None:
    path = write_aar(tmp_path / "a.aar", libraries={"x86/liba.so": library("x86")})
    with pytest.raises(BundleError, match="no native libraries for arm64-v8a") as caught:
        aar.read(path, abis=ARM)
    assert "it has them for x86" in str(caught.value.hint)


def test_a_zip_that_is_not_an_aar_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.aar", "w") as archive:
        archive.writestr("a", b"")
    with pytest.raises(BundleError, match=r"holds no classes\.jar"):
        aar.read(tmp_path / "a.aar", abis=ARM)
    with zipfile.ZipFile(tmp_path / "b.aar", "w") as archive:
        archive.writestr("classes.jar", b"no jar")
    with pytest.raises(CorruptFileError, match=r"classes\.jar is damaged"):
        aar.read(tmp_path / "b.aar", abis=ARM)


def test_the_two_aars_of_litert_together_are_one_runtime(tmp_path: Path) -> None:
    runtime = write_aar(
        tmp_path / "litert.aar",
        classes=("Interpreter",),
        libraries={"arm64-v8a/libtensorflowlite_jni.so": library()},
    )
    api = write_aar(tmp_path / "api.aar", classes=("InterpreterApi", "Tensor"))
    libraries = app_runtimes.libraries(
        "tflite", litert=(runtime, api), abis=ARM, toolchain=empty_toolchain(tmp_path)
    )
    assert [one.path for one in libraries] == [runtime, api]
    assert app_runtimes.page_size(libraries, allow_4kb=False) == 16384
    assert app_runtimes.parts("both", own_litert=True) == ("onnxruntime-android",)


@pytest.mark.parametrize(
    ("classes", "libraries", "message"),
    [
        (("Interpreter",), {"arm64-v8a/liba.so": library()}, "without the class .*InterpreterApi"),
        (
            ("InterpreterApi", "Tensor"),
            {"arm64-v8a/liba.so": library()},
            "without the class .*Interpreter",
        ),
        (LITERT, {}, "expected LiteRT's native library"),
    ],
)
def test_an_incomplete_litert_is_refused(
    tmp_path: Path, classes: tuple[str, ...], libraries: dict[str, bytes], message: str
) -> None:
    path = write_aar(tmp_path / "a.aar", classes=classes, libraries=libraries)
    with pytest.raises(BundleError, match=message):
        app_runtimes.libraries(
            "tflite", litert=(path,), abis=ARM, toolchain=empty_toolchain(tmp_path)
        )


def opened(tmp_path: Path, data: bytes) -> tuple[Aar, ...]:
    path = write_aar(tmp_path / "a.aar", libraries={"arm64-v8a/liba.so": data})
    return (aar.read(path, abis=ARM),)


def test_libraries_aligned_to_4_kb_are_refused_unless_allowed(tmp_path: Path) -> None:
    small = opened(tmp_path, library(alignments=(4096,)))
    with pytest.raises(BundleError, match=r"a\.aar: arm64-v8a/liba\.so .* 4,096") as caught:
        app_runtimes.page_size(small, allow_4kb=False)
    assert "--litert-aar" in str(caught.value.hint)
    assert app_runtimes.page_size(small, allow_4kb=True) == 4096


def test_allowing_4_kb_pages_allows_no_smaller_alignment_and_no_other_processor(
    tmp_path: Path,
) -> None:
    with pytest.raises(BundleError, match="another processor"):
        app_runtimes.page_size(opened(tmp_path, library("x86_64")), allow_4kb=True)
    with pytest.raises(BundleError, match="aligned for pages of 64 bytes"):
        app_runtimes.page_size(opened(tmp_path, library(alignments=(64,))), allow_4kb=True)


@pytest.mark.parametrize("abis", [(), ("mips",), ("x86", "x86")])
def test_an_empty_unknown_or_repeated_choice_of_processors_is_refused(
    abis: tuple[str, ...],
) -> None:
    with pytest.raises(RequestError, match="expected different ABIs"):
        ApkOptions(abis=abis)


def test_an_aar_of_litert_for_an_app_without_litert_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="--litert-aar"):
        ApkOptions(litert=(tmp_path / "a.aar",))
