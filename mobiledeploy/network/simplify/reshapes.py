"""Remove reshapes that only add or drop axes of size 1."""

import dataclasses
from typing import Final

from mobiledeploy.network.float_graph import FloatGraph, FloatNode, rewrite

_FOR_EACH_PIXEL: Final = frozenset({
    "affine", "clip", "logistic", "tanh", "hard_sigmoid", "hard_swish", "leaky_relu", "prelu",
    "elu", "gelu", "exp", "softplus", "softmax",
})  # fmt: skip
"""Operators that compute the same for an image of one pixel and for its vector."""
_SCORES: Final = frozenset({"softmax", "logistic"})
"""Those of them that give a classifier's scores."""
_REDUCTIONS: Final = frozenset({"mean", "reduce_max"})
"""Operators that may give one pixel or its vector."""


def remove_reshapes(graph: FloatGraph) -> FloatGraph:
    """Return the graph with fewer reshapes.

    * one that changes nothing is removed, and two in a row become one;
    * one from an image of a single pixel to a vector moves ahead of operators on single pixels and
      of 1 x 1 convolutions, which become dense layers, if a mean or maximum over height and width
      before them takes it, and ahead of scores in any case;
    * a dense layer of every pixel becomes a 1 x 1 convolution.
    """
    graph = _dense_of_pixels(graph)
    while True:
        changed = _step(graph)
        if changed is None:
            return graph
        graph = changed


def _step(graph: FloatGraph) -> FloatGraph | None:
    shapes = graph.shapes()
    for node in graph.nodes:
        if node.op != "reshape" or node.name not in shapes:
            continue
        (name,) = node.inputs
        before = graph.node(name)
        if shapes[name] == shapes[node.name]:
            return rewrite(graph, {node.name: ()}, {node.name: name})
        if before is None:
            continue
        if before.op == "reshape":
            merged = dataclasses.replace(node, inputs=before.inputs)
            alone = graph.users()[name] == (node,) and name != graph.output
            return rewrite(graph, {node.name: (merged,), **({name: ()} if alone else {})})
        pixel = len(shapes[name]) == 3 and shapes[name][:2] == (1, 1)
        if not pixel or shapes[node.name] != shapes[name][2:]:
            continue
        if graph.users()[name] != (node,) or name == graph.output:
            continue
        lifted = _lifted(graph, before, node)
        if lifted is not None:
            read_before = rewrite(graph, {}, {node.name: name})
            return rewrite(read_before, {name: (), node.name: lifted})
    return None


def _lifted(
    graph: FloatGraph, before: FloatNode, reshape: FloatNode
) -> tuple[FloatNode, ...] | None:
    """Return what computes the reshaped output of `before` from a reshaped input.

    It keeps the name of `before`.
    """
    if before.op in _REDUCTIONS:
        return (dataclasses.replace(before, attributes={"keep_dims": False}),)
    pixel_dense = _is_dense_of_pixel(graph, before)
    if before.op not in _FOR_EACH_PIXEL and not pixel_dense:
        return None
    if before.op not in _SCORES and not _behind_reduction(graph, before):
        return None
    (source,) = before.inputs
    vector = FloatNode(
        name=reshape.name, op="reshape", inputs=(source,), kind=reshape.kind,
        attributes={"shape": (graph.shapes()[source][-1],)},
    )  # fmt: skip
    if not pixel_dense:
        return (vector, dataclasses.replace(before, inputs=(vector.name,)))
    dense = FloatNode(
        name=before.name, op="dense", inputs=(vector.name,), kind=before.kind,
        arrays={"kernel": before.arrays["kernel"][0, 0], "bias": before.arrays["bias"]},
    )  # fmt: skip
    return (vector, dense)


def _is_dense_of_pixel(graph: FloatGraph, node: FloatNode) -> bool:
    return (
        node.op == "conv"
        and node.attributes["groups"] == 1
        and graph.shapes()[node.inputs[0]][:2] == (1, 1)
        and node.arrays["kernel"].shape[:2] == (1, 1)
    )


def _behind_reduction(graph: FloatGraph, node: FloatNode) -> bool:
    """Whether a reshape can move from behind a node up to a mean or maximum.

    Elsewhere it would end between a convolution and its batch normalisation.
    """
    users = graph.users()
    while node.op in _FOR_EACH_PIXEL or _is_dense_of_pixel(graph, node):
        (name,) = node.inputs
        before = graph.node(name)
        if before is None or len(users[name]) > 1:
            return False
        node = before
    return node.op in _REDUCTIONS


def _dense_of_pixels(graph: FloatGraph) -> FloatGraph:
    shapes = graph.shapes()
    replaced: dict[str, tuple[FloatNode, ...]] = {}
    for node in graph.nodes:
        if node.op == "dense" and len(shapes.get(node.name, ())) == 3:
            conv = FloatNode(
                name=node.name, op="conv", inputs=node.inputs, kind=node.kind,
                attributes={
                    "strides": (1, 1), "dilations": (1, 1), "groups": 1, "pads": (0, 0, 0, 0),
                },
                arrays={
                    "kernel": node.arrays["kernel"][None, None], "bias": node.arrays["bias"],
                },
            )  # fmt: skip
            replaced[node.name] = (conv,)
    return rewrite(graph, replaced)
