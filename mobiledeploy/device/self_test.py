"""Read what the app's self-test prints on a phone: its outcome, then its verdict.

`adb` exits with 0 even if the app crashed, so only the printed text tells how `am instrument -w
-r` ended: result lines `INSTRUMENTATION_RESULT: key=value`, whose values may span several lines,
and last of all `INSTRUMENTATION_CODE: -1`. One of the values is the verdict, a line of JSON by
`docs/schemas/selftest.schema.json`.
"""

import base64
import binascii
import dataclasses
import re
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from mobiledeploy.base import codec
from mobiledeploy.base.errors import CorruptFileError, DeviceError

FINISHED: Final = -1
"""Android's `Activity.RESULT_OK`: the code of an instrumentation that ran to its end."""
_LINE: Final = re.compile(
    r"^INSTRUMENTATION_(RESULT|STATUS|CODE|STATUS_CODE|FAILED|ABORTED)(?:: ?(.*))?$"
)
WHERE: Final = "the self-test's verdict"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SelfTestTolerance:
    """The largest difference from a golden answer that the app allows, in the verdict's unit."""

    logits: float
    scores: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EngineAnswer:
    """The answer of an engine to one golden image.

    Attributes:
        name: The image's name.
        logits: Base64 of int8 codes, or of little-endian float32 values in a float model.
        scores: The scores in the same form; None if equal to the logits.
    """

    name: str
    logits: str
    scores: str | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EngineComparison:
    """The phone's own comparison of an engine's answers; the schema explains the fields."""

    images: int
    exact_logits: int
    max_logits: float
    max_scores: float
    same_top1: int
    worst: str
    median_ms: float
    answers: tuple[EngineAnswer, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EngineVerdict:
    """The phone's own verdict on one engine of the app.

    Attributes:
        title: Runtime, version and threads.
        file: The model that it ran.
        holds: Whether the phone found the answers within the tolerance.
        reason: The reason in words.
        comparison: The phone's comparison; None if the engine could not run.
    """

    title: str
    file: Literal["model.tflite", "model.onnx"]
    holds: bool
    reason: str
    comparison: EngineComparison | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SelfTestVerdict:
    """The phone's own verdict on all engines of the app.

    Attributes:
        format: Version of the verdict's format.
        holds: Whether the phone's own checks all passed.
        model: Name of the model that the app carries.
        contract_sha256: SHA-256 of the app's contract.json, which holds those of the models.
        device: Facts of the phone: manufacturer, model, ABI, SDK, page size.
        resize_holds: Whether crop and resize gave the bytes whose digest the contract holds.
        unit: Unit of differences: `lsb`, or `relative` in a float model.
        tolerance: The tolerance that the phone used.
        engines: One verdict for each engine.
    """

    format: Literal[1]
    holds: bool
    model: str
    contract_sha256: str
    device: dict[str, str]
    resize_holds: bool
    unit: Literal["lsb", "relative"]
    tolerance: SelfTestTolerance
    engines: tuple[EngineVerdict, ...]


def read_verdict(text: str) -> SelfTestVerdict:
    """Read a verdict from the line of JSON that the app printed.

    Raises:
        CorruptFileError: It does not follow the schema.
    """
    return codec.from_json(SelfTestVerdict, text.encode(), where=WHERE)


def unpack_answer(packed: str, *, classes: int, floats: bool) -> npt.NDArray[Any]:
    """Return an image's logits or scores, shape (classes,): int16 codes, or float32 values.

    Raises:
        CorruptFileError: It is not base64, or has another length.
    """
    try:
        data = base64.b64decode(packed, validate=True)
    except binascii.Error as error:
        raise CorruptFileError(f"{WHERE}: answers are not base64: {error}") from error
    kind = np.dtype("<f4") if floats else np.dtype(np.int8)
    if len(data) != classes * kind.itemsize:
        raise CorruptFileError(
            f"{WHERE}: expected {classes * kind.itemsize} bytes of answers, received {len(data)}"
        )
    values = np.frombuffer(data, kind)
    return values.copy() if floats else values.astype(np.int16)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentationOutcome:
    """How an instrumentation ended.

    Attributes:
        code: Its exit code; None if it did not finish.
        results: The printed values by key.
    """

    code: int | None
    results: dict[str, str]


def read_outcome(printed: str, *, component: str) -> InstrumentationOutcome:
    """Read how an instrumentation ended.

    Args:
        printed: All that `am instrument -w -r` printed.
        component: Name of the instrumentation that was started, for messages.

    Raises:
        DeviceError: The phone has no such instrumentation, the app crashed, or it did not finish.
    """
    code: int | None = None
    results: dict[str, str] = {}
    key: str | None = None
    for line in printed.replace("\r\n", "\n").split("\n"):
        match = _LINE.match(line)
        if match is None:
            if key is not None:
                results[key] += f"\n{line}"
            continue
        kind, rest = match[1], match[2] or ""
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
            hint="`adb logcat -b crash -d` shows where it crashed",
        )
    if "Unable to find instrumentation" in printed:
        raise _not_started("", printed, component)
    if code is None:
        raise DeviceError(
            f"the self-test {component} did not finish: INSTRUMENTATION_CODE is missing from what "
            f"the phone printed ({_last_line(printed)})",
            hint="the app was killed, or the connection was lost: try again with the screen on",
        )
    return InstrumentationOutcome(code=code, results=results)


def _not_started(reason: str, printed: str, component: str) -> DeviceError:
    if "Unable to find instrumentation" in printed or "is not installed" in printed:
        return DeviceError(
            f"the phone has no self-test {component}",
            hint="install the app: `mobiledeploy bundle --apk app.apk`, then "
            "`mobiledeploy verify --device --apk app.apk`",
        )
    return DeviceError(
        f"the self-test {component} could not start: {reason or _last_line(printed)}",
        hint="install the app again: `mobiledeploy verify --device --apk app.apk`",
    )


def _last_line(printed: str) -> str:
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    return f"last line: `{lines[-1][:200]}`" if lines else "nothing"
