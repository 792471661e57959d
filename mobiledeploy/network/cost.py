"""The cost of an architecture: MACs, parameters, int8 bytes, peak memory.

Everything is counted from the layers' shapes, without a framework; nothing is estimated.
"""

import dataclasses
import math
from collections.abc import Mapping

from mobiledeploy.ops.architecture import INPUT, Architecture, Layer
from mobiledeploy.ops.tensors import Shape


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Factorisation:
    """The MACs of a standard convolution and of its depthwise separable form.

    MACs are multiply-accumulate operations for one image (arXiv:1704.04861, section 3.1).

    Attributes:
        standard: k * k * channels * positions * filters.
        depthwise: k * k * channels * positions.
        pointwise: channels * positions * filters.
        separable: `depthwise + pointwise`.
        ratio: `separable / standard`, which is 1 / filters + 1 / (k * k).
    """

    standard: int
    depthwise: int
    pointwise: int
    separable: int
    ratio: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LayerCost:
    """The cost of one layer for one image.

    Attributes:
        name: The layer's name.
        op: The operator's name.
        output_shape: (height, width, channels), or (channels,).
        macs: Multiply-accumulate operations of its kernel.
        parameters: Number of parameters as Keras counts them: with the moving statistics of batch
            normalisation.
        int8_bytes: Size of its weights: int8 kernel and int32 biases, batch norm folded in.
        live_bytes: Size of all int8 activations that are in memory while it runs.
        factorisation: For a depthwise convolution, together with the pointwise one after it, and
            for a standard convolution larger than 1x1; None for other layers.
    """

    name: str
    op: str
    output_shape: Shape
    macs: int
    parameters: int
    int8_bytes: int
    live_bytes: int
    factorisation: Factorisation | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """The memory that linear projections save by keeping tensors between blocks narrow.

    Attributes:
        joint_bytes: Size of the largest int8 tensor between two blocks.
        expanded_joint_bytes: Its size if that tensor had the width to which the next layer
            expands it.
        expanded_peak_bytes: The peak activation memory in that case.
    """

    joint_bytes: int
    expanded_joint_bytes: int
    expanded_peak_bytes: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The cost of an architecture for one image.

    Attributes:
        name: The architecture's name.
        input_shape: Height, width, channels.
        classes: Length of the output.
        macs: Multiply-accumulate operations of convolutions and dense layers.
        standard_macs: The same if each depthwise convolution with the pointwise one after it were
            one standard convolution.
        parameters: Number of parameters as Keras counts them.
        int8_bytes: Size of all weights.
        peak_bytes: Largest size of the int8 activations that are in memory at the same time.
        peak_layer: Name of the layer that runs at that moment.
        peak_tensors: Names of these activations, `INPUT` for the image.
        projection: None for an architecture without linear projections.
        layers: One per layer, in running order.
    """

    name: str
    input_shape: Shape
    classes: int
    macs: int
    standard_macs: int
    parameters: int
    int8_bytes: int
    peak_bytes: int
    peak_layer: str
    peak_tensors: tuple[str, ...]
    projection: Projection | None
    layers: tuple[LayerCost, ...]


def cost(architecture: Architecture) -> Cost:
    """Count the cost of an architecture.

    Memory is that of an interpreter that frees each tensor after the last layer that reads it:
    while a layer runs, its inputs, its output and all tensors that later layers read are in
    memory. The input of a residual block therefore stays until the end of the block.
    """
    shapes = architecture.shapes()
    sizes = {name: math.prod(shape) for name, shape in shapes.items()}
    alive = live_tensors(architecture)
    live_bytes = {layer: sum(sizes[name] for name in names) for layer, names in alive.items()}
    peak_layer = max(live_bytes, key=lambda name: live_bytes[name])
    layers = tuple(
        _layer_cost(architecture, layer, shapes, live_bytes[layer.name])
        for layer in architecture.layers
    )
    macs = sum(layer.macs for layer in layers)
    return Cost(
        name=architecture.name,
        input_shape=architecture.input_shape,
        classes=architecture.classes,
        macs=macs,
        standard_macs=macs
        + sum(
            layer.factorisation.standard - layer.factorisation.separable
            for layer in layers
            if layer.op == "depthwise" and layer.factorisation
        ),
        parameters=sum(layer.parameters for layer in layers),
        int8_bytes=sum(layer.int8_bytes for layer in layers),
        peak_bytes=live_bytes[peak_layer],
        peak_layer=peak_layer,
        peak_tensors=alive[peak_layer],
        projection=_projection(architecture, sizes, alive),
        layers=layers,
    )


def factorise(
    *, image: tuple[int, int, int], kernel: int, filters: int, padded: bool = False
) -> Factorisation:
    """Compare a standard convolution, stride 1, with a depthwise separable one.

    The textbook example, a 6x6 image with 3 channels and 5 filters of 3x3 without padding:

    >>> example = factorise(image=(6, 6, 3), kernel=3, filters=5)
    >>> example.standard, example.depthwise, example.pointwise, example.separable
    (2160, 432, 240, 672)
    >>> round(example.ratio, 3), round(1 / 5 + 1 / 9, 3)
    (0.311, 0.311)

    Args:
        image: Height, width and channels of the input.
        kernel: Height and width of the window.
        filters: Output channels.
        padded: Whether the output has the height and width of the input.
    """
    height, width, channels = image
    margin = 0 if padded else kernel - 1
    return _factorisation(kernel**2, channels, (height - margin) * (width - margin), filters)


def live_tensors(architecture: Architecture) -> Mapping[str, tuple[str, ...]]:
    """Return, by layer name, the activations in memory while it runs, its output included."""
    last_reader = {
        name: index for index, layer in enumerate(architecture.layers) for name in layer.inputs
    }
    alive = {}
    made = [INPUT]
    for index, layer in enumerate(architecture.layers):
        kept = [name for name in made if last_reader.get(name, -1) >= index]
        alive[layer.name] = (*kept, layer.name)
        made = [*kept, layer.name]
    return alive


def _layer_cost(
    architecture: Architecture, layer: Layer, shapes: Mapping[str, Shape], live_bytes: int
) -> LayerCost:
    work = layer.operator.work(layer, [shapes[name] for name in layer.inputs])
    positions = math.prod(shapes[layer.name][:-1])
    pointwise = _pointwise_after(architecture, layer)
    factorisation = None
    if layer.op == "depthwise" and pointwise:
        factorisation = _factorisation(
            math.prod(layer.kernel), layer.in_channels, positions, pointwise.out_channels
        )
    elif layer.op == "conv" and layer.kernel != (1, 1):
        factorisation = _factorisation(
            math.prod(layer.kernel), layer.in_channels, positions, layer.out_channels
        )
    return LayerCost(
        name=layer.name,
        op=layer.op,
        output_shape=shapes[layer.name],
        macs=work.macs,
        parameters=work.parameters,
        int8_bytes=work.int8_bytes,
        live_bytes=live_bytes,
        factorisation=factorisation,
    )


def _factorisation(window: int, channels: int, positions: int, filters: int) -> Factorisation:
    depthwise = window * channels * positions
    pointwise = channels * positions * filters
    standard = depthwise * filters
    return Factorisation(
        standard=standard,
        depthwise=depthwise,
        pointwise=pointwise,
        separable=depthwise + pointwise,
        ratio=(depthwise + pointwise) / standard,
    )


def _readers(architecture: Architecture, layer: Layer) -> list[Layer]:
    return [other for other in architecture.layers if layer.name in other.inputs]


def _is_pointwise(layer: Layer) -> bool:
    return layer.op == "conv" and layer.kernel == (1, 1)


def _pointwise_after(architecture: Architecture, layer: Layer) -> Layer | None:
    return next(filter(_is_pointwise, _readers(architecture, layer)), None)


def _projection(
    architecture: Architecture, sizes: Mapping[str, int], alive: Mapping[str, tuple[str, ...]]
) -> Projection | None:
    """Compute the memory if tensors between blocks had the width of the next expansion."""
    expanded: dict[str, int] = {}
    for layer in reversed(architecture.layers):
        if layer.op == "add" or (_is_pointwise(layer) and layer.activation == "none"):
            following = _pointwise_after(architecture, layer)
            if following:
                pixels = sizes[layer.name] // layer.out_channels
                expanded[layer.name] = pixels * following.out_channels
                continue
            # A projection that is only added to something is as wide as the sum.
            for reader in _readers(architecture, layer):
                if reader.name in expanded:
                    expanded[layer.name] = expanded[reader.name]
    if not expanded:
        return None
    widened = {**sizes, **expanded}
    return Projection(
        joint_bytes=max(sizes[name] for name in expanded),
        expanded_joint_bytes=max(expanded.values()),
        expanded_peak_bytes=max(sum(widened[name] for name in names) for names in alive.values()),
    )
