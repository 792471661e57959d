"""Somebody else's app with the library, made by the steps of docs/android.md word by word."""

import dataclasses
import io
import json
import re
import shlex
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from android import jvm, photos, robolectric
from unit.deploy.projects import write_project

from mobiledeploy.base import programs
from mobiledeploy.base.errors import BundleError
from mobiledeploy.deploy import aar, library
from mobiledeploy.deploy.toolchain import Toolchain

pytestmark = [pytest.mark.android, pytest.mark.timeout(900)]

PROGRAM = Path(sys.executable).with_name("mobiledeploy")
PAGE = (jvm.ROOT / "docs/android.md").read_text(encoding="utf-8")
SECTION = PAGE[PAGE.index("## In your own app") : PAGE.index("## The contract")]
SCHEMA = jvm.ROOT / "docs/schemas/bundle.schema.json"
SOURCES = Path(__file__).with_name("foreign")
MANIFEST = """<manifest xmlns:android="http://schemas.android.com/apk/res/android"
    package="com.example.foreign"><application android:label="Foreign" /></manifest>
"""


def blocks(language: str) -> list[str]:
    """Return the code of a language in the documentation, in its order."""
    return re.findall(rf"```{language}\n(.*?)```", SECTION, re.DOTALL)


@pytest.fixture(scope="module")
def project(
    digits: Path, toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """A project of somebody else after the documentation's commands, and what they printed."""
    del toolchain  # which the command finds downloaded
    here = tmp_path_factory.mktemp("foreign")
    (here / "build").symlink_to(digits)
    write_project(here / "mine", "kotlin")
    (commands,) = blocks("sh")
    said = ""
    for line in commands.replace("YOUR_PROJECT", "mine").splitlines():
        name, *words = shlex.split(line)
        assert name == "mobiledeploy"
        done = subprocess.run(
            [PROGRAM, *words], cwd=here, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        said += done.stdout
    return here / "mine", said


def test_the_lines_in_the_docs_are_those_that_the_command_prints(
    project: tuple[Path, str],
) -> None:
    _, said = project
    (script,) = [text for text in blocks("kotlin") if text.startswith("// app/build.gradle.kts")]
    printed = textwrap.dedent(said)
    for block in script.split("\n", 1)[1].split("\nandroid"):
        for line in block.splitlines():
            assert line.strip() in printed, line
    assert "com.google.ai.edge.litert:litert:1.4.2" in script
    assert "onnxruntime" not in said
    assert "not 2.x" in said


@pytest.fixture(scope="module")
def foreign(
    project: tuple[Path, str],
    compilers: jvm.Compilers,
    toolchain: Toolchain,
    runtimes: tuple[Path, ...],
    natives: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., robolectric.App]:
    """Compile the docs' Kotlin and the tests against the AAR; give the app some runtimes."""
    work = tmp_path_factory.mktemp("compiled")
    classes = work / "mobiledeploy.jar"
    packed = aar.read(project[0] / "app/libs/mobiledeploy.aar", abis=())
    classes.write_bytes(packed.classes)
    sources = []
    for text in blocks("kotlin"):
        name = text.partition("\n")[0].removeprefix("// ")
        if "/" not in name:
            sources.append(work / name)
            sources[-1].write_text(text, encoding="utf-8")
    assert [path.name for path in sources] == ["Photos.kt", "Frames.kt"]
    android = toolchain.jars("android-15")
    code = jvm.compiled(compilers, sources, [classes, *android])
    robolectric_jars = toolchain.jars("androidx-test-monitor", "robolectric", "junit")
    tests = jvm.compiled(
        compilers,
        jvm.sources(SOURCES),
        [code, classes, *runtimes, *robolectric_jars, *android],
    )
    manifest = work / "AndroidManifest.xml"
    manifest.write_text(MANIFEST)
    programs.run(
        toolchain.file("aapt2", "aapt2"), "link", "--manifest", manifest,
        "-o", work / "linked.apk", "-I", toolchain.file("aapt2", "android-framework.jar"),
        "--min-sdk-version", "24", "--target-sdk-version", "35",
        failed=BundleError, what="linking",
    )  # fmt: skip

    def app(*held: Path) -> robolectric.App:
        return robolectric.App(
            compilers=compilers,
            toolchain=toolchain,
            linked=work / "linked.apk",
            manifest=manifest,
            classes=(tests, code, classes, *held),
            natives=natives,
            package="com.example.foreign",
            tests=SOURCES,
        )

    return app


def test_the_foreign_app_says_what_python_says(
    foreign: Callable[..., robolectric.App],
    project: tuple[Path, str],
    runtimes: tuple[Path, ...],
    digits: Path,
    tmp_path: Path,
) -> None:
    held = tmp_path / "photos"
    held.mkdir()
    photos.write(held)
    photos.expect(digits, held)
    assets = project[0] / "app/src/main/assets"
    names = {path.name for path in (assets / "mobiledeploy").iterdir()}
    assert names == {"model.tflite", "labels.txt", "contract.json", "golden.npz"}
    (assets / "mobiledeploy/golden.npz").unlink()  # as by --no-golden
    foreign(*runtimes).run(["ForeignTest"], assets, work(tmp_path), {"photos": held})


def work(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


@pytest.mark.parametrize("runtime", ["ONNX Runtime", "none"])
def test_the_library_takes_the_runtime_that_the_app_holds(
    runtime: str,
    foreign: Callable[..., robolectric.App],
    toolchain: Toolchain,
    digits: Path,
    bundled: Callable[[Path], Path],
    tmp_path: Path,
) -> None:
    assets = tmp_path / "assets"
    for name in ("mobiledeploy", "tflite only"):
        (assets / name).mkdir(parents=True)
        for path in bundled(digits).iterdir():
            if name == "mobiledeploy" or path.name != "model.onnx":
                (assets / name / path.name).write_bytes(path.read_bytes())
    held = toolchain.jars("onnxruntime-desktop") if runtime == "ONNX Runtime" else ()
    foreign(*held).run(["RuntimesTest"], assets, work(tmp_path), {"runtimes": Path(runtime)})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """An AAR as the command made it."""

    path: Path
    told: dict[str, Any]


@pytest.fixture(scope="module")
def make(
    digits: Path, toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Made]:
    """Make an AAR by the command."""
    del toolchain
    folder = tmp_path_factory.mktemp("aar")

    def made(name: str, *options: str | Path) -> Made:
        out = folder / name
        done = subprocess.run(
            [PROGRAM, "bundle", *options, "--library", out, "--json", "--quiet"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        jsonschema.validate(told, json.loads(SCHEMA.read_text()))
        return Made(path=out, told=told)

    return made


def test_the_aar_holds_the_library_and_the_build_and_is_reproducible(
    make: Callable[..., Made], digits: Path, project: tuple[Path, str]
) -> None:
    made = make("a.aar", digits, "--engine", "onnx")
    with zipfile.ZipFile(made.path) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    carried = {"model.onnx", "labels.txt", "contract.json", "golden.npz"}
    packed = {f"assets/mobiledeploy/{name}" for name in carried}
    assert held.keys() == {
        "AndroidManifest.xml", "R.txt", "classes.jar", "proguard.txt", *packed
    }  # fmt: skip
    for name in carried:
        assert held[f"assets/mobiledeploy/{name}"] == (digits / name).read_bytes()
    assert {file["path"] for file in made.told["files"]} == carried
    manifest = held["AndroidManifest.xml"].decode()
    assert 'package="dev.mobiledeploy.android"' in manifest
    assert 'android:minSdkVersion="24"' in manifest
    assert manifest.count('tools:selector="ai.onnxruntime"') == 3
    assert b"ai.onnxruntime.TensorInfo {" in held["proguard.txt"]
    assert held["R.txt"] == b""
    with zipfile.ZipFile(io.BytesIO(held["classes.jar"])) as jar:
        names = jar.namelist()
        entry = jar.read(library.ENTRY.replace(".", "/") + ".class")
    assert entry[4:8] == b"\0\0\0\x37"  # Java 11
    assert {name for name in names if not name.startswith("dev/mobiledeploy/")} == {
        "META-INF/library.kotlin_module"
    }
    assert made.told["library"]["classes"] == len(names) - 1
    assert make("b.aar", digits, "--engine", "onnx").path.read_bytes() == made.path.read_bytes()
    bare = make("c.aar", "--no-assets")
    assert bare.told["files"] == []
    assert bare.path.read_bytes() == (project[0] / "app/libs/mobiledeploy.aar").read_bytes()
    with zipfile.ZipFile(bare.path) as archive:
        assert not [name for name in archive.namelist() if name.startswith("assets")]
