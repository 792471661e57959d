"""What a fused activation does to real values, and at which int8 codes it clips."""

import numpy as np

from mobiledeploy.ops.architecture import Activation
from mobiledeploy.ops.tensors import QMAX, QMIN, Float32, QTensor

_CEILING = {"relu6": np.float32(6)}


def clamp(activation: Activation, tensor: QTensor) -> tuple[int, int]:
    """Return the lowest and the highest code of a tensor after an activation.

    The bounds are quantised as XNNPACK does it: in float32, halves to even.
    """
    low, high = QMIN, QMAX
    if activation != "none":
        low = tensor.zero_point
    if activation in _CEILING:
        steps = _CEILING[activation] / tensor.scale
        high = int(min(np.rint(steps + np.float32(tensor.zero_point)), QMAX))
    return low, high


def activated(activation: Activation, values: Float32) -> Float32:
    """Return real values after an activation."""
    match activation:
        case "none":
            return values
        case "relu":
            return np.maximum(values, np.float32(0))
        case "relu6":
            return np.clip(values, np.float32(0), np.float32(6))


def implied(activation: Activation, tensor: QTensor) -> bool:
    """Whether the grid ends at the activation's bounds, so that it needs no clipping."""
    return clamp(activation, tensor) == (QMIN, QMAX)
