"""A folder that is known by its files' digests: it is as it was made, or it is refused.

What an emulated CPU answers is a proof only if the runtimes that answer are the ones that were
installed. A damaged one may crash, which looks like a fault of the model, or give other numbers.
"""

import dataclasses
from pathlib import Path
from typing import Final

from mobiledeploy.base import codec
from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.spec.results import File

NAME: Final = "files.json"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """What a folder holds.

    Attributes:
        files: Every file but this one, links left out, sorted by path.
    """

    files: tuple[File, ...]


def close(folder: Path) -> None:
    """Write down what the folder holds; from now on it must not change."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    seal = Seal(files=tuple(File.of(folder, path) for path in paths))
    (folder / NAME).write_bytes(codec.to_json(seal))


def check(folder: Path) -> None:
    """Check every file of a folder.

    Raises:
        CorruptFileError: A file is missing or was changed.
    """
    try:
        seal = codec.from_json(Seal, (folder / NAME).read_bytes(), where=str(folder / NAME))
        changed = [file for file in seal.files if File.of(folder, file.locate(folder)) != file]
    except FileNotFoundError as error:
        raise CorruptFileError(f"{error.filename} is missing", hint=_hint(folder)) from error
    except CorruptFileError as error:
        raise CorruptFileError(str(error), hint=_hint(folder)) from error
    if changed:
        path = changed[0].locate(folder)
        raise CorruptFileError(f"{path} was changed: its SHA-256 differs", hint=_hint(folder))


def _hint(folder: Path) -> str:
    return f"delete {folder} to set it up again"
