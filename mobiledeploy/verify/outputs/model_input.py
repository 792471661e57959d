"""`PixelInput`: how pixels become a file's input, by the file's own quantisation.

Files do not say how their pixels were scaled. The quantisation grid of the input shows it, because
it covers the values that pixels can have. The report states the scaling that was inferred.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import ParityError
from mobiledeploy.data.dataset import Pixels
from mobiledeploy.data.preprocess import to_grey
from mobiledeploy.ops.tensors import Shape
from mobiledeploy.reading import StoredTensor
from mobiledeploy.runtimes import Array, TensorInfo
from mobiledeploy.spec.channel_scaling import CHANNELS, RANGES, SCALINGS, ChannelScaling

NEAR: Final = 2.5
"""Steps by which a grid may miss a scaling's range and still map each pixel value to one code."""
BY_128: Final = (1 / 128, 0)
"""The grid on which a pixel's code is exactly `(pixel - 128) / 128`."""
LIKE: Final = 0.35
"""Share of a scaling's range by which a grid may miss it and still be taken for it: calibrated
grids cover only the values that calibration saw."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PixelInput:
    """How pixels become one file's input.

    Attributes:
        table: Input value of each pixel value, shape (256, channels), in the input's type.
        channels_first: Whether the input is (channels, height, width).
        words: The scaling in words, for the report.
        vector: Length of an input that is no image but a vector: it takes the first pixels; 0
            for an image.
        shape: Shape of an input of values, which takes arrays of its own shape as they are.
        bgr: Whether its channels are blue, green, red.
    """

    table: Array
    channels_first: bool
    words: str
    vector: int = 0
    shape: Shape = ()
    bgr: bool = False

    def __call__(self, pixels: Pixels) -> Array:
        """Return the input for images, shape (batch, height, width, 3) or (..., 1), or values."""
        if self.shape and pixels.shape[1:] == self.shape:
            return self.table[:, 0].take(pixels, mode="clip")
        if len(self.table.T) == 1 and pixels.shape[-1] == 3:
            pixels = to_grey(pixels)
        if (self.table == self.table[:, :1]).all():
            values = self.table[:, 0].take(pixels, mode="clip")  # the fastest: no bounds to check
        else:
            channels = np.arange(self.table.shape[1])
            values = self.table[pixels, channels]
        if self.bgr:
            values = values[..., ::-1]
        if self.vector:
            return np.ascontiguousarray(values.reshape(len(values), -1)[:, : self.vector])
        return self.arranged(values)

    def arranged(self, values: Array) -> Array:
        """Return input values, shape (batch, height, width, channels), in the input's layout."""
        return np.ascontiguousarray(
            values.transpose(0, 3, 1, 2) if self.channels_first else values
        )


def image_shape(info: TensorInfo) -> tuple[int, int, int]:
    """Return (height, width, channels) of a file's input.

    A vector takes the pixels of a grey image, the smallest square one that has enough.

    Raises:
        ParityError: It takes neither vectors nor images of one or three channels.
    """
    shape = info.shape
    if len(shape) == 1 and shape[0] > 0:
        side = math.isqrt(shape[0] - 1) + 1
        return side, side, 1
    if len(shape) == 3 and min(shape) > 0:
        if shape[2] in CHANNELS:
            return shape
        if shape[0] in CHANNELS:
            return (shape[1], shape[2], shape[0])
    raise ParityError(
        f"input `{info.name}`: expected images of one or three channels and a fixed size, "
        f"received shape {shape}",
        hint="export the model with the size of the images that an app gives it",
    )


def pixel_shape(info: TensorInfo) -> Shape:
    """Return the shape of arrays for a file's input: of an image, or of values as they are."""
    return image_shape(info) if _is_image(info.shape) else info.shape


def _is_image(shape: Shape) -> bool:
    return len(shape) == 3 and (shape[0] in CHANNELS or shape[2] in CHANNELS)


