"""Run an integer graph in NumPy, with XNNPACK's arithmetic, bit for bit.

The third opinion beside the two runtimes: where they disagree it says who is right, and it needs
nothing but the graph. Sums are exact; what decides is how they are rounded to the output's grid:
multiplied by one float32, halves to even, for convolutions and dense layers.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from mobiledeploy.errors import RequestError
from mobiledeploy.integer import add_kernels, mean_kernels
from mobiledeploy.integer.activation import clamp
from mobiledeploy.integer.graph import (
    QMAX,
    QMIN,
    Add,
    Conv,
    Dense,
    Int8,
    IntegerGraph,
    Mean,
    Node,
    QTensor,
    QWeights,
    Softmax,
)
from mobiledeploy.integer.padding import pads
from mobiledeploy.integer.softmax import softmax_codes

Exact = npt.NDArray[np.float64]
"""Whole numbers: float64 holds sums of int8 products exactly, and multiplies matrices fast."""


def run(graph: IntegerGraph, images: Int8) -> Mapping[str, Int8]:
    """Return every tensor of a graph, by name.

    Args:
        graph: What to run.
        images: int8, shape (batch, height, width, channels), on the grid of the graph's input.

    Returns:
        int8, shape (batch, ...) each. The softmax, if there is one, is that of TFLite on x86.

    Raises:
        RequestError: The images do not fit the graph's input.
    """
    if images.dtype != np.int8 or images.shape[1:] != graph.input.shape:
        raise RequestError(
            f"expected int8 images of shape (batch, {', '.join(map(str, graph.input.shape))}), "
            f"received {images.dtype} of shape {images.shape}"
        )
    tensors = graph.tensors()
    values = {graph.input.name: images}
    for node in graph.nodes:
        values[node.output.name] = _compute(node, values, tensors)
    return values


def _compute(node: Node, values: Mapping[str, Int8], tensors: Mapping[str, QTensor]) -> Int8:
    match node:
        case Conv():
            source = tensors[node.input]
            product = _depthwise if node.depthwise else _convolution
            sums = product(node, _centred(values[node.input], source))
            low, high = clamp(node.activation, node.output)
            return _requantise(sums, node.weights, source, node.output, low, high)
        case Dense():
            source = tensors[node.input]
            kernel = node.weights.kernel.T.astype(np.float64)
            sums = _centred(values[node.input], source) @ kernel
            return _requantise(sums, node.weights, source, node.output, QMIN, QMAX)
        case Add():
            a, b = (tensors[name] for name in node.inputs)
            left, right = (values[name].astype(np.int64) for name in node.inputs)
            operands = add_kernels.Operands(
                a=left.ravel(),
                b=right.ravel(),
                zeros=(a.zero_point, b.zero_point, node.output.zero_point),
            )
            one = np.ones((1, 1), np.float32)
            added = add_kernels.xnnpack(operands, a.scale * one, b.scale * one, node.output.scale)
            return added.reshape(left.shape).astype(np.int8)
        case Mean():
            source = tensors[node.input]
            codes = values[node.input].sum(axis=(1, 2), dtype=np.int64)
            means = mean_kernels.xnnpack(
                mean_kernels.Sums(
                    codes=codes,
                    positions=source.shape[0] * source.shape[1],
                    zeros=(source.zero_point, node.output.zero_point),
                ),
                np.full((1, 1), source.scale),
                node.output.scale,
            )
            return means.astype(np.int8)
        case Softmax():
            return softmax_codes(values[node.input], tensors[node.input].scale)


def _centred(codes: Int8, tensor: QTensor) -> Exact:
    return codes.astype(np.float64) - tensor.zero_point


def _convolution(node: Conv, source: Exact) -> Exact:
    kernel = node.weights.kernel.astype(np.float64)
    parts = [view @ kernel[:, row, column].T for view, row, column in _windows(node, source)]
    sums: Exact = np.sum(parts, axis=0)
    return sums


def _depthwise(node: Conv, source: Exact) -> Exact:
    kernel = node.weights.kernel.astype(np.float64)
    parts = [view * kernel[0, row, column] for view, row, column in _windows(node, source)]
    sums: Exact = np.sum(parts, axis=0)
    return sums


def _windows(node: Conv, source: Exact) -> Iterator[tuple[Exact, int, int]]:
    """Yield, for each place in the kernel, the inputs that it meets, shaped like the output."""
    height, width, _ = node.output.shape
    rows, columns = node.weights.kernel.shape[1:3]
    vertical, horizontal = node.strides
    padded = np.pad(source, ((0, 0), *pads(node, source.shape[1:3]), (0, 0)))
    for row in range(rows):
        for column in range(columns):
            yield (
                padded[
                    :,
                    row : row + (height - 1) * vertical + 1 : vertical,
                    column : column + (width - 1) * horizontal + 1 : horizontal,
                ],
                row,
                column,
            )


def _requantise(
    sums: Exact, weights: QWeights, source: QTensor, out: QTensor, low: int, high: int
) -> Int8:
    accumulators = (sums + weights.bias).astype(np.float32)
    multiplier = source.scale * weights.kernel_scale / out.scale
    codes = np.rint(accumulators * multiplier).astype(np.int64) + out.zero_point
    clipped: Int8 = np.clip(codes, low, high).astype(np.int8)
    return clipped
