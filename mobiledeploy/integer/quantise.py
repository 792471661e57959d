"""Quantise a float network to the integer graph, in plain NumPy.

The arithmetic is TensorFlow's: its converter, given the same fake-quant graph, computes the same
scales, zero points, weights and biases. Each operator's module quantises its own layers.
"""

import dataclasses

import numpy as np

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.integer.certify import exact_ranges, fixed_ranges
from mobiledeploy.integer.fold_padding import fold_padding
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.network.network import Network
from mobiledeploy.ops.architecture import INPUT
from mobiledeploy.ops.grid import activation_grid
from mobiledeploy.ops.ranges import Ranges
from mobiledeploy.ops.tensors import QTensor
from mobiledeploy.ops.weights import check_magnitude


def quantise(network: Network, ranges: Ranges) -> IntegerGraph:
    """Return the int8 model of a float network.

    The ranges are first widened by `exact_ranges`.

    Args:
        network: The float network, batch norm folded.
        ranges: Ranges of `INPUT` and of every layer whose range is not fixed, as a softmax's is.

    Raises:
        ConversionError: A range is missing, not finite or does not hold 0, or the numbers of a
            layer do not fit its integers; the message names the layer.
    """
    architecture = network.architecture
    fixed = fixed_ranges(architecture)
    names = (INPUT, *(layer.name for layer in architecture.layers))
    missing = [name for name in names if name not in ranges and name not in fixed]
    if missing:
        raise ConversionError(f"no range for `{missing[0]}`: it was not calibrated")
    for layer in architecture.layers:
        if layer.has_weights:
            check_magnitude(layer.name, network.weights[layer.name])
    ranges = {**exact_ranges(network, ranges), **fixed}
    grids = {name: activation_grid(name, *ranges[name]) for name in names}
    tensors = {
        name: QTensor(
            name=name,
            shape=shape,
            scale=np.float32(grids[name].scale),
            zero_point=grids[name].zero_point,
        )
        for name, shape in architecture.shapes().items()
    }
    weights = network.weights
    if network.weights_per == "tensor":
        weights = {
            name: dataclasses.replace(each, one_scale=True) for name, each in weights.items()
        }
    graph = IntegerGraph(
        name=architecture.name,
        input=tensors[INPUT],
        nodes=tuple(
            layer.operator.quantise(
                layer,
                [grids[name] for name in layer.inputs],
                tensors[layer.name],
                weights.get(layer.name),
            )
            for layer in architecture.layers
        ),
    )
    return fold_padding(graph)
