"""Check that a package of a given name would replace nothing but an earlier one of its kind."""

from pathlib import Path
from typing import Final, Literal, TypeAlias

from mobiledeploy.base.errors import CorruptFileError, RequestError
from mobiledeploy.deploy import zips

Kind: TypeAlias = Literal["APK", "AAR"]
"""An app (`--apk`), or a library (`--library`)."""
_OPTIONS: Final[dict[Kind, str]] = {"APK": "--apk", "AAR": "--library"}


def check(out: Path, kind: Kind) -> None:
    """Check that a package of this name would replace nothing but an earlier one of its kind.

    Args:
        out: Name of the package to make.
        kind: What it will be.

    Raises:
        RequestError: It is a folder, or an existing file that is neither of the kind nor empty.
    """
    option = _OPTIONS[kind]
    if out.is_dir():
        raise RequestError(
            f"expected the name of an {kind}, received the folder {out}",
            hint=f"name a file: `{option} {out / f'app.{kind.lower()}'}`",
        )
    if out.exists() and not _replaceable(out, kind):
        raise RequestError(
            f"{out} exists and is no {kind}: it would be overwritten",
            hint=f"name another file with `{option}`, or delete this one",
        )


def _replaceable(path: Path, kind: Kind) -> bool:
    if not path.is_file():
        return False
    try:
        names = {entry.name for entry in zips.entries(path)}
    except CorruptFileError:
        return path.stat().st_size == 0
    return "AndroidManifest.xml" in names and ("classes.jar" in names) == (kind == "AAR")
