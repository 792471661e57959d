"""Ranges are measured on images and always contain zero."""

import dataclasses

import numpy as np
import pytest

from mobiledeploy.base.progress import Event
from mobiledeploy.data.pixels import Images
from mobiledeploy.network.network import Network
from mobiledeploy.ops.architecture import INPUT
from mobiledeploy.ops.weights import Weights
from mobiledeploy.training import predict
from mobiledeploy.training.calibrate import calibrate

pytestmark = pytest.mark.tensorflow


def test_every_tensor_but_the_softmax_has_a_range(network: Network, images: Images) -> None:
    ranges = calibrate(network, images.pixels)
    assert list(ranges) == [INPUT, *(x.name for x in network.architecture.layers[:-1])]
    assert all(low <= 0 < high for low, high in ranges.values())
    assert ranges[INPUT] == (-1, 127 / 128)
    assert ranges["stem"][0] == 0
    assert ranges["filter"][1] <= 6
    assert ranges["project"][0] < 0


def test_a_range_is_the_mean_over_batches(network: Network, images: Images) -> None:
    pixels = np.concatenate([images.pixels, images.pixels // 2])[: predict.BATCH + 20]
    logits = predict.predict(network, pixels)
    parts = logits[: predict.BATCH], logits[predict.BATCH :]
    low, high = calibrate(network, pixels)["logits"]
    assert low == pytest.approx(min(0, np.mean([part.min() for part in parts])), abs=1e-5)
    assert high == pytest.approx(max(0, np.mean([part.max() for part in parts])), abs=1e-5)


def test_a_tensor_that_is_always_zero_still_has_a_range(network: Network, images: Images) -> None:
    dead = Weights(
        kernel=np.zeros_like(network.weights["filter"].kernel),
        bias=np.zeros_like(network.weights["filter"].bias),
    )
    silenced = dataclasses.replace(network, weights={**network.weights, "filter": dead})
    low, high = calibrate(silenced, images.pixels)["filter"]
    assert low == 0 < high


def test_progress_counts_images(network: Network, images: Images) -> None:
    events: list[Event] = []
    calibrate(network, np.tile(images.pixels, (2, 1, 1, 1)), progress=events.append)
    assert [(event.done, event.total) for event in events] == [(64, 96), (96, 96)]
