"""Golden files that Kotlin reads as well: what the app's self-test must say of given answers.

The verdicts are computed here by NumPy, from the answers alone. Kotlin's golden runner, with an
engine that gives these answers, must come to the same.
"""

import base64
import dataclasses
import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import numpy.typing as npt
import pytest
from golden_text import one_case_a_line

from mobiledeploy.base import codec
from mobiledeploy.data import test_card as card
from mobiledeploy.spec.config import Head, Io, Preprocessing
from mobiledeploy.spec.contract import (
    SOFTMAX,
    Contract,
    ContractTensor,
    Int8Grid,
    Patch,
    Tap,
    Tolerance,
)
from mobiledeploy.spec.results import File
from mobiledeploy.verify.outputs.float_files import TOLERANCE

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = json.loads((ROOT / "docs/schemas/selftest.schema.json").read_text())

Numbers = npt.NDArray[Any]

SIZE, CLASSES = 16, 4
NAMES = ("bär/1.png", "cat/2.png", "dog/3.png")
DEVICE = {"device": "Pixel 8", "abi": "arm64-v8a"}
MODELS = {"model.tflite": b"a model for TFLite", "model.onnx": b"a model for ONNX"}
LABELS = "bär\ncat\ndog\nnewt\n"
LOGITS = np.array([[-20, 100, 3, -128], [50, -60, 127, 0], [-1, -2, 90, 91]], np.int8)
SCORES = np.array([[-128, 120, -124, -128], [-100, -128, 98, -126], [-128, -128, -1, 1]], np.int8)
REALS = np.array([[0.5, 4.0, -2.5, 1.0], [2.0, -8.0, 3.25, 0.0], [1, 2, 3, 4]], np.float32)
PIXELS = np.random.default_rng(7).integers(0, 256, (3, SIZE, SIZE, 3)).astype(np.uint8)


def file(name: str, data: bytes) -> File:
    return File(path=name, size=len(data), sha256=hashlib.sha256(data).hexdigest())


