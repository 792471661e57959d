"""The candidate is chosen by validation images; test images do not count."""

import math

import pytest

from mobiledeploy.base.errors import ParityError
from mobiledeploy.pipeline.stages import choose_candidate
from mobiledeploy.spec.results import Accuracy, Candidate


def candidate(name: str, *, right: int, loss: float, test: int = 50) -> Candidate:
    return Candidate(
        name=name,
        validation=Accuracy(correct=right, total=60),
        validation_loss=loss,
        test=Accuracy(correct=test, total=60),
    )


@pytest.mark.parametrize(
    ("ptq", "qat", "chosen"),
    [
        (candidate("ptq", right=58, loss=0.1), candidate("qat", right=59, loss=0.9), "qat"),
        (candidate("ptq", right=59, loss=0.9), candidate("qat", right=58, loss=0.1), "ptq"),
        (candidate("ptq", right=58, loss=0.2), candidate("qat", right=58, loss=0.1), "qat"),
        (candidate("ptq", right=58, loss=0.1), candidate("qat", right=58, loss=0.2), "ptq"),
    ],
)
def test_more_correct_validation_images_win_and_the_loss_breaks_a_tie(
    ptq: Candidate, qat: Candidate, chosen: str
) -> None:
    assert choose_candidate((ptq, qat)).chosen == chosen


@pytest.mark.parametrize(
    ("p", "chosen", "said"), [(0.2, "qat", True), (0.05, "qat", True), (0.049, "ptq", False)]
)
def test_the_loss_decides_where_counts_may_differ_by_chance(
    p: float, chosen: str, *, said: bool
) -> None:
    ptq, qat = candidate("ptq", right=59, loss=0.2), candidate("qat", right=57, loss=0.1)
    result = choose_candidate((ptq, qat), p=p)
    assert result.chosen == chosen
    assert ("by chance" in result.reason) is said


def test_test_images_do_not_decide() -> None:
    ptq = candidate("ptq", right=59, loss=0.1, test=0)
    qat = candidate("qat", right=58, loss=0.1, test=60)
    assert choose_candidate((ptq, qat)).chosen == "ptq"


def test_the_reason_names_every_count_and_loss() -> None:
    result = choose_candidate(
        (candidate("ptq", right=58, loss=0.25), candidate("qat", right=57, loss=0.5))
    )
    assert result.reason == (
        "ptq is shipped: right on 60 validation images: ptq 58 (loss 0.2500), qat 57 (loss 0.5000)"
    )


def test_a_single_candidate_is_shipped_with_that_reason() -> None:
    assert "only candidate" in choose_candidate((candidate("ptq", right=1, loss=9.0),)).reason


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_nan_or_infinite_loss_is_refused(loss: float) -> None:
    sound = candidate("ptq", right=58, loss=0.1)
    with pytest.raises(ParityError, match="qat: expected a finite loss"):
        choose_candidate((sound, candidate("qat", right=58, loss=loss)))
