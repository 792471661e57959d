"""docs/architecture.md names every room, in the order in which they may import each other."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/architecture.md").read_text()


def test_the_table_has_the_rooms_in_the_order_of_their_imports() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers: list[str] = contracts["contracts"][0]["layers"]
    expected = [sorted(re.findall(r"mobiledeploy\.(\w+)", layer)) for layer in reversed(layers)]
    assert rows() == expected


def test_every_room_is_in_the_table() -> None:
    rooms = {path.parent.name for path in (ROOT / "mobiledeploy").glob("*/__init__.py")}
    assert rooms == {room for row in rows() for room in row}


def rows() -> list[list[str]]:
    """The rooms of each row of the table."""
    first = [line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `")]
    return [sorted(re.findall(r"`(\w+)/`", cell)) for cell in first]
