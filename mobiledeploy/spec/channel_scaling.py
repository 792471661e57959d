"""`ChannelScaling`: how 8-bit pixels become a float network's input, channel by channel.

A build's contract has one mean and one std (`config.Scaling`), since the int8 grid of an input has
one scale. What differs between channels is a layer of the network there.
"""

import dataclasses
from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.codec import OMIT
from mobiledeploy.base.errors import RequestError
from mobiledeploy.spec.config import Scaling

CHANNELS: Final = (1, 3)
"""Numbers of channels that images can have."""
COLOURS: Final = 3
"""Number of channels that have an order: red, green, blue or blue, green, red."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ChannelScaling:
    """Pixels become `(pixel - mean) / std`.

    Attributes:
        name: The scaling in words.
        mean: Pixel levels, 0..255: one for all channels, or one a channel.
        std: Pixel levels, likewise.
        bgr: Whether the network's channels are blue, green, red; mean and std are of red, green,
            blue as the pixels.
    """

    name: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    bgr: bool = dataclasses.field(default=False, metadata=OMIT)

    def __post_init__(self) -> None:
        """Check that there are as many means as standard deviations, all usable.

        Raises:
            RequestError: There are not.
        """
        if len(self.mean) != len(self.std) or len(self.mean) not in CHANNELS:
            raise RequestError(
                f"expected as many means as standard deviations, 1 or 3; received "
                f"{len(self.mean)} and {len(self.std)}",
                hint=f"for example `{options_of(SCALINGS['torchvision'])}`",
            )
        if not all(abs(mean) <= 1e6 for mean in self.mean):
            raise RequestError(
                f"expected means in -1e6..1e6; received {_listed(self.mean)}",
                hint="give the means of pixels of 0 to 255 with `--mean`",
            )
        if not all(1e-6 <= std <= 1e6 for std in self.std):
            raise RequestError(
                f"expected standard deviations in 1e-6..1e6; received {_listed(self.std)}",
                hint="give the standard deviations of pixels of 0 to 255 with `--std`",
            )

    @classmethod
    def of_pixels(cls, scaling: Scaling) -> "ChannelScaling":
        """Return a scaling that is one for all channels."""
        mean, std = scaling
        return named((mean,), (std,))

    def fits(self, channels: int) -> bool:
        """Whether a network of so many channels can have this scaling."""
        return len(self.mean) in {1, channels} and (channels == COLOURS or not self.bgr)

    def inputs(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return the network's input, of the shape of the pixels, whose channels come last."""
        channels = np.arange(pixels.shape[-1])
        table = self.values(len(channels)).astype(np.float32)
        values: npt.NDArray[np.float32] = table[pixels, channels]
        return np.ascontiguousarray(values[..., ::-1]) if self.bgr else values

    def values(self, channels: int) -> npt.NDArray[np.float64]:
        """Return the value of each pixel value, shape (256, channels)."""
        pixels = np.arange(256, dtype=np.float64)[:, None]
        values = (pixels - np.array(self.mean)) / np.array(self.std)
        return np.broadcast_to(values, (256, channels))


def named(mean: tuple[float, ...], std: tuple[float, ...]) -> ChannelScaling:
    """Return a scaling with its name: that of `SCALINGS`, or its numbers.

    Raises:
        RequestError: See `ChannelScaling`.
    """
    for scaling in SCALINGS.values():
        if (scaling.mean, scaling.std) == (mean, std):
            return scaling
    words = f"(pixel - {_bracketed(mean)}) / {_bracketed(std)}"
    return ChannelScaling(name=words, mean=mean, std=std)


def options_of(scaling: ChannelScaling) -> str:
    """Return the options of `mobiledeploy quantize` that say a scaling."""
    for name, known in CANDIDATES.items():
        if known == scaling and name != "torchvision":
            return f"--input-range {name}"
    return f"--mean {_listed(scaling.mean)} --std {_listed(scaling.std)}"


def _listed(values: tuple[float, ...]) -> str:
    return ",".join(f"{value:.10g}" for value in values)


def _bracketed(values: tuple[float, ...]) -> str:
    return _listed(values) if len(values) == 1 else f"({_listed(values)})"


RANGES: Final[Mapping[str, ChannelScaling]] = {
    "-1..1": ChannelScaling(name="pixel / 127.5 - 1", mean=(127.5,), std=(127.5,)),
    "0..1": ChannelScaling(name="pixel / 255", mean=(0.0,), std=(255.0,)),
    "0..255": ChannelScaling(name="pixel", mean=(0.0,), std=(1.0,)),
}
"""What networks are trained with, by the range of their input."""
SCALINGS: Final[Mapping[str, ChannelScaling]] = {
    **RANGES,
    "torchvision": ChannelScaling(
        name="(pixel / 255 - mean) / std with ImageNet's mean and std",
        mean=(123.675, 116.28, 103.53),
        std=(58.395, 57.12, 57.375),
    ),
}
"""The scalings that networks are usually trained with."""
CAFFE: Final = ChannelScaling(
    name="pixel - mean in the order blue, green, red",
    mean=(123.68, 116.779, 103.939),
    std=(1.0, 1.0, 1.0),
    bgr=True,
)
"""What Keras's ResNet and VGG are trained with."""
REVERSED: Final[Mapping[str, ChannelScaling]] = {
    f"{name}-bgr": dataclasses.replace(
        scaling, name=f"{scaling.name} in the order blue, green, red", bgr=True
    )
    for name, scaling in RANGES.items()
}
"""`RANGES` of networks that were trained on images as OpenCV reads them."""
CANDIDATES: Final[Mapping[str, ChannelScaling]] = {**SCALINGS, "caffe": CAFFE, **REVERSED}
"""What is tried on photos of known classes."""
IMPORT_RANGES: Final[Mapping[str, ChannelScaling]] = {**RANGES, "caffe": CAFFE, **REVERSED}
"""By their names: the ranges that a user can say of a model file."""
