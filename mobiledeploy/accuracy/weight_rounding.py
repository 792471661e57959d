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
from mobiledeploy.network.network import Network
from mobiledeploy.ops.node import WeightedNode
from mobiledeploy.ops.padding import output_size
from mobiledeploy.ops.tensors import QMAX
from mobiledeploy.ops.weights import Weights

Float64 = npt.NDArray[np.float64]

VALUES: Final = 8192
"""About how many input values of a layer and an image are looked at."""
FEWEST_POSITIONS: Final = 4
"""Fewest positions of an output image whose inputs are looked at."""
MOST_INPUTS: Final = 2304
"""Most inputs of one output: the moments of more take too much memory."""
DAMPING: Final = 0.01
"""Part of the mean power of the inputs that is added to each: so the moments can be inverted."""
FEW: Final = 9
"""Inputs of one output up to which all ways of rounding are tried: a depthwise 3 x 3 kernel."""
_BLOCK: Final = 64
_CHANNELS: Final = 128
_ON_GRID: Final = 1e-4
"""Steps that a weight may be from its code to count as lying on it."""


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


def round_weights(
    graph: FloatGraph,
    network: Network,
    integers: IntegerGraph,
    inputs: npt.NDArray[Any],
    *,
    feed: Callable[[npt.NDArray[Any]], FloatArray] = np.asarray,
    threads: int = 1,
    progress: Progress = silent,
) -> Network:
    """Return a network whose kernels, rounded to the nearest, have other codes.

    Weights whose code stays are not changed, so all scales stay, too.

    Args:
        graph: The float network as a graph.
        network: The same as layers.
        integers: The network, quantised.
        inputs: Representative images, shape (images, ...).
        feed: Makes the graph's inputs, float32, of some of them; without it they are that.
        threads: Images that run at a time.
        progress: Called after every batch.
    """
    layers = {node.output.name: node for node in integers.nodes if isinstance(node, WeightedNode)}
    moments = _moments(graph, layers, inputs, feed=feed, threads=threads, progress=progress)
    weights = dict(network.weights)
    for layer in graph.nodes:
        if layer.name in moments:
            old = weights[layer.name]
            kernel = _rounded(layers[layer.name], layer, moments[layer.name])
            weights[layer.name] = Weights(kernel=kernel.reshape(old.kernel.shape), bias=old.bias)
    return dataclasses.replace(network, weights=weights)


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


def _rounded(node: WeightedNode, layer: FloatNode, moments: Moments) -> FloatArray:
    """Return a kernel with those weights moved to their code that are nearer to another one."""
    kernel = layer.arrays["kernel"]
    scale = np.broadcast_to(node.weights.kernel_scale.astype(np.float64), kernel.shape[-1:])
    rows = kernel.reshape(-1, kernel.shape[-1]).T.astype(np.float64) / scale[:, np.newaxis]
    if _is_depthwise(layer):
        each = rows.reshape(layer.attributes["groups"], -1, rows.shape[1])
        codes = closest(each, moments.second).reshape(rows.shape)
    else:
        codes = closest(rows, moments.second)
    moved = (codes * scale[:, np.newaxis]).T.reshape(kernel.shape).astype(np.float32)
    changed = (codes != np.rint(rows)).T.reshape(kernel.shape)
    # A code's value must not be beyond the weight that gives the scale by a rounding of float32.
    axes = tuple(range(kernel.ndim - 1)) if np.ptp(scale) else None
    largest = np.abs(kernel).max(axis=axes)
    return np.where(changed, np.clip(moved, -largest, largest), kernel)


