"""Run a stage of a build, or reuse its result of an earlier run.

A stage's folder holds its files and `stage.json`, which is written last: a digest of all inputs
(the key), the result, and the files' digests. The result is reused if the key is the same and all
files are unchanged. A stage that was interrupted with the same key continues in its folder, where
training finds its checkpoints; otherwise it starts from an empty folder.
"""

import contextlib
import dataclasses
import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

from mobiledeploy._version import __version__
from mobiledeploy.base import codec
from mobiledeploy.base.errors import CorruptFileError, RequestError, StorageError
from mobiledeploy.base.files import remove_unfinished, storage_errors, write_atomic
from mobiledeploy.base.progress import Event, Progress
from mobiledeploy.spec.results import File, StageTime

T = TypeVar("T")

STAGES: Final = ("data", "train", "quantise", "export", "verify")
LOCK: Final = ".lock"
"""File that a running build locks. It is not deleted: it shows that a build made the folder."""
_IGNORED: Final = frozenset({LOCK, ".DS_Store", ".gitignore", ".gitkeep"})
"""Names in a folder that is empty all the same."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The contents of `stage.json`.

    Attributes:
        key: SHA-256 of everything that the result depends on.
        result: The stage's result, as JSON.
        files: The stage's files, relative to the build folder.
    """

    key: str
    result: dict[str, Any]
    files: tuple[File, ...]


@contextlib.contextmanager
def lock_folder(root: Path) -> Iterator[None]:
    """Lock a build folder for this process, and delete the unfinished files of a killed one.

    A folder that was made here is deleted again if it stays empty, so that a refused request
    leaves nothing behind.

    Raises:
        RequestError: The folder was not made by a build.
        StorageError: Another build is running in it, or it cannot be written.
    """
    import filelock

    with storage_errors(root):
        made = not root.exists()
        root.mkdir(parents=True, exist_ok=True)
        _check_ours(root)
        lock = filelock.FileLock(root / LOCK, timeout=0)
        try:
            lock.acquire()
        except filelock.Timeout as error:
            raise StorageError(
                f"another build is running in {root}",
                hint="wait for it to end, or choose another folder with `--out`",
            ) from error
    try:
        remove_unfinished(root)
        yield
    finally:
        lock.release()
        if made and root.exists() and [path.name for path in root.iterdir()] == [LOCK]:
            shutil.rmtree(root, ignore_errors=True)


def run(
    stage: str,
    kind: type[T],
    inputs: tuple[object, ...],
    action: Callable[[Path], T],
    *,
    root: Path,
    progress: Progress,
) -> tuple[T, StageTime]:
    """Return a stage's result, which is read from `root / stage` if it is up to date.

    Args:
        stage: Name of the stage and of its folder.
        kind: Type of its result.
        inputs: Everything that the result depends on: configuration, digests, earlier results.
        action: Runs the stage; it writes into the folder that it is given.
        root: The build folder.
        progress: Called when a result is reused.

    Raises:
        StorageError: The folder cannot be written.
    """
    folder = root / stage
    key = digest(stage, *inputs)
    earlier = _up_to_date(folder, root, key, kind)
    if earlier is not None:
        progress(Event(stage, "up to date"))
        return earlier, StageTime(stage=stage, seconds=0.0)
    start = time.monotonic()
    with storage_errors(folder):
        _prepare(folder, key)
    result = action(folder)
    (folder / "started").unlink()
    record = Record(
        key=key,
        result=codec.dump(result),
        files=tuple(File.of(root, path) for path in sorted(folder.rglob("*")) if path.is_file()),
    )
    write_atomic(folder / "stage.json", codec.to_json(record))
    return result, StageTime(stage=stage, seconds=time.monotonic() - start)


def delete_results(root: Path, stage: str) -> None:
    """Delete the results of a stage and of all later ones, so that they run again."""
    for later in STAGES[STAGES.index(stage) :]:
        shutil.rmtree(root / later, ignore_errors=True)


def digest(*values: object) -> str:
    """Return the SHA-256 of values made of dataclasses, tuples, strings and numbers."""
    text = json.dumps([__version__, codec.dump(values)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _check_ours(root: Path) -> None:
    """Refuse a folder that no build has made, because a stage deletes the folder of its name.

    With `--data data --out .` that would delete the user's photos.
    """
    # A finished build that was copied without its stages' folders still has `golden.npz`.
    marks = [LOCK, "golden.npz", *(f"{stage}/stage.json" for stage in STAGES)]
    entries = sorted(path.name for path in root.iterdir() if path.name not in _IGNORED)
    if entries and not any((root / mark).exists() for mark in marks):
        raise RequestError(
            f"expected an empty folder, or one of an earlier build, received {root}, which holds "
            f"`{entries[0]}`" + (f" and {len(entries) - 1} more" if entries[1:] else ""),
            hint="choose a new folder with `--out`",
        )
    for stage in STAGES:
        folder = root / stage
        names = {path.name for path in folder.iterdir()} if folder.is_dir() else {stage}
        if folder.exists() and names and not names & {"started", "stage.json"}:
            raise RequestError(
                f"expected the folder of a stage of a build, received {folder}, which a build did "
                "not make",
                hint="choose a new folder with `--out`",
            )


def _prepare(folder: Path, key: str) -> None:
    """Empty the folder, unless an interrupted run with the same key left it."""
    started = folder / "started"
    if not (started.is_file() and started.read_text() == key):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        write_atomic(started, key.encode())


def _up_to_date(folder: Path, root: Path, key: str, kind: type[T]) -> T | None:
    path = folder / "stage.json"
    if not path.is_file():
        return None
    try:
        record = codec.from_json(Record, path.read_bytes(), where=str(path))
        if record.key != key:
            return None
        for file in record.files:
            file.check(root)
        return codec.load(kind, record.result, where=str(path))
    except CorruptFileError:
        return None  # damaged, or of another format: the stage runs again
