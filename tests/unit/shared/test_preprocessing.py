"""Golden files that Kotlin reads as well: from stored pixels to input values.

android_demo/library/src/test holds what the app's code is to `tests/golden/preprocessing.json`.
"""

import hashlib
import io
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from golden_text import one_case_a_line
from PIL import Image

from mobiledeploy.data import test_card as card
from mobiledeploy.data.preprocess import decode, preprocess, to_float32, to_int8
from mobiledeploy.spec.config import COLOURS, CROPS, IOS, Preprocessing

SIZE = 16
SOURCES = ((33, 50), (50, 33), (24, 24))
SCALES = ((128.0, 128.0), (127.5, 127.5), (0.0, 255.0), (123.68, 58.393))


def digest(array: npt.NDArray[Any]) -> str:
    return hashlib.sha256(array.tobytes()).hexdigest()


def png(pixels: npt.NDArray[np.uint8], **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", **options)
    return buffer.getvalue()


def held(height: int, width: int, orientation: int) -> npt.NDArray[np.uint8]:
    """Return what the decoder makes of the corner of the test card, held in some way."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return decode(png(card.photo()[:height, :width], exif=exif), "card")


def translucent() -> npt.NDArray[np.uint8]:
    """Every alpha with every value of every channel: shape (256, 256, 4)."""
    alpha, value = np.mgrid[:256, :256].astype(np.uint8)
    return np.stack([value, 255 - value, value * np.uint8(7), alpha], axis=2)


def encoded(pixels: npt.NDArray[np.uint8], io: str, mean: float, std: float) -> bytes:
    if io == "float32":
        values = to_float32(pixels, (mean, std))
        return values.astype("<f4").tobytes()
    return (to_int8(pixels) if io == "int8" else pixels).tobytes()


def test_golden_vectors(golden: Callable[[str, str], None]) -> None:
    pixels = (np.arange(3 * SIZE**2) * 7 % 256).astype(np.uint8).reshape(SIZE, SIZE, 3)
    document = {
        "orientation_of": "the first rows and columns of the 500 x 375 card of resize.json's rule",
        "orientation": [
            {
                "source": [height, width],
                "exif": exif,
                "crop": crop,
                "image_size": SIZE,
                "first": found[0, 0].tolist(),
                "sha256": digest(found),
            }
            for (height, width), crop, exif in itertools.product(SOURCES, CROPS, range(10))
            for found in [
                preprocess(held(height, width, exif), Preprocessing(image_size=SIZE, crop=crop))
            ]
        ],
        "other_shapes": [
            {
                "source": [height, width],
                "exif": exif,
                "crop": crop,
                "image_size": shape[0],
                "image_width": shape[1],
                "colour": colour,
                "sha256": digest(found),
            }
            for (height, width), crop, exif, shape, colour in itertools.product(
                SOURCES[:2], CROPS, (1, 3, 6, 7), ((16, 24), (40, 17)), COLOURS
            )
            for found in [
                preprocess(
                    held(height, width, exif),
                    Preprocessing(
                        image_size=shape[0], image_width=shape[1], crop=crop, colour=colour
                    ),
                )
            ]
        ],
        "alpha_of": "256 x 256, row = alpha, column v: R = v, G = 255 - v, B = 7 v mod 256",
        "alpha": [
            {"image_size": 256, "sha256": digest(decode(png(translucent()), "translucent"))},
        ],
        "input_of": f"{SIZE} x {SIZE} x 3, value i = 7 i mod 256; float32 is little-endian",
        "input": [
            {
                "dtype": io,
                "mean": mean,
                "std": std,
                "first": values[: 4 * (4 if io == "float32" else 1)].hex(),
                "sha256": hashlib.sha256(values).hexdigest(),
            }
            for io in IOS
            for mean, std in (SCALES if io == "float32" else SCALES[:1])
            for values in [encoded(pixels, io, mean, std)]
        ],
        "test_card": [
            {
                "image_size": size,
                "crop": crop,
                "sha256": card.resized_digest(Preprocessing(image_size=size, crop=crop)),
            }
            for size, crop in itertools.product((16, 96, 160, 224), CROPS)
        ],
    }
    golden("preprocessing.json", one_case_a_line(document))


def test_the_orientations_are_eight_different_ones() -> None:
    seen = {digest(held(24, 24, exif)) for exif in range(1, 9)}
    assert len(seen) == 8
    assert digest(held(24, 24, 0)) == digest(held(24, 24, 9)) == digest(held(24, 24, 1))
