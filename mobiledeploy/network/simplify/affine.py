"""Fold batch normalisation, or any other factor and offset per channel, into weights."""

import dataclasses
from typing import Final

import numpy as np

from mobiledeploy.network.float_graph import FloatArray, FloatGraph, FloatNode, rewrite
from mobiledeploy.ops.tensors import Shape

_WEIGHTED: Final = frozenset({"conv", "dense"})
_MOST_DENSE: Final = 2048
"""Most channels of a vector that is scaled by a dense layer."""


def fold_affine(graph: FloatGraph) -> FloatGraph:
    """Return the graph without `affine`.

    Each is merged with the one before it, or folded into the weights of the layer before it, or
    into those of the layers behind it if none of these pads its input (padding is zeros behind the
    affine, not before it). What is left becomes a depthwise convolution of 1 x 1, or for a short
    vector a dense layer. Arithmetic is float64, rounded once for each fold.
    """
    while True:
        for node in graph.nodes:
            if node.op == "affine":
                folded = _into_affine(graph, node) or _backward(graph, node)
                if folded is not None:
                    graph = folded
                    break
        else:
            break
    while True:
        for node in graph.nodes:
            if node.op == "affine":
                folded = _forward(graph, node)
                if folded is not None:
                    graph = folded
                    break
        else:
            break
    shapes = graph.shapes()
    return rewrite(
        graph,
        {
            node.name: _as_layers(node, shapes[node.name])
            for node in graph.nodes
            if node.op == "affine"
        },
    )


def _only_reader(graph: FloatGraph, node: FloatNode, reader: FloatNode) -> bool:
    return node.name != graph.output and graph.users()[node.name] == (reader,)


def _into_affine(graph: FloatGraph, node: FloatNode) -> FloatGraph | None:
    before = graph.node(node.inputs[0])
    if before is None or before.op != "affine" or not _only_reader(graph, before, node):
        return None
    factor, shift = _float64(node)
    inner_factor, inner_shift = _float64(before)
    merged = dataclasses.replace(
        node,
        inputs=before.inputs,
        arrays=_rounded(scale=inner_factor * factor, offset=inner_shift * factor + shift),
    )
    return rewrite(graph, {before.name: (), node.name: (merged,)})


def _backward(graph: FloatGraph, node: FloatNode) -> FloatGraph | None:
    before = graph.node(node.inputs[0])
    if before is None or before.op not in _WEIGHTED or not _only_reader(graph, before, node):
        return None
    factor, shift = _float64(node)
    kernel, bias = before.arrays["kernel"] * factor, before.arrays["bias"] * factor + shift
    folded = dataclasses.replace(before, arrays=_rounded(kernel=kernel, bias=bias))
    return rewrite(graph, {before.name: (folded,), node.name: ()}, {node.name: before.name})


def _forward(graph: FloatGraph, node: FloatNode) -> FloatGraph | None:
    readers = graph.users()[node.name]
    factor, shift = _float64(node)
    if node.name == graph.output or not readers:
        return None
    for reader in readers:
        padded = any(reader.attributes.get("pads", ()))
        if reader.op not in _WEIGHTED or (padded and shift.any()):
            return None
    folded = {reader.name: (_behind(reader, factor, shift),) for reader in readers}
    return rewrite(graph, {node.name: (), **folded}, {node.name: node.inputs[0]})


def _behind(reader: FloatNode, factor: FloatArray, shift: FloatArray) -> FloatNode:
    """Return a layer that computes from `x` what `reader` computes from `x * factor + shift`."""
    kernel = reader.arrays["kernel"].astype(np.float64)
    if reader.op == "conv":
        groups = reader.attributes["groups"]
        # The channels that each output channel reads: shape (I, O).
        read = np.repeat(
            np.arange(kernel.shape[2] * groups).reshape(groups, kernel.shape[2]).T,
            kernel.shape[3] // groups,
            axis=1,
        )
    else:
        read = np.repeat(np.arange(len(kernel))[:, np.newaxis], kernel.shape[1], axis=1)
    shifts = (kernel * shift[read]).reshape(-1, kernel.shape[-1]).sum(axis=0)
    return dataclasses.replace(
        reader, arrays=_rounded(kernel=kernel * factor[read], bias=reader.arrays["bias"] + shifts)
    )


def _as_layers(node: FloatNode, shape: Shape) -> tuple[FloatNode, ...]:
    """Return the layers that compute an affine, the last of which has its name."""
    factor, shift = node.arrays["scale"], node.arrays["offset"]
    if len(shape) == 1 and shape[0] > _MOST_DENSE:
        # A dense layer has the square of its channels as weights.
        image = _reshape(node, f"{node.name}/pixel", node.inputs[0], (1, 1, *shape))
        scaled = dataclasses.replace(node, name=f"{node.name}/scaled", inputs=(image.name,))
        back = _reshape(node, node.name, scaled.name, shape)
        return image, *_as_layers(scaled, (1, 1, *shape)), back
    if len(shape) == 3:
        layer = FloatNode(
            name=node.name, op="conv", inputs=node.inputs, kind=node.kind,
            attributes={
                "strides": (1, 1), "dilations": (1, 1), "groups": shape[-1],
                "pads": (0, 0, 0, 0),
            },
            arrays={"kernel": factor.reshape(1, 1, 1, -1), "bias": shift},
        )  # fmt: skip
    else:
        layer = FloatNode(
            name=node.name, op="dense", inputs=node.inputs, kind=node.kind,
            arrays={"kernel": np.diag(factor), "bias": shift},
        )  # fmt: skip
    return (layer,)


def _reshape(like: FloatNode, name: str, source: str, shape: Shape) -> FloatNode:
    return FloatNode(
        name=name, op="reshape", inputs=(source,), kind=like.kind, attributes={"shape": shape}
    )


def _float64(node: FloatNode) -> tuple[FloatArray, FloatArray]:
    scale, offset = (node.arrays[name].astype(np.float64) for name in ("scale", "offset"))
    return scale, offset  # type: ignore[return-value]


def _rounded(**arrays: np.ndarray) -> dict[str, FloatArray]:
    # What float32 cannot hold becomes infinite here; the graph then refuses it by name.
    with np.errstate(over="ignore"):
        return {name: array.astype(np.float32) for name, array in arrays.items()}
