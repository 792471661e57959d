"""A network that was trained elsewhere learns to give the same answers with fake quantisation."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from mobiledeploy.base.errors import RequestError
from mobiledeploy.base.progress import Event, Progress, silent
from mobiledeploy.data.pixels import Images
from mobiledeploy.integer.quantise import quantise
from mobiledeploy.network.network import Network
from mobiledeploy.ops import table
from mobiledeploy.ops.architecture import INPUT, Architecture, Layer
from mobiledeploy.ops.weights import Weights
from mobiledeploy.pipeline.calibrate import calibrate
from mobiledeploy.pipeline.int8_logits import logits_runner
from mobiledeploy.spec.config import FineTuneConfig
from mobiledeploy.training import fine_tune, predict, qat_folded, tensorflow_graph
from mobiledeploy.training.augment import SIGNED
from mobiledeploy.training.checkpoint import Checkpoints
from mobiledeploy.training.tensorflow_graph import to_input

CONFIG = FineTuneConfig(loss="distill", steps=40, batch_size=16, learning_rate=3e-3, seed=0)


def tuned(network: Network, images: Images, config: FineTuneConfig = CONFIG) -> Network:
    ranges = calibrate(network, images.pixels)
    return fine_tune.fine_tune(network, ranges, images, config, augment="none")


def logits(network: Network, images: Images) -> np.ndarray:
    inputs = to_input(images.pixels, SIGNED)
    weights = tensorflow_graph.variables_of(network)
    model = qat_folded.model_of(network, weights, calibrate(network, images.pixels))
    return np.asarray(model.logits(inputs))


def weights_of(network: Network) -> list[np.ndarray]:
    return [each for held in network.weights.values() for each in (held.kernel, held.bias)]


def coarse() -> Network:
    """A head with one scale, which a few large weights of a faint channel make coarse."""
    random = np.random.default_rng(0)
    stem = random.normal(0, 0.3, (3, 3, 3, 16)).astype(np.float32)
    stem[..., 0] *= 0.01
    head = random.normal(0, 0.3, (16, 5)).astype(np.float32)
    head[0] = random.normal(0, 20, 5)
    bias = np.abs(random.normal(0, 0.1, 16)).astype(np.float32)
    bias[0] = 0
    return Network(
        architecture=Architecture(
            name="coarse",
            input_shape=(8, 8, 3),
            layers=(
                Layer(
                    name="stem", op="conv", inputs=(INPUT,), in_channels=3, out_channels=16,
                    kernel=(3, 3), strides=(2, 2), activation="relu",
                ),
                Layer(name="pool", op="mean", inputs=("stem",), in_channels=16, out_channels=16),
                Layer(name="logits", op="dense", inputs=("pool",), in_channels=16, out_channels=5),
            ),
        ),
        weights={
            "stem": Weights(kernel=stem, bias=bias),
            "logits": Weights(kernel=head, bias=np.zeros(5, np.float32)),
        },
    )  # fmt: skip


@pytest.mark.tensorflow
def test_a_network_that_post_training_quantisation_hurts_answers_more_often_as_float(
    images: Images,
) -> None:
    random = np.random.default_rng(3)
    pixels = random.integers(0, 100, (128, 8, 8, 3)) + random.integers(0, 156, (128, 1, 1, 3))
    train, test = pixels.astype(np.uint8).reshape(2, 64, 8, 8, 3)
    photos = dataclasses.replace(images, pixels=train, labels=np.zeros(64, np.int64))
    network = coarse()
    network.weights["logits"].bias[:] = -predict.predict(network, train).mean(axis=0)
    ranges = calibrate(network, train)
    teacher = predict.predict(network, test)

    def score(student: Network) -> tuple[int, float]:
        codes = logits_runner(quantise(student, ranges), threads=1)(test)
        same = codes.argmax(axis=1) == teacher.argmax(axis=1)
        return int(same.sum()), float(np.square(codes - teacher).mean())

    (before, error), (after, smaller) = score(network), score(tuned(network, photos))
    assert after >= before + 5
    assert smaller < 0.5 * error


@pytest.mark.tensorflow
def test_distillation_uses_no_labels_and_repeats_to_the_bit(
    network: Network, images: Images
) -> None:
    others = dataclasses.replace(images, labels=images.labels[::-1].copy())
    config = dataclasses.replace(CONFIG, steps=3)
    once, again, seeded = (
        weights_of(tuned(network, photos, dataclasses.replace(config, seed=seed)))
        for photos, seed in ((images, 0), (others, 0), (images, 1))
    )
    assert all(np.array_equal(one, two) for one, two in zip(once, again, strict=True))
    assert not all(np.array_equal(one, two) for one, two in zip(once, seeded, strict=True))


@pytest.mark.slow
@pytest.mark.tensorflow
def test_an_interrupted_run_ends_with_the_same_bits(
    network: Network, images: Images, tmp_path: Path
) -> None:
    config = dataclasses.replace(CONFIG, steps=4)
    ranges = calibrate(network, images.pixels)
    checkpoints = Checkpoints(folder=tmp_path, seconds=0)

    def run(progress: Progress, checkpoints: Checkpoints | None) -> list[np.ndarray]:
        tuned = fine_tune.fine_tune(
            network, ranges, images, config, augment="photos", checkpoints=checkpoints,
            progress=progress,
        )  # fmt: skip
        return weights_of(tuned)

    def stop(event: Event) -> None:
        if event.done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(stop, checkpoints)
    events: list[Event] = []
    resumed, whole = run(events.append, checkpoints), run(silent, None)
    assert "resumes" in events[0].message
    assert all(np.array_equal(one, two) for one, two in zip(resumed, whole, strict=True))


@pytest.mark.tensorflow
def test_with_labels_the_network_learns_them(network: Network, images: Images) -> None:
    config = dataclasses.replace(CONFIG, loss="labels", learning_rate=0.01)

    def right(student: Network) -> int:
        answers = logits(student, images).argmax(axis=1)
        return int((answers == images.labels).sum())

    assert right(tuned(network, images, config)) > right(network) + 10


def test_every_operator_with_a_float_form_can_be_trained() -> None:
    layers = {name for operator in table.OPERATORS for name in operator.LAYERS}
    layers.remove("lookup")  # a table of codes, which files of integers have
    assert tensorflow_graph.TENSORFLOW_OPERATORS.keys() == layers


def test_layers_that_cannot_be_trained_are_all_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        tensorflow_graph,
        "TENSORFLOW_OPERATORS",
        {
            name: made
            for name, made in tensorflow_graph.TENSORFLOW_OPERATORS.items()
            if name != "tanh"
        },
    )
    architecture = Architecture(
        name="bent",
        input_shape=(4, 4, 3),
        layers=tuple(
            Layer(name=name, op=op, inputs=(source,), in_channels=3, out_channels=3)
            for name, op, source in (
                ("first", "tanh", INPUT),
                ("middle", "logistic", "first"),
                ("second", "tanh", "middle"),
            )
        ),
    )
    with pytest.raises(RequestError, match=r"2 of 3 .*: `first` \(tanh\), `second` \(tanh\)$"):
        tensorflow_graph.require_trainable(architecture)
