"""Options and fixtures shared by all tests."""

import http.server
import importlib
import threading
from collections.abc import Callable, Generator, Iterator
from functools import cache, partial
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from _pytest.doctest import DoctestModule

# How long an example takes says nothing on a busy machine.
hypothesis.settings.register_profile("any time", deadline=None)
hypothesis.settings.load_profile("any time")

GOLDEN = Path(__file__).parent / "golden"
UNIT = Path(__file__).parent / "unit"
LONGER = (
    "base/test_child_process.py",
    "compare",
    "emulation",
    "pipeline",
    "prediction",
    "report",
    "runtimes",
    "targets/test_same_function.py",
    "training",
    "verify",
)
"""Tests that train networks, run models from end to end or wait for other processes."""
LONGER_MARKS = {"slow", "tensorflow", "android", "browser", "qemu", "clients"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-goldens", action="store_true", help="rewrite tests/golden/*")


@pytest.hookimpl(wrapper=True)
def pytest_collect_file() -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
    """Look for doctests in the package only: there are none in tests."""
    return [collector for collector in (yield) if not isinstance(collector, DoctestModule)]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as `quick` what can be run before each commit: `pytest tests/unit -m quick`."""

    @cache
    def quick(path: Path) -> bool:
        longer = any(path.is_relative_to(UNIT / place) for place in LONGER)
        return path.is_relative_to(UNIT) and not longer

    for item in items:
        marks = {mark.name for mark in item.iter_markers()}
        if quick(item.path) and not marks & LONGER_MARKS:
            item.add_marker(pytest.mark.quick)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare text with `tests/golden/<name>`, or rewrite it with --update-goldens."""

    def check(name: str, actual: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("update_goldens"):
            path.write_text(actual)
        assert actual == path.read_text()

    return check


@pytest.fixture
def without_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read files in this process: a child process for each takes 0.3 s, most of it for imports."""
    from mobiledeploy.base import child_process

    def here(module: str, function: str, argument: str, *, seconds: float = 60) -> bytes:
        result: bytes = getattr(importlib.import_module(module), function)(argument)
        return result

    monkeypatch.setattr(child_process, "call", here)


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small photos, two classes of 20: a disc or a bar, anywhere, on noise."""
    from PIL import Image, ImageDraw

    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for name in ("bar", "disc"):
        (folder / name).mkdir()
        for i in range(20):
            height, width = (int(side) for side in rng.integers(60, 120, 2))
            noise = rng.integers(0, 90, (height, width, 3)).astype(np.uint8)
            image = Image.fromarray(noise)
            draw = ImageDraw.Draw(image)
            x, y = (int(place) for place in rng.integers(10, 30, 2))
            colour = tuple(int(value) for value in rng.integers(150, 256, 3))
            if name == "disc":
                draw.ellipse((x, y, x + 24, y + 24), fill=colour)
            else:
                draw.rectangle((x, y, x + 6, y + 28), fill=colour)
            image.save(folder / name / f"{i}.jpg", quality=90)
    return folder


@pytest.fixture
def file_server(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the URL under which a local server offers it."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    folder = tmp_path / "served"
    folder.mkdir()
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=str(folder))
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()
