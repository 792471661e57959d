"""Augmentation is a pure function of (seed, step, row) within its stated limits."""

import numpy as np
import pytest

from mobiledeploy.base.errors import RequestError
from mobiledeploy.data.pixels import Images
from mobiledeploy.training import augment
from mobiledeploy.training.augment import SIGNED

pytestmark = pytest.mark.tensorflow

VARIED = ["digits", "photos"]


def run(
    name: augment.Augmentation, pixels: np.ndarray, *, seed: int = 0, step: int = 0
) -> np.ndarray:
    prepare = augment.augmentation(name, seed=seed, scaling=SIGNED)
    return np.asarray(prepare(pixels, np.int32(step)).numpy())


def cross(size: int = 33) -> np.ndarray:
    """An image with a bright pixel left of the middle, and one above it at half the distance."""
    image = np.zeros((64, size, size, 3), np.uint8)
    middle = size // 2
    image[:, middle - 1 : middle + 2, middle - 9 : middle - 6] = 255
    return image


def test_unknown_names_are_refused() -> None:
    with pytest.raises(RequestError, match="digits, photos, none; received flip"):
        augment.augmentation("flip", seed=0, scaling=SIGNED)  # type: ignore[arg-type]


def test_none_scales_pixels_and_changes_nothing_else(images: Images) -> None:
    expected = (images.pixels.astype(np.float32) - 128) / 128
    np.testing.assert_array_equal(run("none", images.pixels), expected)


@pytest.mark.parametrize("name", VARIED)
def test_the_same_seed_and_step_give_the_same_images(
    name: augment.Augmentation, images: Images
) -> None:
    first = run(name, images.pixels, seed=1, step=2)
    np.testing.assert_array_equal(first, run(name, images.pixels, seed=1, step=2))
    assert (first != run(name, images.pixels, seed=1, step=3)).any()
    assert (first != run(name, images.pixels, seed=2, step=2)).any()


@pytest.mark.parametrize("name", VARIED)
def test_rows_vary_independently(name: augment.Augmentation) -> None:
    varied = run(name, cross())
    assert len({image.tobytes() for image in varied}) == 64


@pytest.mark.parametrize("name", VARIED)
def test_values_stay_on_the_input_scale(name: augment.Augmentation, images: Images) -> None:
    varied = run(name, images.pixels)
    assert varied.dtype == np.float32
    assert varied.shape == images.pixels.shape
    assert varied.min() >= -1
    assert varied.max() <= 127 / 128


def centres(images: np.ndarray) -> np.ndarray:
    """Return each image's centre of brightness, (row, column) in pixels from its middle."""
    light = images.mean(axis=3) - images.mean(axis=3).min(axis=(1, 2), keepdims=True)
    size = images.shape[1]
    places = np.arange(size) - size // 2
    total = light.sum(axis=(1, 2))
    return np.stack(
        [(light.sum(axis=2) @ places) / total, (light.sum(axis=1) @ places) / total], axis=1
    )


def test_digits_are_never_flipped_and_shift_within_the_limit() -> None:
    moved = centres(run("digits", cross())) - [0, -8]
    reach = augment.SHIFT * 33 + 8 * (np.exp(augment.ZOOM) - 1) + 8 * np.sin(np.pi / 18) + 0.5
    assert np.abs(moved).max() <= reach
    assert (moved.max(axis=0) > 1).all()
    assert (moved.min(axis=0) < -1).all()


def test_half_of_the_photos_are_flipped() -> None:
    photos = run("photos", cross())
    visible = photos.max(axis=(1, 2, 3)) - photos.min(axis=(1, 2, 3)) > 0.5
    right = centres(photos[visible])[:, 1] > 0
    assert visible.sum() >= 40
    assert 0.25 < right.mean() < 0.75


def test_brightness_and_contrast_of_photos_vary() -> None:
    grey = np.full((64, 16, 16, 3), 160, np.uint8)
    means = run("photos", grey).mean(axis=(1, 2, 3))
    assert means.std() > 0.03
    assert np.abs(means - 0.25).max() <= augment.BRIGHTNESS + 0.25 * augment.CONTRAST + 1e-6
