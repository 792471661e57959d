"""Merge consecutive clips."""

import dataclasses
import math

from mobiledeploy.network.float_graph import FloatGraph, FloatNode, rewrite


def merge_clips(graph: FloatGraph) -> FloatGraph:
    """Return the graph in which no `clip` reads another one that nothing else reads.

    A clip without bounds is removed.
    """
    users = graph.users()
    nodes: dict[str, FloatNode] = {}
    replaced: dict[str, tuple[FloatNode, ...]] = {}
    renamed: dict[str, str] = {}
    for node in graph.nodes:
        nodes[node.name] = node
        if node.op != "clip":
            continue
        before = nodes.get(node.inputs[0])
        low, high = node.attributes["low"], node.attributes["high"]
        if (
            before is not None
            and before.op == "clip"
            and len(users[before.name]) == 1
            and before.name != graph.output
        ):
            inner = before.attributes
            # The outer clip acts last: its bounds win where the two do not overlap.
            low, high = (min(max(inner[end], low), high) for end in ("low", "high"))
            nodes[node.name] = dataclasses.replace(
                node, inputs=before.inputs, attributes={"low": low, "high": high}
            )
            replaced[before.name] = ()
            replaced[node.name] = (nodes[node.name],)
        if (low, high) == (-math.inf, math.inf):
            replaced[node.name] = ()
            renamed[node.name] = nodes[node.name].inputs[0]
    return rewrite(graph, replaced, renamed)
