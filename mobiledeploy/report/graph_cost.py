"""What an integer graph costs, counted as `network.cost` counts an architecture."""

import dataclasses
from collections.abc import Mapping

from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.network.cost import LayerCost, cost
from mobiledeploy.ops import table
from mobiledeploy.ops.architecture import INPUT, Architecture, Layer
from mobiledeploy.ops.operator import Node, WeightedNode
from mobiledeploy.ops.tensors import QTensor
from mobiledeploy.report.document import CostLine, GraphCost


def of(graph: IntegerGraph) -> GraphCost:
    """Return what a graph costs for one image."""
    found = cost(_architecture(graph))
    names = {str(number): node.output.name for number, node in enumerate(graph.nodes)}
    lines = tuple(_line(line, node) for line, node in zip(found.layers, graph.nodes, strict=True))
    return GraphCost(
        macs=found.macs,
        weights=sum(line.weights for line in lines),
        weight_bytes=found.int8_bytes,
        peak_bytes=found.peak_bytes,
        peak_layer=names[found.peak_layer],
        layers=lines,
    )


def _line(found: LayerCost, node: Node) -> CostLine:
    weights = node.weights if isinstance(node, WeightedNode) else None
    return CostLine(
        layer=node.output.name,
        operator=found.op,
        shape=found.output_shape,
        macs=found.macs,
        weights=0 if weights is None else weights.kernel.size + weights.bias.size,
        weight_bytes=found.int8_bytes,
        live_bytes=found.live_bytes,
    )


def _architecture(graph: IntegerGraph) -> Architecture:
    """Return a graph's layers; their names are numbers, for a file's may be anything."""
    names = {node.output.name: str(number) for number, node in enumerate(graph.nodes)}
    names[graph.input.name] = INPUT
    tensors = graph.tensors()
    return Architecture(
        name=graph.name,
        input_shape=graph.input.shape,
        layers=tuple(_layer(node, names, tensors) for node in graph.nodes),
    )


def _layer(node: Node, names: Mapping[str, str], tensors: Mapping[str, QTensor]) -> Layer:
    inputs = [tensors[name] for name in node.inputs]
    layer = table.of_node(node).float_layer(node, inputs)
    return dataclasses.replace(
        layer,
        name=names[node.output.name],
        inputs=tuple(names[name] for name in node.inputs),
    )
