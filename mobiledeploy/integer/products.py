"""Sums of products of int8 codes and weights: exact, and as fast as float32 multiplies matrices.

float32 holds every whole number up to 2**24. While no sum over |weight| times the widest input can
leave that range, every partial sum is exact in whatever order a BLAS library adds. Longer sums
are cut into pieces that stay inside, and the pieces are added in float64.
"""

from collections.abc import Iterator
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.integer.graph import QMAX, QMIN, Conv, Dense, Int8, Int32, QTensor
from mobiledeploy.integer.padding import pads

Exact: TypeAlias = npt.NDArray[np.float32] | npt.NDArray[np.float64]
"""Whole numbers: float32 where all of them are at most `EXACT`, else float64."""

EXACT: Final = 2**24
"""float32 holds all whole numbers up to this one."""


def accumulators(node: Conv | Dense, source: QTensor, codes: Int8) -> Exact:
    """Return what a node's kernel accumulates in int32: products and bias.

    Args:
        node: With its weights.
        source: Grid of the input.
        codes: The input, shape (batch, ...).

    Returns:
        Shape (batch, ..., output channels).
    """
    centred = codes.astype(np.float32) - np.float32(source.zero_point)
    widest = max(QMAX - source.zero_point, source.zero_point - QMIN)
    kernel = node.weights.kernel
    if isinstance(node, Dense):
        sums = _product(centred, kernel.T, widest)
    elif node.depthwise:
        sums = _depthwise(node, centred, widest)
    else:
        sums = _product(_patches(node, centred), kernel.reshape(len(kernel), -1).T, widest)
    return _with_bias(sums, node.weights.bias, largest(node, source))


def largest(node: Conv | Dense, source: QTensor) -> int:
    """Return the largest magnitude that an accumulator of a node can reach, its bias included.

    Input codes may be anything in -128..127. It fits int32, or there would be no such graph.
    """
    weights = node.weights
    widest = max(QMAX - source.zero_point, source.zero_point - QMIN)
    axis = weights.kernel.ndim - 1 if isinstance(node, Conv) and node.depthwise else 0
    others = tuple(other for other in range(weights.kernel.ndim) if other != axis)
    products = np.abs(weights.kernel).sum(axis=others, dtype=np.int64) * widest
    return int((products + np.abs(weights.bias.astype(np.int64))).max())


def _product(left: npt.NDArray[np.float32], kernel: Int8, widest: int) -> Exact:
    """Multiply matrices.

    Args:
        left: Shape (..., inputs), magnitudes up to `widest`.
        kernel: Shape (inputs, outputs).
        widest: See `left`.
    """
    matrix = kernel.astype(np.float32)
    pieces = list(_pieces(np.abs(kernel.astype(np.int64)).max(axis=1), widest))
    if len(pieces) == 1:
        return left @ matrix
    parts = np.stack([left[..., piece] @ matrix[piece] for piece in pieces])
    total: Exact = parts.sum(axis=0, dtype=np.float64)
    return total


def _pieces(weights: npt.NDArray[np.int64], widest: int) -> Iterator[slice]:
    """Yield ranges of the inputs over which no sum of products leaves `EXACT`."""
    reached = np.cumsum(weights) * widest
    start, base = 0, 0
    while start < weights.size:
        stop = max(int(np.searchsorted(reached, base + EXACT, side="right")), start + 1)
        yield slice(start, stop)
        start, base = stop, int(reached[stop - 1])


def _depthwise(node: Conv, source: npt.NDArray[np.float32], widest: int) -> Exact:
    kernel = node.weights.kernel
    dtype = np.float32 if kernel[..., 0].size * QMAX * widest <= EXACT else np.float64
    sums = np.zeros((len(source), *node.output.shape), dtype)
    part = np.empty_like(sums)
    for view, row, column in windows(node, source):
        np.multiply(view, kernel[0, row, column].astype(dtype), out=part)
        sums += part
    return sums


def _patches(node: Conv, source: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return, for each output pixel, the inputs under the kernel in the kernel's order."""
    views = [view for view, _, _ in windows(node, source)]
    return views[0] if len(views) == 1 else np.concatenate(views, axis=-1)


def windows(
    node: Conv, source: npt.NDArray[np.float32]
) -> Iterator[tuple[npt.NDArray[np.float32], int, int]]:
    """Yield, for each place in the kernel, the inputs that it meets, shaped like the output.

    Args:
        node: The convolution.
        source: Its input, real 0 being 0, shape (batch, height, width, channels).

    Yields:
        A view of the padded input, and the row and the column of the kernel.
    """
    height, width, _ = node.output.shape
    rows, columns = node.weights.kernel.shape[1:3]
    vertical, horizontal = node.strides
    around = pads(node, source.shape[1:3])
    padded = np.pad(source, ((0, 0), *around, (0, 0))) if np.any(around) else source
    for row in range(rows):
        for column in range(columns):
            yield (
                padded[
                    :,
                    row : row + (height - 1) * vertical + 1 : vertical,
                    column : column + (width - 1) * horizontal + 1 : horizontal,
                ],
                row,
                column,
            )


def _with_bias(sums: Exact, bias: Int32, bound: int) -> Exact:
    if bound > EXACT:
        sums = sums.astype(np.float64)
    sums += bias.astype(sums.dtype)
    return sums
