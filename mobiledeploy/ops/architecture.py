"""A network's shape: which layers, joined how. No weights, no framework, no imports.

`models/` writes the papers' tables as these rows, `network/` adds folded weights and counts
costs, `training/` builds Keras and fake-quant graphs from them.
"""

import dataclasses
from collections.abc import Mapping
from typing import Literal, TypeAlias

from mobiledeploy.base.errors import RequestError
from mobiledeploy.spec.input_scaling import SCALINGS, Scaling

Op: TypeAlias = Literal["conv", "depthwise", "add", "mean", "dense", "softmax"]
Activation: TypeAlias = Literal["none", "relu", "relu6"]
Padding: TypeAlias = Literal["same", "valid"]
Shape: TypeAlias = tuple[int, ...]

INPUT = "input"
"""The name by which layers refer to the network's input."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer; batch normalisation and activation belong to the convolution before them.

    Attributes:
        name: Unique; it names the layer's output tensor in every file made from it.
        op: What it computes. `mean` is global average pooling over height and width.
        inputs: Names of the layers that feed it, `INPUT` for the network's input.
        kernel: Height and width of the window (conv, depthwise).
        strides: Vertical and horizontal step (conv, depthwise).
        padding: TensorFlow's SAME or VALID (conv, depthwise).
        in_channels: Channels of each input.
        out_channels: Channels of the output.
        activation: Applied to the output.
    """

    name: str
    op: Op
    inputs: tuple[str, ...]
    in_channels: int
    out_channels: int
    kernel: tuple[int, int] = (1, 1)
    strides: tuple[int, int] = (1, 1)
    padding: Padding = "same"
    activation: Activation = "none"

    @property
    def has_weights(self) -> bool:
        """Whether the layer carries a kernel and a bias."""
        return self.op in {"conv", "depthwise", "dense"}

    @property
    def kernel_shape(self) -> Shape:
        """Shape of the kernel in Keras's order: HWIO, HWC1 for depthwise, IO for dense."""
        match self.op:
            case "conv":
                return (*self.kernel, self.in_channels, self.out_channels)
            case "depthwise":
                return (*self.kernel, self.in_channels, 1)
            case "dense":
                return (self.in_channels, self.out_channels)
            case "add" | "mean" | "softmax":
                return ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """Layers in the order in which they run, for one input size.

    Attributes:
        name: For people and files, such as `mobilenet_v2_0.35_96`.
        input_shape: Height, width, channels of one image.
        layers: Each layer stands after those that feed it; the last one is the output.
        scaling: What it takes for pixels.
    """

    name: str
    input_shape: tuple[int, int, int]
    layers: tuple[Layer, ...]
    scaling: Scaling = SCALINGS["-1..1"]

    def __post_init__(self) -> None:
        """Check the joints.

        Raises:
            RequestError: A name is used twice, an input is unknown or channels do not fit.
        """
        channels = {INPUT: self.input_shape[2]}
        for layer in self.layers:
            for name in layer.inputs:
                if channels.get(name) != layer.in_channels:
                    raise RequestError(
                        f"layer `{layer.name}` expects {layer.in_channels} channels from "
                        f"`{name}`, received {channels.get(name, 'no such layer')}"
                    )
            if layer.name in channels:
                raise RequestError(f"two layers are named `{layer.name}`")
            channels[layer.name] = layer.out_channels

    def shapes(self) -> Mapping[str, Shape]:
        """Return the output shape of the input and of every layer, without the batch.

        Images are (height, width, channels), vectors (channels,).
        """
        shapes: dict[str, Shape] = {INPUT: self.input_shape}
        for layer in self.layers:
            source = shapes[layer.inputs[0]]
            match layer.op:
                case "conv" | "depthwise":
                    sides = (
                        -(-(size - (kernel - 1) * (layer.padding == "valid")) // stride)
                        for size, kernel, stride in zip(
                            source[:2], layer.kernel, layer.strides, strict=True
                        )
                    )
                    shapes[layer.name] = (*sides, layer.out_channels)
                case "add" | "softmax":
                    shapes[layer.name] = source
                case "mean" | "dense":
                    shapes[layer.name] = (layer.out_channels,)
        return shapes

    @property
    def output(self) -> Layer:
        """The last layer."""
        return self.layers[-1]

    @property
    def logits(self) -> Layer:
        """The layer before the softmax, or the last one where there is none."""
        return self.layers[-2] if self.output.op == "softmax" else self.output

    @property
    def classes(self) -> int:
        """How many classes the network tells apart."""
        return self.output.out_channels
