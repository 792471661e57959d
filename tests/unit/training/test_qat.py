"""Both QAT engines train the quantised network."""

import dataclasses

import numpy as np
import pytest

from mobiledeploy.base.errors import RequestError
from mobiledeploy.data.pixels import Images
from mobiledeploy.network.network import Network
from mobiledeploy.ops.ranges import Ranges
from mobiledeploy.pipeline.calibrate import calibrate
from mobiledeploy.spec.config import QAT_ENGINES, QuantiseConfig
from mobiledeploy.training import predict, qat, qat_folded, teacher, tensorflow_graph
from mobiledeploy.training.augment import SIGNED
from mobiledeploy.training.loss import cross_entropies
from mobiledeploy.training.tensorflow_graph import to_input

CONFIG = QuantiseConfig(
    engine="folded", steps=20, batch_size=16, learning_rate=0.01, calibration_images=48
)


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(RequestError, match="folded, tfmot; received other"):
        qat.load("other")


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", QAT_ENGINES)
def test_training_lowers_the_loss_of_the_quantised_network(
    name: str, network: Network, images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teacher, "WEIGHT", 0.0)

    def loss(net: Network, ranges: Ranges) -> float:
        logits = tensorflow_graph.forward(
            net.architecture,
            to_input(images.pixels, SIGNED),
            qat_folded.fake_quantised_layers(
                {n: (w.kernel, w.bias) for n, w in net.weights.items()}
            ),
            observe=qat_folded.fake_quantised_activations(ranges),
        )
        return float(cross_entropies(images.labels, logits.numpy()).mean())

    ranges = calibrate(network, images.pixels)
    trained, trained_ranges = qat.load(name).train_quantised(
        network, ranges, images, CONFIG, teacher=network, augment="none", seed=0
    )
    assert loss(trained, trained_ranges) < 0.8 * loss(network, ranges)
    assert trained_ranges.keys() == ranges.keys()


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", QAT_ENGINES)
def test_labels_lead_less_far_from_the_float_network_than_without_it(
    name: str, network: Network, images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    ranges = calibrate(network, images.pixels)
    expected = predict.predict(network, images.pixels)

    def error(weight: float) -> float:
        monkeypatch.setattr(teacher, "WEIGHT", weight)
        trained, _ = qat.load(name).train_quantised(
            network, ranges, images, CONFIG, teacher=network, augment="none", seed=0
        )
        return float(np.square(predict.predict(trained, images.pixels) - expected).mean())

    assert error(teacher.WEIGHT) < 0.25 * error(0.0)


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", QAT_ENGINES)
def test_no_steps_keep_the_network(name: str, network: Network, images: Images) -> None:
    ranges = calibrate(network, images.pixels)
    same, same_ranges = qat.load(name).train_quantised(
        network,
        ranges,
        images,
        dataclasses.replace(CONFIG, steps=0),
        teacher=network,
        augment="none",
        seed=0,
    )
    assert same_ranges == ranges
    for layer, weights in network.weights.items():
        np.testing.assert_array_equal(same.weights[layer].kernel, weights.kernel)
        np.testing.assert_array_equal(same.weights[layer].bias, weights.bias)


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", QAT_ENGINES)
def test_images_are_augmented(name: str, network: Network, images: Images) -> None:
    ranges = calibrate(network, images.pixels)
    engine = qat.load(name)
    plain, _ = engine.train_quantised(
        network, ranges, images, CONFIG, teacher=network, augment="none", seed=0
    )
    varied, _ = engine.train_quantised(
        network, ranges, images, CONFIG, teacher=network, augment="photos", seed=0
    )
    assert any(
        not np.array_equal(plain.weights[layer].kernel, varied.weights[layer].kernel)
        for layer in network.weights
    )
