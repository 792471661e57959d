"""Transfer learning starts from given weights and trains a head where there is none."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mobiledeploy.base.progress import Event
from mobiledeploy.data.pixels import Images
from mobiledeploy.network.fold import Variables
from mobiledeploy.network.network import Network
from mobiledeploy.network.weight_matching import MatchedWeights
from mobiledeploy.ops.architecture import Architecture
from mobiledeploy.spec.config import TrainConfig
from mobiledeploy.training import predict, transfer
from mobiledeploy.training.augment import SIGNED
from mobiledeploy.training.checkpoint import Checkpoints
from mobiledeploy.training.float_training import TrainedNetwork
from mobiledeploy.training.tensorflow_graph import to_input

pytestmark = pytest.mark.tensorflow

CONFIG = TrainConfig(
    weights="file", epochs=3, batch_size=16, learning_rate=0.003, seed=0, threads=2
)
HEAD = "logits"


def weights_of(network: Network, *, head: bool) -> MatchedWeights:
    variables = {
        name: Variables(kernel=before.kernel, bias=before.bias)
        for name, before in network.weights.items()
        if head or name != HEAD
    }
    return MatchedWeights(variables=variables, head=head, note="from a test")


def part(images: Images, rows: slice) -> Images:
    return dataclasses.replace(
        images,
        pixels=images.pixels[rows],
        labels=images.labels[rows],
        indices=images.indices[rows],
        names=images.names[rows],
    )


def train(
    network: Network, images: Images, *, head: bool, epochs: int = CONFIG.epochs, **options: Any
) -> TrainedNetwork:
    return transfer.train(
        network.architecture,
        part(images, slice(0, 36)),
        part(images, slice(36, 48)),
        weights_of(network, head=head),
        dataclasses.replace(CONFIG, epochs=epochs),
        augment="photos",
        **options,
    )


def top1(network: Network, images: Images) -> float:
    logits = predict.predict(network, images.pixels)
    return float((logits.argmax(axis=1) == images.labels).mean())


def test_without_epochs_a_head_that_fits_is_kept(network: Network, images: Images) -> None:
    trained = train(network, images, head=True, epochs=0)
    assert trained.note == "from a test"
    for name, before in network.weights.items():
        np.testing.assert_array_equal(trained.network.weights[name].kernel, before.kernel)
        np.testing.assert_array_equal(trained.network.weights[name].bias, before.bias)


def test_training_a_new_head_leaves_the_trunk_unchanged(network: Network, images: Images) -> None:
    trained = train(network, images, head=False, epochs=0)
    assert top1(trained.network, images) > 0.8
    for name, before in network.weights.items():
        same = (trained.network.weights[name].kernel == before.kernel).all()
        assert same == (name != HEAD)


@pytest.mark.parametrize("epochs", [0, 1])
def test_a_new_head_is_trained_even_if_it_validates_worse_than_zeros(
    network: Network, images: Images, epochs: int
) -> None:
    """On few images, an untrained head may validate best by chance."""
    swapped = dataclasses.replace(images, labels=(images.labels + 1) % (images.labels.max() + 1))
    trained = transfer.train(
        network.architecture,
        images,
        swapped,
        weights_of(network, head=False),
        dataclasses.replace(CONFIG, epochs=epochs),
        augment="none",
    ).network
    logits = predict.predict(trained, images.pixels)
    assert (logits.std(axis=0) > 0).all()


def test_all_layers_learn_and_both_forms_agree(network: Network, images: Images) -> None:
    before = train(network, images, head=False, epochs=0).network
    trained = train(network, images, head=False)
    assert (trained.network.weights["stem"].kernel != before.weights["stem"].kernel).any()
    logits = predict.predict(trained.network, images.pixels)
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(
        trained.keras_model(to_input(images.pixels, SIGNED), training=False), scores, atol=1e-5
    )


def test_the_initial_weights_are_kept_if_they_validate_best(
    network: Network, images: Images
) -> None:
    config = dataclasses.replace(CONFIG, learning_rate=3.0)
    good = train(network, images, head=False).network
    weights = weights_of(good, head=True)
    again = transfer.train(
        good.architecture, images, images, weights, config, augment="none"
    ).network
    np.testing.assert_array_equal(again.weights[HEAD].kernel, good.weights[HEAD].kernel)


@pytest.mark.slow
def test_an_interrupted_run_resumes_in_fine_tuning(
    network: Network, images: Images, tmp_path: Path
) -> None:
    class KilledError(Exception):
        pass

    def kill_while_tuning(event: Event) -> None:
        if event.message == "training all layers" and event.done == 4:
            raise KilledError

    undisturbed = train(network, images, head=False).network
    checkpoints = Checkpoints(folder=tmp_path, seconds=0)
    with pytest.raises(KilledError):
        train(network, images, head=False, checkpoints=checkpoints, progress=kill_while_tuning)
    events: list[Event] = []
    again = train(network, images, head=False, checkpoints=checkpoints, progress=events.append)
    steps = [(event.message, event.done) for event in events if event.total]
    assert ("training the head", 1) not in steps
    assert ("training all layers", 3) not in steps
    assert ("training all layers", 4) in steps
    for name, before in undisturbed.weights.items():
        np.testing.assert_array_equal(again.network.weights[name].kernel, before.kernel)


def test_rare_classes_are_learnt(architecture: Architecture, network: Network) -> None:
    random = np.random.default_rng(0)
    labels = np.array([0] * 90 + [1] * 6, np.int64)
    pixels = random.integers(0, 200, (96, 8, 8, 3))
    pixels[labels == 1, :, :, 0] += 40
    images = Images(
        pixels=pixels.astype(np.uint8),
        labels=labels,
        indices=np.arange(96),
        names=tuple(map(str, range(96))),
        unreadable=(),
    )
    trained = transfer.train(
        architecture,
        images,
        images,
        weights_of(network, head=False),
        dataclasses.replace(CONFIG, epochs=0),
        augment="none",
    ).network
    predicted = predict.predict(trained, images.pixels).argmax(axis=1)
    assert (predicted[labels == 1] == 1).mean() >= 0.5
