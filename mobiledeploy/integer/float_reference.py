"""Run the layers of an integer graph in float32, without rounding activations.

What is left of the int8 arithmetic when nothing is rounded or clipped to int8: the reference by
which the error of quantisation is measured, layer by layer. The kernels are those of the float
network if they are at hand, else the int8 kernels times their scales.
"""

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.integer.graph import (
    Add,
    Conv,
    Dense,
    Float32,
    IntegerGraph,
    Mean,
    Node,
    Softmax,
    sources,
)
from mobiledeploy.integer.oracle import one_blas_thread
from mobiledeploy.integer.products import windows
from mobiledeploy.ops.architecture import Activation

Kernels: TypeAlias = Mapping[str, tuple[Float32, Float32]]
"""By node, its kernel (OHWI, 1HWC or OI) and its bias, real values."""


def dequantised(graph: IntegerGraph) -> Kernels:
    """Return the graph's own weights as real values."""
    found = {}
    for node in graph.nodes:
        if isinstance(node, Conv | Dense):
            weights = node.weights
            shape = [1] * weights.kernel.ndim
            shape[3 if isinstance(node, Conv) and node.depthwise else 0] = -1
            kernel = weights.kernel.astype(np.float32) * weights.kernel_scale.reshape(shape)
            bias = weights.bias.astype(np.float32) * weights.bias_scale
            found[node.output.name] = (kernel, bias)
    return found


def run(graph: IntegerGraph, image: Float32, kernels: Kernels) -> Mapping[str, Float32]:
    """Return every tensor of a graph, by name, in real values.

    Args:
        graph: The layers.
        image: What the input's codes stand for, shape (1, height, width, channels).
        kernels: Of every convolution and dense layer.

    Returns:
        float32, shape (1, ...) each, the input first.
    """
    values: dict[str, Float32] = {graph.input.name: image}
    with one_blas_thread():
        for node in graph.nodes:
            inputs = [values[name] for name in sources(node)]
            values[node.output.name] = _compute(node, inputs, kernels)
    return values


def _compute(node: Node, inputs: list[Float32], kernels: Kernels) -> Float32:
    (first, *others) = inputs
    match node:
        case Conv():
            kernel, bias = kernels[node.output.name]
            sums = (
                _depthwise(node, first, kernel) if node.depthwise else _full(node, first, kernel)
            )
            return _activated(sums + bias, node.activation)
        case Dense():
            kernel, bias = kernels[node.output.name]
            return first @ kernel.T + bias
        case Add():
            return first + others[0]
        case Mean():
            mean: Float32 = first.mean(axis=(1, 2), dtype=np.float32)
            return mean
        case Softmax():
            powers = np.exp(first - first.max(axis=-1, keepdims=True))
            shares: Float32 = powers / powers.sum(axis=-1, keepdims=True)
            return shares


def _full(node: Conv, source: Float32, kernel: Float32) -> Float32:
    total = np.zeros((len(source), *node.output.shape), np.float32)
    for view, row, column in windows(node, source):
        total += view @ kernel[:, row, column].T
    return total


def _depthwise(node: Conv, source: Float32, kernel: Float32) -> Float32:
    total = np.zeros((len(source), *node.output.shape), np.float32)
    for view, row, column in windows(node, source):
        total += view * kernel[0, row, column]
    return total


def _activated(sums: npt.NDArray[np.float32], activation: Activation) -> Float32:
    match activation:
        case "none":
            return sums
        case "relu":
            return np.maximum(sums, np.float32(0))
        case "relu6":
            return np.clip(sums, np.float32(0), np.float32(6))
