"""How the mean over all positions of a channel is rounded."""

import numpy as np
import numpy.typing as npt


def mean_codes(
    sums: npt.NDArray[np.int64], ratio: np.float32, zero_point: int
) -> npt.NDArray[np.int64]:
    """Return XNNPACK's code of a mean, before it is clipped to int8.

    Args:
        sums: Of code minus zero point, over all positions.
        ratio: Input scale / (output scale * positions), in float32.
        zero_point: Of the output.
    """
    scaled: npt.NDArray[np.float32] = sums.astype(np.float32) * ratio
    return np.rint(scaled).astype(np.int64) + zero_point


def average_pool_is_mean(positions: int, zero_point: int) -> bool:
    """Whether TFLite's average pooling gives the code of a mean, for every sum there is.

    Pooling works on the codes themselves and rounds halves away from code 0; a mean rounds them
    to even numbers of steps from the zero point. An odd number of positions has no halves.

    Args:
        positions: Height times width.
        zero_point: Of input and output, which have one grid.
    """
    if positions > 2**16:
        return False
    sums = np.arange(-128 * positions, 127 * positions + 1, dtype=np.int64)
    half = np.where(sums > 0, positions // 2, -(positions // 2))
    pooled = np.trunc((sums + half) / positions).astype(np.int64)
    ratio = np.float32(1) / np.float32(positions)
    return np.array_equal(pooled, mean_codes(sums - positions * zero_point, ratio, zero_point))
