"""Pictures of the app's screens, held against golden ones by a tolerance.

The same tools draw the same picture; a newer font or a driver moves grey levels at the edges of
letters. What is out of place moves whole blocks.
"""

from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

GOLDEN: Final = Path(__file__).parents[1] / "golden/screens"
BLOCK: Final = 16
MEAN: Final = 0.5
"""Grey levels of 255, over the whole picture."""
WORST: Final = 12.0
"""Grey levels, over the worst block of 16 x 16 pixels."""


def complaint(actual: Path, golden: Path) -> str:
    """Return how a picture differs from the golden one; empty if it does not."""
    first, second = _read(actual), _read(golden)
    if first.shape != second.shape:
        return f"{actual.name}: expected {_size(second)} pixels, received {_size(first)}"
    difference = np.abs(first - second).max(axis=2)
    height, width = (side // BLOCK * BLOCK for side in difference.shape)
    blocks = difference[:height, :width].reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK)
    means = blocks.mean(axis=(1, 3))
    row, column = (int(index) for index in np.unravel_index(means.argmax(), means.shape))
    if difference.mean() <= MEAN and means.max() <= WORST:
        return ""
    return (
        f"{actual.name} differs by {difference.mean():.2f} grey levels on average, "
        f"expected at most {MEAN}; by {means.max():.0f} around "
        f"({column * BLOCK}, {row * BLOCK}), expected at most {WORST:.0f}"
    )


def _read(path: Path) -> npt.NDArray[np.float32]:
    from PIL import Image

    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"), np.float32)


def _size(pixels: npt.NDArray[np.float32]) -> str:
    height, width, _ = pixels.shape
    return f"{width} x {height}"
