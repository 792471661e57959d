"""`Architecture`: which layers a float network has, how they are connected.

`models/` writes the papers' tables as these rows, `network/` adds folded weights and counts
costs, `training/` builds Keras and fake-quant graphs from them. Each operator's module defines
what its layers compute.
"""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from mobiledeploy.base.errors import RequestError
from mobiledeploy.ops.padding import Padding
from mobiledeploy.ops.tensors import MOST_AXES, Shape
from mobiledeploy.spec.config import SCALINGS, Scaling

if TYPE_CHECKING:
    from mobiledeploy.ops.operator import Operator

Activation: TypeAlias = Literal["none", "relu", "relu6"]

INPUT = "input"
"""The name by which layers refer to the network's input."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer; batch normalisation and activation belong to the convolution before them.

    Attributes:
        name: Unique, any characters; it names the layer's output tensor in every file made from
            it.
        op: What it computes: a name in `ops.table`, such as `conv` or `add`. `mean` is global
            average pooling over height and width.
        inputs: Names of the layers that feed it, `INPUT` for the network's input.
        kernel: Height and width of the window (conv, depthwise, pools).
        strides: Vertical and horizontal step (conv, depthwise, pools).
        padding: TensorFlow's SAME or VALID, or the number of zeros above, below, left and right
            (conv, depthwise, pools).
        in_channels: Channels of the first input. Those of further inputs follow from the graph.
        out_channels: Channels of the output.
        activation: Applied to the output.
        parameters: Parameters of this operator only, by name; its module defines them.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    in_channels: int
    out_channels: int
    kernel: tuple[int, int] = (1, 1)
    strides: tuple[int, int] = (1, 1)
    padding: Padding = "same"
    activation: Activation = "none"
    parameters: Mapping[str, Any] = dataclasses.field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        """Make tuples of the parameters that JSON made lists of."""
        parameters = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in self.parameters.items()
        }
        object.__setattr__(self, "parameters", parameters)

    @property
    def operator(self) -> "Operator[Any]":
        """The operator's module.

        Raises:
            RequestError: There is no such operator.
        """
        # The modules in the table import this one, so the table is imported only when it is used.
        from mobiledeploy.ops import table

        return table.of_layer(self)

    @property
    def has_weights(self) -> bool:
        """Whether the layer carries a kernel and a bias."""
        return bool(self.kernel_shape)

    @property
    def kernel_shape(self) -> Shape:
        """Shape of the kernel in Keras's order: HWIO, HWC1 for depthwise, IO for dense."""
        return self.operator.kernel_shape(self)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """Layers in the order in which they run, for one input size: any graph with one input.

    Attributes:
        name: Name of the network, such as `mobilenet_v2_0.35_96`.
        input_shape: Shape of one image, without the batch: height, width, channels; or 1 to 4
            other axes, the channels last.
        layers: The layers, each after those that feed it; any number of layers may read an
            output. The last one is the network's output.
        scaling: How pixels become input values.
    """

    name: str
    input_shape: Shape
    layers: tuple[Layer, ...]
    scaling: Scaling = SCALINGS["-1..1"]

    def __post_init__(self) -> None:
        """Check that the layers fit together.

        Raises:
            RequestError: There are no layers, a name is used twice, an input or an operator is
                unknown, or channels or shapes do not fit.
        """
        if not self.layers:
            raise RequestError(f"network `{self.name}`: expected layers, received none")
        if not 1 <= len(self.input_shape) <= MOST_AXES or min(self.input_shape) < 1:
            raise RequestError(
                f"network `{self.name}`: expected an input of 1 to {MOST_AXES} axes, "
                f"received {self.input_shape}"
            )
        self.shapes()

    def shapes(self) -> Mapping[str, Shape]:
        """Return the output shape of the input and of every layer, without the batch.

        Images are (height, width, channels), vectors (channels,).
        """
        shapes: dict[str, Shape] = {INPUT: self.input_shape}
        for layer in self.layers:
            unknown = [name for name in layer.inputs if name not in shapes]
            if unknown or not layer.inputs:
                raise RequestError(
                    f"layer `{layer.name}` expects layers before it, received "
                    + (f"`{unknown[0]}`: no such layer" if unknown else "no input")
                )
            first = shapes[layer.inputs[0]]
            if first[-1] != layer.in_channels:
                raise RequestError(
                    f"layer `{layer.name}` expects {layer.in_channels} channels from "
                    f"`{layer.inputs[0]}`, received {first[-1]}"
                )
            if not layer.name:
                raise RequestError(f"network `{self.name}`: a layer ({layer.op}) has no name")
            if layer.name in shapes:
                raise RequestError(f"two layers are named `{layer.name}`")
            shape = layer.operator.output_shape(layer, [shapes[name] for name in layer.inputs])
            if shape[-1] != layer.out_channels:
                raise RequestError(
                    f"layer `{layer.name}` states {layer.out_channels} output channels, "
                    f"but gives {shape[-1]}"
                )
            shapes[layer.name] = shape
        return shapes

    @property
    def output(self) -> Layer:
        """The last layer."""
        return self.layers[-1]

    @property
    def logits(self) -> Layer:
        """The layer before the softmax or sigmoid, or the last one where there is none."""
        from mobiledeploy.ops.capabilities import scores_of

        if not scores_of(self.output.operator):
            return self.output
        return next(layer for layer in self.layers if layer.name == self.output.inputs[0])

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.output.out_channels
