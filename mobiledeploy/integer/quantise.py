"""From float layers and ranges to the integer graph, in plain NumPy.

The arithmetic is TensorFlow's, so that its converter, given the same fake-quant graph, comes to
the same scales, zero points, weights and biases.
"""

from collections.abc import Mapping

import numpy as np

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.integer.graph import (
    SOFTMAX_SCALE,
    SOFTMAX_ZERO_POINT,
    Add,
    Conv,
    Dense,
    IntegerGraph,
    Mean,
    Node,
    QTensor,
    Softmax,
)
from mobiledeploy.integer.grid import Grid, activation_grid
from mobiledeploy.integer.quantise_weights import check_magnitude, quantise_weights
from mobiledeploy.integer.settle import settled
from mobiledeploy.integer.widen import widened
from mobiledeploy.network.network import Network, Weights
from mobiledeploy.network.ranges import Ranges
from mobiledeploy.ops.architecture import INPUT, Layer


def quantise(network: Network, ranges: Ranges) -> IntegerGraph:
    """Return the int8 model of a float network.

    The ranges are made `exact_ranges` first.

    Args:
        network: Batch norm folded.
        ranges: For `INPUT` and every layer but the softmax, whose grid is fixed.

    Raises:
        ConversionError: A range is missing, not finite or does not hold 0, or the numbers of a
            layer do not fit its integers; the message names the layer.
    """
    architecture = network.architecture
    shapes = architecture.shapes()
    quantised = [
        INPUT,
        *(layer.name for layer in architecture.layers if layer.op != "softmax"),
    ]
    missing = [name for name in quantised if name not in ranges]
    if missing:
        raise ConversionError(f"no range for `{missing[0]}`: it was not calibrated")
    for layer in architecture.layers:
        if layer.has_weights:
            check_magnitude(layer, network.weights[layer.name])
    ranges = exact_ranges(network, ranges)
    grids = {name: activation_grid(name, *ranges[name]) for name in quantised}
    softmax = Grid(scale=float(SOFTMAX_SCALE), zero_point=SOFTMAX_ZERO_POINT)
    outputs = {
        name: QTensor(
            name=name,
            shape=shape,
            scale=np.float32(grids.get(name, softmax).scale),
            zero_point=grids.get(name, softmax).zero_point,
        )
        for name, shape in shapes.items()
    }
    return IntegerGraph(
        name=architecture.name,
        input=outputs[INPUT],
        nodes=tuple(
            _node(layer, outputs[layer.name], network.weights, grids[layer.inputs[0]])
            for layer in architecture.layers
        ),
    )


def exact_ranges(network: Network, ranges: Ranges) -> Ranges:
    """Return the ranges that `quantise` uses: those given, but for what the runtimes need.

    Ranges of tensors that hardly vary are widened to what the kernels take, and those of some
    additions and means by less than half a percent, so that every layer can be certified.
    The same ranges, made exact again, do not change.

    Raises:
        ConversionError: A range is not finite or does not hold 0, or a layer cannot be
            certified; the message names it.
    """
    return settled(network.architecture, widened(network, ranges))


def _node(layer: Layer, output: QTensor, weights: Mapping[str, Weights], source: Grid) -> Node:
    first = layer.inputs[0]
    match layer.op:
        case "conv" | "depthwise":
            return Conv(
                input=first,
                output=output,
                weights=quantise_weights(layer, weights[layer.name], source.scale),
                depthwise=layer.op == "depthwise",
                strides=layer.strides,
                padding=layer.padding,
                activation=layer.activation,
            )
        case "dense":
            return Dense(
                input=first,
                output=output,
                weights=quantise_weights(layer, weights[layer.name], source.scale),
            )
        case "add":
            left, right = layer.inputs
            return Add(inputs=(left, right), output=output)
        case "mean":
            return Mean(input=first, output=output)
        case "softmax":
            return Softmax(input=first, output=output)
