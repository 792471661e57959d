"""Read what `am instrument -w -r` prints.

`adb` exits with 0 whatever became of the app, so the text alone tells: result lines
`INSTRUMENTATION_RESULT: key=value`, whose values may go on over lines, and last of all
`INSTRUMENTATION_CODE: -1`.
"""

import dataclasses
import re
from typing import Final

from mobiledeploy.base.errors import DeviceError

FINISHED: Final = -1
"""Android's `Activity.RESULT_OK`."""

_LINE: Final = re.compile(
    r"^INSTRUMENTATION_(RESULT|STATUS|CODE|STATUS_CODE|FAILED|ABORTED)(?:: ?(.*))?$"
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How an instrumentation ended.

    Attributes:
        code: What it finished with, or None if it did not finish.
        results: Values by key.
    """

    code: int | None
    results: dict[str, str]


def read(printed: str, *, component: str) -> Outcome:
    """Return how an instrumentation ended.

    Args:
        printed: All that `am instrument -w -r` printed.
        component: What was started, for messages.

    Raises:
        DeviceError: The instrumentation is not there, the app crashed, or the end is missing.
    """
    code: int | None = None
    results: dict[str, str] = {}
    key: str | None = None
    for line in printed.replace("\r\n", "\n").split("\n"):
        found = _LINE.match(line)
        if found is None:
            if key is not None:
                results[key] += f"\n{line}"
            continue
        kind, rest = found[1], found[2] or ""
        key = None
        if kind == "RESULT":
            key, _, value = rest.partition("=")
            results[key] = value
        elif kind == "CODE":
            code = int(rest) if re.fullmatch(r"-?\d{1,9}", rest.strip()) else None
        elif kind in {"FAILED", "ABORTED"}:
            raise _not_started(rest, printed, component)
    results = {name: value.rstrip("\n") for name, value in results.items()}
    if "shortMsg" in results:
        reason = f"{results['shortMsg']} {results.get('longMsg', '')}".strip()
        raise DeviceError(
            f"the app crashed on the phone: {reason}",
            hint="`adb logcat -b crash -d` shows where",
        )
    if "Unable to find instrumentation" in printed:
        raise _not_started("", printed, component)
    if code is None:
        raise DeviceError(
            f"the self-test {component} did not finish: INSTRUMENTATION_CODE is missing from what "
            f"the device printed ({_end(printed)})",
            hint="the app was killed, or the connection was lost: try again with the screen on",
        )
    return Outcome(code=code, results=results)


def _not_started(reason: str, printed: str, component: str) -> DeviceError:
    if "Unable to find instrumentation" in printed or "is not installed" in printed:
        return DeviceError(
            f"the device has no self-test {component}",
            hint="install the app: `mobiledeploy bundle --apk app.apk`, then "
            "`mobiledeploy verify --device --apk app.apk`",
        )
    return DeviceError(f"the self-test {component} could not start: {reason or _end(printed)}")


def _end(printed: str) -> str:
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    return f"last line: `{lines[-1][:200]}`" if lines else "nothing"
