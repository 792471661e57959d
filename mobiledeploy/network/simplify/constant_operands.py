"""Replace arithmetic with a constant by an `affine` or a `clip`."""

import math
from typing import Final

import numpy as np

from mobiledeploy.network.float_graph import FloatArray, FloatGraph, FloatNode, rewrite
from mobiledeploy.ops.tensors import Shape

_ARITHMETIC: Final = frozenset({"add", "sub", "mul", "maximum", "minimum"})


def fold_constant_operands(graph: FloatGraph) -> FloatGraph:
    """Return the graph with constant operands folded.

    `x + c`, `x - c`, `c - x` and `x * c` become an `affine`, the larger and the smaller of `x` and
    a number become a `clip`. Constants with one value, or one a channel, are folded. Afterwards no
    other operand is a constant of these kinds.
    """
    shapes = graph.shapes()
    constants = {node.name: node.arrays["value"] for node in graph.nodes if node.op == "constant"}
    replaced: dict[str, tuple[FloatNode, ...]] = {}
    for node in graph.nodes:
        if node.op not in _ARITHMETIC or node.name not in shapes:
            continue
        held = [name in constants for name in node.inputs]
        if held.count(True) != 1:
            continue
        place = held.index(True)
        other = node.inputs[1 - place]
        values = _per_channel(constants[node.inputs[place]], shapes[other])
        if values is None:
            continue
        folded = _folded(node, other, values, first=place == 0)
        if folded is not None:
            replaced[node.name] = (folded,)
    return rewrite(graph, replaced)


def _per_channel(value: FloatArray, shape: Shape) -> FloatArray | None:
    """Return a constant as one value a channel; None if it is not one, or widens the operand."""
    if value.ndim > len(shape) or value.size not in (1, shape[-1]):
        return None
    if value.size > 1 and value.shape[-1] != shape[-1]:
        return None
    return np.broadcast_to(value.reshape(-1), shape[-1:])


def _folded(node: FloatNode, other: str, values: FloatArray, *, first: bool) -> FloatNode | None:
    ones, zeros = np.ones_like(values), np.zeros_like(values)
    match node.op:
        case "add":
            scale, offset = ones, values
        case "sub":
            scale, offset = (-ones, values) if first else (ones, -values)
        case "mul":
            scale, offset = values, zeros
        case _:
            if values.min() != values.max():
                return None
            bound = float(values[0])
            low, high = (bound, math.inf) if node.op == "maximum" else (-math.inf, bound)
            return FloatNode(
                name=node.name, op="clip", inputs=(other,), kind=node.kind,
                attributes={"low": low, "high": high},
            )  # fmt: skip
    return FloatNode(
        name=node.name, op="affine", inputs=(other,), kind=node.kind,
        arrays={"scale": scale, "offset": offset},
    )  # fmt: skip