def closest(rows: Float64, second: Float64, *, damping: float = DAMPING) -> Float64:
    """Return codes for which the sums of products with the inputs change least.

    Args:
        rows: Weights in steps of their grid, shape (..., outputs, inputs).
        second: Moments of the inputs, shape (..., inputs, inputs).
        damping: See `DAMPING`.

    Returns:
        Whole numbers, less than one step from the weights, within -127..127.
    """
    power = np.diagonal(second, axis1=-2, axis2=-1)
    mean = power.mean(axis=-1)[..., np.newaxis, np.newaxis]
    # Inputs that never change are rounded to the nearest.
    moments = np.where(mean > 0, second, 0) / np.where(mean > 0, mean, 1)
    if rows.shape[-1] <= FEW:
        return _best_of_all(rows, moments + damping * np.eye(rows.shape[-1]))
    order = np.argsort(-power, axis=-1, kind="stable")
    moments = np.take_along_axis(moments, order[..., :, np.newaxis], axis=-2)
    moments = np.take_along_axis(moments, order[..., np.newaxis, :], axis=-1)
    upper = _factor(moments, damping)
    places = np.broadcast_to(order[..., np.newaxis, :], rows.shape)
    weights = np.take_along_axis(rows, places, axis=-1)
    lowest, highest = _neighbours(weights)
    codes = np.empty_like(weights)
    for start in range(0, weights.shape[-1], _BLOCK):
        end = min(start + _BLOCK, weights.shape[-1])
        errors = np.empty((*weights.shape[:-1], end - start))
        for i in range(start, end):
            value = weights[..., i]
            codes[..., i] = np.clip(np.rint(value), lowest[..., i], highest[..., i])
            error = (value - codes[..., i]) / upper[..., i, i, np.newaxis]
            errors[..., i - start] = error
            following = upper[..., i, np.newaxis, i + 1 : end]
            weights[..., i + 1 : end] -= error[..., np.newaxis] * following
        weights[..., end:] -= errors @ upper[..., start:end, end:]
    result = np.empty_like(codes)
    np.put_along_axis(result, places, codes, axis=-1)
    return result


def _neighbours(weights: Float64) -> tuple[Float64, Float64]:
    """Return the codes below and above weights, in steps of their grid."""
    nearest = np.rint(weights)
    # Weights on the grid stay: among them are those that give a channel its scale.
    on_grid = np.abs(weights - nearest) < _ON_GRID
    lowest = np.maximum(np.where(on_grid, nearest, np.floor(weights)), -QMAX)
    highest = np.minimum(np.where(on_grid, nearest, np.ceil(weights)), QMAX)
    return lowest, highest


def _best_of_all(rows: Float64, moments: Float64) -> Float64:
    """Return the codes with the least error of all that are next to the weights.

    The inputs of a depthwise channel are neighbours in the image and much alike, so the sum of the
    errors counts; what the last weight is rounded by, no other makes up for.
    """
    lowest, highest = _neighbours(rows)
    inputs = rows.shape[-1]
    # Of several that are equally good the first: the one with all weights at the nearest code.
    other = (np.arange(2**inputs)[:, np.newaxis] >> np.arange(inputs)) & 1 == 1
    nearest = np.clip(np.rint(rows), lowest, highest)
    sides = nearest, lowest + highest - nearest
    flat = rows.reshape(-1, rows.shape[-2], inputs)
    squares = np.broadcast_to(moments, (*rows.shape[:-2], inputs, inputs))
    squares = squares.reshape(-1, inputs, inputs)
    best = np.empty_like(flat)
    for start in range(0, len(flat), _CHANNELS):
        part = slice(start, start + _CHANNELS)
        near, far = (side.reshape(flat.shape)[part, :, np.newaxis] for side in sides)
        codes = np.where(other, far, near)
        errors = codes - flat[part, :, np.newaxis]
        powers = ((errors @ squares[part, np.newaxis]) * errors).sum(axis=-1)
        chosen = powers.argmin(axis=-1)[..., np.newaxis, np.newaxis]
        best[part] = np.take_along_axis(codes, chosen, axis=-2)[..., 0, :]
    return best.reshape(rows.shape)


def _factor(moments: Float64, damping: float) -> Float64:
    """Return the upper triangular U for which U^T U is the inverse of damped moments.

    Moments that float32 gives too coarsely to be those of anything are damped more.
    """
    identity = np.eye(moments.shape[-1])
    while True:
        try:
            inverse = np.linalg.inv(moments / damping + identity)
            lower = np.linalg.cholesky((inverse + inverse.swapaxes(-1, -2)) / 2)
        except np.linalg.LinAlgError:
            damping *= 10
        else:
            return np.asarray(lower.swapaxes(-1, -2))