def contract(io: Io, head: Head, *, integers: bool = True) -> Contract:
    """Return a contract for `MODELS`."""
    grid = Int8Grid(scale=0.0625, zero_point=-20)
    output = grid if head == "logits" else SOFTMAX
    preprocessing = Preprocessing(image_size=SIZE)
    taps = (
        Tap(
            path="model.tflite",
            output="logits",
            dtype="int8",
            patch=Patch(offset=2, bytes=b"tapp".hex()),
            append=b"tail".hex(),
        ),
        Tap(path="model.onnx", output="logits", dtype="uint8", patch=None, append=b"end".hex()),
    )
    return Contract(
        name="tiny",
        classes=CLASSES,
        head=head,
        preprocessing=preprocessing,
        resize_check=card.resized_digest(preprocessing),
        input=ContractTensor(
            dtype=io,
            shape=(1, SIZE, SIZE, 3),
            grid=Int8Grid(scale=1 / 128, zero_point=0) if integers else None,
        ),
        output=ContractTensor(dtype=io, shape=(1, CLASSES), grid=output if integers else None),
        logits=grid if integers else None,
        tolerance=Tolerance() if integers else None,
        files=tuple(file(name, data) for name, data in MODELS.items()),
        labels=file("labels.txt", LABELS.encode()),
        taps=taps if integers and head == "softmax" else (),
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """A golden file, and what an engine answers to its images."""

    what: str
    file: str
    contract: Contract
    logits: Numbers
    scores: Numbers
    told_logits: Numbers
    told_scores: Numbers

    def npz(self) -> bytes:
        tensors = (self.contract.input.grid, self.contract.output.grid, self.contract.logits)
        grids = [(grid.scale, grid.zero_point) for grid in tensors if grid]
        buffer = io.BytesIO()
        np.savez(
            buffer,
            allow_pickle=False,
            names=np.array(NAMES),
            pixels=PIXELS,
            logits=self.logits,
            scores=self.scores,
            **({"grids": np.array(grids, np.float64)} if grids else {}),
        )
        return buffer.getvalue()


def changed(values: Numbers, *changes: tuple[int, int, float]) -> Numbers:
    """Return a copy with `change` added at each (image, class)."""
    copy = values.copy()
    for image, label, change in changes:
        copy[image, label] += change
    return copy


def softmax_case(what: str, file: str, io: Io, logits: Numbers, scores: Numbers) -> Case:
    return Case(
        what=what,
        file=file,
        contract=contract(io, "softmax"),
        logits=LOGITS,
        scores=SCORES,
        told_logits=logits,
        told_scores=scores,
    )


def plain_case(
    what: str, file: str, io: Io, truth: Numbers, told: Numbers, *, integers: bool = True
) -> Case:
    return Case(
        what=what,
        file=file,
        contract=contract(io, "logits", integers=integers),
        logits=truth,
        scores=truth,
        told_logits=told,
        told_scores=told,
    )


TFLITE, ONNX = MODELS
CASES = (
    softmax_case("all equal", TFLITE, "int8", LOGITS, SCORES),
    softmax_case("a score apart", ONNX, "int8", LOGITS, changed(SCORES, (1, 2, -1))),
    softmax_case("two scores apart", TFLITE, "uint8", LOGITS, changed(SCORES, (1, 2, 2))),
    softmax_case("a logit apart", ONNX, "uint8", changed(LOGITS, (2, 3, -1)), SCORES),
    softmax_case("float outside", TFLITE, "float32", LOGITS, SCORES),
    softmax_case(
        "another model", ONNX, "float32", np.flip(LOGITS, axis=1), np.flip(SCORES, axis=1)
    ),
    plain_case("logits", TFLITE, "uint8", LOGITS, LOGITS),
    plain_case("logits apart", ONNX, "int8", LOGITS, changed(LOGITS, (0, 0, 9), (2, 0, -9))),
    plain_case("float model", ONNX, "float32", REALS, REALS * np.float32(1.0001), integers=False),
    plain_case(
        "wrong float model", TFLITE, "float32", REALS, changed(REALS, (1, 3, 0.25)), integers=False
    ),
)


def apart(first: Numbers, second: Numbers) -> npt.NDArray[np.float64]:
    """Return the largest difference on each image."""
    found: npt.NDArray[np.float64] = np.abs(first.astype(float) - second.astype(float)).max(axis=1)
    return found


def verdict(case: Case) -> dict[str, Any]:
    integers = case.contract.tolerance is not None
    unit = 1.0 if integers else float(np.abs(case.logits).max())
    logits = apart(case.told_logits, case.logits) / unit
    scores = apart(case.told_scores, case.scores) / unit
    tolerance = (
        {"logits": 0, "scores": 1} if integers else dict.fromkeys(("logits", "scores"), TOLERANCE)
    )
    worst = max(range(len(NAMES)), key=lambda image: (logits[image], scores[image]))
    named = NAMES[worst] if logits.max() or scores.max() else ""
    exact = int((logits == 0).sum())
    failures = []
    if not integers:
        praise = f"outputs of 3 images within {logits.max():.1e} of the largest"
        if logits.max() > TOLERANCE:
            failures.append(
                f"outputs differ by {logits.max():.1e} of the largest, expected at most 0.001; "
                f"worst: {named}"
            )
    else:
        praise = f"logits exact on {exact} of 3 images, scores within {int(scores.max())} LSB"
        if logits.max() > 0:
            failures.append(
                f"logits differ on {3 - exact} of 3 images, by up to {int(logits.max())} LSB; "
                f"worst: {named}"
            )
        if scores.max() > 1:
            failures.append(f"scores differ by up to {int(scores.max())} LSB, expected at most 1")
    number = int if integers else float
    same = np.argmax(case.told_logits, axis=1) == np.argmax(case.logits, axis=1)
    return {
        "format": 1,
        "holds": not failures,
        "model": "tiny",
        "contract_sha256": "",
        "device": DEVICE,
        "resize_holds": True,
        "unit": "lsb" if integers else "relative",
        "tolerance": tolerance,
        "engines": [
            {
                "title": "fake",
                "file": case.file,
                "holds": not failures,
                "reason": "; ".join(failures) or praise,
                "comparison": {
                    "images": 3,
                    "exact_logits": exact,
                    "max_logits": number(logits.max()),
                    "max_scores": number(scores.max()),
                    "same_top1": int(same.sum()),
                    "worst": named,
                    "median_ms": 0,
                    "answers": [
                        {
                            "name": name,
                            "logits": packed(told),
                            "scores": None if np.array_equal(told, score) else packed(score),
                        }
                        for name, told, score in zip(
                            NAMES, case.told_logits, case.told_scores, strict=True
                        )
                    ],
                },
            }
        ],
    }


def packed(values: Numbers) -> str:
    kind = "i1" if values.dtype == np.int8 else "<f4"
    return base64.b64encode(values.astype(kind).tobytes()).decode()


def test_golden_verdicts(golden: Callable[[str, str], None]) -> None:
    document = {
        "models": {name: data.decode() for name, data in MODELS.items()},
        "labels": LABELS,
        "verdicts": [
            {
                "what": case.what,
                "file": case.file,
                "contract": json.loads(codec.to_json(case.contract)),
                "npz": base64.b64encode(case.npz()).decode(),
                "logits": case.told_logits.astype(float).tolist(),
                "scores": case.told_scores.astype(float).tolist(),
                "verdict": verdict(case),
            }
            for case in CASES
        ],
    }
    golden("verdicts.json", one_case_a_line(document))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_verdicts_are_as_their_schema_says(case: Case) -> None:
    document = {**verdict(case), "contract_sha256": "0" * 64}
    jsonschema.validate(document, SCHEMA)


def test_some_verdicts_hold_and_some_fail() -> None:
    holds = [verdict(case)["holds"] for case in CASES]
    assert holds == [True, True, False, False, True, False, True, False, True, False]
