"""From 8-bit pixels to what a network takes for them: see `layers.SCALINGS`."""

from typing import Final

from mobiledeploy.spec.config import SCALINGS, Scaling
from mobiledeploy.training import session
from mobiledeploy.training.graph import Tensor

SIGNED: Final = SCALINGS["-1..1"]


def limits(scaling: Scaling) -> tuple[float, float]:
    """Return the real values of pixels 0 and 255."""
    mean, std = scaling
    return -mean / std, (255 - mean) / std


def to_input(pixels: Tensor, scaling: Scaling) -> Tensor:
    """Return `(pixel - mean) / std` of a tensor of 8-bit values as float32.

    The difference is exact and the quotient rounded once: `data.preprocess.to_float32` gives the
    same.
    """
    tf = session.tensorflow()
    mean, std = scaling
    return (tf.cast(pixels, tf.float32) - mean) / std


def from_signed(values: Tensor, scaling: Scaling) -> Tensor:
    """Return values on the scale -1..1 on another one."""
    if scaling == SIGNED:
        return values
    signed_mean, signed_std = SIGNED
    mean, std = scaling
    return (values * signed_std + (signed_mean - mean)) / std
