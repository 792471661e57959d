"""Bilinear resize with antialiasing in integer arithmetic: the same bits in every language.

Output pixel i of m reads input pixel x of n with the integer weight

    r(i, x) = max(0, 2k - |(2x + 1) m - (2i + 1) n|),    k = max(n, m),

a triangle around the centre of the output pixel, as wide as two pixels of the coarser grid.
Weights are divided by their sum R(i), so what hangs over the border is left out. Rows and
columns are weighted independently, and the result is rounded once, halves upwards:

    out(i, j) = floor(sum of r_y(i, y) r_x(j, x) pixel(y, x) / (R_y(i) R_x(j)) + 1/2).

That is the exact value of the filter which Pillow calls BILINEAR and TensorFlow
`tf.image.resize(antialias=True)`, of which both compute approximations: docs/preprocessing.md.
"""

import dataclasses
import functools
import math
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import RequestError
from mobiledeploy.data.dataset import Pixels

Integers: TypeAlias = npt.NDArray[np.int64]
Exact: TypeAlias = npt.NDArray[Any]
"""Integers as float32, float64 or int64, whichever represents all of them exactly."""

_GROUP: Final = 4
"""Output rows per matrix product: few, since each row needs another part of the input."""
_PRODUCTS: Final = 2**18
"""Approximate multiplications per matrix product. With more, the converted block would not fit
into the cache, and OpenBLAS would start threads that compete with those that decode images."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Triangles:
    """The filter weights along one axis, in groups of `_GROUP` output pixels.

    Attributes:
        starts: The first input pixel of each group.
        weights: r(i, x), shape (groups, _GROUP, pixels read).
        sums: R(i), shape (target,).
    """

    starts: tuple[int, ...]
    weights: Integers
    sums: Integers


@functools.lru_cache(maxsize=64)
def triangles(source: int, target: int) -> Triangles:
    """Return the filter weights for resizing `source` pixels to `target`.

    Both sizes are divided by their greatest common divisor first, which divides all weights by
    the same number and changes no result.
    """
    divisor = math.gcd(source, target)
    n, m = source // divisor, target // divisor
    reach = 2 * max(n, m)
    i = np.arange(-(-target // _GROUP) * _GROUP, dtype=np.int64).clip(max=target - 1)
    centres = (2 * i + 1) * n
    # Where (2x + 1) m passes centre - reach and centre + reach: outside, r is 0.
    first = ((centres - reach - m) // (2 * m) + 1).clip(min=0)[::_GROUP]
    after = (-((m - centres - reach) // (2 * m))).clip(max=source)[_GROUP - 1 :: _GROUP]
    window = int((after - first).max())
    starts = np.minimum(first, source - window)
    x = starts[:, None, None] + np.arange(window)
    distance = np.abs((2 * x + 1) * m - centres.reshape(-1, _GROUP, 1))
    weights = np.maximum(0, reach - distance)
    return Triangles(
        starts=tuple(starts.tolist()),
        weights=weights,
        sums=weights.sum(axis=2).reshape(-1)[:target],
    )


def resize(pixels: Pixels, height: int, width: int) -> Pixels:
    """Return the resized image, uint8, shape (height, width, 3).

    Raises:
        RequestError: The sizes are so large that 64 bits cannot hold the sums.
    """
    source_height, source_width, channels = pixels.shape
    if (source_height, source_width) == (height, width):
        return pixels.copy()
    across, down = triangles(source_width, width), triangles(source_height, height)
    largest = int(across.sums.max()) * int(down.sums.max())
    if 511 * largest >= 2**63:
        raise RequestError(
            f"an image of {source_width} x {source_height} pixels is too large to be resized to "
            f"{width} x {height}",
            hint="save it smaller",
        )
    rows = _weigh(down, pixels.reshape(source_height, -1), 255 * int(down.sums.max()))
    turned = rows.reshape(height, source_width, channels).swapaxes(0, 1)
    sums = _weigh(across, turned.reshape(source_width, -1), 255 * largest)
    sums = sums.reshape(width, height, channels)
    divisors = (across.sums[:, None] * down.sums)[:, :, None]
    # 2 * sum + divisor is at most 511 * divisor. Below 2**53 / 512 a quotient that is no integer
    # differs from the next one by more than the rounding of the division, so it stays below it.
    if 512 * largest < 2**53:
        rounded = (2.0 * sums + divisors) / (2.0 * divisors)
    else:
        rounded = (2 * sums.astype(np.int64) + divisors) // (2 * divisors)
    return np.ascontiguousarray(rounded.astype(np.uint8).swapaxes(0, 1))


def _weigh(triangles: Triangles, rows: Exact, largest: int) -> Exact:
    """Return weighted sums of rows, exact because none exceeds `largest`."""
    dtype = np.float32 if largest < 2**24 else np.float64 if largest < 2**53 else np.int64
    factors = triangles.weights.astype(dtype)
    window = factors.shape[2]
    columns = max(16, _PRODUCTS // (_GROUP * window))
    sums = np.empty((len(factors), _GROUP, rows.shape[1]), dtype)
    for start, factor, out in zip(triangles.starts, factors, sums, strict=True):
        for left in range(0, rows.shape[1], columns):
            block = slice(left, left + columns)
            np.matmul(factor, rows[start : start + window, block].astype(dtype), out=out[:, block])
    return sums.reshape(-1, rows.shape[1])[: len(triangles.sums)]
