"""What an architecture costs, counted: multiplications, parameters, int8 bytes, peak memory.

Nothing is estimated and no framework is asked; everything follows from the layers' shapes.
"""

import dataclasses
import math
from collections.abc import Mapping

from mobiledeploy.ops.architecture import INPUT, Architecture, Layer
from mobiledeploy.ops.tensors import Shape


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Factorisation:
    """A convolution in one step, and in two: depthwise, then pointwise.

    Numbers are multiply-accumulate operations for one image (arXiv:1704.04861, section 3.1).

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
    """What one layer costs for one image.

    Attributes:
        name: The layer's name.
        op: What it computes.
        output_shape: (height, width, channels), or (channels,).
        macs: Multiply-accumulate operations of its kernel.
        parameters: As Keras counts them, batch normalisation's moving statistics included.
        int8_bytes: Of its weights: int8 kernel and int32 biases, batch norm folded in.
        live_bytes: Of all int8 activations that are in memory while it runs.
        factorisation: Of a depthwise convolution with the pointwise one that follows, and of a
            standard convolution larger than 1x1; None elsewhere.
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
    """What linear projections save: blocks joined by narrow tensors instead of expanded ones.

    Attributes:
        joint_bytes: The largest int8 tensor between two blocks.
        expanded_joint_bytes: The same if blocks were joined at the width to which the next
            layer expands it.
        expanded_peak_bytes: What the peak activation memory would then be.
    """

    joint_bytes: int
    expanded_joint_bytes: int
    expanded_peak_bytes: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What an architecture costs for one image.

    Attributes:
        name: The architecture's name.
        input_shape: Height, width, channels.
        classes: Length of the output.
        macs: Multiply-accumulate operations of convolutions and dense layers.
        standard_macs: The same if each depthwise convolution and the pointwise one after it were
            one standard convolution.
        parameters: As Keras counts them.
        int8_bytes: Of all weights.
        peak_bytes: Of the int8 activations that are in memory together, at most.
        peak_layer: The layer that runs then.
        peak_tensors: The activations that are in memory then, `INPUT` for the image.
        projection: None for an architecture without linear projections.
        layers: In running order.
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
    """Count what an architecture costs.

    Memory is that of an interpreter that frees every tensor after its last reader: while a
    layer runs, its inputs, its output and whatever a later layer still reads are in memory. A
    residual input therefore stays through the whole block.
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
        padded: Whether the output is as large as the input.
    """
    height, width, channels = image
    margin = 0 if padded else kernel - 1
    return _factorisation(kernel**2, channels, (height - margin) * (width - margin), filters)


def live_tensors(architecture: Architecture) -> Mapping[str, tuple[str, ...]]:
    """Return which activations are in memory while each layer runs, its output included."""
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
    """Widen every tensor between blocks to what the next pointwise convolution makes of it."""
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
