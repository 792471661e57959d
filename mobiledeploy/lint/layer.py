"""One layer of either format, with the integers around it, right or wrong."""

import dataclasses
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.formats.model import CODES, Grid, Operator, Tensor

Kind: TypeAlias = Literal["conv", "depthwise", "dense", "add", "mean", "same", "softmax"]
"""`same`: pools and the like that must keep the grid of their input."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Coded:
    """A tensor and the grid on which this layer takes its codes; None for real numbers."""

    tensor: Tensor
    grid: Grid | None

    @property
    def single(self) -> tuple[float, int] | None:
        """Scale and zero point, if there is one of each and they can be computed with."""
        grid = self.grid
        if grid is None or grid.scale.size != 1 or self.tensor.dtype not in CODES:
            return None
        scale = float(grid.scale[0])
        usable = np.isfinite(scale) and scale > 0
        return (scale, int(grid.zero_point[0])) if usable else None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layer:
    """A layer.

    Attributes:
        kind: What it computes.
        operator: In the file.
        where: Its name for a finding.
        sources: Activations that it reads.
        kernel: Its weights, None if it has none or they are computed.
        channel_axis: Of the output channels in the kernel.
        bias: None if it has none.
        output: What it writes, on the grid of its codes.
        bounds: Real numbers between which the activation cuts off; None where none does.
        pointed: Whether the activation stands between the layer and its codes as an operator of
            its own (ONNX only).
    """

    kind: Kind
    operator: Operator
    where: str
    sources: tuple[Coded, ...]
    output: Coded
    kernel: Coded | None = None
    channel_axis: int = 0
    bias: Coded | None = None
    bounds: tuple[float, float] | None = None
    pointed: str = ""

    @property
    def integer(self) -> bool:
        """Whether it reads codes and writes codes."""
        ends = (*self.sources, self.output)
        return bool(self.sources) and all(end.grid is not None for end in ends)

    @property
    def channels(self) -> int:
        """Output channels; 0 if the kernel does not say."""
        sizes = None if self.kernel is None else self.kernel.tensor.sizes
        inside = sizes is not None and self.channel_axis < len(sizes)
        return sizes[self.channel_axis] if sizes is not None and inside else 0

    def rows(self) -> npt.NDArray[Any] | None:
        """Return the integer kernel with its output channels first; None if it has none."""
        kernel = None if self.kernel is None else self.kernel.tensor
        if kernel is None or kernel.data is None or not kernel.data.size or not self.channels:
            return None
        if kernel.data.dtype.kind not in "iu":
            return None
        return np.moveaxis(kernel.data, self.channel_axis, 0)

    def kernel_scales(self) -> npt.NDArray[np.float64] | None:
        """Return a scale for each output channel; None if the file's do not fit them."""
        return per_channel(self.kernel, self.channels)

    def multipliers(self) -> npt.NDArray[np.float64] | None:
        """Return steps of the output for one step of each channel's accumulator."""
        scales, output = self.kernel_scales(), self.output.single
        source = self.sources[0].single if self.sources else None
        if scales is None or output is None or source is None:
            return None
        return source[0] * scales / output[0]

    def codes(self) -> tuple[int, int] | None:
        """Return the lowest and highest code that the activation lets through."""
        single = self.output.single
        if single is None:
            return None
        lowest, highest = CODES[self.output.tensor.dtype]
        if self.bounds is None:
            return lowest, highest
        scale, zero = single
        # As XNNPACK does it: in float32, halves to even.
        steps = np.array(self.bounds, np.float32) / np.float32(scale)
        low, high = np.clip(np.rint(steps + np.float32(zero)), lowest, highest)
        return int(low), int(high)


def per_channel(coded: Coded | None, channels: int) -> npt.NDArray[np.float64] | None:
    """Return the scales of a kernel or bias, one a channel; None if they do not fit."""
    if coded is None or coded.grid is None or not channels:
        return None
    if coded.grid.scale.size not in {1, channels}:
        return None
    scales = coded.grid.scale.astype(np.float64)
    if not (np.isfinite(scales) & (scales > 0)).all():
        return None
    return np.broadcast_to(scales, (channels,))
