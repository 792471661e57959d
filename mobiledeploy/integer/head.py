"""Where a classifier ends: in the softmax, or one node before, in the logits."""

import dataclasses
from typing import assert_never

from mobiledeploy.base.errors import RequestError
from mobiledeploy.integer.graph import IntegerGraph
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
            return dataclasses.replace(graph, nodes=graph.nodes[:-1])
        case _:
            assert_never(head)
