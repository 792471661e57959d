"""Synthetic inputs that photos do not reach: extremes, noise and impulses."""

import numpy as np
import numpy.typing as npt

RANDOM_IMAGES = 16
IMPULSES = 8


def extremes(
    shape: tuple[int, int, int], *, seed: int = 0
) -> tuple[npt.NDArray[np.int8], tuple[str, ...]]:
    """Return int8 images at the edges of what an input can hold, and their names.

    Saturated images drive accumulators to their largest values, impulses show padding and
    kernel orientation, uniform noise reaches codes that smooth photos never produce.

    Args:
        shape: (height, width, channels).
        seed: Of the noise and of the impulses' places.

    Returns:
        int8 of shape (images, height, width, channels), and one name an image.
    """
    rng = np.random.default_rng(seed)
    height, width, channels = shape
    rows, columns = np.indices((height, width))
    checker = np.where((rows + columns) % 2, 127, -128)[..., None].repeat(channels, -1)
    ramp = np.linspace(-128, 127, width).astype(np.int64)[None, :, None]
    named: list[tuple[str, npt.NDArray[np.int64]]] = [
        ("all -128", np.full(shape, -128)),
        ("all 127", np.full(shape, 127)),
        ("all 0", np.zeros(shape, np.int64)),
        ("checkerboard", checker),
        ("ramp", np.broadcast_to(ramp, shape)),
    ]
    corners = [(0, 0), (0, width - 1), (height - 1, 0), (height - 1, width - 1)]
    inside = [(int(rng.integers(height)), int(rng.integers(width))) for _ in range(IMPULSES - 4)]
    for row, column in corners + inside:
        impulse = np.full(shape, -128)
        impulse[row, column] = 127
        named.append((f"impulse at {row},{column}", impulse))
    named += [(f"uniform noise {i}", rng.integers(-128, 128, shape)) for i in range(RANDOM_IMAGES)]
    return np.stack([image for _, image in named]).astype(np.int8), tuple(n for n, _ in named)
