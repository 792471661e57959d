"""Files that are written whole or not at all.

Also the checks of paths that users or files name.
"""

import contextlib
import errno
import hashlib
import os
import shutil
import tempfile
import unicodedata
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final, TypeAlias

from mobiledeploy.base.errors import RequestError, StorageError

_UNPRINTABLE: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode categories: control characters, bytes that are not UTF-8, line separators."""

Name: TypeAlias = str | os.PathLike[str]
"""How callers of the public functions may name a file or folder; `user_path` makes it a path."""
MOST_NAME: Final = 255
"""Most characters of a relative path: what every file system accepts."""


def user_path(name: Name) -> Path:
    """Return the path that a user named, with `~` expanded: shells do not do it in `--out=~/x`.

    Raises:
        RequestError: There is no such user.
    """
    try:
        return Path(name).expanduser()
    except RuntimeError as error:
        raise RequestError(
            f"there is no home folder for {name}", hint="write the whole path instead of `~`"
        ) from error


def require_file(path: Path, *, hint: str) -> None:
    """Check that a path that a user named is a file.

    Args:
        path: The path.
        hint: What to name instead.

    Raises:
        RequestError: There is nothing of that name, or it is a folder or a device.
    """
    if path.is_dir():
        raise RequestError(f"expected a file, received the folder {printable(path)}", hint=hint)
    if not path.exists():
        raise RequestError(f"there is no file {printable(path)}", hint=hint)
    if not path.is_file():
        raise RequestError(f"{printable(path)} is a device or a pipe, not a file", hint=hint)


def require_folder(path: Path, *, hint: str) -> None:
    """Check that a path that a user named is a folder.

    Args:
        path: The path.
        hint: What to name instead.

    Raises:
        RequestError: There is nothing of that name, or it is a file.
    """
    if not path.exists():
        raise RequestError(f"there is no folder {printable(path)}", hint=hint)
    if not path.is_dir():
        raise RequestError(f"expected a folder, received the file {printable(path)}", hint=hint)


def path_inside(folder: Path, name: str) -> Path | None:
    """Return the path below a folder that a file's contents name, or None if it is not below.

    Args:
        folder: The folder that the path must not leave.
        name: A relative POSIX path. Links are followed: their target must be below, too.
    """
    pure = PurePosixPath(name)
    unusual = any(sign in name for sign in "\\\0:") or pure.is_absolute() or ".." in pure.parts
    if unusual or not pure.parts or len(name) > MOST_NAME:
        return None
    try:
        path, root = (folder / pure).resolve(), folder.resolve()
    except (OSError, RuntimeError):  # links in a circle
        return None
    return path if path.is_relative_to(root) else None


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn an OSError while writing `path` into a StorageError.

    Raises:
        StorageError: The disk is full, or the place cannot be written.
    """
    try:
        yield
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise StorageError(
                f"no space left to write {path}",
                hint="free some space, or choose another folder with `--out`",
            ) from error
        if error.errno in {errno.EEXIST, errno.ENOTDIR}:
            raise StorageError(
                f"cannot write {path}: there is a file where a folder should be",
                hint="choose another folder, or move that file away",
            ) from error
        raise StorageError(
            f"cannot write {path}: {error.strerror}",
            hint="check that the folder exists and that you may write to it, or choose another",
        ) from error


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing that replaces `path` when the block ends without an error.

    It is written beside `path`, flushed to the disk and renamed. If the block fails, `path` stays
    as it was.

    Raises:
        StorageError: The disk is full, or the place cannot be written.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            with beside.open("wb") as handle:
                yield handle
                handle.flush()
                os.fsync(handle.fileno())
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file whole, or leave what was at `path` unchanged.

    Raises:
        StorageError: The disk is full, or the place cannot be written.
    """
    with replacing(path) as handle:
        handle.write(data)


def check_writable(folder: Path) -> None:
    """Check that files can be made in an existing folder, by making one and deleting it.

    Raises:
        StorageError: They cannot.
    """
    with storage_errors(folder):
        tempfile.TemporaryFile(dir=folder).close()


def check_room(path: Path, size: int) -> None:
    """Check that the disk of an existing folder has room for `size` bytes.

    Raises:
        StorageError: It has too little.
    """
    with storage_errors(path):
        disk = shutil.disk_usage(path)
    # Some file systems do not know their size and report 0.
    if disk.total and disk.free < size:
        raise StorageError(
            f"no space left for {path}: expected {size / 1e9:.1f} GB, "
            f"received {disk.free / 1e9:.1f} GB",
            hint="free some space, or choose another folder with `--out`",
        )


def remove_unfinished(root: Path) -> None:
    """Delete the unfinished files of killed processes anywhere below `root`.

    Only for a folder in which no other process writes.

    Raises:
        StorageError: A file cannot be deleted.
    """
    with storage_errors(root):
        for path in root.rglob(".*.part"):
            path.unlink()


def sha256(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def printable(name: str | os.PathLike[str]) -> str:
    r"""Return a file's name with control characters escaped: one line of printable text.

    >>> printable("a\nb.jpg")
    'a\\nb.jpg'
    """
    return "".join(
        ascii(char)[1:-1] if unicodedata.category(char) in _UNPRINTABLE else char
        for char in os.fspath(name)
    )
