"""Round weights so that their layer's outputs change least, not each to the nearest code.

The errors of a layer's weights add up in its output; rounding one weight up can make up for others
that were rounded down, if their inputs go together. Source: Frantar, Ashkboos, Hoefler, Alistarh,
"GPTQ: Accurate Post-Training Quantization for Generative Pre-trained Transformers", 2022,
algorithm 1, with the weights of the largest input power first. Unlike there, no code is more than
one step from its weight.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.accuracy.observe import observe
from mobiledeploy.base.progress import Progress, silent
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.network.float_graph import FloatArray, FloatGraph, FloatNode
from mobiledeploy.ops.node import WeightedNode
from mobiledeploy.ops.padding import output_size
from mobiledeploy.ops.tensors import QMAX, Int8

Float64 = npt.NDArray[np.float64]

VALUES: Final = 8192
"""About how many input values of a layer and an image are looked at."""
FEWEST_POSITIONS: Final = 4
"""Fewest positions of an output image whose inputs are looked at."""
MOST_INPUTS: Final = 2304
"""Most inputs of one output: the moments of more take too much memory."""
DAMPING: Final = 0.01
"""Part of the mean power of the inputs that is added to each: so the moments can be inverted."""
_BLOCK: Final = 64


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Moments:
    """Of the inputs of a layer, about their mean, over images and positions.

    Attributes:
        second: Shape (inputs, inputs), or (channels, inputs, inputs) of a depthwise layer: mean
            products of the inputs of one output.
        mean: Shape (inputs,) or (channels, inputs).
    """

    second: Float64
    mean: Float64


def rounded_weights(
    graph: FloatGraph,
    integers: IntegerGraph,
    inputs: npt.NDArray[Any],
    *,
    feed: Callable[[npt.NDArray[Any]], FloatArray] = np.asarray,
    threads: int = 1,
    progress: Progress = silent,
) -> Mapping[str, Int8]:
    """Return the kernels of layers with other codes, in the order of the integer graph.

    Args:
        graph: The float network as a graph.
        integers: The network, quantised; its scales are kept.
        inputs: Representative images, shape (images, ...).
        feed: Makes the graph's inputs, float32, of some of them; without it they are that.
        threads: Images that run at a time.
        progress: Called after every batch.
    """
    layers = {node.output.name: node for node in integers.nodes if isinstance(node, WeightedNode)}
    moments = _moments(graph, layers, inputs, feed=feed, threads=threads, progress=progress)
    return {
        layer.name: _round(layers[layer.name], layer, moments[layer.name])
        for layer in graph.nodes
        if layer.name in moments
    }


def with_kernels(integers: IntegerGraph, kernels: Mapping[str, Int8]) -> IntegerGraph:
    """Return a graph with other codes of some kernels."""
    return dataclasses.replace(
        integers,
        nodes=tuple(
            dataclasses.replace(
                node,  # type: ignore[type-var]
                weights=dataclasses.replace(node.weights, kernel=kernels[node.output.name]),
            )
            if isinstance(node, WeightedNode) and node.output.name in kernels
            else node
            for node in integers.nodes
        ),
    )


def _moments(
    graph: FloatGraph,
    layers: Mapping[str, WeightedNode],
    inputs: npt.NDArray[Any],
    **how: Any,
) -> Mapping[str, Moments]:
    shapes = graph.shapes()
    nodes, vectors = list[FloatNode](), list[tuple[FloatNode, str]]()
    for layer in graph.nodes:
        if layer.name not in layers or layer.name not in shapes:
            continue
        kernel = layer.arrays["kernel"]
        if math.prod(kernel.shape[:-1]) > MOST_INPUTS or _is_grouped(layer):
            continue
        if kernel.ndim == 2:
            vectors.append((layer, layer.inputs[0]))
            continue
        nodes.extend(_patches(layer, shapes[layer.inputs[0]]))
        vectors.append((layer, nodes[-1].name))
    wanted = tuple(dict.fromkeys(vector for _, vector in vectors))
    sums: dict[str, tuple[Any, Any, int]] = {}
    for batch in observe(graph, nodes, wanted, inputs, what="measuring inputs", **how):
        for layer, vector in vectors:
            rows = _rows(layer, batch[vector])
            second, mean, count = sums.get(layer.name, (0.0, 0.0, 0))
            if rows.ndim == 3:
                by_channel = rows.transpose(2, 1, 0)
                product = by_channel @ by_channel.transpose(0, 2, 1)
                total = by_channel.sum(axis=2, dtype=np.float64)
            else:
                product = rows.T @ rows
                total = rows.sum(axis=0, dtype=np.float64)
            count += len(rows)
            sums[layer.name] = (second + product.astype(np.float64), mean + total, count)
    moments = {}
    for name, (second, total, count) in sums.items():
        mean = total / count
        outer = mean[..., :, np.newaxis] * mean[..., np.newaxis, :]
        moments[name] = Moments(second=second / count - outer, mean=mean)
    return moments


def _is_grouped(layer: FloatNode) -> bool:
    """Whether a convolution has groups of several channels."""
    return layer.op == "conv" and layer.attributes["groups"] > 1 and layer.arrays[
        "kernel"
    ].shape[2] > 1  # fmt: skip


def _is_depthwise(layer: FloatNode) -> bool:
    return layer.op == "conv" and layer.attributes["groups"] > 1


def _patches(layer: FloatNode, shape: tuple[int, ...]) -> Iterator[FloatNode]:
    """Yield the nodes that give the inputs of some outputs: (positions, taps, channels), flat."""
    high, wide = layer.arrays["kernel"].shape[:2]
    strides, dilations = layer.attributes["strides"], layer.attributes["dilations"]
    channels = shape[2]
    out = output_size(shape[:2], (high, wide), strides, dilations, layer.attributes["pads"])
    positions = max(VALUES // (high * wide * channels), FEWEST_POSITIONS)
    apart = max(math.isqrt(out[0] * out[1] // positions), 1)
    first = tuple(min(apart // 2, size - 1) for size in out)
    counts = tuple(-(-(size - start) // apart) for size, start in zip(out, first, strict=True))
    source = layer.inputs[0]
    if any(layer.attributes["pads"]):
        yield FloatNode(
            name=f"{layer.name}/padded", op="pad", inputs=(source,),
            attributes={"pads": layer.attributes["pads"], "value": 0.0},
        )  # fmt: skip
        source = f"{layer.name}/padded"
    taps = []
    for i in range(high):
        for j in range(wide):
            begin = tuple(
                start * stride + tap * dilation
                for start, stride, tap, dilation in zip(
                    first, strides, (i, j), dilations, strict=True
                )
            )
            steps = tuple(stride * apart for stride in strides)
            end = tuple(
                b + (count - 1) * s + 1 for b, count, s in zip(begin, counts, steps, strict=True)
            )
            taps.append(f"{layer.name}/tap{i}x{j}")
            yield FloatNode(
                name=taps[-1], op="slice", inputs=(source,),
                attributes={
                    "begin": (*begin, 0), "end": (*end, channels), "strides": (*steps, 1),
                },
            )  # fmt: skip
    yield FloatNode(name=f"{layer.name}/patches", op="concat", inputs=tuple(taps))
    yield FloatNode(
        name=f"{layer.name}/inputs", op="reshape", inputs=(f"{layer.name}/patches",),
        attributes={"shape": (math.prod(counts) * high * wide * channels,)},
    )  # fmt: skip


def _rows(layer: FloatNode, vectors: FloatArray) -> FloatArray:
    """Return inputs of outputs: (outputs, inputs), or (outputs, taps, channels) if depthwise."""
    kernel = layer.arrays["kernel"]
    if kernel.ndim == 2:
        return vectors
    high, wide, inner = kernel.shape[:3]
    if _is_depthwise(layer):
        return vectors.reshape(-1, high * wide, layer.attributes["groups"])
    return vectors.reshape(-1, high * wide * inner)


def _round(node: WeightedNode, layer: FloatNode, moments: Moments) -> Int8:
    """Return a kernel's codes, in its order."""
    kernel = layer.arrays["kernel"].astype(np.float64)
    scale = np.broadcast_to(node.weights.kernel_scale.astype(np.float64), kernel.shape[-1:])
    rows = kernel.reshape(-1, kernel.shape[-1]).T / scale[:, np.newaxis]
    if _is_depthwise(layer):
        multiplier = kernel.shape[-1] // layer.attributes["groups"]
        codes = _closest_each(rows, np.repeat(moments.second, multiplier, axis=0))
    else:
        codes = closest(rows, moments.second)
    back = codes.T.reshape(kernel.shape).astype(np.int8)
    if kernel.ndim == 2:
        return np.ascontiguousarray(back.T)
    stored = node.weights.kernel
    moved = np.moveaxis(back, -1 if node.channel_axis == 0 else 2, 0)
    return np.ascontiguousarray(moved).reshape(stored.shape)


