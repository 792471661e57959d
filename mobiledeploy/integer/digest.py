"""What makes two integer graphs the same function: a SHA-256 over everything but the names."""

import dataclasses
import hashlib
import json
from typing import Any, Final

from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.ops.operator import Node, WeightedNode
from mobiledeploy.ops.tensors import QTensor
from mobiledeploy.ops.weights import QWeights

_JOINTS: Final = frozenset({"input", "inputs", "output", "weights"})
"""Fields of a node that are no options."""


def digest(graph: IntegerGraph) -> str:
    """Return the hexadecimal SHA-256 of a graph's structure, integers, scales and zero points.

    Names do not count: tensors are known by their position. Equal digests mean equal outputs for
    every input, whichever file a graph was read from.
    """
    numbers = {name: number for number, name in enumerate(graph.tensors())}
    state = hashlib.sha256()
    state.update(_tensor(graph.input))
    for node in graph.nodes:
        head = [type(node).__name__, [numbers[name] for name in node.inputs], _options(node)]
        state.update(json.dumps(head).encode() + b"\n")
        state.update(_tensor(node.output))
        if isinstance(node, WeightedNode):
            state.update(_weights(node.weights))
    return state.hexdigest()


def equal(a: IntegerGraph, b: IntegerGraph) -> bool:
    """Whether two graphs are the same function, number by number; names do not count."""
    return digest(a) == digest(b)


def _options(node: Node) -> list[object]:
    """Return whatever else decides what a node computes, in the order of its fields."""
    made: Any = node
    return [
        getattr(made, field.name)
        for field in dataclasses.fields(made)
        if field.name not in _JOINTS
    ]


def _tensor(tensor: QTensor) -> bytes:
    row = [tensor.shape, float(tensor.scale).hex(), tensor.zero_point]
    return json.dumps(row).encode() + b"\n"


def _weights(weights: QWeights) -> bytes:
    shape = json.dumps([weights.kernel.shape, weights.kernel_scale.shape]).encode() + b"\n"
    return shape + b"".join(
        (
            weights.kernel.tobytes(),
            weights.kernel_scale.astype("<f4").tobytes(),
            weights.bias.astype("<i4").tobytes(),
            weights.bias_scale.astype("<f4").tobytes(),
        )
    )
