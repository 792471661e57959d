"""What a name in an ONNX graph stands for while its nodes are read."""

import dataclasses
from typing import TypeAlias

import numpy as np

from mobiledeploy.ops.tensors import Float32, Int8, Int32
from mobiledeploy.reading.model import Array


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Constant:
    """Numbers that stand in the file, or were made from such.

    Attributes:
        name: In the file.
        values: The numbers.
    """

    name: str
    values: Array


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Quantised:
    """A constant's codes behind a DequantizeLinear.

    Attributes:
        name: In the file.
        codes: int8 (uint8 codes lose 128), or int32.
        scale: float32, one or one for each entry along `axis`.
        zero: int32, same size; the int8 code of real 0.
        axis: The quantised dimension; it means nothing where there is one scale.
    """

    name: str
    codes: Int8 | Int32
    scale: Float32
    zero: Int32
    axis: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """An activation.

    Attributes:
        source: Index of the layer that computes it, or `INPUT`.
        axes: What its dimensions mean: `NHWC`, `NCHW`, `NC`; empty if not known.
        sizes: Of the dimensions, 0 for a free one.
        scale: Of the grid by which it is read; None for codes that nothing was said about, or
            for real values that are not quantised yet.
        zero_point: Likewise, an int8 code.
        real: Whether these are real values and not codes.
        factor: Of real values at the graph's input, what they were multiplied by.
        pixels: How many pixels that lie side by side are written as channels of one.
        unrolled: Axes and sizes of what a vector was flattened from, in the file's order.
    """

    source: int
    axes: str
    sizes: tuple[int, ...]
    scale: np.float32 | None = None
    zero_point: int | None = None
    real: bool = True
    factor: np.float32 | None = None
    pixels: int = 1
    unrolled: tuple[str, tuple[int, ...]] | None = None

    def size(self, axis: str) -> int:
        """Return the size along an axis; 0 if it is not known, 1 if there is none."""
        return self.sizes[self.axes.index(axis)] if axis in self.axes else 1

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one image, in the common form: (height, width, channels) or (channels,)."""
        if not self.axes or "C" not in self.axes:
            return ()
        high, wide, channels = (self.size(axis) for axis in "HWC")
        image = high, wide * self.pixels, channels // self.pixels
        if "H" not in self.axes or image[:2] == (1, 1):
            return image[2:]
        return image


Value: TypeAlias = Constant | Quantised | Flow
