"""Shrinking is safe: the app's golden runner holds on the classes that R8 leaves.

R8 takes the APK's own rules, and writes class files for the JVM instead of DEX. What C code looks
up by name and the rules do not keep would end the JVM, as it would end the app.
"""

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from android import jvm
from android.proving import Prover

from mobiledeploy.deploy import aar, android_project, compile_app
from mobiledeploy.deploy import jdk as jdks
from mobiledeploy.deploy.toolchain import Toolchain

pytestmark = [pytest.mark.android, pytest.mark.timeout(900)]

MAIN = "-keep class dev.mobiledeploy.ci.ProveKt { public static void main(java.lang.String[]); }"
LIBRARIES = ("onnxruntime-android", "tflite-android", "tflite-api-android")


@pytest.fixture(scope="module")
def whole(
    prover: Prover, toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory
) -> list[Path]:
    """Jars of the program, the app's core and engines, the runtimes and Kotlin's library."""
    place = tmp_path_factory.mktemp("whole")
    return [
        path
        if path.suffix == ".jar"
        else compile_app.pack_classes(Path(shutil.copytree(path, place / path.name)))
        for path in dict.fromkeys((*prover.class_path, *toolchain.jars("kotlin-stdlib")))
    ]


@pytest.fixture(scope="module")
def shrunk(
    whole: list[Path], toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    work = tmp_path_factory.mktemp("shrunk")
    demo = android_project.read(jvm.DEMO)
    linked = compile_app.link_resources(demo, "both", work, toolchain)
    libraries = [aar.read(toolchain.file(part, ".aar"), abis=()) for part in LIBRARIES]
    main = work / "main.pro"
    main.write_text(MAIN)
    rules = compile_app.keep_rules(demo, linked, libraries, work)
    out = work / "shrunk.jar"
    compile_app.shrink(
        whole, out, rules=(*rules, main), min_sdk=None, jdk=jdks.installed(), toolchain=toolchain
    )
    return out


def classes(*jars: Path) -> list[str]:
    """Return the names of the class files in jars."""
    names = []
    for path in jars:
        with zipfile.ZipFile(path) as held:
            names += [name for name in held.namelist() if name.endswith(".class")]
    return names


def test_shrinking_removes_most_classes(whole: list[Path], shrunk: Path) -> None:
    assert 100 < len(classes(shrunk)) < len(classes(*whole)) / 5


def test_the_golden_runner_holds_on_the_shrunk_classes(
    prover: Prover,
    shrunk: Path,
    digits: Path,
    bundled: Callable[[Path], Path],
    tmp_path: Path,
) -> None:
    damaged = Path(shutil.copytree(bundled(digits), tmp_path / "damaged"))
    model = bytearray((damaged / "model.onnx").read_bytes())
    model[len(model) // 2] ^= 1
    (damaged / "model.onnx").write_bytes(model)

    small = Prover(class_path=(shrunk,), natives=prover.natives)
    sound, unsound = small([bundled(digits), damaged], tmp_path)
    assert sound.complaints() == ""
    for file in ("model.tflite", "model.onnx"):
        comparison = sound.engine(file)["comparison"]
        assert comparison["exact_logits"] == len(comparison["answers"]) > 0
    assert "model.onnx" in unsound.complaints()
