"""The grid on which images enter a network: int8 code `pixel - 128`, real value `code / 128`."""

from typing import Any, Final

from mobiledeploy.training import session

RANGE: Final = (-1.0, 127 / 128)
"""Real values of pixels 0 and 255. The 256 codes between them are exactly the 8-bit pixels, so
quantising the input loses nothing (docs/decisions/0003-input-grid.md)."""


def to_input(pixels: Any) -> Any:
    """Return `(pixel - 128) / 128` of a tensor of 8-bit values as float32, exact."""
    tf = session.tensorflow()
    return (tf.cast(pixels, tf.float32) - 128.0) / 128.0
