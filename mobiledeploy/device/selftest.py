"""What the app's self-test says: `docs/schemas/selftest.schema.json`, read strictly."""

import base64
import binascii
import dataclasses
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from mobiledeploy.base import codec
from mobiledeploy.base.errors import CorruptFileError

WHERE: Final = "the self-test's verdict"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How far an answer may be from the golden one, in the verdict's unit."""

    logits: float
    scores: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an engine answered to one golden image.

    Attributes:
        name: Of the image.
        logits: Base64 of int8 codes, or of little-endian float32 values in a float model.
        scores: Likewise; None if equal to the logits.
    """

    name: str
    logits: str
    scores: str | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What the device itself made of an engine's answers; the fields as in the schema."""

    images: int
    exact_logits: int
    max_logits: float
    max_scores: float
    same_top1: int
    worst: str
    median_ms: float
    answers: tuple[Answer, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """One engine of the app.

    Attributes:
        title: Runtime, version and threads.
        file: The model that it ran.
        holds: The device's own verdict.
        reason: Why, in words.
        comparison: None if the engine could not run.
    """

    title: str
    file: Literal["model.tflite", "model.onnx"]
    holds: bool
    reason: str
    comparison: Comparison | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SelfTest:
    """The verdict of an app on a device.

    Attributes:
        format: Version of the verdict's format.
        holds: The device's own verdict.
        model: Name of the model that the app carries.
        contract_sha256: Digest of the app's contract.json, which names the models by theirs.
        device: Facts: manufacturer, model, ABI, SDK, page size.
        resize_holds: Whether crop and resize gave the bits that the contract names.
        unit: Of differences: `lsb`, or `relative` in a float model.
        tolerance: What the device judged by.
        engines: One each.
    """

    format: Literal[1]
    holds: bool
    model: str
    contract_sha256: str
    device: dict[str, str]
    resize_holds: bool
    unit: Literal["lsb", "relative"]
    tolerance: Limits
    engines: tuple[Engine, ...]


def read(text: str) -> SelfTest:
    """Return a verdict from the one line of JSON that the app gave.

    Raises:
        CorruptFileError: It is not such a verdict.
    """
    return codec.from_json(SelfTest, text.encode(), where=WHERE)


def values(packed: str, *, classes: int, floats: bool) -> npt.NDArray[Any]:
    """Return an image's logits or scores, shape (classes,): int16 codes, or float32 values.

    Raises:
        CorruptFileError: It is not base64, or of another length.
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
    found = np.frombuffer(data, kind)
    return found.copy() if floats else found.astype(np.int16)
