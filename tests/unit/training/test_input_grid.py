"""Pixels enter a network as its weights want them, and always on an int8 grid of 256 codes."""

import dataclasses

import numpy as np
import pytest

from mobiledeploy.data.pixels import Images
from mobiledeploy.data.preprocess import to_float32
from mobiledeploy.integer.quantise import quantise
from mobiledeploy.network.network import Network
from mobiledeploy.ops.weights import Weights
from mobiledeploy.spec.config import SCALINGS, InputRange, Preprocessing
from mobiledeploy.training import predict
from mobiledeploy.training.augment import augmentation
from mobiledeploy.training.calibrate import calibrate
from mobiledeploy.training.input_grid import SIGNED, from_signed, limits, to_input

pytestmark = pytest.mark.tensorflow

PIXELS = np.arange(256, dtype=np.uint8)
RANGES: tuple[InputRange, ...] = tuple(SCALINGS)


@pytest.mark.parametrize("name", RANGES)
def test_training_feeds_what_everybody_else_feeds(name: InputRange) -> None:
    mean, std = SCALINGS[name]
    found = to_input(PIXELS, SCALINGS[name]).numpy()
    expected = to_float32(PIXELS, Preprocessing(image_size=16, mean=mean, std=std))
    np.testing.assert_array_equal(found, expected)
    assert limits(SCALINGS[name]) == pytest.approx((found[0], found[-1]), abs=1e-7)
    moved = from_signed(to_input(PIXELS, SIGNED), SCALINGS[name]).numpy()
    np.testing.assert_allclose(moved, found, rtol=1e-6)


@pytest.mark.parametrize("name", RANGES)
def test_the_code_of_a_pixel_is_the_pixel_minus_128(
    network: Network, images: Images, name: InputRange
) -> None:
    scaled = on(network, name)
    source = quantise(scaled, calibrate(scaled, images.pixels)).input
    low, high = limits(SCALINGS[name])
    assert (-128 - source.zero_point) * source.scale == pytest.approx(low)
    assert (127 - source.zero_point) * source.scale == pytest.approx(high)


def on(network: Network, name: InputRange) -> Network:
    return dataclasses.replace(
        network, architecture=dataclasses.replace(network.architecture, scaling=SCALINGS[name])
    )


@pytest.mark.parametrize("name", RANGES)
def test_the_same_function_of_pixels_gives_the_same_logits(
    network: Network, images: Images, name: InputRange
) -> None:
    """A stem for the other range is written down, which without padding is possible exactly."""
    mean, std = SCALINGS[name]
    stem, *rest = network.architecture.layers
    valid = dataclasses.replace(
        network.architecture, layers=(dataclasses.replace(stem, padding="valid"), *rest)
    )
    signed = Network(architecture=valid, weights=network.weights)
    found = network.weights[stem.name]
    moved = Weights(
        kernel=(found.kernel * (std / SIGNED[1])).astype(np.float32),
        bias=found.bias + found.kernel.sum((0, 1, 2)) * np.float32((mean - SIGNED[0]) / SIGNED[1]),
    )
    other = on(Network(architecture=valid, weights={**network.weights, stem.name: moved}), name)
    expected = predict.predict(signed, images.pixels)
    np.testing.assert_allclose(predict.predict(other, images.pixels), expected, atol=1e-4)


@pytest.mark.parametrize("augment", ["digits", "photos"])
def test_images_vary_in_the_same_way_whatever_the_range(images: Images, augment: str) -> None:
    made = {
        name: augmentation(augment, seed=1, scaling=SCALINGS[name])(  # type: ignore[arg-type]
            images.pixels, np.int32(2)
        ).numpy()
        for name in RANGES
    }
    for name in RANGES:
        expected = from_signed(made["-1..1"], SCALINGS[name])
        np.testing.assert_allclose(made[name], expected, rtol=1e-6, atol=1e-6)
        low, high = limits(SCALINGS[name])
        assert low <= made[name].min() < made[name].max() <= high
