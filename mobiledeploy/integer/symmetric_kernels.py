"""Give kernels with a zero point a form that an int8 `.tflite` can hold.

Weights minus their zero point need nine bits. Where they are within -127..127 they become codes of
their own. Elsewhere the kernel is a sum of two or three kernels that are, each over a copy of the
input's channels: the sums are the same, of twice or three times as many products. A depthwise
convolution reads copies of each row instead, so that it stays one.
"""

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.ops.concatenation import Concatenation
from mobiledeploy.ops.conv import Conv
from mobiledeploy.ops.dense import Dense
from mobiledeploy.ops.node import Node
from mobiledeploy.ops.padding import padding_from, pads
from mobiledeploy.ops.reshape import Reshape
from mobiledeploy.ops.tensors import QMAX, Int8, Int16, QTensor
from mobiledeploy.ops.weights import QWeights


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SymmetricKernels:
    """A graph whose kernels are all symmetric.

    Attributes:
        graph: The graph.
        copies: How many copies of its input's channels or rows a layer reads that was changed, by
            the name of its output; 1 if only its weights' codes are others.
    """

    graph: IntegerGraph
    copies: dict[str, int]


def symmetric_kernels(graph: IntegerGraph) -> SymmetricKernels:
    """Return the same function with symmetric kernels.

    Args:
        graph: Any graph.
    """
    tensors, nodes, copies = graph.tensors(), list[Node](), dict[str, int]()
    for node in graph.nodes:
        if not isinstance(node, Conv | Dense) or node.weights.kernel_zero is None:
            nodes.append(node)
            continue
        codes = node.weights.centred(node.channel_axis).astype(np.int16)
        count = max(1, math.ceil(int(np.abs(codes).max()) / QMAX))
        copies[node.output.name] = count
        if count == 1:
            nodes.append(_with_kernel(node, codes.astype(np.int8)))
        else:
            nodes.extend(_over_copies(node, tensors[node.input], codes, count))
    return SymmetricKernels(graph=dataclasses.replace(graph, nodes=tuple(nodes)), copies=copies)


def _with_kernel(node: Conv | Dense, kernel: Int8, **fields: Any) -> Conv | Dense:
    weights = dataclasses.replace(
        node.weights, kernel=np.ascontiguousarray(kernel), kernel_zero=None
    )
    return dataclasses.replace(node, weights=weights, **fields)


def _over_copies(node: Conv | Dense, source: QTensor, codes: Int16, count: int) -> Iterator[Node]:
    """Yield the copies of what a node reads, and the node that reads them.

    Args:
        node: The node.
        source: What it reads.
        codes: Its weights.
        count: How many copies its weights need.
    """
    parts = np.stack(list(_parts(codes, count)))
    if isinstance(node, Conv) and node.depthwise and node.dilations[0] == 1:
        yield from _over_rows(node, source, parts)
        return
    channels = source.shape[-1]
    wide = dataclasses.replace(
        source,
        name=f"{node.output.name}/channels",
        shape=(*source.shape[:-1], count * channels),
    )
    whole = isinstance(node, Dense) or (not node.depthwise and codes.shape[3] == channels)
    if whole:
        yield Concatenation(inputs=(source.name,) * count, output=wide)
        yield _with_kernel(node, np.concatenate(parts, axis=-1), input=wide.name)
        return
    # Each channel becomes several in a row, so that a group reads all of its own.
    yield Conv(
        input=source.name,
        output=wide,
        weights=_of_ones(source, count * channels),
        depthwise=channels > 1,
        strides=(1, 1),
        padding="valid",
        activation="none",
    )
    if isinstance(node, Conv) and node.depthwise:
        # 1HWC to C HW1, of as many groups as the input has channels.
        parts = parts.transpose(0, 4, 2, 3, 1)
    kernel = np.moveaxis(parts, 0, -1)
    yield _with_kernel(
        node, kernel.reshape(*kernel.shape[:3], -1), input=wide.name, depthwise=False
    )


def _over_rows(node: Conv, source: QTensor, parts: Int8) -> Iterator[Node]:
    """Yield the copies of each row that a depthwise convolution reads, and the convolution.

    XNNPACK takes a kernel of more rows for little more time; several outputs for a channel, or
    groups of two, take ten times as long.

    Args:
        node: The convolution.
        source: What it reads.
        parts: Its weights in summands, shape (count, 1, height, width, channels).
    """
    count, (height, width, channels) = len(parts), source.shape

    def reshaped(what: str, shape: tuple[int, ...]) -> QTensor:
        return dataclasses.replace(source, name=f"{node.output.name}/{what}", shape=shape)

    lines = reshaped("lines", (height, 1, width * channels))
    doubled = reshaped("copied lines", (height, 1, count * width * channels))
    rows = reshaped("rows", (count * height, width, channels))
    yield Reshape(input=source.name, output=lines)
    yield Concatenation(inputs=(lines.name,) * count, output=doubled)
    yield Reshape(input=doubled.name, output=rows)
    (top, bottom), sides = pads(
        source.shape[:2], node.window, node.strides, node.padding, node.dilations
    )
    strides, window = (count * node.strides[0], node.strides[1]), node.window
    around = count * top, count * bottom, *sides
    size = count * window[0], window[1]
    yield _with_kernel(
        node,
        parts.transpose(1, 2, 0, 3, 4).reshape(1, *size, parts.shape[-1]),
        input=rows.name,
        strides=strides,
        padding=padding_from(rows.shape[:2], size, strides, around, node.dilations),
    )


def _parts(codes: Int16, count: int) -> Iterator[Int8]:
    for _ in range(count):
        part = np.clip(codes, -QMAX, QMAX)
        codes = codes - part
        yield part.astype(np.int8)


def _of_ones(source: QTensor, outputs: int) -> QWeights:
    """Return weights of 1 that copy codes: their multiplier is 1."""
    depthwise = source.shape[-1] > 1
    shape = (1, 1, 1, outputs) if depthwise else (outputs, 1, 1, 1)
    ones = np.ones(outputs, np.float32)
    return QWeights(
        kernel=np.ones(shape, np.int8),
        kernel_scale=ones,
        bias=np.zeros(outputs, np.int32),
        bias_scale=source.scale * ones,
    )