def feeds(
    inputs: Sequence[tuple[StoredTensor, TensorInfo]],
    scalings: Sequence[ChannelScaling | None] = (),
) -> list[PixelInput]:
    """Return how pixels become each file's input, for files that claim to be one classifier.

    A file takes the scaling that is known of it, otherwise that of its grid, otherwise that of the
    first file that has one.

    Args:
        inputs: For each file, its input as described by the file and by the runtime.
        scalings: For each file, how pixels become its input, if that is known: of a file without a
            grid see `float_input`, of a build its contract says it.

    Raises:
        ParityError: The codes of an input have no scale.
    """
    told = scalings or [None] * len(inputs)
    known = [
        scaling or scaling_of(tensor, _channels(info))
        for (tensor, info), scaling in zip(inputs, told, strict=True)
    ]
    common = next((scaling for scaling in known if scaling is not None), RANGES["-1..1"])
    return [
        feed(tensor, info, scaling or common)
        for (tensor, info), scaling in zip(inputs, known, strict=True)
    ]


def _channels(info: TensorInfo) -> int:
    return image_shape(info)[2] if _is_image(info.shape) else 1


def scaling_of(tensor: StoredTensor, channels: int = 3) -> ChannelScaling | None:
    """Return the scaling that an input's grid covers best, or None if there is no grid.

    Args:
        tensor: The input.
        channels: Its number of channels.
    """
    if tensor.scale is None or tensor.zero_point is None:
        return None
    low, high = span(tensor)

    def miss(scaling: ChannelScaling) -> float:
        values = scaling.values(channels)
        least, most = float(values.min()), float(values.max())
        return (abs(low - least) + abs(high - most)) / (most - least)

    fitting = [scaling for scaling in SCALINGS.values() if len(scaling.mean) in {1, channels}]
    best = min(fitting, key=miss)
    return best if miss(best) < LIKE else RANGES["-1..1"]


def span(tensor: StoredTensor) -> tuple[float, float]:
    """Return the lowest and the highest real value of an input's grid, which it must have."""
    scale, zero = float(tensor.scale or 0), int(tensor.zero_point or 0)
    return (-128 - zero) * scale, (127 - zero) * scale


def feed(tensor: StoredTensor, info: TensorInfo, scaling: ChannelScaling) -> PixelInput:
    """Return how pixels become an input.

    Args:
        tensor: The input as the file describes it.
        info: The input as the runtime describes it.
        scaling: From pixels to real values.

    Raises:
        ParityError: The input takes codes of no stated scale.
    """
    return dataclasses.replace(_feed(tensor, info, scaling), bgr=scaling.bgr)


def _feed(tensor: StoredTensor, info: TensorInfo, scaling: ChannelScaling) -> PixelInput:
    shape = info.shape
    vector = shape[0] if len(shape) == 1 else 0
    own = () if _is_image(shape) else shape
    channels, channels_first = _channels(info), not own and shape != image_shape(info)
    values = scaling.values(channels)
    if tensor.scale is None or tensor.zero_point is None:
        if info.dtype != np.float32:
            raise ParityError(
                f"input `{info.name}`: {info.dtype} codes without a scale",
                hint="without one nothing says how pixels become codes: write the file again with "
                "the program that made it",
            )
        table: Array = values.astype(np.float32)
        return PixelInput(
            table=table,
            channels_first=channels_first,
            words=scaling.name,
            vector=vector,
            shape=own,
        )
    scale, zero = float(tensor.scale), tensor.zero_point
    low, high = span(tensor)
    spans = abs(low - values.min()) <= NEAR * scale and abs(high - values.max()) <= NEAR * scale
    if spans and len(scaling.mean) == 1:
        codes = np.broadcast_to(np.arange(-128, 128)[:, None], (256, channels))
        exact = (scale, zero) == BY_128
        meaning = ", for (pixel - 128) / 128" if exact else f" ({scaling.name})"
        words = f"int8 code = pixel - 128{meaning}"
    else:
        codes = np.clip(np.rint(values / scale) + zero, -128, 127).astype(np.int64)
        words = f"{scaling.name}, rounded to steps of {scale:.6g}"
    return PixelInput(
        table=_as_type(codes, info.dtype, tensor),
        channels_first=channels_first,
        words=words,
        vector=vector,
        shape=own,
    )


def _as_type(codes: npt.NDArray[np.int64], dtype: np.dtype[Any], tensor: StoredTensor) -> Array:
    if dtype == np.uint8:
        return (codes + 128).astype(np.uint8)
    if dtype == np.int8:
        return codes.astype(np.int8)
    # The centre of a quantisation step, where every runtime rounds to the same code.
    centred: Array = (codes - int(tensor.zero_point or 0)).astype(np.float32)
    return centred * np.float32(tensor.scale or 0)
