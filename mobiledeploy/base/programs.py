"""Run external programs, with their failures as our errors."""

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
"""Lines that Maven and npm print after every failure."""
_MOST_LINES: Final = 12
"""Most lines of a failed program's output in a message."""


def find(name: str, *, purpose: str, package: str, folder: Path | None = None) -> Path:
    """Return a program's path.

    Args:
        name: The program's name.
        purpose: What it does, for the message.
        package: The Debian package with the program, for the hint.
        folder: Where to look; by default `PATH`.

    Raises:
        MissingDependencyError: It is not installed.
    """
    path = shutil.which(name, path=folder and str(folder))
    if path is None:
        raise MissingDependencyError(
            f"`{name}` is not installed{f' in {folder}' if folder else ''}: it {purpose}",
            hint=f"on Debian or Ubuntu: `apt-get install {package}`",
        )
    return Path(path)


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
        command: The program and its arguments; never a secret, which every user of the machine
            could read.
        failed: Makes the error from a message.
        what: What the program does, for the message.
        stdin: Its standard input.
        cwd: Its working directory.
        timeout: Seconds after which it is stopped.

    Raises:
        MobileDeployError: It failed; the message quotes its output.
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
    output = done.stdout.decode(errors="replace")
    if done.returncode:
        if "No space left on device" in output:
            raise StorageError(
                f"{what}: no space left on the disk",
                hint="free some space; TMPDIR names another folder for temporary files, "
                "MOBILEDEPLOY_CACHE one for downloads",
            )
        raise failed(f"{what} failed:\n{_essence(output) or f'exit status {done.returncode}'}")
    return output


def _essence(output: str) -> str:
    """Return the lines that give the reason: those marked as errors, or else the last ones."""
    lines = [line.rstrip() for line in output.splitlines() if line.strip()]
    lines = [line for line in lines if not _NOISE.match(line)]
    marked = [line for line in lines if re.search(r"\berror\b|\bERR", line, re.IGNORECASE)]
    return "\n".join(marked[:_MOST_LINES] or lines[-_MOST_LINES:])
