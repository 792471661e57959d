"""Give each padding in a graph the form in which a `.tflite` of it is read.

A convolution or pool takes over the PAD before it if nothing else reads that; padding in numbers
becomes SAME or VALID where it is the same. So a graph equals the one that is read from its file.
"""

import dataclasses
import operator
from collections import Counter
from typing import Any

from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.ops import table
from mobiledeploy.ops.capabilities import TakesPadding
from mobiledeploy.ops.node import Node
from mobiledeploy.ops.pad import Pad
from mobiledeploy.ops.padding import NO_PADS


def fold_padding(graph: IntegerGraph) -> IntegerGraph:
    """Return the same function with each padding in its simplest form."""
    readers = Counter(name for node in graph.nodes for name in node.inputs)
    nodes: dict[str, Node] = {}
    tensors = graph.tensors()
    for original in graph.nodes:
        node: Any = original
        module: object = table.of_node(node)
        if isinstance(module, TakesPadding):
            source = tensors[node.input]
            if not isinstance(node.padding, str):
                node = module.padded(node, source, NO_PADS) or node
            before = nodes.get(node.input)
            while (
                isinstance(before, Pad)
                and readers[node.input] == 1
                and before.code == module.pad_code(source.zero_point)
            ):
                folded = module.padded(node, tensors[before.input], before.pads)
                if folded is None:
                    break
                del nodes[node.input]
                node, before = folded, nodes.get(before.input)
        nodes[node.output.name] = node
    folded_nodes = tuple(nodes.values())
    if len(folded_nodes) == len(graph.nodes) and all(map(operator.is_, folded_nodes, graph.nodes)):
        return graph  # a new one would check all weights again
    return dataclasses.replace(graph, nodes=folded_nodes)
