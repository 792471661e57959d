"""The candidate is chosen by validation images; a head is checked before it is trained."""

import dataclasses
import math
from pathlib import Path

import graphs
import numpy as np
import pytest

from mobiledeploy.base.errors import ParityError, RequestError
from mobiledeploy.base.progress import silent
from mobiledeploy.data.pixels import Images
from mobiledeploy.integer import tflite_reader
from mobiledeploy.network.network import Network, load_network
from mobiledeploy.ops.conv import Conv
from mobiledeploy.pipeline import stages
from mobiledeploy.pipeline.build import build
from mobiledeploy.pipeline.stages import Scored, choose_candidate
from mobiledeploy.spec import defaults
from mobiledeploy.spec.config import SCALINGS
from mobiledeploy.spec.results import Accuracy, Candidate, ClassOrder, InputChoice
from mobiledeploy.training import predict, tensorflow_setup


def candidate(
    name: str, *, right: int, loss: float, spread: float = 0.0, test: int = 50
) -> Scored:
    """Return a candidate that is right on the first so many of 60 images.

    Args:
        name: Of it.
        right: How often it is right.
        loss: Its mean loss.
        spread: Standard deviation of the images' losses.
        test: How often it is right on the test images.
    """
    losses = np.full(60, loss) + np.tile([spread, -spread], 30)
    return Scored(
        candidate=Candidate(
            name=name,
            validation=Accuracy(correct=right, total=60),
            validation_loss=loss,
            test=Accuracy(correct=test, total=60),
        ),
        right=np.arange(60) < right,
        losses=losses,
    )


PTQ = candidate("ptq", right=40, loss=0.5)


@pytest.mark.parametrize(
    ("qat", "chosen"),
    [
        (candidate("qat", right=46, loss=0.9), "qat"),
        (candidate("qat", right=34, loss=0.1), "ptq"),
        (candidate("qat", right=40, loss=0.4), "qat"),
        (candidate("qat", right=40, loss=0.6), "ptq"),
        (candidate("qat", right=40, loss=0.5), "ptq"),
        (candidate("qat", right=40, loss=0.4, spread=0.7), "qat"),
        (candidate("qat", right=40, loss=0.4, spread=0.8), "ptq"),
        (candidate("qat", right=45, loss=0.6), "ptq"),
        (candidate("qat", right=35, loss=0.4), "qat"),
        (candidate("qat", right=45, loss=0.4, spread=0.8), "ptq"),
    ],
)
def test_qat_is_shipped_only_where_a_paired_test_finds_it_better(qat: Scored, chosen: str) -> None:
    assert choose_candidate((PTQ, qat)).chosen == chosen


def test_test_images_do_not_decide() -> None:
    assert choose_candidate((PTQ, candidate("qat", right=34, loss=0.5, test=60))).chosen == "ptq"


@pytest.mark.parametrize(("away", "chosen"), [("ptq", "qat"), ("qat", "ptq")])
def test_a_candidate_nearer_to_the_float_network_is_shipped_where_labels_cannot_tell(
    away: str, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(0)
    floats = random.normal(0, 1, (40, 3)).astype(np.float32)
    images = Images.without_labels(np.zeros((40, 8, 8, 3), np.uint8))
    images = dataclasses.replace(images, labels=floats.argmax(axis=1))

    def scored(name: str) -> Scored:
        # The same added to all logits of an image changes no score.
        logits = floats + np.float32(0.5 if name == away else 0.25)
        monkeypatch.setattr(stages, "logits_runner", lambda *_, **__: lambda _: logits)
        splits = dict.fromkeys(stages.SCORED, images)
        graph = graphs.assorted_graph()
        return stages.score_candidate(name, graph, splits, floats, threads=1, progress=silent)

    assert choose_candidate((scored("ptq"), scored("qat"))).chosen == chosen


@pytest.mark.tensorflow
@pytest.mark.slow
def test_weights_per_tensor_have_one_scale_in_a_build(tmp_path: Path) -> None:
    config = defaults.decide(
        arch="v1", qat_steps=2, epochs=1, weights_per="tensor", calibration_images=40, threads=2
    )
    build(config, tmp_path / "build")
    integers = tflite_reader.read_file(tmp_path / "build/model.tflite")
    convolutions = [node for node in integers.nodes if isinstance(node, Conv)]
    assert len(convolutions) == 27
    assert {len(set(node.weights.kernel_scale.tolist())) for node in convolutions} == {1}
    network = load_network(tmp_path / "build/quantise/network.npz")
    assert network.weights_per == "tensor"


CHANCE = "; the counts are equal or differ by chance (p = 1), so the loss decides"


@pytest.mark.parametrize(
    ("right", "loss", "spread", "chosen", "why"),
    [
        (34, 0.25, 0, "ptq", ""),
        (41, 0.25, 0, "qat", CHANCE),
        (41, 0.49, 1, "ptq", f"{CHANCE}, and it is not plainly lower"),
    ],
)
def test_the_reason_names_every_count_and_loss(
    right: int, loss: float, spread: float, chosen: str, why: str
) -> None:
    qat = candidate("qat", right=right, loss=loss, spread=spread)
    assert choose_candidate((PTQ, qat)).reason == (
        f"{chosen} is shipped: right on 60 validation images: ptq 40 (loss 0.5000), "
        f"qat {right} (loss {loss:.4f}){why}"
    )


def test_a_single_candidate_is_shipped_with_that_reason() -> None:
    assert "only candidate" in choose_candidate((candidate("ptq", right=1, loss=9.0),)).reason


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_nan_or_infinite_loss_is_refused(loss: float) -> None:
    with pytest.raises(ParityError, match="qat: expected a finite loss"):
        choose_candidate((PTQ, candidate("qat", right=58, loss=loss)))


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
