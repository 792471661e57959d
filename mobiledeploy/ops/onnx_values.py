"""What may stand behind a tensor's name while an `.onnx` is read."""

import dataclasses
from typing import Final, TypeAlias

import numpy as np

from mobiledeploy.ops.stored import Array
from mobiledeploy.ops.tensors import Float32, Int8, Int32

PLAIN: Final = {3: "N12", 5: "N1234"}
"""By rank, the axes of tensors that are neither images nor vectors: by their numbers."""

GROUPED: Final = "NGCHW"
"""Axes of an image whose channels are in groups, as a channel shuffle has it in between."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OnnxConstant:
    """Constant numbers from the file, or computed from such.

    Attributes:
        name: Name in the file.
        values: The numbers.
    """

    name: str
    values: Array


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class QuantisedConstant:
    """A constant that is stored as codes with a DequantizeLinear.

    Attributes:
        name: Name in the file.
        codes: int8 (uint8 codes lose 128), or int32.
        scale: float32, one or one for each entry along `axis`.
        zero: int32, same size; the int8 code of real 0.
        axis: The quantised dimension; without meaning if there is one scale.
    """

    name: str
    codes: Int8 | Int32
    scale: Float32
    zero: Int32
    axis: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class OnnxActivation:
    """An activation.

    Attributes:
        source: Index of the layer that computes it, or `INPUT`.
        axes: What its dimensions mean: `NHWC`, `NCHW`, `NC`, `GROUPED`, one of `PLAIN`; empty if
            not known.
        sizes: Sizes of the dimensions, 0 for a free one.
        scale: Scale with which it is read; None for codes whose grid is not known yet, or for
            real values that are not quantised yet.
        zero_point: Zero point with which it is read, an int8 code; None as for `scale`.
        real: Whether these are real values and not codes.
        factor: For real values at the graph's input, the factor they were multiplied by.
        pixels: How many neighbouring pixels are written as channels of one pixel.
        unrolled: Axes and sizes of the tensor that a vector was flattened from, in file order.
        dtype: Type of the codes, `int8` or `uint8`; empty for real values, or if not known.
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
    dtype: str = ""

    @property
    def channel_axis(self) -> int:
        """The dimension of the channels; -1 if it is not known."""
        return len(self.axes) - 1 if self.is_plain else self.axes.find("C")

    @property
    def is_plain(self) -> bool:
        """Whether it is neither an image nor a vector, and keeps its dimensions in TFLite."""
        return self.axes in PLAIN.values()

    @property
    def order(self) -> tuple[int, ...]:
        """The dimensions but for the batch, channels last."""
        if self.axes == GROUPED:
            return tuple(self.axes.index(axis) for axis in "HWGC")
        image = "H" in self.axes
        return tuple(self.axes.index(axis) for axis in ("HWC" if image else self.axes[1:]))

    def size(self, axis: str) -> int:
        """Return the size along an axis; 0 if it is not known, 1 if there is none."""
        return self.sizes[self.axes.index(axis)] if axis in self.axes else 1

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one image, channels last: (height, width, channels) or (channels,)."""
        if self.is_plain:
            return self.sizes[1:]
        if self.axes == GROUPED:
            return tuple(self.sizes[place] for place in self.order)
        if not self.axes or "C" not in self.axes:
            return ()
        high, wide, channels = (self.size(axis) for axis in "HWC")
        image = high, wide * self.pixels, channels // self.pixels
        if "H" not in self.axes or image[:2] == (1, 1):
            return image[2:]
        return image


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TablePlaces:
    """Codes cast to indices of a lookup table, or the table's entries there.

    Attributes:
        codes: The activation, in the shape that it has before it is flattened.
        row: Whether it is flattened to one row.
        looked_up: Whether these are the table's entries, not its indices any more.
        channels: How many channels have tables of their own, one after the other; 0 if none have.
        second: The activation whose codes are the last digit of the indices, base 256; None of a
            table of one activation.
    """

    codes: OnnxActivation
    row: bool = False
    looked_up: bool = False
    channels: int = 0
    second: OnnxActivation | None = None

    @property
    def activations(self) -> list[OnnxActivation]:
        """All activations that it is made of."""
        return [self.codes] if self.second is None else [self.codes, self.second]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class IntegerSum:
    """Codes times whole numbers, summed: an addition or subtraction in integers.

    Attributes:
        terms: uint8 codes, and their factors.
        constant: What is added to the products.
        highest: To which the sum is clipped, from 0 on; None if it is not.
        unsigned: Whether it has become uint32.
        shift: Bits that it has been shifted by; None before.
        offset: What has been added since.
        codes: Whether it has been clipped to 0..255 since.
    """

    terms: tuple[tuple[OnnxActivation, int], ...]
    constant: int = 0
    highest: int | None = None
    unsigned: bool = False
    shift: int | None = None
    offset: int = 0
    codes: bool = False


OnnxValue: TypeAlias = OnnxConstant | QuantisedConstant | OnnxActivation | TablePlaces | IntegerSum

OnnxGrid: TypeAlias = tuple[np.float32, int, str]
"""Scale, zero point as an int8 code, and type of the codes."""
