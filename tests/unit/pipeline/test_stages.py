"""The candidate is chosen by validation images; a head is checked before it is trained."""

import math

import graphs
import numpy as np
import pytest

from mobiledeploy.base.errors import ParityError, RequestError
from mobiledeploy.base.progress import silent
from mobiledeploy.data.pixels import Images
from mobiledeploy.network.network import Network
from mobiledeploy.pipeline import stages
from mobiledeploy.pipeline.stages import choose_candidate
from mobiledeploy.spec.config import SCALINGS
from mobiledeploy.spec.results import Accuracy, Candidate, ClassOrder, InputChoice
from mobiledeploy.training import predict, tensorflow_setup


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


@pytest.mark.parametrize("ordered", [False, True])
def test_a_head_in_another_order_is_refused_before_training(
    ordered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = tuple(sorted(str(number) for number in range(1, 13)))
    labels = np.repeat(np.arange(12), 5)
    trained_as = labels if ordered else np.array([int(name) - 1 for name in names])[labels]
    images = Images(
        pixels=np.zeros((60, 16, 16, 3), np.uint8), labels=labels, indices=np.arange(60),
        names=tuple(map(str, range(60))), unreadable=(),
    )  # fmt: skip
    monkeypatch.setattr(tensorflow_setup, "start", lambda *_, **__: None)
    monkeypatch.setattr(predict, "predict", lambda *_, **__: np.eye(12)[trained_as])
    network, _ = graphs.random_network(graphs.assorted())

    def check() -> tuple[ClassOrder, InputChoice]:
        return stages._check_head(network, images, names, threads=1, progress=silent)

    if ordered:
        assert check()[0].given == Accuracy(correct=60, total=60)
    else:
        with pytest.raises(RequestError, match=r"on 60 sorted by the numbers") as caught:
            check()
        assert "rename the folders" in (caught.value.hint or "")


def test_a_head_that_was_trained_on_another_range_is_refused_before_training(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    labels = np.repeat(np.arange(3), 10)
    images = Images(
        pixels=np.zeros((30, 16, 16, 3), np.uint8), labels=labels, indices=np.arange(30),
        names=tuple(map(str, range(30))), unreadable=(),
    )  # fmt: skip
    network, _ = graphs.random_network(graphs.assorted())

    def answers(asked: Network, *_: object, **__: object) -> np.ndarray:
        right = asked.architecture.scaling == SCALINGS["0..1"]
        logits: np.ndarray = np.eye(3)[labels if right else labels * 0]
        return logits

    monkeypatch.setattr(tensorflow_setup, "start", lambda *_, **__: None)
    monkeypatch.setattr(predict, "predict", answers)
    with pytest.raises(
        RequestError, match=r"another input range than -1\.\.1: .*0\.\.1 100%"
    ) as e:
        stages._check_head(network, images, ("a", "b", "c"), threads=1, progress=silent)
    assert e.value.hint == "build with `--input-range 0..1`"
