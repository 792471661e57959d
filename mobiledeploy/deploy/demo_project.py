"""The demo app's Android Studio project `android_demo`, as a template for a project of the user's.

A checkout has it beside the package, an installed package has it inside.
"""

import re
import shutil
from pathlib import Path
from typing import Final

from mobiledeploy.base.errors import RequestError
from mobiledeploy.base.files import printable

NAME: Final = "android_demo"
_PACKAGE: Final = Path(__file__).resolve().parents[1]
_LEFT_OUT: Final = (
    "app/src/main/assets/mobiledeploy",  # a build's files, which `bundle` writes
    "app/src/test",  # tests of this project, which need its sources
    "ci",
    "library/src/test",
    "local.properties",
)
"""Files and folders that are no part of the template."""
_OF_TOOLS: Final = frozenset({"build", ".cxx", ".gradle", ".idea", ".kotlin"})
"""Folders that Gradle and Android Studio write."""
_LINK_OUTSIDE: Final = re.compile(r"\[([^]]+)\]\(\.\./[^)]*\)")


def folder() -> Path:
    """Return the folder of the project's sources, which must not be written to."""
    inside = _PACKAGE / NAME
    return inside if inside.is_dir() else _PACKAGE.with_name(NAME)


def files() -> tuple[str, ...]:
    """Return the paths of the template's files, relative to `folder()`, sorted."""
    root = folder()
    paths = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return tuple(
        sorted(
            path.as_posix()
            for path in paths
            if not _OF_TOOLS.intersection(path.parts)
            and not any(path.is_relative_to(place) for place in _LEFT_OUT)
        )
    )


def write(target: Path) -> None:
    """Copy the template into a folder; links that lead out of a page's project become text.

    Raises:
        OSError: A file cannot be written.
    """
    root = folder()
    for name in files():
        place = target / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.suffix == ".md":
            text = (root / name).read_text(encoding="utf-8")
            place.write_text(_LINK_OUTSIDE.sub(r"\1", text), encoding="utf-8")
        else:
            shutil.copyfile(root / name, place)


def check_new(target: Path) -> None:
    """Check that a new project of this name would overwrite nothing.

    Raises:
        RequestError: It is a file, or a folder that holds something.
    """
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise RequestError(
            f"expected a new folder, received {printable(target)}, which exists",
            hint="name a folder that does not exist yet: `--new my-app`",
        )
    if target.is_dir() and target.samefile("."):
        raise RequestError(
            "expected a new folder, received the current one",
            hint="name a folder in it: `--new my-app`",
        )
    if target.is_dir() and any(target.iterdir()):
        raise RequestError(
            f"{printable(target)} is not empty: a new project is made in a new folder",
            hint="name another folder with `--new`; `--app DIR` puts a build into a project "
            "that is there",
        )
