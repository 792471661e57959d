"""The cache of downloads: a folder that concurrent processes fill one at a time.

Incomplete downloads are in staging folders, which are always removed.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from mobiledeploy.base.errors import StorageError
from mobiledeploy.base.files import storage_errors
from mobiledeploy.base.progress import Event, Progress

VARIABLE: Final = "MOBILEDEPLOY_CACHE"
"""Environment variable that names another folder than `~/.cache/mobiledeploy`."""
_STAGING: Final = ".staging-"


def folder() -> Path:
    """Return the cache folder, which may not exist yet."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named).expanduser()
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "mobiledeploy"


@contextlib.contextmanager
def hold(folder: Path, *, wait: float, progress: Progress, stage: str) -> Iterator[None]:
    """Lock a folder for this process, and remove staging folders that killed processes left.

    Args:
        folder: It is made if it does not exist.
        wait: Seconds to wait for another process that holds the lock.
        progress: Called when there is another process.
        stage: The stage's name in the event.

    Raises:
        StorageError: The folder cannot be written, or another process holds it for too long.
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
    """Make a temporary folder in a locked folder; it is removed at the end."""
    made = Path(tempfile.mkdtemp(prefix=_STAGING, dir=folder))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
