"""The resize gives the golden vectors that other languages test against."""

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from golden_text import one_case_a_line

from mobiledeploy.base.errors import RequestError
from mobiledeploy.data.dataset import Pixels
from mobiledeploy.data.preprocess import preprocess, to_float32, to_int8
from mobiledeploy.data.resize import resize
from mobiledeploy.spec.config import Crop, Preprocessing

RULE = "pixel(y, x, c) = (37 y + 91 x + 53 c + x y (c + 1)) mod 256"


def picture(height: int, width: int) -> Pixels:
    """Return the image that `RULE` defines."""
    y, x, c = np.ogrid[:height, :width, :3]
    values = (37 * y + 91 * x + 53 * c + x * y * (c + 1)) % 256
    return np.asarray(values, np.uint8)


def digest(array: npt.NDArray[Any]) -> str:
    return hashlib.sha256(array.tobytes()).hexdigest()


def test_results_equal_the_golden_vectors(golden: Callable[[str, str], None]) -> None:
    """An implementation in another language is right if it gives these numbers."""
    resizes = [
        ((5, 7), (3, 4)),
        ((3, 4), (5, 7)),
        ((8, 8), (4, 4)),
        ((1, 9), (2, 2)),
        ((6, 6), (6, 6)),
        ((10, 3), (3, 10)),
    ]
    whole: list[tuple[tuple[int, int], int, Crop]] = [
        ((8, 8), 32, "center"),
        ((375, 500), 224, "center"),
        ((500, 375), 224, "center"),
        ((333, 500), 160, "stretch"),
        ((1201, 901), 96, "center"),
        ((33, 50), 96, "stretch"),
    ]
    scales = [(128.0, 128.0), (127.5, 127.5), (0.0, 255.0), (123.68, 58.393)]
    document = {
        "rule": RULE,
        "resize": [
            {
                "source": source,
                "target": target,
                "pixels": resize(picture(*source), *target).reshape(-1).tolist(),
            }
            for source, target in resizes
        ],
        "preprocess": [
            {
                "source": source,
                "image_size": size,
                "crop": crop,
                "first": pixels[0, 0].tolist(),
                "last": pixels[-1, -1].tolist(),
                "sha256": digest(pixels),
                "int8_sha256": digest(to_int8(pixels)),
            }
            for source, size, crop in whole
            for pixels in [preprocess(picture(*source), Preprocessing(image_size=size, crop=crop))]
        ],
        "float32": [
            {
                "mean": mean,
                "std": std,
                "of": "the values 0 to 255, as little-endian float32",
                "sha256": digest(
                    to_float32(
                        np.arange(256, dtype=np.uint8),
                        (mean, std),
                    ).astype("<f4")
                ),
            }
            for mean, std in scales
        ],
    }
    golden("resize.json", one_case_a_line(document))


def test_the_weights_can_be_computed_by_hand() -> None:
    """4 pixels to 2: r = 8 - |4x + 2 - 8i - 4| = 6, 6, 2, 0; 0, 2, 6, 6, over a sum of 14."""
    row = np.array([[0, 10, 20, 100]], np.uint8)
    pixels = np.repeat(row[:, :, None], 3, axis=2)
    expected = [(6 * 10 + 2 * 20) / 14, (2 * 10 + 6 * 20 + 6 * 100) / 14]
    assert resize(pixels, 1, 2)[0, :, 0].tolist() == [round(value) for value in expected]


def test_halves_are_rounded_up() -> None:
    """2 pixels to 1 is their mean."""
    pixels = np.array([[[0, 1, 2], [1, 2, 5]]], np.uint8)
    assert resize(pixels, 1, 1).tolist() == [[[1, 2, 4]]]


def test_halves_are_rounded_up_where_float64_cannot_hold_the_sums() -> None:
    """65,534 columns to one, half of them darker by one: sums of 56 bits."""
    pixels = np.empty((101, 65_534, 3), np.uint8)
    pixels[:, :32_767], pixels[:, 32_767:] = [100, 201, 254], [101, 202, 255]
    assert resize(pixels, 1, 1).tolist() == [[[101, 202, 255]]]


def test_sums_beyond_64_bits_are_refused_before_any_work() -> None:
    pixels = np.broadcast_to(np.uint8(0), (65_521, 65_521, 3))
    with pytest.raises(RequestError, match="65521 x 65521 pixels is too large"):
        resize(pixels, 2, 2)


def test_the_result_is_a_copy_and_the_input_is_unchanged() -> None:
    pixels = picture(6, 6)
    before = pixels.copy()
    for size in (6, 4):
        resized = resize(pixels, size, size)
        resized[...] = 0
        assert np.array_equal(pixels, before)
