"""Correct biases for the mean error that rounded weights cause.

A rounded kernel adds to each output channel the mean input times the rounding errors. That is the
same for all images, so the bias can take it away. Source: Nagel, van Baalen, Blankevoort, Welling,
"Data-Free Quantization Through Weight Equalization and Bias Correction", 2019, section 4.2, in the
form with data.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.accuracy.observe import observe
from mobiledeploy.base.progress import Progress, silent
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.network.float_graph import FloatArray, FloatGraph, FloatNode
from mobiledeploy.network.network import Network
from mobiledeploy.ops.node import WeightedNode
from mobiledeploy.ops.weights import Weights

_ERROR: Final = "/error"


def correct_biases(
    graph: FloatGraph,
    network: Network,
    integers: IntegerGraph,
    inputs: npt.NDArray[Any],
    *,
    feed: Callable[[npt.NDArray[Any]], FloatArray] = np.asarray,
    threads: int = 1,
    progress: Progress = silent,
) -> Network:
    """Return a network with biases that make up for the rounding of its kernels.

    Args:
        graph: The float network as a graph.
        network: The same with the biases to correct.
        integers: The network, quantised; only its kernels are read.
        inputs: Representative images, shape (images, ...).
        feed: Makes the graph's inputs, float32, of some of them; without it they are that.
        threads: Images that run at a time.
        progress: Called after every batch.
    """
    errors = _mean_errors(graph, integers, inputs, feed=feed, threads=threads, progress=progress)
    weights = {
        name: Weights(kernel=old.kernel, bias=(old.bias - errors[name]).astype(np.float32))
        if name in errors
        else old
        for name, old in network.weights.items()
    }
    return dataclasses.replace(network, weights=weights)


def _mean_errors(
    graph: FloatGraph,
    integers: IntegerGraph,
    inputs: npt.NDArray[Any],
    **how: Any,
) -> Mapping[str, npt.NDArray[np.float64]]:
    """Return the mean of each channel's error before the activation, by layer.

    The error is itself a layer: the same operator, whose kernel is that of the integers minus that
    of the float network. So it holds for any strides, padding and groups.
    """
    shapes = graph.shapes()
    kernels = {node.output.name: node for node in integers.nodes if isinstance(node, WeightedNode)}
    nodes, vectors = list[FloatNode](), dict[str, str]()
    for layer in graph.nodes:
        if layer.name not in kernels or layer.name not in shapes:
            continue
        kernel = layer.arrays["kernel"]
        error = dataclasses.replace(
            layer,
            name=layer.name + _ERROR,
            activation="none",
            arrays={
                "kernel": real_kernel(kernels[layer.name], layer) - kernel,
                "bias": np.zeros_like(layer.arrays["bias"]),
            },
        )
        nodes.append(error)
        vectors[layer.name] = error.name
        if len(shapes[layer.name]) == 3:
            mean = FloatNode(
                name=error.name + "/mean", op="mean", inputs=(error.name,),
                attributes={"keep_dims": False},
            )  # fmt: skip
            nodes.append(mean)
            vectors[layer.name] = mean.name
    sums: dict[str, Any] = dict.fromkeys(vectors, 0.0)
    for batch in observe(
        graph, nodes, tuple(vectors.values()), inputs, what="correcting biases", **how
    ):
        for name, vector in vectors.items():
            sums[name] = sums[name] + batch[vector].sum(axis=0, dtype=np.float64)
    return {name: total / len(inputs) for name, total in sums.items()}


def real_kernel(node: WeightedNode, layer: FloatNode) -> FloatArray:
    """Return a kernel of integers as real values, in the order of the float graph's."""
    kernel, _ = node.weights.real(node.channel_axis)
    if kernel.ndim == 2:
        return kernel.T
    # OHWI, or 1HWO for a depthwise kernel.
    moved = np.moveaxis(kernel, 0, -1 if node.channel_axis == 0 else 2)
    return np.ascontiguousarray(moved).reshape(layer.arrays["kernel"].shape)
