"""From a real interval to the int8 grid that covers it."""

import dataclasses
import math

import numpy as np

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.ops.tensors import QMAX, QMIN

_EPSILON = float(np.finfo(np.float64).eps)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """An int8 quantisation grid, before its scale is rounded to float32.

    Attributes:
        scale: Real units per step, float64: a bias scale is the product of two of these.
        zero_point: The code of real 0.
    """

    scale: float
    zero_point: int


def is_flat(lowest: float, highest: float) -> bool:
    """Whether an interval is too narrow for a grid."""
    return float(np.float32(highest)) - float(np.float32(lowest)) < _EPSILON


def activation_grid(name: str, lowest: float, highest: float) -> Grid:
    """Return the asymmetric grid of an activation.

    The 256 codes span the interval, moved by less than half a step so that 0 has a code. The
    end that lies nearer to zero decides the zero point, and halves are rounded away from zero,
    as in MLIR's `fakeQuantAttrsToType`, by which TensorFlow's converter reads fake-quant nodes.
    An interval of no width (a dead layer) gets the step 1.

    Args:
        name: The tensor, for the error.
        lowest: At most 0.
        highest: At least 0.

    Raises:
        ConversionError: The interval is not finite, or does not hold 0.
    """
    # A fake-quant node holds its ends as float32.
    low, high = float(np.float32(lowest)), float(np.float32(highest))
    if not (math.isfinite(low) and math.isfinite(high) and low <= 0 <= high):
        raise ConversionError(
            f"range of `{name}`: expected finite numbers around 0, received {lowest}..{highest}",
            hint="calibrate with images that the network can digest; NaN means it diverged",
        )
    if is_flat(low, high):
        return Grid(scale=1.0, zero_point=QMIN)
    scale = (high - low) / (QMAX - QMIN)
    from_low, from_high = QMIN - low / scale, QMAX - high / scale
    exact = from_low if -QMIN + abs(low / scale) < QMAX + abs(high / scale) else from_high
    nearest = math.floor(abs(exact) + 0.5) * (1 if exact > 0 else -1)
    return Grid(scale=scale, zero_point=min(max(nearest, QMIN), QMAX))
