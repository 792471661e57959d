"""Take a reversal of the input's channels, RGB to BGR, into the first convolution's kernel."""

import dataclasses
from typing import Final

import numpy as np

from mobiledeploy.network.float_graph import INPUT, FloatGraph, FloatNode, rewrite

_EACH_CHANNEL: Final = frozenset({"affine", "clip", "pad"})
"""Operators between the reversal and the convolution, which treat channels one by one."""


def fold_channel_order(graph: FloatGraph) -> FloatGraph:
    """Return a graph that reads the channels of its input in their own order.

    Keras's `preprocess_input` of ResNet, VGG and DenseNet reverses them: `x[..., ::-1]`. A graph
    without such an order, or in which something else than a convolution reads it, is unchanged.
    """
    for node in graph.nodes:
        order = _order(graph, node)
        if order is None:
            continue
        replaced = _moved(graph, node, order)
        if replaced is None:
            return graph
        slices: dict[str, tuple[FloatNode, ...]] = {
            name: () for name in node.inputs if name != INPUT
        }
        return rewrite(graph, {**slices, node.name: (), **replaced}, {node.name: INPUT})
    return graph


def _order(graph: FloatGraph, node: FloatNode) -> list[int] | None:
    """Return the input's channels in the order in which a node gives them; None if it does not."""
    if node.op == "conv" and node.inputs == (INPUT,):
        return _chosen(graph, node)
    if node.op != "concat":
        return None
    height, width, channels = (*graph.input_shape, 0, 0, 0)[:3]
    users = graph.users()
    order = []
    for name in node.inputs:
        part = graph.node(name)
        if part is None or part.op != "slice" or part.inputs != (INPUT,) or users[name] != (node,):
            return None
        first = part.attributes["begin"][-1]
        if (
            tuple(part.attributes["begin"]) != (0, 0, first)
            or tuple(part.attributes["end"]) != (height, width, first + 1)
            or tuple(part.attributes["strides"]) != (1, 1, 1)
        ):
            return None
        order.append(first)
    readers = {reader.name for reader in users[INPUT]}
    whole = sorted(order) == list(range(channels)) and readers == set(node.inputs)
    return order if whole else None


def _chosen(graph: FloatGraph, node: FloatNode) -> list[int] | None:
    """Return the input's channels in the order in which a convolution's kernel chooses them."""
    kernel, channels = node.arrays["kernel"], graph.input_shape[-1]
    eye = np.eye(channels, dtype=np.float32)
    order = kernel.reshape(-1, kernel.shape[-1]).argmax(axis=0).tolist()
    chooses = (
        kernel.shape == (1, 1, channels, channels)
        and np.array_equal(kernel[0, 0], eye[:, order])
        and not node.arrays["bias"].any()
        and not any(node.attributes["pads"])
        and tuple(node.attributes["strides"]) == (1, 1)
        and node.activation == "none"
        and graph.users()[INPUT] == (node,)
    )
    return order if chooses and sorted(order) == list(range(channels)) else None


def _moved(
    graph: FloatGraph, node: FloatNode, order: list[int]
) -> dict[str, tuple[FloatNode, ...]] | None:
    """Return what stands for the nodes up to the convolution; None if there is none."""
    places = np.argsort(order)
    replaced: dict[str, tuple[FloatNode, ...]] = {}
    users = graph.users()
    while len(users[node.name]) == 1 and node.name != graph.output:
        (node,) = users[node.name]
        if node.op == "conv" and node.attributes["groups"] == 1:
            kernel = node.arrays["kernel"][:, :, places]
            arrays = {"kernel": kernel, "bias": node.arrays["bias"]}
            return {**replaced, node.name: (dataclasses.replace(node, arrays=arrays),)}
        if node.op not in _EACH_CHANNEL:
            return None
        arrays = {name: array[places] for name, array in node.arrays.items()}
        replaced[node.name] = (dataclasses.replace(node, arrays=arrays),)
    return None
