"""Where downloads are kept between runs."""

import os
from pathlib import Path
from typing import Final
import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from mobiledeploy.base.errors import StorageError
from mobiledeploy.base.files import storage_errors
from mobiledeploy.base.progress import Event, Progress

VARIABLE: Final = "MOBILEDEPLOY_CACHE"
"""Environment variable with another folder than `~/.cache/mobiledeploy`."""


def folder() -> Path:
    """Return the cache folder, which may not exist yet."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named).expanduser()
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "mobiledeploy"


_STAGING: Final = ".staging-"


@contextlib.contextmanager
def hold(folder: Path, *, wait: float, progress: Progress, stage: str) -> Iterator[None]:
    """Hold a folder for this process, and clear what a killed one left in it.

    Args:
        folder: It is made if it is not there.
        wait: Seconds that another process may hold it.
        progress: Told when there is another one.
        stage: The stage's name in the event.

    Raises:
        StorageError: The folder cannot be written, or is held for too long.
    """
    import filelock

    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / ".lock")
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            progress(Event(stage, f"waiting for another process that downloads to {folder}"))
            try:
                lock.acquire(timeout=wait)
            except filelock.Timeout as error:
                raise StorageError(
                    f"another process has held {folder} for {wait:.0f} s",
                    hint="wait for it to end, or name another cache with MOBILEDEPLOY_CACHE",
                ) from error
        try:
            for left in folder.glob(f"{_STAGING}*"):
                shutil.rmtree(left, ignore_errors=True)
            yield
        finally:
            lock.release()


@contextlib.contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """Give a folder on the file system of one that is held; it is removed in the end."""
    apart = Path(tempfile.mkdtemp(prefix=_STAGING, dir=folder))
    try:
        yield apart
    finally:
        shutil.rmtree(apart, ignore_errors=True)
