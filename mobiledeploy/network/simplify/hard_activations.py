"""Recognise hard activations in the forms in which frameworks write them."""

import math
from typing import Final

import numpy as np

from mobiledeploy.network.float_graph import FloatGraph, FloatNode, rewrite

_CLOSE: Final = 1e-6
"""Relative difference of a factor from 1/6: frameworks store it in float32."""
_SIXTH: Final = 1 / 6


def recognise_hard_activations(graph: FloatGraph) -> FloatGraph:
    """Return the graph with `hard_sigmoid` and `hard_swish` in place of their parts.

    * `clip(a * x + b, 0, 1)` is a hard sigmoid;
    * `clip(x + 3, 0, 6) / 6` is one with a = 1/6, b = 1/2;
    * `x * hard_sigmoid(x)` of that kind, and `x * clip(x + 3, 0, 6) / 6`, is a hard swish.

    Afterwards no multiplication of a tensor by its own hard sigmoid is left.
    """
    for recognise in (_sigmoid_of_clip, _sigmoid_of_sixth, _swish_of_sixth, _swish):
        graph = recognise(graph)
    return graph


def _uniform(node: FloatNode | None) -> tuple[float, float] | None:
    """Return scale and offset of an `affine` that has the same ones for all channels."""
    if node is None or node.op != "affine":
        return None
    scale, offset = node.arrays["scale"], node.arrays["offset"]
    if np.ptp(scale) or np.ptp(offset):
        return None
    return float(scale[0]), float(offset[0])


def _close(values: tuple[float, float] | None, scale: float, offset: float) -> bool:
    return values is not None and all(
        math.isclose(value, expected, rel_tol=_CLOSE, abs_tol=0)
        for value, expected in zip(values, (scale, offset), strict=True)
    )


def _inside(graph: FloatGraph, name: str) -> FloatNode | None:
    """Return the node that writes a tensor, if exactly one node reads it."""
    node = graph.node(name)
    if node is None or node.name == graph.output or len(graph.users()[name]) != 1:
        return None
    return node


def _clipped(node: FloatNode | None, high: float) -> bool:
    return node is not None and node.op == "clip" and node.attributes == {"low": 0, "high": high}


def _sigmoid(node: FloatNode, source: str, alpha: float, beta: float) -> FloatNode:
    return FloatNode(
        name=node.name, op="hard_sigmoid", inputs=(source,), kind=node.kind,
        attributes={"alpha": alpha, "beta": beta},
    )  # fmt: skip


def _sigmoid_of_clip(graph: FloatGraph) -> FloatGraph:
    replaced: dict[str, tuple[FloatNode, ...]] = {}
    for node in graph.nodes:
        if not _clipped(node, 1):
            continue
        affine = _inside(graph, node.inputs[0])
        factors = _uniform(affine)
        if affine is not None and factors is not None:
            replaced[affine.name] = ()
            replaced[node.name] = (_sigmoid(node, affine.inputs[0], *factors),)
    return rewrite(graph, replaced)


def _shifted(graph: FloatGraph, name: str) -> tuple[tuple[str, ...], str] | None:
    """Return the names of the nodes of `clip(x + 3, 0, 6)`, and that of x."""
    clip = _inside(graph, name)
    if clip is None or not _clipped(clip, 6):
        return None
    affine = _inside(graph, clip.inputs[0])
    if affine is None or not _close(_uniform(affine), 1, 3):
        return None
    return (clip.name, affine.name), affine.inputs[0]


def _sigmoid_of_sixth(graph: FloatGraph) -> FloatGraph:
    replaced: dict[str, tuple[FloatNode, ...]] = {}
    for node in graph.nodes:
        values = _uniform(node)
        if values is None or not math.isclose(values[0], _SIXTH, rel_tol=_CLOSE) or values[1]:
            continue
        shifted = _shifted(graph, node.inputs[0])
        if shifted is not None:
            parts, source = shifted
            replaced.update(dict.fromkeys(parts, ()))
            replaced[node.name] = (_sigmoid(node, source, _SIXTH, 0.5),)
    return rewrite(graph, replaced)


def _swish_of_sixth(graph: FloatGraph) -> FloatGraph:
    """Replace `x * clip(x + 3, 0, 6)`, divided by 6."""
    replaced: dict[str, tuple[FloatNode, ...]] = {}
    for node in graph.nodes:
        values = _uniform(node)
        if values is None or not math.isclose(values[0], _SIXTH, rel_tol=_CLOSE) or values[1]:
            continue
        product = _inside(graph, node.inputs[0])
        if product is None or product.op != "mul":
            continue
        for source, gate in (product.inputs, product.inputs[::-1]):
            shifted = _shifted(graph, gate)
            if shifted is not None and shifted[1] == source:
                replaced.update(dict.fromkeys((product.name, *shifted[0]), ()))
                replaced[node.name] = (_swish_node(node, source),)
                break
    return rewrite(graph, replaced)


def _swish(graph: FloatGraph) -> FloatGraph:
    replaced: dict[str, tuple[FloatNode, ...]] = {}
    for node in graph.nodes:
        if node.op != "mul":
            continue
        for source, gate in (node.inputs, node.inputs[::-1]):
            sigmoid = _inside(graph, gate)
            if (
                sigmoid is not None
                and sigmoid.op == "hard_sigmoid"
                and sigmoid.inputs == (source,)
                and _close((sigmoid.attributes["alpha"], sigmoid.attributes["beta"]), _SIXTH, 0.5)
            ):
                replaced[sigmoid.name] = ()
                replaced[node.name] = (_swish_node(node, source),)
                break
    return rewrite(graph, replaced)


def _swish_node(node: FloatNode, source: str) -> FloatNode:
    return FloatNode(name=node.name, op="hard_swish", inputs=(source,), kind=node.kind)
