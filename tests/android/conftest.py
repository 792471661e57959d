"""What the Android tests share: compilers, compiled modules, native libraries and builds."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from android import jvm, pictures
from android.proving import SOURCES, Prover
from unit.deploy.projects import minimal

from mobiledeploy.deploy import toolchain as tools
from mobiledeploy.deploy.bundle import bundle
from mobiledeploy.deploy.toolchain import Toolchain

PROGRAM = Path(sys.executable).with_name("mobiledeploy")


@pytest.fixture(scope="session")
def toolchain() -> Toolchain:
    """All downloads; they stay in the user's cache folder."""
    return tools.fetch("app-tests")


@pytest.fixture(scope="session")
def compilers(toolchain: Toolchain, request: pytest.FixtureRequest) -> jvm.Compilers:
    """The compilers, with a cache that outlives the session."""
    return jvm.Compilers(
        kotlin=toolchain.jars("kotlin", "kotlin-stdlib"),
        stdlib=toolchain.file("kotlin-stdlib", "kotlin-stdlib-2.4.21.jar"),
        cache=request.config.cache.mkdir("jvm-classes"),
    )


@pytest.fixture(scope="session")
def junit(toolchain: Toolchain) -> tuple[Path, ...]:
    """JUnit 4 and Hamcrest."""
    return toolchain.jars("junit")


LIBRARY = jvm.DEMO / "library/src/main/kotlin/dev/mobiledeploy"


@pytest.fixture(scope="session")
def core(compilers: jvm.Compilers) -> Path:
    """The classes of the library's package `core`, which needs nothing but Kotlin."""
    return jvm.compiled(compilers, jvm.sources(LIBRARY / "core"), ())


@pytest.fixture(scope="session")
def runtimes(toolchain: Toolchain) -> tuple[Path, ...]:
    """The runtimes' Java classes: ONNX Runtime's for desktops, TensorFlow Lite's of the AAR."""
    return toolchain.jars("onnxruntime-desktop", "tflite-android", "tflite-api-android")


@pytest.fixture(scope="session")
def engines(compilers: jvm.Compilers, core: Path, runtimes: tuple[Path, ...]) -> Path:
    """The classes of the library's two engines."""
    return jvm.compiled(compilers, jvm.sources(LIBRARY / "engines"), [core, *runtimes])


@pytest.fixture(scope="session")
def library(
    compilers: jvm.Compilers, toolchain: Toolchain, core: Path, engines: Path
) -> tuple[Path, ...]:
    """The classes of the whole library: its adapters to Android, its engines and `core`."""
    android = toolchain.jars("android-15")
    adapters = jvm.compiled(compilers, jvm.sources(LIBRARY / "android"), [core, engines, *android])
    return (adapters, engines, core)


@pytest.fixture(scope="session")
def natives(toolchain: Toolchain, request: pytest.FixtureRequest) -> Path:
    """A folder for `java.library.path`: the shim, and the TensorFlow Lite that it calls."""
    library = toolchain.file("tflite-desktop", "libjnitensorflowlite.so")
    return jvm.shared_library(
        "libtensorflowlite_jni.so",
        jvm.DEMO / "ci/tflite_jni",
        library,
        cache=request.config.cache.mkdir("jvm-natives"),
    )


@pytest.fixture(scope="session")
def prover(
    compilers: jvm.Compilers,
    core: Path,
    engines: Path,
    runtimes: tuple[Path, ...],
    natives: Path,
) -> Prover:
    """The app's core and engines as a program that judges bundles."""
    parts = [engines, core, *runtimes]
    program = jvm.compiled(compilers, jvm.sources(SOURCES), parts)
    return Prover(class_path=(program, *parts, compilers.stdlib), natives=natives)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Build with the given options, once a session: `built("--arch", "v2")`. Do not change it.

    Builds that differ only in what the files take, give and end in are trained once.
    """
    folders: dict[tuple[str, ...], Path] = {}

    def build(*options: str) -> Path:
        if options not in folders:
            folder = tmp_path_factory.mktemp("built") / "build"
            trained = _trained(options)
            if trained != options:
                shutil.copytree(build(*trained), folder)
            done = subprocess.run(
                [PROGRAM, "build", *options, "--threads", "2", "--out", folder],
                capture_output=True,
                text=True,
                check=False,
                timeout=550,
            )
            assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
            folders[options] = folder
        return folders[options]

    return build


def _trained(options: tuple[str, ...]) -> tuple[str, ...]:
    """Return the options that training depends on; the others come as name and value."""
    kept: list[str] = []
    rest = list(options)
    while rest:
        option = rest.pop(0)
        if option in {"--io", "--head"}:
            rest.pop(0)
        elif option != "--float":
            kept.append(option)
    return tuple(kept)


@pytest.fixture(scope="session")
def digits(built: Callable[..., Path]) -> Path:
    """A build on the handwritten digits that the README describes: V2, int8."""
    return built("--arch", "v2")


@pytest.fixture(scope="session")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Bundle a build into an empty project; return the folder of assets. Copy to change it."""
    folders: dict[Path, Path] = {}

    def assets(build: Path) -> Path:
        if build not in folders:
            project = minimal(tmp_path_factory.mktemp("project"))
            folders[build] = Path(bundle(build, project).folder)
        return folders[build]

    return assets


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], tuple[str, ...]]:
    """Options that train on coloured photos of a size, just enough for outputs to vary."""
    folders: dict[int, Path] = {}

    def options(side: int) -> tuple[str, ...]:
        if side not in folders:
            folders[side] = tmp_path_factory.mktemp("training") / "photos"
            pictures.write_classes(folders[side], each=12, side=side)
        data = ("--data", str(folders[side]), "--image-size", str(side), "--weights", "none")
        return (*data, "--epochs", "8", "--batch-size", "8", "--qat-steps", "0")

    return options
