"""The int8 tensors of an integer graph.

A real value is `(code - zero_point) * scale`. This is TFLite's "full integer" specification:
https://ai.google.dev/edge/litert/models/quantization_spec
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import ConversionError

Int8: TypeAlias = npt.NDArray[np.int8]
Int16: TypeAlias = npt.NDArray[np.int16]
Int32: TypeAlias = npt.NDArray[np.int32]
Float32: TypeAlias = npt.NDArray[np.float32]
Codes: TypeAlias = npt.NDArray[np.int64]
"""int8 codes, or sums and products of them, in a type that holds them all."""

Shape: TypeAlias = tuple[int, ...]
"""Shape of a tensor, without the batch. The channels come last."""

QMIN: Final = -128
QMAX: Final = 127

UINT8_OFFSET: Final = 128
"""What uint8 codes and zero points are more than int8 ones."""

MOST_AXES: Final = 4
"""Most axes of a tensor, without the batch."""

MOST_ELEMENTS: Final = 2**28
"""Most elements of an activation: more than any image needs, less than would exhaust memory."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class QTensor:
    """An int8 activation of one image.

    Attributes:
        name: Unique in the graph; the name of the layer that writes it, or the input's.
        shape: 1 to 4 axes: (height, width, channels) of an image, (channels,) of a vector.
        scale: Real units per step, positive, a float32 value.
        zero_point: The code of real 0, in -128..127.
        unsigned: Whether a `.tflite` holds the codes as uint8, 128 more, from which some of
            LiteRT's kernels round otherwise. In an integer graph they are int8.
    """

    name: str
    shape: Shape
    scale: np.float32
    zero_point: int
    unsigned: bool = False

    def __post_init__(self) -> None:
        """Check grid and shape.

        Raises:
            ConversionError: The scale is not a positive normal number, the zero point lies
                outside int8, or the shape has no axes or too many, an axis below 1, or too many
                elements.
        """
        if not is_scale(self.scale):
            raise ConversionError(
                f"tensor `{self.name}`: expected a positive scale, received {self.scale}"
            )
        if not QMIN <= self.zero_point <= QMAX:
            raise ConversionError(
                f"tensor `{self.name}`: expected a zero point in -128..127, "
                f"received {self.zero_point}"
            )
        if not 1 <= len(self.shape) <= MOST_AXES or min(self.shape) < 1:
            raise ConversionError(
                f"tensor `{self.name}`: expected 1 to {MOST_AXES} axes such as (height, width, "
                f"channels) or (channels,), received {self.shape}"
            )
        if math.prod(self.shape) > MOST_ELEMENTS:
            raise ConversionError(
                f"tensor `{self.name}`: expected at most {MOST_ELEMENTS} elements, "
                f"received shape {self.shape}"
            )


def tensors(
    names: Sequence[str], shape: Shape, scales: Sequence[float], zeros: Sequence[int]
) -> tuple[QTensor, ...]:
    """Return tensors of one shape, each with a name and a grid."""
    return tuple(
        QTensor(name=name, shape=shape, scale=np.float32(scale), zero_point=zero)
        for name, scale, zero in zip(names, scales, zeros, strict=True)
    )


def is_scale(scale: np.float32) -> bool:
    """Whether a number can be a scale: positive, normal and finite."""
    return bool(np.isfinite(scale) and scale >= np.finfo(np.float32).tiny)


def expect(node: str, what: str, received: object, expected: object) -> None:
    """Check one fact about a node.

    Raises:
        ConversionError: The two differ.
    """
    if received != expected:
        raise ConversionError(f"`{node}`: expected {what} {expected}, received {received}")


def expect_grid(output: QTensor, scale: np.float32, zero_point: int) -> None:
    """Check the grid of what a node writes.

    Raises:
        ConversionError: It is another.
    """
    expect(output.name, "scale", output.scale, scale)
    expect(output.name, "zero point", output.zero_point, zero_point)
