"""Training from random weights gives a trained network in both forms."""

from pathlib import Path

import numpy as np
import pytest

from mobiledeploy.base.progress import Event
from mobiledeploy.data.pixels import Images
from mobiledeploy.models import keras_builder
from mobiledeploy.ops.architecture import Architecture
from mobiledeploy.spec.config import TrainConfig
from mobiledeploy.training import float_training, predict
from mobiledeploy.training.augment import SIGNED
from mobiledeploy.training.checkpoint import Checkpoints
from mobiledeploy.training.tensorflow_graph import to_input

pytestmark = pytest.mark.tensorflow

CONFIG = TrainConfig(
    weights="none", epochs=12, batch_size=16, learning_rate=0.03, seed=0, threads=2
)


class KilledError(Exception):
    """Raised to interrupt a run between two steps."""


def kill_at_step_9(event: Event) -> None:
    if event.done == 9:
        raise KilledError


def test_training_learns_and_both_forms_agree(architecture: Architecture, images: Images) -> None:
    trained = float_training.train(architecture, images, CONFIG, augment="none")
    logits = predict.predict(trained.network, images.pixels)
    assert (logits.argmax(axis=1) == images.labels).mean() > 0.9
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(
        trained.keras_model(to_input(images.pixels, SIGNED), training=False), scores, atol=1e-5
    )


def test_a_killed_training_ends_with_the_same_bits(
    architecture: Architecture,
    images: Images,
    tmp_path: Path,
) -> None:
    undisturbed = float_training.train(architecture, images, CONFIG, augment="photos")
    checkpoints = Checkpoints(folder=tmp_path, seconds=0)
    with pytest.raises(KilledError):
        float_training.train(
            architecture, images, CONFIG, augment="photos", checkpoints=checkpoints,
            progress=kill_at_step_9,
        )  # fmt: skip
    events: list[Event] = []
    again = float_training.train(
        architecture, images, CONFIG, augment="photos", checkpoints=checkpoints,
        progress=events.append,
    )  # fmt: skip
    steps = [event.done for event in events if event.total]
    assert steps == [8, *range(9, 37)]
    for name, weights in undisturbed.network.weights.items():
        np.testing.assert_array_equal(again.network.weights[name].kernel, weights.kernel)
        np.testing.assert_array_equal(again.network.weights[name].bias, weights.bias)


def test_residual_blocks_start_as_identities(architecture: Architecture, images: Images) -> None:
    import keras

    model = keras_builder.build(architecture)
    float_training.start_as_identities(architecture, model)
    taps = keras.Model(model.input, [model.get_layer(n).output for n in ("stem_relu", "add")])
    source, target = taps(to_input(images.pixels, SIGNED), training=True)
    np.testing.assert_array_equal(source, target)
    assert np.ptp(source) > 0
    gammas = [layer.gamma for layer in model.layers if hasattr(layer, "gamma")]
    assert [bool(np.any(gamma)) for gamma in gammas] == [True, True, False]
