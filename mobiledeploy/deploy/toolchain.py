"""The Android toolchain that `tools.toml` pins, file by file.

They are downloaded once into the cache folder, outside the repository, and their digests are
checked before every use. A cached file is complete and has the pinned digest, or it is absent.
"""

import dataclasses
import functools
import shutil
import tomllib
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from mobiledeploy.base import codec, download_cache, files
from mobiledeploy.base.errors import CorruptFileError, DownloadError, RequestError
from mobiledeploy.base.files import storage_errors
from mobiledeploy.base.progress import Event, Progress, silent
from mobiledeploy.deploy import downloads

PINS: Final = Path(__file__).with_name("tools.toml")
"""The list of parts, with size and SHA-256 of each file."""
FOLDER: Final = "android"
"""Folder of the parts in the cache folder."""
WAIT: Final = 1800.0
"""Seconds to wait for another process that is downloading."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PinnedFile:
    """A file with its source: exactly one of `maven`, `npm` and `archive` is given.

    Attributes:
        size: Bytes of the file.
        sha256: Hexadecimal digest of the bytes.
        maven: `group:artifact:version[:type[:classifier]]`.
        npm: `package@version`.
        archive: Name of a ZIP, which is an earlier file of the part.
        member: Path of the file in the npm package or in the archive.
        name: File name in the cache; by default Maven's.
        licence: SPDX expression; by default that of the part.
        executable: Whether it is a program.
    """

    size: int
    sha256: str
    maven: str = ""
    npm: str = ""
    archive: str = ""
    member: str = ""
    name: str = ""
    licence: str = ""
    executable: bool = False

    @property
    def file_name(self) -> str:
        """The file's name in the cache."""
        if self.name:
            return self.name
        _, artifact, version, kind, classifier = downloads.split_coordinate(self.maven)
        return f"{artifact}-{version}{classifier and '-' + classifier}.{kind}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A tool or library of the toolchain.

    Attributes:
        purpose: What it is used for.
        licence: SPDX expression; empty if it has no files.
        needs: Names of the parts that are fetched with it.
        files: Its files, in the order of a class path.
    """

    purpose: str
    licence: str = ""
    needs: tuple[str, ...] = ()
    files: tuple[PinnedFile, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Toolchain:
    """Parts that were fetched.

    Attributes:
        folder: Holds a folder for each part.
        parts: Names of the parts, with all that they need.
    """

    folder: Path
    parts: tuple[str, ...]

    def jars(self, *parts: str) -> tuple[Path, ...]:
        """Return the jars of some parts, without those of the parts that they need."""
        return tuple(
            self.folder / part / pin.file_name
            for part in parts
            for pin in pinned_parts()[self._fetched(part)].files
            if pin.file_name.endswith(".jar")
        )

    def file(self, part: str, ending: str) -> Path:
        """Return the one file of a part whose name has an ending such as `.aar` or `aapt2`.

        Raises:
            KeyError: The part was not fetched, or no file or several have this ending.
        """
        names = [pin.file_name for pin in pinned_parts()[self._fetched(part)].files]
        matching = [name for name in names if name.endswith(ending)]
        if len(matching) != 1:
            raise KeyError(f"expected one file of {part} that ends in {ending}, received {names}")
        return self.folder / part / matching[0]

    def _fetched(self, part: str) -> str:
        if part not in self.parts:
            raise KeyError(f"{part} was not fetched")
        return part


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PartState:
    """A part and its state in the cache.

    Attributes:
        name: The part's name.
        purpose: What it is used for.
        licences: SPDX expressions of its files.
        needs: Names of the parts that are fetched with it.
        files: Number of its files.
        size: Bytes of its files.
        present: Whether all files are in the cache.
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
    """The state of the toolchain in the cache.

    Attributes:
        parts: The parts, in the order of `tools.toml`.
    """

    parts: tuple[PartState, ...]


def fetch(
    *names: str, cache: Path | None = None, progress: Progress = silent, stage: str = "tools"
) -> Toolchain:
    """Return parts of the toolchain, downloading what is not in the cache yet.

    Args:
        names: Names of parts in `tools.toml`; the parts that they need are fetched too.
        cache: The cache folder; by default `MOBILEDEPLOY_CACHE`, else the user's.
        progress: Called with the part that is being downloaded.
        stage: The stage's name in the events.

    Raises:
        RequestError: There is no such part.
        MissingDependencyError: Maven or npm is not installed.
        DownloadError: A file cannot be downloaded, or is not the one that is pinned.
        CorruptFileError: A file in the cache was changed.
        StorageError: The cache cannot be written.
    """
    wanted = with_needs(names)
    folder = (cache or download_cache.folder()) / FOLDER
    if missing := _missing(folder, wanted):
        with download_cache.hold(folder, wait=WAIT, progress=progress, stage=stage):
            for part in wanted:
                # Looked for again: another process may have downloaded it meanwhile.
                lacking = _missing(folder, (part,)) if part in missing else {}
                if lacking:
                    _download(part, lacking[part], folder / part, progress, stage)
    return Toolchain(folder=folder, parts=wanted)


