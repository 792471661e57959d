"""The Android tools and libraries on this machine: fetched once, checked every time.

They lie in the cache folder, outside the repository. A file is there whole and with the pinned
digest, or it is not there.
"""

import dataclasses
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mobiledeploy.base import download_cache, files
from mobiledeploy.base.errors import CorruptFileError, DownloadError
from mobiledeploy.base.files import storage_errors
from mobiledeploy.base.progress import Event, Progress, silent
from mobiledeploy.deploy import pins, registries
from mobiledeploy.deploy.pins import Pin

FOLDER: Final = "android"
WAIT: Final = 1800.0
"""Seconds that another process may take to download."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Toolchain:
    """Parts that are here.

    Attributes:
        folder: Holds a folder for each part.
        parts: Names of the parts, all that they need included.
    """

    folder: Path
    parts: tuple[str, ...]

    def jars(self, *parts: str) -> tuple[Path, ...]:
        """Return the class path of parts, without what they need."""
        return tuple(
            self.folder / part / pin.file_name
            for part in parts
            for pin in pins.parts()[self._has(part)].files
            if pin.file_name.endswith(".jar")
        )

    def file(self, part: str, ending: str) -> Path:
        """Return the one file of a part whose name ends so, such as `.aar` or `aapt2`.

        Raises:
            KeyError: The part was not asked for, or has no such file or several.
        """
        names = [pin.file_name for pin in pins.parts()[self._has(part)].files]
        found = [name for name in names if name.endswith(ending)]
        if len(found) != 1:
            raise KeyError(f"{part} has {names}, not one file that ends in {ending}")
        return self.folder / part / found[0]

    def _has(self, part: str) -> str:
        if part not in self.parts:
            raise KeyError(f"{part} was not fetched")
        return part


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PartState:
    """A part, and whether it is here.

    Attributes:
        name: Of the part.
        purpose: What it is for.
        licences: SPDX expressions of its files.
        needs: Parts that come with it.
        files: How many.
        size: Bytes of them.
        present: Whether all are in the cache, whole.
    """

    name: str
    purpose: str
    licences: tuple[str, ...]
    needs: tuple[str, ...]
    files: int
    size: int
    present: bool


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What there is of the toolchain.

    Attributes:
        parts: In the order of `tools.toml`.
    """

    parts: tuple[PartState, ...]


def fetch(
    *names: str, cache: Path | None = None, progress: Progress = silent, stage: str = "tools"
) -> Toolchain:
    """Return parts of the toolchain, downloading what is not in the cache yet.

    Args:
        names: Parts of `tools.toml`; what they need comes with them.
        cache: Where to keep them; by default `MOBILEDEPLOY_CACHE`, else the user's cache folder.
        progress: Told which part is being downloaded.
        stage: The stage's name in the events.

    Raises:
        RequestError: There is no such part.
        MissingDependencyError: A registry's client is not installed.
        DownloadError: A file cannot be had, or is not the one that is pinned.
        CorruptFileError: A file in the cache was changed.
        StorageError: The cache cannot be written.
    """
    wanted = pins.closure(names)
    folder = (cache or download_cache.folder()) / FOLDER
    if missing := _missing(folder, wanted):
        with download_cache.hold(folder, wait=WAIT, progress=progress, stage=stage):
            for part in wanted:
                # Looked for again: another process may have brought it meanwhile.
                lacking = _missing(folder, (part,)) if part in missing else {}
                if lacking:
                    _bring(part, lacking[part], folder / part, progress, stage)
    return Toolchain(folder=folder, parts=wanted)


def inventory(*names: str, cache: Path | None = None) -> Inventory:
    """Return what parts are, and whether they are in the cache.

    Args:
        names: Parts of `tools.toml`, with what they need; none means all.
        cache: As for `fetch`.

    Raises:
        RequestError: There is no such part.
        CorruptFileError: A file in the cache was changed.
    """
    folder = (cache or download_cache.folder()) / FOLDER
    wanted = pins.closure(names or pins.parts())
    missing = _missing(folder, wanted)
    return Inventory(
        parts=tuple(
            PartState(
                name=name,
                purpose=part.purpose,
                licences=tuple(sorted({pin.licence or part.licence for pin in part.files})),
                needs=part.needs,
                files=len(part.files),
                size=sum(pin.size for pin in part.files),
                present=name not in missing,
            )
            for name, part in pins.parts().items()
            if name in wanted
        )
    )


def _missing(folder: Path, parts: Sequence[str]) -> dict[str, list[Pin]]:
    """Return the files that have to be brought, by part; parts that are whole have no entry."""
    missing = {}
    for part in parts:
        absent = []
        for pin in pins.parts()[part].files:
            path = folder / part / pin.file_name
            if not path.is_file():
                absent.append(pin)
            elif not _is(path, pin):
                raise CorruptFileError(
                    f"{path} is not the file that is pinned: expected SHA-256 {pin.sha256}",
                    hint=f"delete {path} to download it again",
                )
        if absent:
            missing[part] = absent
    return missing


def _bring(part: str, absent: list[Pin], place: Path, progress: Progress, stage: str) -> None:
    """Download files of a part beside their place, check them, and rename them into it."""
    megabytes = max(1, round(sum(pin.size for pin in absent) / 1e6))
    progress(Event(stage, f"downloading {part} ({megabytes} MB)"))
    with storage_errors(place), download_cache.staging(place.parent) as staging:
        if coordinates := [pin.maven for pin in absent if pin.maven]:
            registries.maven(coordinates, staging)
        for pin in absent:
            path = staging / pin.file_name
            if pin.npm:
                registries.npm(pin.npm, pin.member, path)
            elif pin.archive:
                earlier = staging / pin.archive
                _extract(earlier if earlier.is_file() else place / pin.archive, pin.member, path)
            _check(path, pin)
        place.mkdir(exist_ok=True)
        for pin in absent:
            path = staging / pin.file_name
            path.chmod(0o755 if pin.executable else 0o644)
            path.replace(place / pin.file_name)


def _is(path: Path, pin: Pin) -> bool:
    return path.stat().st_size == pin.size and files.sha256(path) == pin.sha256


def _check(path: Path, pin: Pin) -> None:
    if not path.is_file():
        raise DownloadError(f"{pin.maven or pin.npm} came without a file {path.name}")
    if not _is(path, pin):
        raise DownloadError(
            f"{path.name} came with SHA-256 {files.sha256(path)}, expected {pin.sha256}",
            hint="the registry, a mirror or the client's own cache holds another file than the "
            "one that was pinned: do not use it",
        )


def _extract(archive: Path, member: str, target: Path) -> None:
    with zipfile.ZipFile(archive) as held, held.open(member) as source, target.open("wb") as out:
        shutil.copyfileobj(source, out)
