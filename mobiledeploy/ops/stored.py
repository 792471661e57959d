"""A layer as a model file of either format stores it, with every integer that it computes with.

Codes are always int8: 128 is subtracted from a file's uint8 codes and zero points. Images are
HWC, kernels OHWI (convolution), 1HWC (depthwise) or OI (dense), whatever the file's layout. Each
input has the scale with which the layer reads it: in ONNX this may differ from the scale with
which the codes were written.
"""

import dataclasses
from collections.abc import Hashable, Sequence
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.ops.tensors import QMAX, QMIN, Codes, Float32, Int8, Int32, Shape

Packing: TypeAlias = Literal["dynamic range", "unpacked"]
"""How weights of a layer on floats are stored. `dynamic range`: int8, and the activations are
quantised as the file runs. `unpacked`: float16, or int8, from which floats are made as it is
loaded."""

Array: TypeAlias = npt.NDArray[Any]

INPUT: Final = -1
"""The graph's input, where the index of a layer is expected."""

FULL: Final = (QMIN, QMAX)
"""The clamp of a layer that cuts nothing off."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StoredTensor:
    """An activation as the file describes it.

    Attributes:
        name: Name in the file.
        shape: Shape of one image, (height, width, channels), or (channels,) for a vector or an
            image of one pixel; empty if not known.
        dtype: As stored: `int8`, `uint8`, `float32` ...
        scale: float32; None for a tensor of floats, or if `unstated`.
        zero_point: The int8 code of real 0; None for a tensor of floats, or if not known.
        axes: What its dimensions mean in the file, batch included: `NHWC`, `NCHW`, `NC`; empty
            if not known.
        unstated: Whether it holds codes of which the file does not state the scale: an `.onnx`
            may look codes up in a table, or multiply them, without one.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: np.float32 | None
    zero_point: int | None
    axes: str = ""
    unstated: bool = False

    @property
    def holds_codes(self) -> bool:
        """Whether it holds codes, and not floats."""
        return self.scale is not None or self.unstated


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LayerInput:
    """How a layer reads one of its inputs.

    Attributes:
        source: Index of the layer that wrote it, or `INPUT`.
        scale: Scale with which the codes are read; None for floats, or if it is not stated.
        zero_point: Zero point with which the codes are read; None likewise.
    """

    source: int
    scale: np.float32 | None
    zero_point: int | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ShapeContradiction:
    """An output of another shape than its file states.

    Attributes:
        padding: `SAME` or `VALID`, as the file says; empty for an operator that has none.
        source: Shape of the layer's input, for one image.
        given: Shape of the output that the operator computes from it.
        stated: Shape of the output that the file states.
    """

    padding: str
    source: tuple[int, ...]
    given: tuple[int, ...]
    stated: tuple[int, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something in a layer that `StoredLayer` cannot hold.

    Attributes:
        field: The affected field, such as `weights`.
        detail: The fault in words.
        channels: Output channels that are affected; empty if all or not known.
        packing: How the weights are packed, if that is the fault.
        contradiction: The shapes that contradict each other, if that is the fault.
    """

    field: str
    detail: str
    channels: tuple[int, ...] = ()
    packing: Packing | None = None
    contradiction: ShapeContradiction | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StoredWeights:
    """The integers of a convolution or dense layer.

    Attributes:
        kernel: int8; OHWI, 1HWC or OI.
        kernel_scale: float32, shape (channels,), or (1,) for a single one.
        kernel_zero: int32, same shape; 0 for symmetric weights.
        bias: int32, shape (channels,); zeros where the file has none.
        bias_scale: float32, (channels,) or (1,); where the file gives none, the product of
            the input's scale and the kernel's.
        name: Name of the kernel in the file.
    """

    kernel: Int8
    kernel_scale: Float32
    kernel_zero: Int32
    bias: Int32
    bias_scale: Float32
    name: str

    @property
    def per_channel(self) -> bool:
        """Whether each output channel has its own scale."""
        return self.kernel_scale.size > 1


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StoredLayer:
    """One layer of a file, activation and padding included.

    Attributes:
        kind: What it computes: as in `LAYERS` of an operator's module; or `average_pool`,
            `max_pool`, `pad`, `clamp`, `quantize`, `dequantize`, `table` (another code for each
            code), `unknown`.
        op: The operator's name in the file's format.
        name: Name of its output tensor in the file.
        reads: Its inputs.
        output: Its output.
        weights: Kernel and bias; None without weights, or if they are floats, see `faults`.
        real_kernel: The kernel of a layer on floats, float32, in the order of
            `StoredWeights.kernel`; None if it has none, or it is not known.
        window: Height and width of a pool's window.
        strides: Vertical and horizontal stride.
        dilations: Vertical and horizontal dilation.
        pads: Padding above, below, left, right; including a padding operator before the layer.
        groups: Groups of a convolution that is neither full nor depthwise; else 1.
        clamp: Lowest and highest code of the output.
        beta: Of a softmax.
        parameters: What only its operator has, such as a slope or an axis: names, in alphabetical
            order, and values.
        table: Of a `table`: the output's code of each code of the input, -128 first; of shape
            (channels, 256) where each channel has its own; of shape (65536,) for each pair of
            codes of two inputs, the second changing first.
        multiplier: float32 by which the file multiplies codes minus their zero points, where the
            scales that it states do not give this number; else None.
        faults: What these fields cannot hold.
    """

    kind: str
    op: str
    name: str
    reads: tuple[LayerInput, ...]
    output: StoredTensor
    weights: StoredWeights | None = None
    real_kernel: Float32 | None = None
    window: tuple[int, int] = (1, 1)
    strides: tuple[int, int] = (1, 1)
    dilations: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    groups: int = 1
    clamp: tuple[int, int] = FULL
    beta: float = 1.0
    parameters: tuple[tuple[str, Hashable], ...] = ()
    table: Int8 | None = None
    multiplier: np.float32 | None = None
    faults: tuple[Fault, ...] = ()

    def parameter(self, name: str) -> Any:
        """Return a parameter.

        Raises:
            ConversionError: The layer has none of that name.
        """
        values = dict(self.parameters)
        if name not in values:
            raise ConversionError(f"`{self.name}` ({self.op}): it has no {name}")
        return values[name]


def with_fault(layer: StoredLayer, field: str, detail: str) -> StoredLayer:
    """Return a layer with one more fault."""
    return dataclasses.replace(layer, faults=(*layer.faults, Fault(field=field, detail=detail)))


def with_clamp(layer: StoredLayer, bounds: tuple[int, int]) -> StoredLayer:
    """Return a layer whose output is clipped to a lowest and a highest code."""
    clamp = max(layer.clamp[0], bounds[0]), min(layer.clamp[1], bounds[1])
    if layer.table is not None:
        table = np.clip(layer.table.astype(np.int64), *bounds).astype(np.int8)
        return dataclasses.replace(layer, table=table)
    return dataclasses.replace(layer, clamp=clamp)


def on_grid_of(layer: StoredLayer, read: LayerInput) -> StoredLayer:
    """Return a layer whose output is on the grid by which it is read."""
    output = dataclasses.replace(
        layer.output, scale=read.scale, zero_point=read.zero_point, unstated=False
    )
    return dataclasses.replace(layer, output=output)


def same_shape(layer: StoredLayer, shapes: Sequence[Shape]) -> Shape | None:
    """Return the common shape of a layer's inputs, for an operator that keeps shapes.

    Args:
        layer: The layer.
        shapes: Shapes of its inputs; None is returned where they differ.
    """
    del layer
    return shapes[0] if len(set(shapes)) == 1 else None


def looked_up(table: Int8, *codes: Array) -> Int8:
    """Return the output codes of a `table`.

    Args:
        table: As in `StoredLayer`.
        codes: Codes of its inputs, the images first, the channels last.
    """
    places = codes[0].astype(np.int64) - QMIN
    if len(codes) > 1:
        second = codes[1].astype(np.int64) - QMIN
        rank = max(places.ndim, second.ndim)
        # A vector stands for an image of one pixel.
        places, second = (
            each.reshape(*each.shape[:1], *(1,) * (rank - each.ndim), *each.shape[1:])
            for each in (places, second)
        )
        places = (places << 8) + second
    found: Int8 = table[places] if table.ndim == 1 else table[np.arange(len(table)), places]
    return found


def cases_of_channels(channels: int) -> tuple[Codes, Codes]:
    """Return all codes of the first channel, of the second and so on; and the channels."""
    codes = np.arange(QMIN, QMAX + 1, dtype=np.int64)
    return np.tile(codes, channels), np.repeat(np.arange(channels, dtype=np.int64), codes.size)


class LayersSoFar:
    """Layers of a file that is being read, in running order, and the input as far as it is known.

    Attributes:
        input: The graph's input.
        shape_only: Operators that only moved numbers around, by name.
    """

    def __init__(self, image: StoredTensor) -> None:
        """Begin with the graph's input."""
        self.input = image
        self.shape_only: list[str] = []
        self._layers: list[StoredLayer] = []

    def __getitem__(self, index: int) -> StoredLayer:
        """Return a layer."""
        return self._layers[index]

    def add(self, layer: StoredLayer) -> int:
        """Add a layer; return its index."""
        self._layers.append(layer)
        return len(self._layers) - 1

    def change(self, index: int, **fields: Any) -> None:
        """Change fields of a layer."""
        self._layers[index] = dataclasses.replace(self._layers[index], **fields)

    def tensor(self, source: int) -> StoredTensor:
        """Return a layer's output, or the graph's input."""
        return self.input if source == INPUT else self._layers[source].output

    def replace(self, index: int, layer: StoredLayer) -> None:
        """Replace a layer."""
        self._layers[index] = layer

    def all(self) -> tuple[StoredLayer, ...]:
        """Return the layers."""
        return tuple(self._layers)
