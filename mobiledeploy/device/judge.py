"""Hold an engine's answers, given on a phone, against the golden vectors."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.device import adb, selftest
from mobiledeploy.device.selftest import Engine
from mobiledeploy.spec.contract import Contract
from mobiledeploy.verify.outputs import answers
from mobiledeploy.verify.outputs.float_files import TOLERANCE
from mobiledeploy.verify.outputs.parity import Answers


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EngineReport:
    """How one engine of the app answers the golden vectors, as judged here.

    Attributes:
        title: Runtime, version and threads, as the app names it.
        file: The model that it ran.
        holds: Whether logits and scores are within the contract's tolerance.
        failures: What is not, a sentence each.
        images: How many; 0 if the engine could not run.
        exact_logits: Images on which every logit is equal.
        max_logits: Largest difference of a logit: LSB, or relative to the largest golden logit in
            a float model, as the app says it too. Answers that are no numbers are a failure of
            their own and left out here.
        max_scores: Largest difference of a score, likewise.
        same_top1: Images on which the highest logit is the same class.
        worst: Name of the image with the largest difference, or of one whose answer is no
            number; empty if there is none.
        median_ms: Median time of an inference on the phone, milliseconds; None if it did not run.
    """

    title: str
    file: str
    holds: bool
    failures: tuple[str, ...]
    images: int
    exact_logits: int
    max_logits: float
    max_scores: float
    same_top1: int
    worst: str
    median_ms: float | None


def judge(
    engine: Engine, names: Sequence[str], expected: Answers, contract: Contract
) -> EngineReport:
    """Compare what an engine answered with the golden vectors.

    Args:
        engine: With its answers.
        names: Of the golden images.
        expected: The golden answers.
        contract: Says how far answers may be off.

    Raises:
        CorruptFileError: The answers are not those of the golden images.
    """
    title = adb.shown(engine.title)
    told = engine.comparison
    if told is None:
        reason = f"{title} could not run {engine.file}: {adb.shown(engine.reason)}"
        return EngineReport(
            title=title, file=engine.file, holds=False, failures=(reason,), images=0,
            exact_logits=0, max_logits=0.0, max_scores=0.0, same_top1=0, worst="", median_ms=None,
        )  # fmt: skip
    if [answer.name for answer in told.answers] != list(names):
        raise CorruptFileError(f"{title} answered to other images than the golden ones")
    floats = contract.tolerance is None

    def unpack(packed: Sequence[str]) -> npt.NDArray[Any]:
        return np.stack(
            [selftest.values(text, classes=contract.classes, floats=floats) for text in packed]
        )

    logits = unpack([answer.logits for answer in told.answers])
    scores = unpack([answer.scores or answer.logits for answer in told.answers])
    golden_scores = expected.logits if expected.scores is None else expected.scores
    unit = float(np.abs(expected.logits).max()) if floats else 1.0
    bad = answers.rows_not_finite(logits) | answers.rows_not_finite(scores)
    from_logits = _apart(logits, expected.logits, bad) / unit
    from_scores = _apart(scores, golden_scores, bad) / unit
    worst = int(np.lexsort((from_scores, from_logits, bad))[-1])
    report = EngineReport(
        title=title,
        file=engine.file,
        holds=False,
        failures=(),
        images=len(names),
        exact_logits=int((~bad & (from_logits == 0)).sum()),
        max_logits=float(from_logits.max()),
        max_scores=float(from_scores.max()),
        same_top1=int((~bad & (logits.argmax(1) == expected.logits.argmax(1))).sum()),
        worst=names[worst] if bad[worst] or from_logits[worst] or from_scores[worst] else "",
        median_ms=told.median_ms,
    )
    unusable = [
        f"{title} gives {answers.words_not_finite(values, names)} in its {what}"
        for what, values in (("logits", logits), ("scores", scores))
        if answers.rows_not_finite(values).any()
    ]
    failures = (*unusable, *_differences(report, contract, told_exact=told.exact_logits))
    return dataclasses.replace(report, holds=not failures, failures=failures)


def _apart(
    values: npt.NDArray[Any], expected: npt.NDArray[Any], bad: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """Return the largest difference of each image; 0 for those whose answer is no number."""
    values = np.where(bad[:, None], expected, values)
    apart: npt.NDArray[np.float64] = np.abs(values.astype(np.float64) - expected).max(axis=1)
    return apart


def _differences(report: EngineReport, contract: Contract, *, told_exact: int) -> tuple[str, ...]:
    """Return what is beyond the contract's tolerance, a sentence each."""
    allowed = contract.tolerance
    most_logits, most_scores = (
        (TOLERANCE, TOLERANCE) if allowed is None else (allowed.logits, allowed.scores)
    )
    unit = "of the largest" if allowed is None else "LSB"
    found = []
    if not report.max_logits <= most_logits:
        found.append(
            f"{report.title}: logits differ by up to {report.max_logits:g} {unit}, expected at "
            f"most {most_logits:g}; worst: {report.worst}; the same top-1 on "
            f"{report.same_top1} of {report.images}"
        )
    if not report.max_scores <= most_scores:
        found.append(
            f"{report.title}: scores differ by up to {report.max_scores:g} {unit}, expected at "
            f"most {most_scores:g}; worst: {report.worst}"
        )
    if told_exact != report.exact_logits:
        found.append(
            f"{report.title}: the app says that logits are equal on {told_exact} images, its "
            f"answers say {report.exact_logits}"
        )
    return tuple(found)
