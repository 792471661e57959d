"""The test card: a photo made by a formula, by which an app checks its preprocessing.

`contract.json` holds the digest of the expected result, which the app's self-test compares.
"""

import hashlib
from typing import Final

import numpy as np

from mobiledeploy.data.dataset import Pixels
from mobiledeploy.data.preprocess import preprocess
from mobiledeploy.spec.config import Preprocessing

HEIGHT: Final = 375
WIDTH: Final = 500


def photo() -> Pixels:
    """Return the photo: uint8, shape (375, 500, 3).

    `pixel(y, x, c) = (37 y + 91 x + 53 c + x y (c + 1)) mod 256`, as in tests/golden/resize.json.
    """
    y, x, c = np.ogrid[:HEIGHT, :WIDTH, :3]
    pixels: Pixels = ((37 * y + 91 * x + 53 * c + x * y * (c + 1)) % 256).astype(np.uint8)
    return pixels


def resized_digest(preprocessing: Preprocessing) -> str:
    """Return the SHA-256 of the cropped and resized photo: row by row, R, G, B or grey."""
    return hashlib.sha256(preprocess(photo(), preprocessing).tobytes()).hexdigest()
