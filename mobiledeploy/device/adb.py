"""Talk to one phone over adb, the Android debug bridge.

What adb and the phone print is untrusted text: it is bounded, and shown without control
characters. `adb shell` joins its arguments with blanks for the phone's shell, so they are quoted.
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
"""Seconds that a question may take."""
SLOW: Final = 600.0
"""Seconds that an installation or a self-test may take."""
MOST: Final = 16 << 20
"""Bytes of an answer that are looked at."""

_STATES: Final = {
    "unauthorized": (
        "has not allowed this computer to debug it",
        "unlock the phone and accept the question about USB debugging; then try again",
    ),
    "authorizing": (
        "is still being asked for its permission",
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
        "the phone has this app from another signer: `adb uninstall {package}` first",
    ),
    ("INSTALL_FAILED_VERSION_DOWNGRADE", "the phone has a newer one: `adb uninstall {package}`"),
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
    """A phone that answers.

    Attributes:
        adb: The program.
        serial: Chooses the phone.
    """

    adb: Path
    serial: str


def program() -> Path:
    """Return adb: the one of `ANDROID_HOME`, or else on the `PATH`.

    Raises:
        MissingDependencyError: There is none.
    """
    home = os.environ.get("ANDROID_HOME")
    folder = str(Path(home, "platform-tools")) if home else None
    found = (shutil.which("adb", path=folder) if folder else None) or shutil.which("adb")
    if found is None:
        raise MissingDependencyError(
            "`adb` is not installed: it talks to the phone",
            hint="on Debian or Ubuntu: `apt-get install adb`; or Android Studio's platform tools, "
            "with ANDROID_HOME set",
        )
    return Path(found)


def choose(adb: Path, *, serial: str | None = None) -> Phone:
    """Return the phone to work with.

    Args:
        adb: The program.
        serial: As `adb devices` lists it; needed if there are several phones.

    Raises:
        DeviceError: There is no phone, or it is not ready.
        RequestError: There are several, or none of this serial.
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
        raise RequestError(f"there is no phone `{serial}`; connected: {_listed(states)}")
    state = states[serial]
    if state != "device":
        what, hint = _STATES.get(
            state, (f"is in state `{state}`", "start Android on it; then try again")
        )
        raise DeviceError(f"the phone {serial} {what}", hint=hint)
    return Phone(adb=adb, serial=serial)


def shell(phone: Phone, *command: str, timeout: float = QUICK) -> str:
    """Return what a command printed on the phone, on both streams, whatever its exit status.

    Raises:
        DeviceError: The phone went away, or did not answer in time.
    """
    return _on(phone, "shell", shlex.join(command), timeout=timeout)


def install(phone: Phone, apk: Path, *, package: str) -> None:
    """Install an APK, replacing an earlier version.

    Raises:
        DeviceError: The phone refused it; the message holds Android's reason.
    """
    said = _on(phone, "install", "-r", "-t", str(apk), timeout=SLOW)
    if re.search(r"^Success\b", said, re.MULTILINE):
        return
    reason = re.search(r"INSTALL_[A-Z_]+", said)
    hint = next((hint for mark, hint in _REASONS if reason and mark == reason[0]), None)
    raise DeviceError(
        f"{apk} could not be installed: {reason[0] if reason else shown(_last(said))}",
        hint=hint and hint.format(package=package),
    )


def push(phone: Phone, file: Path, target: str) -> None:
    """Copy a file to the phone.

    Raises:
        DeviceError: It did not arrive.
    """
    said = _on(phone, "push", str(file), target, timeout=SLOW)
    if not re.search(r"\bpushed\b", said):
        raise DeviceError(f"{file} could not be copied to the phone: {shown(_last(said))}")


def shown(text: str) -> str:
    """Return text of a phone so that a terminal can show it: one line, no control characters."""
    return "".join(c if c.isprintable() else " " for c in text).strip()[:400]


def _on(phone: Phone, *arguments: str, timeout: float) -> str:
    said = _run([phone.adb, "-s", phone.serial, *arguments], timeout=timeout)
    lost = re.search(
        r"^(?:adb: |error: )+(device (?:offline|unauthorized|'.*' not found|still .*)|"
        r"closed|no devices/emulators found|protocol fault.*)",
        said,
        re.MULTILINE,
    )
    if lost:
        raise DeviceError(
            f"the connection to {phone.serial} was lost: {shown(lost[1])}",
            hint="check the cable, keep the phone unlocked, and try again",
        )
    return said


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
            hint="unlock the phone; `adb kill-server` starts the connection afresh",
        ) from error
    except OSError as error:
        raise MissingDependencyError(
            f"{command[0]} cannot be started: {error.strerror}"
        ) from error
    return done.stdout[:MOST].decode(errors="replace").replace("\r\n", "\n")


def _states(said: str) -> dict[str, str]:
    """Return the state of each phone by serial, from `adb devices`."""
    head, _, body = said.partition("List of devices attached")
    if not body and "List of devices" not in said:
        raise DeviceError(
            f"`adb devices` did not list devices: {shown(_last(head))}",
            hint="`adb kill-server` starts it afresh",
        )
    states = {}
    for line in body.splitlines():
        serial, _, state = line.strip().partition("\t")
        if serial and state:
            known = "no permissions" if state.startswith("no permissions") else state.strip()
            states[shown(serial)] = shown(known)
    return states


def _listed(states: dict[str, str]) -> str:
    return ", ".join(f"{serial} ({state})" for serial, state in states.items())


def _last(said: str) -> str:
    lines = [line for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else "adb printed nothing"
