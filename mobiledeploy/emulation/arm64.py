"""Emulated arm64 CPUs, with a Python that has both runtimes.

The Python is set up once and kept in the cache. This takes no root, no chroot and no foreign
architecture in dpkg: apt, with a configuration of its own and this machine's sources, downloads
Debian's arm64 packages, which are unpacked into a folder; pip downloads the arm64 wheels of the
runtimes' versions that are installed here. apt checks signatures, pip the digests of its index.

The digests of all files are recorded and checked before every use: a damaged runtime could crash,
which looks like a fault of the model, or give other numbers.
"""

import dataclasses
import importlib.metadata
import re
import sys
from pathlib import Path
from typing import Final

from mobiledeploy.base import codec, download_cache, programs
from mobiledeploy.base.errors import CorruptFileError, DownloadError, MissingDependencyError
from mobiledeploy.base.files import storage_errors
from mobiledeploy.base.progress import Event, Progress, silent
from mobiledeploy.emulation import qemu
from mobiledeploy.emulation.qemu import Machine
from mobiledeploy.spec.results import File

WAIT: Final = 900.0
"""Seconds to wait for another process that does the set-up."""
_STAGE: Final = "arm64"
_DEBIAN: Final = ("python3-minimal", "libpython3-stdlib", "libstdc++6", "zlib1g", "libexpat1")
_WHEELS: Final = ("ai-edge-litert", "onnxruntime")
_CARRIER: Final = "numpy>=2,<3"
"""NumPy only passes arrays on, so any version that fits Debian's Python will do."""
_NEEDED: Final = ("backports-strenum", "flatbuffers", "protobuf", "typing-extensions")
"""Those requirements of the wheels that are imported."""
_IMPORTED: Final = (
    "importlib.metadata", "json", "platform", "tempfile", "zipfile", "numpy", "onnxruntime",
    "ai_edge_litert.interpreter",
)  # fmt: skip
"""What `guest_script.py` imports, and what NumPy and the runtimes import to run a model."""
_FORMAT: Final = "sealed"
"""Part of the folder's name: with a new word here, older folders are not used."""
_PLATFORMS: Final = ("manylinux_2_28", "manylinux_2_27", "manylinux_2_17", "manylinux2014")
_SEAL_FILE: Final = "files.json"
_APT: Final = """\
Dir::State "{folder}/state";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}/cache";
APT::Architecture "arm64";
APT::Architectures {{ "arm64"; }};
APT::Sandbox::User "";
APT::Install-Recommends "0";
APT::Update::Error-Mode "any";
Debug::NoLocking "1";
"""
_CORE: Final = """\
processor\t: {number}
BogoMIPS\t: 108.00
Features\t: {features}
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x1
CPU part\t: {part}
CPU revision\t: 0

"""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Cpu:
    """An arm64 CPU that QEMU can emulate.

    Attributes:
        model: QEMU's name for it.
        name: For people.
        part: Its part number in /proc/cpuinfo, from which the runtimes choose kernels.
        features: Its features in /proc/cpuinfo beyond `_BASE`, from which they do, too.
    """

    model: str
    name: str
    part: str
    features: str


_BASE: Final = "fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid"
CPUS: Final = (
    Cpu(model="cortex-a53", name="Cortex-A53 (NEON)", part="0xd03", features=""),
    Cpu(
        model="cortex-a76",
        name="Cortex-A76 (dot product)",
        part="0xd0b",
        features=" atomics fphp asimdhp asimdrdm lrcpc dcpop asimddp",
    ),
    # QEMU 7.2's SME computes wrong numbers; its other extensions do not.
    Cpu(
        model="max,sme=off",
        name="newest without SME (matrix product)",
        part="0xd0b",
        features=" atomics fphp asimdhp asimdrdm lrcpc dcpop asimddp i8mm",
    ),
)


def machines(*, cache: Path | None = None, progress: Progress = silent) -> tuple[Machine, ...]:
    """Return the arm64 CPUs; set up their Python if it is not in the cache.

    Args:
        cache: Where the Python is kept; by default the user's cache folder.
        progress: Called with what is being set up.

    Raises:
        MissingDependencyError: QEMU, apt, dpkg-deb or pip is missing, or QEMU cannot run the
            Python.
        DownloadError: A package or wheel cannot be downloaded.
        CorruptFileError: A file in the cache was changed.
        StorageError: The cache cannot be written.
    """
    emulator = qemu.emulator("aarch64")
    # Neither apt nor QEMU takes a relative folder.
    place = (cache or download_cache.folder()).absolute() / "arm64" / _key()
    # A folder of this name is complete: then nothing is written or locked.
    if not place.is_dir():
        with download_cache.hold(place.parent, wait=WAIT, progress=progress, stage=_STAGE):
            if not place.is_dir():
                _set_up(place, emulator, progress)
    _check_seal(place)
    return tuple(
        Machine(
            name=f"arm64 {cpu.name}",
            architecture="aarch64",
            command=_command(emulator, place, cpu),
        )
        for cpu in CPUS
    )


def _command(emulator: Path, folder: Path, cpu: Cpu) -> tuple[str, ...]:
    python = next((folder / "root/usr/bin").glob("python3.[0-9]*"))
    return (
        str(emulator), "-cpu", cpu.model, "-L", str(folder / cpu.model),
        "-U", "PYTHONHOME", "-U", "PYTHONDONTWRITEBYTECODE",
        "-E", f"PYTHONPATH={folder / 'site'}", str(python), "-B",
    )  # fmt: skip


def _key() -> str:
    """Return the folder's name, made of the runtimes' versions: each pair has its own folder."""
    return "-".join((*map(importlib.metadata.version, _WHEELS), _FORMAT))


