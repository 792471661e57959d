"""Options and fixtures shared by all tests."""

from collections.abc import Callable
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-goldens", action="store_true", help="rewrite tests/golden/*")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare text with `tests/golden/<name>`, or rewrite it with --update-goldens."""

    def check(name: str, actual: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("update_goldens"):
            path.write_text(actual)
        assert actual == path.read_text()

    return check
