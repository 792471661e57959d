"""`manifest.json`: every file of a finished build with its digest, and what it was made from.

A folder whose manifest checks can be moved, zipped and verified elsewhere. Stage folders are
working state and not part of it: they may be deleted.
"""

import dataclasses
import importlib.metadata
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Literal

from mobiledeploy._version import __version__
from mobiledeploy.base import codec, files
from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.spec.config import BuildConfig
from mobiledeploy.spec.results import File

NAME: Final = "manifest.json"
FORMAT: Final = 1
MOST_TEXT: Final = 1 << 24
"""Bytes of a JSON file or of the labels: they are read whole."""
DECISIVE: Final = (
    "ai-edge-litert", "h5py", "keras", "numpy", "onnx", "onnxruntime", "pillow",
    "tensorflow", "tensorflow-model-optimization", "tf2onnx", "tf_keras",
)  # fmt: skip
"""Packages whose version can change what a build gives."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a build folder is.

    Attributes:
        format: Version of this file's format.
        mobiledeploy: Version that made the build.
        versions: Of the packages that decide the result.
        config: What was asked for, defaults filled in.
        data_digest: SHA-256 of the images, labels and names.
        files: All files but this one, sorted by path.
    """

    format: Literal[1] = FORMAT
    mobiledeploy: str = __version__
    versions: dict[str, str]
    config: BuildConfig
    data_digest: str
    files: tuple[File, ...]


def versions() -> dict[str, str]:
    """Return the installed versions of the packages that decide a build's result."""
    found = {}
    for package in DECISIVE:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue  # an extra that this machine does not have
    return found


def write(root: Path, manifest: Manifest) -> None:
    """Write `manifest.json`, last of all files.

    Raises:
        StorageError: The folder cannot be written.
    """
    files.write_atomic(root / NAME, codec.to_json(manifest))


def read(root: Path, *, holding: Iterable[str] = ()) -> Manifest:
    """Return a build folder's manifest after checking every file that it names.

    Args:
        root: The folder.
        holding: Files that the caller is going to read: the manifest must vouch for them.

    Raises:
        CorruptFileError: There is no finished build, or a file is missing, changed, or absurdly
            large.
    """
    path = root / NAME
    if not path.is_file():
        raise CorruptFileError(
            f"{root} holds no finished build: {NAME} is missing",
            hint="run `mobiledeploy build` first, or name the folder of a build",
        )
    _check_text(path)
    manifest = codec.from_json(Manifest, path.read_bytes(), where=str(path))
    missing = sorted(set(holding) - {file.path for file in manifest.files})
    if missing:
        raise CorruptFileError(
            f"the build in {root} holds no {', '.join(missing)}: {NAME} does not name it",
            hint="run `mobiledeploy build` again: it mends the folder",
        )
    for file in manifest.files:
        found = file.check(root)
        if found.suffix in {".json", ".txt"}:
            _check_text(found)
    return manifest


def _check_text(path: Path) -> None:
    size = path.stat().st_size
    if size > MOST_TEXT:
        raise CorruptFileError(
            f"{path}: expected at most {MOST_TEXT:,} bytes, received {size:,}",
            hint="no build writes such a file: it is damaged, or made to do harm",
        )
