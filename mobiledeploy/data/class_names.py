"""Names of classes: from files of labels, and which of them are meant to be the same."""

import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mobiledeploy.base.errors import CorruptFileError

MOST_BYTES: Final = 1 << 24
"""Largest file of labels that is read."""


def plain(name: str) -> str:
    """Return a name without what readers overlook.

    Unicode forms, capitals, blanks at the ends, and `_` in place of blanks.

    >>> plain("Golden_Retriever ")
    'golden retriever'
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return " ".join(folded.replace("_", " ").split())


def near_twins(names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return pairs of different names that look equal, in the order of `names`."""
    first: dict[str, str] = {}
    pairs = []
    for name in dict.fromkeys(names):
        twin = first.setdefault(plain(name), name)
        if twin != name:
            pairs.append((twin, name))
    return tuple(pairs)


def in_words(one: str, two: str) -> str:
    """Return that two names look equal, so that a reader sees in what they differ."""
    quoted = [ascii(name) for name in (one, two)]
    return f"two classes have names that look equal: {quoted[0]} and {quoted[1]}"


def places(folders: Sequence[str], names: Sequence[str]) -> list[int | None]:
    """Return the position of each folder's class in `names`; None for a folder that has none.

    A folder has the place of its own name, else that of the only name that looks equal. A name
    that is in `names` twice is nobody's.
    """
    exact = _unique(names)
    alike = _unique([plain(name) for name in names])
    return [exact.get(folder, alike.get(plain(folder))) for folder in folders]


def shared(folders: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    """Return the folders that have no place in `names` because several classes have their name."""
    plains = [plain(name) for name in names]
    found = zip(folders, places(folders, names), strict=True)
    return tuple(f for f, place in found if place is None and plain(f) in plains)


def beside(path: Path) -> tuple[str, ...]:
    """Return the labels in the file of labels beside a model file; none if there is none.

    Raises:
        CorruptFileError: It is too large, or not text in UTF-8.
    """
    file = neighbour(path)
    return () if file is None else read_labels(file)


def neighbour(path: Path) -> Path | None:
    """Return the file of labels beside a model file, `labels.txt` or `<model>_labels.txt`."""
    named = (path.with_name(f"{path.stem}_labels.txt"), path.with_name("labels.txt"))
    return next((file for file in named if file.is_file()), None)


def read_labels(path: Path) -> tuple[str, ...]:
    """Return the lines of a file of labels, without empty lines at its end.

    Raises:
        CorruptFileError: It is too large, or not text in UTF-8.
    """
    if path.stat().st_size > MOST_BYTES:
        raise CorruptFileError(
            f"{path}: expected at most {MOST_BYTES} bytes of labels, received "
            f"{path.stat().st_size}",
            hint="name a text file with one label a line",
        )
    try:
        return tuple(path.read_text(encoding="utf-8-sig").rstrip().splitlines())
    except UnicodeDecodeError as error:
        raise CorruptFileError(
            f"{path}: expected text in UTF-8, received byte 0x{error.object[error.start]:02x} at "
            f"{error.start}",
            hint="save it as UTF-8, one label a line",
        ) from error


def _unique(names: Sequence[str]) -> dict[str, int | None]:
    """Return the position of each name, None of one that is there twice."""
    positions: dict[str, int | None] = {}
    for place, name in enumerate(names):
        positions[name] = None if name in positions else place
    return positions
