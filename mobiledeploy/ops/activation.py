"""At which int8 codes a fused activation clips."""

import numpy as np

from mobiledeploy.ops.architecture import Activation
from mobiledeploy.ops.tensors import QMAX, QMIN, QTensor

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


def implied(activation: Activation, tensor: QTensor) -> bool:
    """Whether the grid ends at the activation's bounds, so that it needs no clipping."""
    return clamp(activation, tensor) == (QMIN, QMAX)
