"""Bilinear resize with antialias in integers: the same bits in every language.

Output pixel i of m reads input pixel x of n with the integer weight

    r(i, x) = max(0, 2k - |(2x + 1) m - (2i + 1) n|),    k = max(n, m),

a triangle around the centre of the output pixel, as wide as one pixel of the coarser of the two
grids. Weights are normalised by their sum R(i), so what hangs over the border is left out. Rows
and columns are weighted independently and the result is rounded once, halves upwards:

    out(i, j) = floor(sum of r_y(i, y) r_x(j, x) pixel(y, x) / (R_y(i) R_x(j)) + 1/2).

That is the exact value of the filter which Pillow calls BILINEAR and TensorFlow
`tf.image.resize(antialias=True)`, of which both compute approximations: docs/preprocessing.md.
"""

import math
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.data.dataset import Pixels
from mobiledeploy.errors import RequestError

Integers: TypeAlias = npt.NDArray[np.int64]

_GROUP: Final = 4
"""Output rows computed by one product: few, since each reads another part of the input."""
_COLUMNS: Final = 1024
"""Columns converted at a time, so that the converted block stays in the cache."""


def triangle_weights(source: int, target: int) -> Integers:
    """Return r(i, x) for all i and x, int64 of shape (target, source).

    Both sizes are divided by their greatest common divisor first; this divides every weight by
    the same number and changes no result.
    """
    divisor = math.gcd(source, target)
    n, m = source // divisor, target // divisor
    x = np.arange(source, dtype=np.int64)
    i = np.arange(target, dtype=np.int64)[:, None]
    weights: Integers = np.maximum(0, 2 * max(n, m) - np.abs((2 * x + 1) * m - (2 * i + 1) * n))
    return weights


def resize(pixels: Pixels, height: int, width: int) -> Pixels:
    """Return the image at another size, (height, width, 3).

    Raises:
        RequestError: The sizes are so extreme that 64 bits cannot hold the sums.
    """
    source_height, source_width, channels = pixels.shape
    if (source_height, source_width) == (height, width):
        return pixels.copy()
    across, down = triangle_weights(source_width, width), triangle_weights(source_height, height)
    divisors = (down.sum(axis=1)[:, None] * across.sum(axis=1))[:, :, None]
    if 2 * 255 * int(down.sum(axis=1).max()) * int(across.sum(axis=1).max()) >= 2**63:
        raise RequestError(
            f"an image of {source_width} x {source_height} pixels is too large to be resized to "
            f"{width} x {height}"
        )
    rows = _weigh(down, pixels.reshape(source_height, -1))
    columns = rows.reshape(height, source_width, channels).swapaxes(0, 1)
    sums = _weigh(across, columns.reshape(source_width, -1), scale=int(down.sum(axis=1).max()))
    sums = sums.reshape(width, height, channels).swapaxes(0, 1)
    rounded: Pixels = ((2 * sums + divisors) // (2 * divisors)).astype(np.uint8)
    return rounded


def _weigh(weights: Integers, rows: npt.NDArray[Any], scale: int = 1) -> Integers:
    """Return the exact product of `weights` (m, n) and `rows` (n, c), values 0..255 * `scale`.

    Floating point is used where, and only where, no sum can leave its exact integers.
    """
    largest = 255 * scale * int(weights.sum(axis=1).max())
    dtype = np.float32 if largest < 2**24 else np.float64 if largest < 2**53 else np.int64
    factors = weights.astype(dtype)
    first = (weights > 0).argmax(axis=1)
    last = weights.shape[1] - (weights[:, ::-1] > 0).argmax(axis=1)
    out = np.empty((len(weights), rows.shape[1]), dtype)
    for top in range(0, len(weights), _GROUP):
        group = slice(top, top + _GROUP)
        window = slice(first[group][0], last[group][-1])
        for left in range(0, rows.shape[1], _COLUMNS):
            block = slice(left, left + _COLUMNS)
            np.matmul(
                factors[group, window], rows[window, block].astype(dtype), out=out[group, block]
            )
    return out.astype(np.int64)