def closest(rows: Float64, second: Float64, *, damping: float = DAMPING) -> Float64:
    """Return codes for which the sums of products with the inputs change least.

    Args:
        rows: Weights in steps of their grid, shape (outputs, inputs).
        second: Moments of the inputs, shape (inputs, inputs).
        damping: See `DAMPING`.

    Returns:
        Whole numbers, less than one step from the weights, within -127..127.
    """
    power = np.diag(second)
    order = np.argsort(-power, kind="stable")
    moments = second[np.ix_(order, order)].copy()
    added = damping * float(power.mean())
    if not added > 0:
        return np.clip(np.rint(rows), -QMAX, QMAX)
    moments[np.diag_indices_from(moments)] += added
    inverse = np.linalg.inv(moments / added)
    upper = np.linalg.cholesky((inverse + inverse.T) / 2).T
    weights = rows[:, order].copy()
    lowest = np.maximum(np.floor(weights), -QMAX)
    highest = np.minimum(np.ceil(weights), QMAX)
    codes = np.empty_like(weights)
    for start in range(0, weights.shape[1], _BLOCK):
        end = min(start + _BLOCK, weights.shape[1])
        errors = np.empty((len(rows), end - start))
        for i in range(start, end):
            codes[:, i] = np.clip(np.rint(weights[:, i]), lowest[:, i], highest[:, i])
            errors[:, i - start] = (weights[:, i] - codes[:, i]) / upper[i, i]
            weights[:, i + 1 : end] -= np.outer(errors[:, i - start], upper[i, i + 1 : end])
        weights[:, end:] -= errors @ upper[start:end, end:]
    result = np.empty_like(codes)
    result[:, order] = codes
    return result


def _closest_each(rows: Float64, second: Float64) -> Float64:
    """Return codes as `closest` does, with moments of its own for each output."""
    return np.concatenate([
        closest(row[np.newaxis], moments) for row, moments in zip(rows, second, strict=True)
    ])  # fmt: skip
