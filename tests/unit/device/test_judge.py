"""What a phone's engine answers is judged here, also where its answers are no numbers."""

import base64

import numpy as np
import numpy.typing as npt
import pytest
from unit.shared.test_verdicts import CLASSES, NAMES, REALS, contract

from mobiledeploy.base import codec
from mobiledeploy.base.errors import DeviceError
from mobiledeploy.device import latency
from mobiledeploy.device.judge import EngineReport, judge
from mobiledeploy.device.selftest import Answer, Comparison, Engine
from mobiledeploy.verify.outputs.parity import Answers

Reals = npt.NDArray[np.float32]


def judged(told: Reals) -> EngineReport:
    def packed(row: Reals) -> str:
        return base64.b64encode(row.astype("<f4").tobytes()).decode()

    comparison = Comparison(
        images=len(NAMES),
        exact_logits=int((told == REALS).all(axis=1).sum()),
        max_logits=0.0,
        max_scores=0.0,
        same_top1=len(NAMES),
        worst="",
        median_ms=1.0,
        answers=tuple(
            Answer(name=name, logits=packed(row), scores=None)
            for name, row in zip(NAMES, told, strict=True)
        ),
    )
    engine = Engine(
        title="LiteRT", file="model.tflite", holds=True, reason="", comparison=comparison
    )
    expected = Answers(logits=REALS, scores=REALS)
    return judge(engine, NAMES, expected, contract("float32", "logits", integers=False))


def test_float_answers_within_rounding_hold() -> None:
    report = judged(REALS * np.float32(1 + 1e-6))
    assert report.holds
    assert 0 < report.max_logits < 1e-5


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_answers_that_are_no_numbers_fail_and_name_the_image(value: float) -> None:
    told = REALS.copy()
    told[1, CLASSES - 1] = value
    report = judged(told)
    assert not report.holds
    kind = "NaN" if np.isnan(value) else "infinite values"
    assert report.failures[0] == f"LiteRT gives {kind} for `{NAMES[1]}` in its logits"
    assert report.worst == NAMES[1]
    assert (report.exact_logits, report.same_top1, report.max_logits) == (2, 2, 0)
    codec.to_json(report)


def test_nothing_but_nan_does_not_hold() -> None:
    report = judged(np.full_like(REALS, np.nan))
    assert not report.holds
    assert (report.exact_logits, report.same_top1) == (0, 0)
    codec.to_json(report)


def test_answers_that_differ_by_more_than_float32_holds_fail_in_numbers() -> None:
    told = REALS.copy()
    told[0, 0] = np.finfo(np.float32).max
    report = judged(told)
    assert not report.holds
    codec.to_json(report)


def test_times_without_end_are_no_times() -> None:
    with pytest.raises(DeviceError, match="an infinite avg"):
        latency.read("count=50 avg=1e999 median=3", threads=1)
