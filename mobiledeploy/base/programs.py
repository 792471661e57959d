"""Run other people's programs: find them, and turn their failures into our errors."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

from mobiledeploy.base.errors import MissingDependencyError, MobileDeployError, StorageError

TIMEOUT: Final = 1800.0
"""Seconds after which a program is stopped."""
_NOISE: Final = re.compile(
    r"\[ERROR\] *(To see|Re-run|For more|\[Help|$)|npm (ERR!|error) *(A complete|$)"
)
"""What Maven and npm say after every failure."""
_SHOWN: Final = 12
"""Lines of a failed program's words that a message holds."""


def find(name: str, *, purpose: str, package: str, folder: Path | None = None) -> Path:
    """Return a program's path.

    Args:
        name: Of the program.
        purpose: What it is for, for the message.
        package: Debian's package that holds it, for the hint.
        folder: Where to look; by default along `PATH`.

    Raises:
        MissingDependencyError: It is not installed.
    """
    found = shutil.which(name, path=folder and str(folder))
    if found is None:
        raise MissingDependencyError(
            f"`{name}` is not installed{f' in {folder}' if folder else ''}: it {purpose}",
            hint=f"on Debian or Ubuntu: `apt-get install {package}`",
        )
    return Path(found)


def run(
    *command: str | Path,
    failed: Callable[[str], MobileDeployError],
    what: str,
    stdin: bytes = b"",
    cwd: Path | None = None,
    timeout: float = TIMEOUT,
) -> str:
    """Return what a program printed on both streams.

    Args:
        command: The program and its arguments; never a secret, which any user could read there.
        failed: Makes the error from a message.
        what: What the program does, for the message.
        stdin: What it reads.
        cwd: Where it runs.
        timeout: Seconds after which it is stopped.

    Raises:
        MobileDeployError: It failed; the message holds what it said.
        MissingDependencyError: It cannot be started on this machine.
        StorageError: The disk is full.
    """
    try:
        done = subprocess.run(
            command, cwd=cwd, input=stdin, timeout=timeout, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise failed(f"{what}: not done after {timeout:.0f} s") from error
    except OSError as error:
        raise MissingDependencyError(
            f"{command[0]} cannot be started: {error.strerror}",
            hint="is it a program for this machine's system and processor?",
        ) from error
    said = done.stdout.decode(errors="replace")
    if done.returncode:
        if "No space left on device" in said:
            raise StorageError(
                f"{what}: no space left on the disk",
                hint="free some space; TMPDIR names another folder for temporary files, "
                "MOBILEDEPLOY_CACHE one for downloads",
            )
        raise failed(f"{what} failed:\n{_essence(said) or f'exit status {done.returncode}'}")
    return said


def _essence(said: str) -> str:
    """Return the lines that tell the reason: errors if some are marked, else the last ones."""
    lines = [line.rstrip() for line in said.splitlines() if line.strip()]
    lines = [line for line in lines if not _NOISE.match(line)]
    marked = [line for line in lines if re.search(r"\berror\b|\bERR", line, re.IGNORECASE)]
    return "\n".join(marked[:_SHOWN] or lines[-_SHOWN:])