def inventory(*names: str, cache: Path | None = None) -> Inventory:
    """Return the state of parts in the cache.

    Args:
        names: Names of parts in `tools.toml`, to which those that they need are added; without
            any name all parts.
        cache: As for `fetch`.

    Raises:
        RequestError: There is no such part.
        CorruptFileError: A file in the cache was changed.
    """
    folder = (cache or download_cache.folder()) / FOLDER
    wanted = with_needs(names or pinned_parts())
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
            for name, part in pinned_parts().items()
            if name in wanted
        )
    )


def _missing(folder: Path, parts: Sequence[str]) -> dict[str, list[PinnedFile]]:
    """Return the files that are not in the cache, by part; a complete part has no entry."""
    missing = {}
    for part in parts:
        absent = []
        for pin in pinned_parts()[part].files:
            path = folder / part / pin.file_name
            if not path.is_file():
                absent.append(pin)
            elif not _is_pinned(path, pin):
                raise CorruptFileError(
                    f"{path} was changed: expected SHA-256 {pin.sha256}, which tools.toml pins",
                    hint=f"delete {path} to download it again",
                )
        if absent:
            missing[part] = absent
    return missing


def _download(
    part: str, absent: list[PinnedFile], place: Path, progress: Progress, stage: str
) -> None:
    """Download files of a part to a temporary folder, check them, and rename them into place."""
    megabytes = max(1, round(sum(pin.size for pin in absent) / 1e6))
    progress(Event(stage, f"downloading {part} ({megabytes} MB)"))
    with storage_errors(place), download_cache.staging(place.parent) as staging:
        if coordinates := [pin.maven for pin in absent if pin.maven]:
            downloads.from_maven(coordinates, staging)
        for pin in absent:
            path = staging / pin.file_name
            if pin.npm:
                downloads.from_npm(pin.npm, pin.member, path)
            elif pin.archive:
                earlier = staging / pin.archive
                _extract(earlier if earlier.is_file() else place / pin.archive, pin.member, path)
            _check(path, pin)
        place.mkdir(exist_ok=True)
        for pin in absent:
            path = staging / pin.file_name
            path.chmod(0o755 if pin.executable else 0o644)
            path.replace(place / pin.file_name)


def _is_pinned(path: Path, pin: PinnedFile) -> bool:
    return path.stat().st_size == pin.size and files.sha256(path) == pin.sha256


def _check(path: Path, pin: PinnedFile) -> None:
    if not path.is_file():
        raise DownloadError(f"{pin.maven or pin.npm} arrived without the file {path.name}")
    if not _is_pinned(path, pin):
        raise DownloadError(
            f"{path.name}: expected SHA-256 {pin.sha256}, received {files.sha256(path)}",
            hint="the registry, a mirror or the cache of Maven or npm holds another file than the "
            "pinned one: do not use it",
        )


def _extract(archive: Path, member: str, target: Path) -> None:
    with (
        zipfile.ZipFile(archive) as zipped,
        zipped.open(member) as source,
        target.open("wb") as out,
    ):
        shutil.copyfileobj(source, out)


@functools.cache
def pinned_parts() -> dict[str, Part]:
    """Return every part of `tools.toml` by name, in the order of the file."""
    listed = tomllib.loads(PINS.read_text(encoding="utf-8"))
    return {name: codec.load(Part, part, where=PINS.name) for name, part in listed.items()}


def with_needs(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names of parts and of all parts that they need, in the order of the file.

    Raises:
        RequestError: There is no such part.
    """
    known = pinned_parts()
    waiting, wanted = list(names), set()
    while waiting:
        name = waiting.pop()
        if name not in known:
            raise RequestError(
                f"there is no part `{name}` of the Android tools",
                hint=f"the parts are {', '.join(known)}",
            )
        if name not in wanted:
            wanted.add(name)
            waiting += known[name].needs
    return tuple(name for name in known if name in wanted)
