"""Compare the answers that an engine of the app gave on a phone with the golden vectors."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.device import adb, self_test
from mobiledeploy.device.self_test import EngineVerdict
from mobiledeploy.spec.contract import Contract
from mobiledeploy.verify.outputs import answers
from mobiledeploy.verify.outputs.float_files import TOLERANCE
from mobiledeploy.verify.outputs.parity import Answers


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EngineReport:
    """An engine's answers to the golden vectors, compared on this machine.

    Attributes:
        title: Runtime, version and threads, as the app names them.
        file: The model that it ran.
        holds: Whether logits and scores are within the contract's tolerance.
        failures: One sentence for each value that is not.
        images: Number of golden images; 0 if the engine could not run.
        exact_logits: Number of images on which every logit is equal.
        max_logits: Largest difference of a logit, in LSB; in a float model relative to the largest
            golden logit. NaN and infinite answers are left out here: they are failures.
        max_scores: Largest difference of a score, in the same unit.
        same_top1: Number of images on which the highest logit is the same class.
        worst: Name of the image with the largest difference, or of one with a NaN or infinite
            answer; empty if all answers are equal.
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


def compare_answers(
    engine: EngineVerdict, names: Sequence[str], expected: Answers, contract: Contract
) -> EngineReport:
    """Compare an engine's answers with the golden vectors.

    Args:
        engine: The phone's verdict, which holds the answers.
        names: Names of the golden images.
        expected: The golden answers.
        contract: Holds the tolerance.

    Raises:
        CorruptFileError: The answers are not those of the golden images.
    """
    title = adb.one_line(engine.title)
    by_phone = engine.comparison
    if by_phone is None:
        reason = f"{title} could not run {engine.file}: {adb.one_line(engine.reason)}"
        return EngineReport(
            title=title, file=engine.file, holds=False, failures=(reason,), images=0,
            exact_logits=0, max_logits=0.0, max_scores=0.0, same_top1=0, worst="", median_ms=None,
        )  # fmt: skip
    if [answer.name for answer in by_phone.answers] != list(names):
        raise CorruptFileError(f"{title} answered other images than the golden ones")
    floats = contract.tolerance is None

    def unpack(packed: Sequence[str]) -> npt.NDArray[Any]:
        return np.stack(
            [
                self_test.unpack_answer(text, classes=contract.outputs, floats=floats)
                for text in packed
            ]
        )

    logits = unpack([answer.logits for answer in by_phone.answers])
    scores = unpack([answer.scores or answer.logits for answer in by_phone.answers])
    golden_scores = expected.logits if expected.scores is None else expected.scores
    unit = float(np.abs(expected.logits).max()) if floats else 1.0
    not_finite = answers.rows_not_finite(logits) | answers.rows_not_finite(scores)
    from_logits = _largest_differences(logits, expected.logits, not_finite) / unit
    from_scores = _largest_differences(scores, golden_scores, not_finite) / unit
    worst = int(np.lexsort((from_scores, from_logits, not_finite))[-1])
    report = EngineReport(
        title=title,
        file=engine.file,
        holds=False,
        failures=(),
        images=len(names),
        exact_logits=int((~not_finite & (from_logits == 0)).sum()),
        max_logits=float(from_logits.max()),
        max_scores=float(from_scores.max()),
        same_top1=int((~not_finite & (logits.argmax(1) == expected.logits.argmax(1))).sum()),
        worst=names[worst]
        if not_finite[worst] or from_logits[worst] or from_scores[worst]
        else "",
        median_ms=by_phone.median_ms,
    )
    without_numbers = [
        f"{title} gives {answers.words_not_finite(values, names)} in its {what}"
        for what, values in (("logits", logits), ("scores", scores))
        if answers.rows_not_finite(values).any()
    ]
    failures = (
        *without_numbers,
        *_differences(report, contract, exact_by_phone=by_phone.exact_logits),
    )
    return dataclasses.replace(report, holds=not failures, failures=failures)


def _largest_differences(
    values: npt.NDArray[Any], expected: npt.NDArray[Any], not_finite: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """Return each image's largest difference; 0 for images with NaN or infinite answers."""
    values = np.where(not_finite[:, None], expected, values)
    largest: npt.NDArray[np.float64] = np.abs(values.astype(np.float64) - expected).max(axis=1)
    return largest


def _differences(
    report: EngineReport, contract: Contract, *, exact_by_phone: int
) -> tuple[str, ...]:
    """Return one sentence for each difference beyond the contract's tolerance."""
    allowed = contract.tolerance
    most_logits, most_scores = (
        (TOLERANCE, TOLERANCE) if allowed is None else (allowed.logits, allowed.scores)
    )
    unit = "of the largest" if allowed is None else "LSB"
    failures = []
    if not report.max_logits <= most_logits:
        failures.append(
            f"{report.title}: logits differ by up to {report.max_logits:g} {unit}, expected at "
            f"most {most_logits:g}; worst: {report.worst}; the same top-1 on "
            f"{report.same_top1} of {report.images}"
        )
    if not report.max_scores <= most_scores:
        failures.append(
            f"{report.title}: scores differ by up to {report.max_scores:g} {unit}, expected at "
            f"most {most_scores:g}; worst: {report.worst}"
        )
    if exact_by_phone != report.exact_logits:
        failures.append(
            f"{report.title}: the app counts equal logits on {exact_by_phone} images, its answers "
            f"have them on {report.exact_logits}"
        )
    return tuple(failures)
