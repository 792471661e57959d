"""Read a convolution over several pixels at a time as one over single pixels.

Our ONNX files write the first convolution this way (`targets/onnx_stem.py`): neighbouring pixels
become channels of one pixel, and the kernel has a copy of the weights for each output pixel.
Copies that differ, and weights outside of the window, are reported as faults.
"""

import dataclasses
from typing import Any

import numpy as np

from mobiledeploy.ops.stored import Array, Fault, StoredWeights


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SinglePixelConvolution:
    """A convolution over single pixels.

    Attributes:
        weights: Weights of the first of the neighbouring output pixels.
        stride: Horizontal stride, in single pixels.
        pads: Padding left and right, in single pixels.
        outputs: How many neighbouring output pixels are computed at a time.
        faults: Where the other output pixels' weights differ.
    """

    weights: StoredWeights
    stride: int
    pads: tuple[int, int]
    outputs: int
    faults: tuple[Fault, ...]


def over_single_pixels(
    weights: StoredWeights,
    *,
    pixels: int,
    stride: int,
    pads: tuple[int, int],
    width: int,
) -> SinglePixelConvolution | None:
    """Return the convolution over single pixels, or None if there is none.

    Args:
        weights: Kernel (outputs * channels, height, columns, pixels * colours), OHWI.
        pixels: How many neighbouring pixels make one of the input's.
        stride: Horizontal stride, in groups of pixels.
        pads: Groups of pixels added left and right.
        width: Width of the input, in single pixels.
    """
    count, high, columns, depth = weights.kernel.shape
    for outputs in range(pixels, 1, -1):
        step, rest = divmod(pixels * stride, outputs)
        if count % outputs or rest or depth % pixels:
            continue
        places = weights.kernel.reshape(outputs, -1, high, columns * pixels, depth // pixels)
        window = _window(places[0])
        if window is None or window[1] + (outputs - 1) * step > columns * pixels:
            continue
        copies = _copies(weights, places, window=window, step=step)
        if copies is None:
            continue
        single, faults = copies
        left = pads[0] * pixels - window[0]
        groups = (width // pixels + sum(pads) - columns) // stride + 1
        right = (groups * outputs - 1) * step + window[1] - window[0] - width - left
        return SinglePixelConvolution(
            weights=single, stride=step, pads=(left, right), outputs=outputs, faults=faults
        )
    return None


def _window(places: Array) -> tuple[int, int] | None:
    """Return the columns that a kernel uses, without those that only one channel does."""
    channels = places.any(axis=(1, 3)).sum(axis=0)
    used = np.flatnonzero(channels > (1 if len(places) > 2 else 0))
    return (int(used[0]), int(used[-1]) + 1) if used.size else None


def _copies(
    weights: StoredWeights, places: Array, *, window: tuple[int, int], step: int
) -> tuple[StoredWeights, tuple[Fault, ...]] | None:
    """Return the first output pixel's weights, and faults where the other copies differ."""
    outputs, channels = places.shape[:2]
    begin, end = window
    kernel = places[0][:, :, begin:end]
    differs = np.zeros(channels, bool)
    for pixel in range(outputs):
        expected = np.zeros_like(places[pixel])
        expected[:, :, begin + pixel * step : end + pixel * step] = kernel
        differs |= (places[pixel] != expected).any(axis=(1, 2, 3))
    # Where most channels differ, this is not a copy of the first one.
    if differs.sum() > max(2, channels // 2):
        return None
    faults = _fault("weights", differs)
    numbers: dict[str, Any] = {}
    for field, kept in (
        ("bias", weights.bias),
        ("kernel_scale", weights.kernel_scale),
        ("kernel_zero", weights.kernel_zero),
        ("bias_scale", weights.bias_scale),
    ):
        numbers[field] = kept
        if kept.size > 1:
            rows = kept.reshape(outputs, channels)
            numbers[field] = rows[0]
            faults.extend(_fault(field, (rows != rows[0]).any(axis=0)))
    return dataclasses.replace(weights, kernel=kernel, **numbers), tuple(faults)


def _fault(field: str, differs: Array) -> list[Fault]:
    channels = tuple(int(channel) for channel in np.flatnonzero(differs))
    if not channels:
        return []
    name = field.replace("_", " ")
    detail = f"{name}, given once for each of several pixels: the copies differ"
    return [Fault(field=field, detail=detail, channels=channels)]
