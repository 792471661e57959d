"""The app's own classes on the JVM: its Activity, its engines, real models."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
from android import broken, jvm, photos, robolectric, screens

from mobiledeploy.deploy.toolchain import Toolchain

pytestmark = pytest.mark.android

SCHEMA = jvm.ROOT / "docs/schemas/selftest.schema.json"


@pytest.fixture(scope="session")
def app(
    compilers: jvm.Compilers,
    toolchain: Toolchain,
    library: tuple[Path, ...],
    runtimes: tuple[Path, ...],
    natives: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> robolectric.App:
    """The compiled app, flavour `both`."""
    work = tmp_path_factory.mktemp("app")
    return robolectric.compile_app(compilers, toolchain, library, runtimes, natives, work)


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of photos of digits."""
    folder = tmp_path_factory.mktemp("photos")
    photos.write(folder)
    return folder


@pytest.fixture(scope="session")
def answers(digits: Path, drawn: Path) -> Path:
    """The photos of digits, with what Python says of them by the digits model."""
    photos.expect(digits, drawn)
    return drawn


@pytest.fixture(scope="session")
def assets(
    digits: Path, bundled: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Assets with the digits bundle, and broken ones beside it."""
    folder = tmp_path_factory.mktemp("assets")
    broken.bundles(bundled(digits), folder)
    return folder


@pytest.fixture(scope="session")
def properties(answers: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What the Kotlin tests look up: folders to read, places to write to."""
    folders = {name: tmp_path_factory.mktemp(name) for name in ("broken", "screens")}
    broken.photos(answers, folders["broken"])
    verdict = tmp_path_factory.mktemp("verdict") / "verdict.json"
    return {"photos": answers, "verdict": verdict, **folders}


@pytest.mark.timeout(600)
def test_the_apps_own_tests_pass(
    app: robolectric.App, assets: Path, properties: dict[str, Path], tmp_path: Path
) -> None:
    """Photos, problems, configurations, the self-test, and pictures of all of it."""
    tests = ["ClassifyTest", "ProblemsTest", "ConfigurationTest", "SelfTestTest", "ScreensTest"]
    app.run([*tests, "WholeFileTest"], assets, tmp_path, properties)


@pytest.mark.timeout(600)
def test_the_app_stands_hostile_apps_and_a_camera(
    app: robolectric.App, assets: Path, properties: dict[str, Path], tmp_path: Path
) -> None:
    """Other apps that hang or throw, the live picture, taken and shared photos."""
    tests = ["HostileTest", "PhotoFetchTest", "LiveTest", "GivenPhotosTest"]
    app.run(tests, assets, tmp_path, properties)


def test_the_screens_equal_the_golden_ones(
    request: pytest.FixtureRequest, properties: dict[str, Path]
) -> None:
    drawn = sorted(properties["screens"].glob("*.png"))
    assert len(drawn) == 20, "test_the_apps_own_tests_pass draws them"
    if request.config.getoption("update_goldens"):
        for path in drawn:
            shutil.copyfile(path, screens.GOLDEN / path.name)
    assert [path.name for path in drawn] == sorted(
        path.name for path in screens.GOLDEN.glob("*.png")
    )
    complaints = [screens.complaint(path, screens.GOLDEN / path.name) for path in drawn]
    assert not any(complaints), "\n".join(filter(None, complaints))


def test_instrumentation_writes_a_verdict_by_the_schema(properties: dict[str, Path]) -> None:
    verdict = json.loads(properties["verdict"].read_bytes())
    jsonschema.validate(verdict, json.loads(SCHEMA.read_bytes()))
    assert verdict["holds"]
    assert [engine["file"] for engine in verdict["engines"]] == ["model.tflite", "model.onnx"]
    assert all(engine["comparison"]["max_logits"] == 0 for engine in verdict["engines"])
    assert verdict["device"]["threads"] == "2"
    assert verdict["device"].keys() >= {"manufacturer", "model", "abi", "sdk", "page_size"}


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "options",
    [
        ("--arch", "v2", "--io", "uint8", "--head", "logits"),
        ("--arch", "v1", "--io", "float32"),
        ("--arch", "v2", "--float"),
    ],
    ids=" ".join,
)
def test_the_screen_shows_what_python_predicts(
    options: tuple[str, ...],
    app: robolectric.App,
    built: Callable[..., Path],
    bundled: Callable[[Path], Path],
    drawn: Path,
    tmp_path: Path,
) -> None:
    """20 photos, both engines, of other builds too: labels, order and scores."""
    build = built(*options)
    folder, work = tmp_path / "photos", tmp_path / "work"
    shutil.copytree(drawn, folder)
    photos.expect(build, folder)
    work.mkdir()
    app.run(["ClassifyTest"], bundled(build).parent, work, {"photos": folder})
