"""Codes for a layer that no image may bring about: every pair, every sum, the widest sums."""

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.ops.tensors import QMAX, QMIN, Int8
from mobiledeploy.reading import StoredLayer as Layer
from mobiledeploy.reading import StoredWeights as Weights

NOISE: Final = 4
"""Images of noise over all codes."""
MOST: Final = 16
"""Images a sign for the widest sums of a convolution's channels: several channels share one."""
MOST_ROWS: Final = 256
"""Vectors a sign for a dense layer's."""
MOST_SUMS: Final = 64
"""Images for the sums of a mean: each channel of each has a sum of its own."""
MOST_CODES: Final = 2**24
"""In a batch of several images: it bounds time and memory for large ones."""


def pairs(shape: tuple[int, ...]) -> tuple[Int8, Int8]:
    """Return two batches of a shape that hold every pair of codes, at one place or at several."""
    size = math.prod(shape)
    images = -(-(2**16) // size)
    codes = np.arange(QMIN, QMAX + 1, dtype=np.int8)
    first, second = np.repeat(codes, codes.size), np.tile(codes, codes.size)
    return (
        np.resize(first, (images, *shape)),
        np.resize(second, (images, *shape)),
    )


def sums(shape: tuple[int, int, int]) -> tuple[Int8, int]:
    """Return images whose channels have every sum of codes that there is, and how many sums.

    Where these are too many, they are spread evenly from the lowest to the highest.

    Args:
        shape: (height, width, channels).
    """
    positions, channels = math.prod(shape[:2]), shape[2]
    lowest, highest = QMIN * positions, QMAX * positions
    images = min(MOST_SUMS, _room(shape))
    count = min(highest - lowest + 1, images * channels)
    # Whole images: the last one is filled up with the highest sum.
    places = -(-count // channels) * channels
    wanted = np.full(places, highest)
    wanted[:count] = np.rint(np.linspace(lowest, highest, count)).astype(np.int64)
    codes, rest = np.divmod(wanted, positions)
    # Of a sum that does not divide evenly, some positions get one more.
    spread = codes.astype(np.int8) + (np.arange(positions)[:, None] < rest)
    batch: Int8 = spread.reshape(*shape[:2], -1, channels).transpose(2, 0, 1, 3)
    return np.ascontiguousarray(batch), count


def weighted(layer: Layer, weights: Weights, shape: tuple[int, ...]) -> Int8:
    """Return what drives a layer with weights to its limits.

    All lowest and all highest codes, noise over all codes, and for each channel (as far as
    there is room) the codes with which it has its highest sum, and its lowest.

    Args:
        layer: Convolution, depthwise convolution or dense layer.
        weights: Of it.
        shape: Of what it reads.

    Raises:
        ConversionError: The weights do not fit that, or a convolution has groups.
    """
    inputs = weights.kernel.shape[-1]
    if inputs != (math.prod(shape) if layer.kind == "dense" else shape[-1]):
        raise ConversionError(f"a kernel of {weights.kernel.shape} on what is {shape}")
    random = np.random.default_rng(math.prod(shape))
    return np.concatenate(
        [
            np.full((1, *shape), QMIN, np.int8),
            np.full((1, *shape), QMAX, np.int8),
            random.integers(QMIN, QMAX + 1, (NOISE, *shape)).astype(np.int8),
            _widest(layer, weights.kernel, shape),
            # -128 turned round would be -128 again.
            _widest(layer, -np.maximum(weights.kernel, -QMAX), shape),
        ]
    )


def _widest(layer: Layer, kernel: Int8, shape: tuple[int, ...]) -> Int8:
    """Return the highest code wherever a weight is positive, the lowest elsewhere."""
    codes = np.where(kernel > 0, QMAX, QMIN).astype(np.int8)
    if layer.kind == "dense":
        vectors: Int8 = codes[: min(MOST_ROWS, _room(shape))].reshape(-1, *shape)
        return vectors
    height, width, depth = image_shape(shape)
    count, high, wide, _ = codes.shape
    rows = _starts(height, high, layer.strides[0], layer.pads[0])
    columns = _starts(width, wide, layer.strides[1], layer.pads[2])
    places = rows.size * columns.size
    images = min(MOST, _room(shape), -(-count // places))
    # Windows that lie side by side are turned to one channel after the other.
    chosen = np.arange(images * places).reshape(images, rows.size, columns.size) % count
    # Room on all sides for a window that hangs over the edge.
    canvas = np.full((images, height + 2 * high, width + 2 * wide, depth), QMAX, np.int8)
    for down, across in np.ndindex(high, wide):
        place = np.ix_(range(images), rows + high + down, columns + wide + across)
        canvas[place] = codes[chosen, down, across]
    cropped = canvas[:, high : high + height, wide : wide + width]
    return np.ascontiguousarray(cropped).reshape(images, *shape)


def _starts(size: int, window: int, stride: int, pad: int) -> npt.NDArray[np.int64]:
    """Return where windows begin that do not overlap, along one axis.

    Those that lie within the image; if there are none, the first one of all.
    """
    period = -(-window // stride) * stride
    inside = np.arange(-pad % stride, size - window + 1, period)
    return inside if inside.size else np.array([-pad])


def _room(shape: tuple[int, ...]) -> int:
    return max(1, MOST_CODES // math.prod(shape))


def image_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return the shape of an image, which is that of a vector if it has one pixel."""
    height, width, channels = shape if len(shape) == 3 else (1, 1, *shape)
    return height, width, channels
