"""Run the layers of an integer graph in float32, without rounding activations.

The outputs are those of the int8 arithmetic without rounding or clipping to int8; the quantisation
error is measured against them, layer by layer. The kernels are those of the float network if
given, else the int8 kernels times their scales.
"""

from collections.abc import Mapping
from typing import TypeAlias

from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.integer.oracle import one_blas_thread
from mobiledeploy.ops import table
from mobiledeploy.ops.node import WeightedNode
from mobiledeploy.ops.tensors import Float32

RealWeights: TypeAlias = Mapping[str, tuple[Float32, Float32]]
"""By node name: its kernel (OHWI, 1HWC or OI) and its bias, real values."""


def dequantised(graph: IntegerGraph) -> RealWeights:
    """Return the graph's own weights as real values."""
    return {
        node.output.name: node.weights.real(node.channel_axis)
        for node in graph.nodes
        if isinstance(node, WeightedNode)
    }


def run(graph: IntegerGraph, image: Float32, kernels: RealWeights) -> Mapping[str, Float32]:
    """Return every tensor of a graph, by name, in real values.

    Args:
        graph: The layers.
        image: The input in real values, shape (1, height, width, channels).
        kernels: Kernel and bias of every node with weights.

    Returns:
        float32, shape (1, ...) each, the input first.
    """
    values: dict[str, Float32] = {graph.input.name: image}
    with one_blas_thread():
        for node in graph.nodes:
            inputs = [values[name] for name in node.inputs]
            weights = kernels[node.output.name] if isinstance(node, WeightedNode) else None
            values[node.output.name] = table.of_node(node).float_values(node, inputs, weights)
    return values
