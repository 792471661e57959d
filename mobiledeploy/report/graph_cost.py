"""What an integer graph costs, counted as `network.cost` counts an architecture."""

import dataclasses

from mobiledeploy.integer.graph import Add, Conv, Dense, IntegerGraph, Mean, Node, Softmax, sources
from mobiledeploy.network.cost import LayerCost, cost
from mobiledeploy.ops.architecture import INPUT, Architecture, Layer
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
    weights = node.weights if isinstance(node, Conv | Dense) else None
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
    channels = {name: tensor.shape[-1] for name, tensor in graph.tensors().items()}
    height, width, depth = graph.input.shape
    return Architecture(
        name=graph.name,
        input_shape=(height, width, depth),
        layers=tuple(_layer(node, names, channels) for node in graph.nodes),
    )


def _layer(node: Node, names: dict[str, str], channels: dict[str, int]) -> Layer:
    common = Layer(
        name=names[node.output.name],
        op="softmax",
        inputs=tuple(names[name] for name in sources(node)),
        in_channels=channels[sources(node)[0]],
        out_channels=node.output.shape[-1],
    )
    match node:
        case Conv():
            rows, columns = node.weights.kernel.shape[1:3]
            return dataclasses.replace(
                common,
                op="depthwise" if node.depthwise else "conv",
                kernel=(rows, columns),
                strides=node.strides,
                padding=node.padding,
                activation=node.activation,
            )
        case Dense():
            return dataclasses.replace(common, op="dense")
        case Add():
            return dataclasses.replace(common, op="add")
        case Mean():
            return dataclasses.replace(common, op="mean")
        case Softmax():
            return common