def _set_up(place: Path, emulator: Path, progress: Progress) -> None:
    tools = {
        name: programs.find(name, purpose="unpacks Debian's arm64 packages", package=package)
        for name, package in (("apt-get", "apt"), ("dpkg-deb", "dpkg"))
    }
    with storage_errors(place), download_cache.staging(place.parent) as made:
        folder = made / "whole"
        folder.mkdir()
        progress(Event(_STAGE, "downloading an arm64 Python from Debian"))
        archives = _download_debian(tools["apt-get"], made / "apt")
        for archive in archives:
            programs.run(
                tools["dpkg-deb"], "-x", archive, folder / "root",
                failed=DownloadError, what=f"unpacking {archive.name}",
            )  # fmt: skip
        version = next((folder / "root/usr/bin").glob("python3.[0-9]*")).name
        progress(Event(_STAGE, "downloading the arm64 wheels of both runtimes"))
        _download_wheels(version.removeprefix("python"), folder / "site")
        for cpu in CPUS:
            _describe(cpu, folder)
        progress(Event(_STAGE, "testing it"))
        _try(emulator, folder)
        _seal(folder)
        folder.rename(place)


def _try(emulator: Path, folder: Path) -> None:
    """Import all that `guest_script.py` imports, which also compiles it for later runs."""
    *command, _ = _command(emulator, folder, CPUS[0])
    programs.run(
        *command, "-c", f"import {', '.join(_IMPORTED)}", failed=_not_running,
        what="the arm64 Python under QEMU",
    )  # fmt: skip


def _download_debian(apt: Path, folder: Path) -> list[Path]:
    for name in ("state/lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    (folder / "status").touch()
    config = folder / "apt.conf"
    config.write_text(_APT.format(folder=folder))
    for words in (("update",), ("install", "--yes", "--download-only", *_DEBIAN)):
        programs.run(
            apt, "-c", config, "-qq", *words, failed=_not_downloaded, what=f"apt-get {words[0]}"
        )
    return sorted((folder / "cache/archives").glob("*.deb"))


def _download_wheels(version: str, site: Path) -> None:
    tag = "cp" + version.replace(".", "")
    wanted = [f"{name}=={importlib.metadata.version(name)}" for name in _WHEELS]
    wanted.append(_CARRIER)
    for name in _NEEDED:
        try:
            wanted.append(f"{name}=={importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue  # required by older Pythons only
    programs.run(
        sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
        "--no-deps", "--only-binary", ":all:", "--target", site, "--python-version", version,
        "--implementation", "cp", "--abi", tag, "--abi", "abi3", "--abi", "none",
        *(word for name in _PLATFORMS for word in ("--platform", f"{name}_aarch64")),
        "--platform", "any", *wanted,
        failed=_without_pip, what="pip install of the arm64 wheels",
    )  # fmt: skip


def _describe(cpu: Cpu, folder: Path) -> None:
    """Make the root folder of one CPU: links to the common one, with its own /proc/cpuinfo.

    QEMU 7.2 shows the host's /proc/cpuinfo, which the runtimes cannot parse. They choose their
    kernels by it, so it must describe the emulated CPU.
    """
    root = folder / cpu.model
    (root / "proc").mkdir(parents=True)
    cores = (_CORE.format(number=n, features=_BASE + cpu.features, part=cpu.part) for n in (0, 1))
    (root / "proc/cpuinfo").write_text("".join(cores))
    for path in (folder / "root").iterdir():
        (root / path.name).symlink_to(Path("..", "root", path.name))


def _not_downloaded(message: str) -> DownloadError:
    return DownloadError(
        message, hint="the arm64 Python is made from Debian's packages: is this Debian, online?"
    )


def _not_running(message: str) -> MissingDependencyError:
    return MissingDependencyError(message, hint="QEMU 7.2 or later is needed")


def _without_pip(message: str) -> DownloadError | MissingDependencyError:
    if re.search(r"No module named pip\b", message):
        return MissingDependencyError(
            "this Python has no pip, which downloads the arm64 wheels",
            hint=f"{sys.executable} -m ensurepip",
        )
    return DownloadError(message, hint="the wheels of the installed versions are needed for arm64")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _SealedFiles:
    """The files of a folder with their digests.

    Attributes:
        files: All files but the one that holds this list, without links, sorted by path.
    """

    files: tuple[File, ...]


def _seal(folder: Path) -> None:
    """Record the digests of all files in a folder, which must not change from now on."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    seal = _SealedFiles(files=tuple(File.of(folder, path) for path in paths))
    (folder / _SEAL_FILE).write_bytes(codec.to_json(seal))


def _check_seal(folder: Path) -> None:
    """Check every file of a folder against its recorded digest.

    Raises:
        CorruptFileError: A file is missing or was changed.
    """
    try:
        seal = codec.from_json(
            _SealedFiles, (folder / _SEAL_FILE).read_bytes(), where=str(folder / _SEAL_FILE)
        )
        changed = [file for file in seal.files if File.of(folder, file.locate(folder)) != file]
    except FileNotFoundError as error:
        raise CorruptFileError(
            f"{error.filename} is missing", hint=_set_up_again(folder)
        ) from error
    except CorruptFileError as error:
        raise CorruptFileError(str(error), hint=_set_up_again(folder)) from error
    if changed:
        path = changed[0].locate(folder)
        raise CorruptFileError(
            f"{path} was changed: its SHA-256 differs", hint=_set_up_again(folder)
        )


def _set_up_again(folder: Path) -> str:
    return f"delete {folder} to set it up again"
