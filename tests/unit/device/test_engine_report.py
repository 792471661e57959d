"""Answers of a phone's engine are compared with the golden ones, NaN and infinity included."""

import base64

import numpy as np
import numpy.typing as npt
import pytest
from unit.shared.test_verdicts import CLASSES, NAMES, REALS, contract

from mobiledeploy.base import codec
from mobiledeploy.device.engine_report import EngineReport, compare_answers
from mobiledeploy.device.self_test import EngineAnswer, EngineComparison, EngineVerdict
from mobiledeploy.verify.outputs.parity import Answers

Reals = npt.NDArray[np.float32]


def report_on(answers: Reals) -> EngineReport:
    def packed(row: Reals) -> str:
        return base64.b64encode(row.astype("<f4").tobytes()).decode()

    comparison = EngineComparison(
        images=len(NAMES),
        exact_logits=int((answers == REALS).all(axis=1).sum()),
        max_logits=0.0,
        max_scores=0.0,
        same_top1=len(NAMES),
        worst="",
        median_ms=1.0,
        answers=tuple(
            EngineAnswer(name=name, logits=packed(row), scores=None)
            for name, row in zip(NAMES, answers, strict=True)
        ),
    )
    engine = EngineVerdict(
        title="LiteRT", file="model.tflite", holds=True, reason="", comparison=comparison
    )
    expected = Answers(logits=REALS, scores=REALS)
    return compare_answers(engine, NAMES, expected, contract("float32", "logits", integers=False))


def test_float_answers_within_the_tolerance_hold() -> None:
    report = report_on(REALS * np.float32(1 + 1e-6))
    assert report.holds
    assert 0 < report.max_logits < 1e-5


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinite_answers_fail_and_name_the_image(value: float) -> None:
    answers = REALS.copy()
    answers[1, CLASSES - 1] = value
    report = report_on(answers)
    assert not report.holds
    kind = "NaN" if np.isnan(value) else "infinite values"
    assert report.failures[0] == f"LiteRT gives {kind} for `{NAMES[1]}` in its logits"
    assert report.worst == NAMES[1]
    assert (report.exact_logits, report.same_top1, report.max_logits) == (2, 2, 0)
    codec.to_json(report)


def test_answers_of_nan_only_do_not_hold() -> None:
    report = report_on(np.full_like(REALS, np.nan))
    assert not report.holds
    assert (report.exact_logits, report.same_top1) == (0, 0)
    codec.to_json(report)


def test_a_difference_beyond_float32_fails_with_a_finite_number() -> None:
    answers = REALS.copy()
    answers[0, 0] = np.finfo(np.float32).max
    report = report_on(answers)
    assert not report.holds
    codec.to_json(report)
