"""Run commands on a phone over adb, the Android debug bridge.

Text from adb or the phone is untrusted: its length is bounded, and it is printed without control
characters. `adb shell` joins its arguments with spaces for the phone's shell, so they are quoted.
"""

import dataclasses
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mobiledeploy.base.errors import DeviceError, MissingDependencyError, RequestError

QUICK: Final = 30.0
"""Seconds that a short command may take."""
SLOW: Final = 600.0
"""Seconds that an installation or a self-test may take."""
MOST: Final = 16 << 20
"""Bytes of a command's output that are read."""

_STATES: Final = {
    "unauthorized": (
        "has not allowed this computer to debug it",
        "unlock the phone and accept the question about USB debugging; then try again",
    ),
    "authorizing": (
        "has not answered yet whether this computer may debug it",
        "unlock the phone and accept the question about USB debugging; then try again",
    ),
    "offline": (
        "does not answer (offline)",
        "plug it in again, or `adb reconnect offline`; then try again",
    ),
    "no permissions": (
        "may not be opened by this user",
        (
            "on Linux, udev rules and the group `plugdev` allow it: "
            "`apt-get install android-sdk-platform-tools-common`"
        ),
    ),
}
_REASONS: Final = (
    (
        "INSTALL_FAILED_UPDATE_INCOMPATIBLE",
        "the phone has this app, signed by another key: `adb uninstall {package}` first",
    ),
    (
        "INSTALL_FAILED_VERSION_DOWNGRADE",
        "the phone has a newer version of the app: `adb uninstall {package}` first",
    ),
    ("INSTALL_FAILED_INSUFFICIENT_STORAGE", "free some space on the phone"),
    (
        "INSTALL_FAILED_NO_MATCHING_ABIS",
        "build the APK for the phone's processor: `mobiledeploy bundle --apk ... --abi ...`",
    ),
    ("INSTALL_FAILED_OLDER_SDK", "the app needs Android 7 (API level 24) or later"),
    ("INSTALL_FAILED_USER_RESTRICTED", "allow installation over USB in the developer options"),
    ("INSTALL_PARSE_FAILED_NO_CERTIFICATES", "the APK is not signed"),
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Phone:
    """A connected phone that is ready.

    Attributes:
        adb: The program adb.
        serial: The phone's serial number, as `adb devices` lists it.
    """

    adb: Path
    serial: str


def program() -> Path:
    """Return the program adb: that of `ANDROID_HOME`, else the one on the `PATH`.

    Raises:
        MissingDependencyError: adb is not installed.
    """
    home = os.environ.get("ANDROID_HOME")
    folder = str(Path(home, "platform-tools")) if home else None
    path = (shutil.which("adb", path=folder) if folder else None) or shutil.which("adb")
    if path is None:
        raise MissingDependencyError(
            "`adb` is not installed: it talks to the phone",
            hint="on Debian or Ubuntu: `apt-get install adb`; or Android Studio's platform tools, "
            "with ANDROID_HOME set",
        )
    return Path(path)


def choose(adb: Path, *, serial: str | None = None) -> Phone:
    """Return the phone to work with.

    Args:
        adb: The program adb.
        serial: The phone's serial number; needed if several phones are connected.

    Raises:
        DeviceError: There is no phone, or it is not ready.
        RequestError: There are several, or none with this serial number.
    """
    states = _states(_run([adb, "devices"], timeout=QUICK))
    if not states:
        raise DeviceError(
            "no phone is connected: `adb devices` lists none",
            hint="connect one by USB and turn on USB debugging in its developer options",
        )
    if serial is None:
        ready = [name for name, state in states.items() if state == "device"]
        if len(ready) > 1 or (not ready and len(states) > 1):
            raise RequestError(
                f"expected one phone, received {len(states)}: {_listed(states)}",
                hint="choose one with `--serial`",
            )
        serial = ready[0] if ready else next(iter(states))
    if serial not in states:
        raise RequestError(
            f"there is no phone `{serial}`; connected: {_listed(states)}",
            hint="name a connected phone with `--serial`",
        )
    state = states[serial]
    if state != "device":
        what, hint = _STATES.get(
            state, (f"is in state `{state}`", "start Android on it; then try again")
        )
        raise DeviceError(f"the phone {serial} {what}", hint=hint)
    return Phone(adb=adb, serial=serial)


def shell(phone: Phone, *command: str, timeout: float = QUICK) -> str:
    """Return what a command printed on the phone (both streams); its exit status is ignored.

    Raises:
        DeviceError: The connection was lost, or the phone did not answer in time.
    """
    return _on(phone, "shell", shlex.join(command), timeout=timeout)


def install(phone: Phone, apk: Path, *, package: str) -> None:
    """Install an APK, replacing an earlier version.

    Raises:
        DeviceError: The phone refused it; the message gives Android's reason.
    """
    printed = _on(phone, "install", "-r", "-t", str(apk), timeout=SLOW)
    if re.search(r"^Success\b", printed, re.MULTILINE):
        return
    reason = re.search(r"INSTALL_[A-Z_]+", printed)
    hint = next((hint for mark, hint in _REASONS if reason and mark == reason[0]), None)
    raise DeviceError(
        f"{apk} could not be installed: {reason[0] if reason else one_line(_last(printed))}",
        hint=hint and hint.format(package=package),
    )


def push(phone: Phone, file: Path, target: str) -> None:
    """Copy a file to the phone.

    Raises:
        DeviceError: It did not arrive.
    """
    printed = _on(phone, "push", str(file), target, timeout=SLOW)
    if not re.search(r"\bpushed\b", printed):
        raise DeviceError(
            f"{file} could not be copied to the phone: {one_line(_last(printed))}",
            hint="free some space on the phone, and try again",
        )


def one_line(text: str) -> str:
    """Return a phone's text as one line of at most 400 characters without control characters."""
    return "".join(c if c.isprintable() else " " for c in text).strip()[:400]


def _on(phone: Phone, *arguments: str, timeout: float) -> str:
    printed = _run([phone.adb, "-s", phone.serial, *arguments], timeout=timeout)
    lost = re.search(
        r"^(?:adb: |error: )+(device (?:offline|unauthorized|'.*' not found|still .*)|"
        r"closed|no devices/emulators found|protocol fault.*)",
        printed,
        re.MULTILINE,
    )
    if lost:
        raise DeviceError(
            f"the connection to {phone.serial} was lost: {one_line(lost[1])}",
            hint="check the cable, keep the phone unlocked, and try again",
        )
    return printed


def _run(command: Sequence[str | Path], *, timeout: float) -> str:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise DeviceError(
            f"no answer to `adb {' '.join(map(str, command[1:4]))}` in {timeout:.0f} s",
            hint="unlock the phone and restart adb with `adb kill-server`, then try again",
        ) from error
    except OSError as error:
        raise MissingDependencyError(
            f"{command[0]} cannot be started: {error.strerror}",
            hint="install Android's platform tools for this machine, and set ANDROID_HOME",
        ) from error
    return done.stdout[:MOST].decode(errors="replace").replace("\r\n", "\n")


def _states(printed: str) -> dict[str, str]:
    """Return the state of each phone by serial, from `adb devices`."""
    head, _, body = printed.partition("List of devices attached")
    if not body and "List of devices" not in printed:
        raise DeviceError(
            f"`adb devices` did not list devices: {one_line(_last(head))}",
            hint="restart adb with `adb kill-server`, then try again",
        )
    states = {}
    for line in body.splitlines():
        serial, _, state = line.strip().partition("\t")
        if serial and state:
            known = "no permissions" if state.startswith("no permissions") else state.strip()
            states[one_line(serial)] = one_line(known)
    return states


def _listed(states: dict[str, str]) -> str:
    return ", ".join(f"{serial} ({state})" for serial, state in states.items())


def _last(printed: str) -> str:
    lines = [line for line in printed.splitlines() if line.strip()]
    return lines[-1] if lines else "adb printed nothing"
