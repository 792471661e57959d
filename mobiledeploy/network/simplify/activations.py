"""Move a ReLU into the operator before it, which runtimes compute in one step."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Final

from mobiledeploy.network.float_graph import FloatGraph, FloatNode, rewrite
from mobiledeploy.ops.architecture import Activation

_FUSED: Final[Mapping[tuple[float, float], Activation]] = {
    (0, math.inf): "relu",
    (0, 6): "relu6",
}
"""Activations by the bounds of a `clip`."""
_FUSING: Final = frozenset({"conv", "dense", "add"})
"""Operators of an `Architecture` that have an activation."""


def fuse_activations(graph: FloatGraph) -> FloatGraph:
    """Return the graph in which no ReLU or ReLU6 alone reads a convolution, dense layer or sum.

    The operator keeps its name, and its tensor then holds what the ReLU gave.
    """
    users = graph.users()
    replaced: dict[str, tuple[FloatNode, ...]] = {}
    renamed: dict[str, str] = {}
    for node in graph.nodes:
        activation = _activation(node)
        if activation is None:
            continue
        before = graph.node(node.inputs[0])
        if (
            before is not None
            and before.op in _FUSING
            and before.activation == "none"
            and before.name != graph.output
            and users[before.name] == (node,)
        ):
            replaced[before.name] = (dataclasses.replace(before, activation=activation),)
            replaced[node.name] = ()
            renamed[node.name] = before.name
    return rewrite(graph, replaced, renamed)


def _activation(node: FloatNode) -> Activation | None:
    if node.op != "clip":
        return None
    return _FUSED.get((node.attributes["low"], node.attributes["high"]))
