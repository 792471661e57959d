"""How 8-bit pixels become a network's input, `(pixel - mean) / std`, by `--input-range`."""

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

InputRange: TypeAlias = Literal["-1..1", "0..1", "0..255"]
Scaling: TypeAlias = tuple[float, float]
"""Mean and std of `(pixel - mean) / std`: what a network takes for 8-bit pixels."""

SCALINGS: Final[Mapping[InputRange, Scaling]] = {
    "-1..1": (128.0, 128.0),
    "0..1": (0.0, 255.0),
    "0..255": (0.0, 1.0),
}
"""In each, the 256 values lie on an int8 grid on which the code is `pixel - 128`, so that
quantising the input loses nothing (docs/decisions/0003-input-grid.md)."""
