"""`manifest.json`: the list of a finished build's files with their digests.

It also names the versions and settings that the build was made with. A build folder can be moved,
zipped and verified elsewhere. The stages' folders are not listed: they may be deleted.
"""

import dataclasses
import importlib.metadata
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Literal

from mobiledeploy._version import __version__
from mobiledeploy.base import codec, files
from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.spec.config import BuildConfig, ImportConfig
from mobiledeploy.spec.results import File

NAME: Final = "manifest.json"
FORMAT: Final = 1
"""Version of the file's format."""
MOST_TEXT: Final = 1 << 24
"""Largest size in bytes of a JSON file or of the labels, which are read as a whole."""
_BUILD_FIRST: Final = (
    "run `mobiledeploy quantize` (for a model of yours) or `mobiledeploy build` (to train one) "
    "first, or name the folder that one wrote; `mobiledeploy convert` writes a file, no build"
)
DECISIVE: Final = (
    "ai-edge-litert", "h5py", "keras", "numpy", "onnx", "onnxruntime", "pillow",
    "tensorflow", "tensorflow-model-optimization", "tf2onnx", "tf_keras",
)  # fmt: skip
"""Packages whose version can change the result of a build."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The files of a build, and what they were made with.

    Attributes:
        format: Version of this file's format.
        mobiledeploy: Version of mobiledeploy that made the build.
        versions: Versions of the packages that can change the result.
        config: The configuration, defaults included: of a build, or of an imported model.
        data_digest: SHA-256 of the images, labels and names.
        files: All files but `manifest.json`, sorted by path.
    """

    format: Literal[1] = FORMAT
    mobiledeploy: str = __version__
    versions: dict[str, str]
    config: BuildConfig | ImportConfig
    data_digest: str
    files: tuple[File, ...]


def versions() -> dict[str, str]:
    """Return the installed versions of the packages that can change a build's result."""
    installed = {}
    for package in DECISIVE:
        try:
            installed[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue  # an extra that this machine does not have
    return installed


def write(root: Path, manifest: Manifest) -> None:
    """Write `manifest.json`, which is done after all other files.

    Raises:
        StorageError: The folder cannot be written.
    """
    files.write_atomic(root / NAME, codec.to_json(manifest))


def read(root: Path, *, holding: Iterable[str] = ()) -> Manifest:
    """Return a build folder's manifest, after checking every file that it lists.

    Args:
        root: The folder.
        holding: Files that the caller is going to read: the manifest must list them.

    Raises:
        RequestError: There is no such folder.
        CorruptFileError: The folder holds no finished build, or a file is missing, changed, or too
            large.
    """
    files.require_folder(root, hint=_BUILD_FIRST)
    path = root / NAME
    if not path.is_file():
        raise CorruptFileError(
            f"{root} holds no finished build: {NAME} is missing",
            hint=_BUILD_FIRST,
        )
    _check_text(path)
    manifest = codec.from_json(Manifest, path.read_bytes(), where=str(path))
    missing = sorted(set(holding) - {file.path for file in manifest.files})
    if missing:
        raise CorruptFileError(
            f"the build in {root} holds no {', '.join(missing)}: {NAME} does not list it",
            hint="run the command that made the folder again",
        )
    for file in manifest.files:
        checked = file.check(root)
        if checked.suffix in {".json", ".txt"}:
            _check_text(checked)
    return manifest


def _check_text(path: Path) -> None:
    size = path.stat().st_size
    if size > MOST_TEXT:
        raise CorruptFileError(
            f"{path}: expected at most {MOST_TEXT:,} bytes, received {size:,}",
            hint="no build writes a file of this size: do not use the folder",
        )
