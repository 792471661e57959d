"""Exact sums of products of int8 codes, computed with float32 matrix products.

float32 holds every whole number up to 2**24. If no sum of |weight| times the largest |input| can
leave that range, every partial sum is exact in any order in which a BLAS library adds. Longer
sums are cut into pieces within the range, and the pieces are added in float64.
"""

import math
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.ops.operator import Trials
from mobiledeploy.ops.stored import StoredLayer
from mobiledeploy.ops.tensors import QMAX, QMIN, Int8, Int16, Int32, QTensor, Shape
from mobiledeploy.ops.weights import QWeights

Exact: TypeAlias = npt.NDArray[np.float32] | npt.NDArray[np.float64]
"""Whole numbers: float32 where all of them are at most `EXACT`, else float64."""

EXACT: Final = 2**24
"""float32 holds all whole numbers up to this one."""

TRIALS: Final = Trials(
    layers="convolution and dense layer",
    cases="{cases} inputs in {layers}: all -128, all 127, noise over all codes, and "
    "those that give channels their highest and lowest sums",
)
NOISE: Final = 4
"""Images of noise over all codes."""
MOST_CODES: Final = 2**24
"""Most codes in a batch of several images: a bound on time and memory."""


def trials(
    layer: StoredLayer, shape: Shape, inputs: int, widest: Callable[[Int8], Int8]
) -> tuple[tuple[Int8, ...], int]:
    """Return input codes that drive a layer with weights to its limits.

    All lowest and all highest codes, noise over all codes, and for each channel (as far as
    there is room) the codes with which it has its highest sum, and its lowest.

    Args:
        layer: A layer of a file.
        shape: Shape of its input.
        inputs: How many inputs the kernel has to have.
        widest: Returns batches of that shape for a kernel, in which a code is high where its
            weight is positive, and low elsewhere.

    Raises:
        ConversionError: The weights do not fit that, or a convolution has groups.
    """
    if layer.weights is None:
        raise ConversionError("its weights are no integers")
    kernel = layer.weights.kernel
    if inputs != kernel.shape[-1]:
        raise ConversionError(f"a kernel of {kernel.shape} on what is {shape}")
    random = np.random.default_rng(math.prod(shape))
    batch = np.concatenate(
        [
            np.full((1, *shape), QMIN, np.int8),
            np.full((1, *shape), QMAX, np.int8),
            random.integers(QMIN, QMAX + 1, (NOISE, *shape)).astype(np.int8),
            widest(kernel),
            # -128 cannot be negated in int8.
            widest(-np.maximum(kernel, -QMAX)),
        ]
    )
    return (batch,), len(batch)


def batch_room(shape: Shape) -> int:
    """Return how many images of a shape fit into `MOST_CODES`."""
    return max(1, MOST_CODES // math.prod(shape))


def centred(source: QTensor, codes: Int8) -> npt.NDArray[np.float32]:
    """Return codes minus their zero point."""
    return codes.astype(np.float32) - np.float32(source.zero_point)


def widest(source: QTensor) -> int:
    """Return the largest magnitude of a centred code."""
    return max(QMAX - source.zero_point, source.zero_point - QMIN)


def largest(weights: QWeights, axis: int, source: QTensor) -> int:
    """Return the largest magnitude that an accumulator can reach, its bias included.

    Input codes may be anything in -128..127. The result fits int32: a graph's nodes are checked.

    Args:
        weights: Weights of the node.
        axis: Axis of the output channels in the kernel.
        source: Grid of the input.
    """
    others = tuple(other for other in range(weights.kernel.ndim) if other != axis)
    kernel = np.abs(weights.centred(axis).astype(np.int16))
    products = kernel.sum(axis=others, dtype=np.int64) * widest(source)
    return int((products + np.abs(weights.bias.astype(np.int64))).max())


def product(left: npt.NDArray[np.float32], kernel: Int8 | Int16, reach: int) -> Exact:
    """Multiply matrices, exactly.

    Args:
        left: Shape (..., inputs), whole numbers of magnitudes up to `reach`.
        kernel: Shape (inputs, outputs).
        reach: See `left`.
    """
    matrix = kernel.astype(np.float32)
    pieces = list(_pieces(np.abs(kernel.astype(np.int64)).max(axis=1), reach))
    if len(pieces) == 1:
        return left @ matrix
    parts = np.stack([left[..., piece] @ matrix[piece] for piece in pieces])
    total: Exact = parts.sum(axis=0, dtype=np.float64)
    return total


def _pieces(weights: npt.NDArray[np.int64], reach: int) -> Iterator[slice]:
    """Yield ranges of the inputs over which no sum of products leaves `EXACT`."""
    reached = np.cumsum(weights) * reach
    start, base = 0, 0
    while start < weights.size:
        stop = max(int(np.searchsorted(reached, base + EXACT, side="right")), start + 1)
        yield slice(start, stop)
        start, base = stop, int(reached[stop - 1])


def with_bias(sums: Exact, bias: Int32, bound: int) -> Exact:
    """Add a bias to sums, in place where they are exact in their type.

    Args:
        sums: Shape (..., channels).
        bias: Shape (channels,).
        bound: The largest magnitude that a sum with its bias can reach; see `largest`. Beyond
            int32 sums wrap around.
    """
    if bound > EXACT:
        sums = sums.astype(np.float64)
    sums += bias.astype(sums.dtype)
    if bound >= 2**31:
        sums = np.mod(sums + 2**31, 2.0**32) - 2**31
    return sums


def requantise(
    sums: Exact, weights: QWeights, source: QTensor, out: QTensor, bounds: tuple[int, int]
) -> Int8:
    """Return the codes of accumulators, as XNNPACK rounds them.

    The int32 sum is converted to float32, which rounds sums beyond 2**24, multiplied by one
    float32, `input scale * kernel scale / output scale`, and rounded, all halves to even. Sources:
    XNNPACK's `src/operators/convolution-nhwc.c` and `fully-connected-nc.c` for the multiplier,
    the `fp32` requantisation of `src/qs8-qc8w-gemm`, `src/qs8-qc8w-igemm` and
    `src/qs8-qc8w-dwconv`.

    Args:
        sums: Sums of products and bias; may be overwritten.
        weights: Weights of the node.
        source: Grid of the input.
        out: Grid of the output.
        bounds: Lowest and highest code, those of a fused activation.
    """
    # XNNPACK clamps before it rounds: the bounds are whole numbers, so the order is the same.
    values = sums.astype(np.float32, copy=False)
    values *= source.scale * weights.kernel_scale / out.scale
    np.rint(values, out=values)
    zero = np.float32(out.zero_point)
    np.clip(values, bounds[0] - zero, bounds[1] - zero, out=values)
    values += zero
    return values.astype(np.int8)
