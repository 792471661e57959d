"""Where a classifier ends: in the softmax, or one node before, in the logits."""

import dataclasses
from typing import assert_never

from mobiledeploy.base.errors import RequestError
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.ops.operator import Node
from mobiledeploy.ops.softmax import Softmax
from mobiledeploy.spec.config import Head


def head_of(graph: IntegerGraph) -> Head:
    """Return where a graph ends."""
    return "softmax" if isinstance(graph.nodes[-1], Softmax) else "logits"


def with_head(graph: IntegerGraph, head: Head) -> IntegerGraph:
    """Return the graph up to the head that is asked for; every other number stays.

    Raises:
        RequestError: A softmax is asked for and there is none.
    """
    if head_of(graph) == head:
        return graph
    match head:
        case "softmax":
            raise RequestError(
                f"`{graph.name}` ends in its logits: expected a graph that ends in a softmax",
                hint="ask for `--head logits`",
            )
        case "logits":
            return _without_softmax(graph)
        case _:
            assert_never(head)


def _without_softmax(graph: IntegerGraph) -> IntegerGraph:
    """Return a graph without its softmax, and without what the softmax alone needs."""
    needed, nodes = {graph.logits.name}, list[Node]()
    for node in reversed(graph.nodes[:-1]):
        if node.output.name in needed:
            needed.update(node.inputs)
            nodes.insert(0, node)
    return dataclasses.replace(graph, nodes=tuple(nodes))
