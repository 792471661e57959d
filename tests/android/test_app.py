"""The app's own classes on the JVM: its Activity, its engines, real models."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from android import jvm, photos, robolectric

from mobiledeploy.deploy.toolchain import Toolchain

pytestmark = pytest.mark.android


@pytest.fixture(scope="session")
def app(
    compilers: jvm.Compilers,
    toolchain: Toolchain,
    core: Path,
    runtimes: tuple[Path, ...],
    natives: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> robolectric.App:
    """The compiled app, flavour `both`."""
    work = tmp_path_factory.mktemp("app")
    return robolectric.compile_app(compilers, toolchain, core, runtimes, natives, work)


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of photos of digits."""
    folder = tmp_path_factory.mktemp("photos")
    photos.write(folder)
    return folder


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "options",
    [
        ("--arch", "v2"),
        ("--arch", "v2", "--io", "uint8", "--head", "logits"),
        ("--arch", "v1", "--io", "float32"),
        ("--arch", "v2", "--float"),
    ],
    ids=" ".join,
)
def test_the_screen_says_what_python_says(
    options: tuple[str, ...],
    app: robolectric.App,
    built: Callable[..., Path],
    bundled: Callable[[Path], Path],
    drawn: Path,
    tmp_path: Path,
) -> None:
    """20 photos, two engines: labels, order and scores."""
    build = built(*options)
    folder = tmp_path / "photos"
    shutil.copytree(drawn, folder)
    photos.expect(build, folder)
    assets = bundled(build).parent
    (tmp_path / "work").mkdir()
    app.run(["ClassifyTest"], assets, tmp_path / "work", {"photos": folder})
