"""Rescale channels so that all of a tensor's use its grid, without changing the float function.

A tensor has one scale: a channel that is 50 times smaller than the largest gets five codes. What
is multiplied into the layer that writes a channel is divided out of the layers that read it.
Source: Nagel, van Baalen, Blankevoort, Welling, "Data-Free Quantization Through Weight
Equalization and Bias Correction", 2019, section 4.1, with measured activations and with sums of
residual branches.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.accuracy.observe import observe
from mobiledeploy.base.progress import Progress, silent
from mobiledeploy.network.float_graph import INPUT, FloatArray, FloatGraph, FloatNode
from mobiledeploy.ops.ranges import SMALLEST, Ranges
from mobiledeploy.ops.tensors import QMAX, QMIN, Shape
from mobiledeploy.spec.config import WeightsPer

MOST: Final = 2.0**10
"""Most that a channel is scaled up or down relative to another one of its tensor."""
SHARES: Final = (0.0, 0.25, 0.5, 0.625, 0.75, 0.875, 1.0)
"""Exponents of a channel's size in the factors that are compared."""
CREST: Final = 5.0
"""Assumed ratio of a channel's greatest absolute value in an image to its root mean square; the
noise that rounded weights cause grows with the latter, which is not measured."""
_PASSING: Final = frozenset({
    "max_pool", "average_pool", "mean", "reduce_max", "resize_nearest", "add", "sub", "maximum",
    "minimum", "leaky_relu", "prelu",
})  # fmt: skip
"""Operators for which `f(s x) = s f(x)`, channel by channel, if s > 0."""
_HOMOGENEOUS: Final = frozenset({"none", "relu"})
"""Activations of which the same holds."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Equalised:
    """A graph of the same function, with other sizes of channels.

    Attributes:
        graph: The graph.
        ranges: Least and greatest value of each tensor whose channels were rescaled, over all
            images that were given.
    """

    graph: FloatGraph
    ranges: Ranges


def can_equalise(graph: FloatGraph) -> bool:
    """Whether a graph has tensors whose channels may be rescaled."""
    return bool(_groups(graph))


def equalise(
    graph: FloatGraph,
    inputs: npt.NDArray[Any],
    *,
    weights_per: WeightsPer = "channel",
    feed: Callable[[npt.NDArray[Any]], FloatArray] = np.asarray,
    threads: int = 1,
    progress: Progress = silent,
) -> Equalised:
    """Return a graph of the same function within float rounding.

    Args:
        graph: The float network.
        inputs: Representative images, shape (images, ...): they decide how large channels are.
        weights_per: What of a convolution's int8 kernel will have a scale of its own.
        feed: Makes the network's inputs, float32, of some of them; without it they are that.
        threads: Images that run at a time.
        progress: Called after every batch.
    """
    groups = _groups(graph)
    if not groups:
        return Equalised(graph=graph, ranges={})
    tensors = [name for group in groups for name in group]
    channels = _channels(graph, tensors, inputs, feed=feed, threads=threads, progress=progress)
    nodes = {node.name: node for node in graph.nodes}
    users = graph.users()
    ranges = {}
    for group in groups:
        factors = _factors(group, channels, nodes, users, weights_per)
        for name in group:
            if _has_kernel(nodes[name]):
                nodes[name] = _scaled_output(nodes[name], factors)
            low, high = channels[name].lowest * factors, channels[name].highest * factors
            ranges[name] = min(float(low.min()), 0.0), max(float(high.max()), SMALLEST)
        readers = dict.fromkeys(user.name for tensor in group for user in users[tensor])
        for name in readers:
            if _has_kernel(nodes[name]):
                nodes[name] = _scaled_input(nodes[name], 1 / factors)
    return Equalised(graph=dataclasses.replace(graph, nodes=tuple(nodes.values())), ranges=ranges)


def _has_kernel(node: FloatNode) -> bool:
    return node.op in {"conv", "dense"}


def _is_depthwise(node: FloatNode, channels: int) -> bool:
    return node.op == "conv" and node.attributes["groups"] == channels > 1


def _groups(graph: FloatGraph) -> list[tuple[str, ...]]:
    """Return sets of tensors that must have the same factors and may have any."""
    shapes = graph.shapes()
    parents = {name: name for name in shapes}

    def root(name: str) -> str:
        while parents[name] != name:
            name = parents[name]
        return name

    locked = {INPUT, graph.output}
    for node in graph.nodes:
        if node.name not in shapes:
            continue
        if node.activation not in _HOMOGENEOUS:
            locked.add(node.name)
        if _has_kernel(node):
            locked.update(_unreadable(node, shapes))
        elif _passes(node, shapes):
            for name in node.inputs:
                parents[root(name)] = root(node.name)
        else:
            locked.update((node.name, *node.inputs))
    members: dict[str, list[str]] = {}
    for name in shapes:
        members.setdefault(root(name), []).append(name)
    return [tuple(group) for group in members.values() if not locked.intersection(group)]


def _passes(node: FloatNode, shapes: Mapping[str, Shape]) -> bool:
    """Whether factors of the inputs' channels are those of the output's."""
    if any(shapes[name][-1] != shapes[node.name][-1] for name in node.inputs):
        return False
    match node.op:
        case "clip":
            return bool(node.attributes["low"] == 0 and math.isinf(node.attributes["high"]))
        case "pad":
            return bool(node.attributes["value"] == 0)
        case "slice":
            return shapes[node.name][-1] == shapes[node.inputs[0]][-1]
        case "reshape":
            return math.prod(shapes[node.name]) == shapes[node.name][-1]
        case _:
            return node.op in _PASSING


def _unreadable(node: FloatNode, shapes: Mapping[str, Shape]) -> tuple[str, ...]:
    """Return the inputs whose factors a layer cannot take: those of grouped convolutions."""
    source = node.inputs[0]
    if node.op == "dense" or node.attributes["groups"] == 1:
        return ()
    channels = shapes[source][-1]
    same = _is_depthwise(node, channels) and shapes[node.name][-1] == channels
    return () if same else (source,)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Channels:
    """The channels of a tensor, float64, shape (channels,) each.

    Attributes:
        lowest: Least value over all images.
        highest: Greatest value over all images.
        size: Mean over images of the largest absolute value.
    """

    lowest: npt.NDArray[np.float64]
    highest: npt.NDArray[np.float64]
    size: npt.NDArray[np.float64]


def _channels(
    graph: FloatGraph, names: list[str], inputs: npt.NDArray[Any], **how: Any
) -> Mapping[str, _Channels]:
    shapes = graph.shapes()
    nodes, vectors = list[FloatNode](), dict[str, tuple[str, str]]()
    for name in names:
        channels = shapes[name][-1]
        minus = FloatNode(
            name=f"{name}/minus", op="affine", inputs=(name,),
            arrays={
                "scale": np.full(channels, -1, np.float32),
                "offset": np.zeros(channels, np.float32),
            },
        )  # fmt: skip
        nodes.append(minus)
        ends = (name, minus.name)
        if len(shapes[name]) == 3:
            ends = (f"{name}/max", f"{minus.name}/max")
            nodes.extend(
                FloatNode(
                    name=end, op="reduce_max", inputs=(source,), attributes={"keep_dims": False}
                )
                for end, source in zip(ends, (name, minus.name), strict=True)
            )
        vectors[name] = ends
    wanted = tuple(end for ends in vectors.values() for end in ends)
    batches = list(observe(graph, nodes, wanted, inputs, what="measuring channels", **how))
    measured = {}
    for name, ends in vectors.items():
        high, minus_low = (np.concatenate([batch[end] for batch in batches]) for end in ends)
        size = np.maximum(high, minus_low).mean(axis=0, dtype=np.float64)
        measured[name] = _Channels(
            lowest=-minus_low.max(axis=0).astype(np.float64),
            highest=high.max(axis=0).astype(np.float64),
            size=size,
        )
    return measured


def _factors(
    group: tuple[str, ...],
    channels: Mapping[str, _Channels],
    nodes: Mapping[str, FloatNode],
    users: Mapping[str, tuple[FloatNode, ...]],
    weights_per: WeightsPer,
) -> npt.NDArray[np.float64]:
    """Return the factor of each channel, shape (channels,), with a geometric mean of 1.

    The candidates are powers of the channels' sizes, from no change to channels of equal size
    (`SHARES`), and the factors that make channels as large in the tensors as in the weights that
    read them. The one with the least expected noise is taken.
    """
    size = np.max([_relative(channels[name].size) for name in group], axis=0)
    readers = [
        nodes[user.name] for name in group for user in users[name] if _has_kernel(nodes[user.name])
    ]
    # A depthwise kernel has a scale for each channel, so its weights' sizes do not matter.
    wide = [
        np.abs(_by_input(reader, len(size))).max(axis=(1, 2))
        for reader in readers
        if reader.arrays["kernel"].shape[-2] == len(size)
    ]
    weight = np.max([_relative(each) for each in wide], axis=0) if wide else 1 / size
    candidates = [np.sqrt(weight / size), *(size**-share for share in SHARES)]
    best, least = np.ones(len(size)), math.inf
    for factors in candidates:
        # Powers of two would change no rounding of the float network; channels need finer ones.
        scaled = np.clip(factors / np.exp(np.log(factors).mean()), MOST**-0.5, MOST**0.5)
        noise = _expected_noise(scaled, group, channels, nodes, readers, weights_per)
        if noise < least:
            best, least = scaled, noise
    return best


def _expected_noise(
    factors: npt.NDArray[np.float64],
    group: tuple[str, ...],
    channels: Mapping[str, _Channels],
    nodes: Mapping[str, FloatNode],
    readers: Sequence[FloatNode],
    weights_per: WeightsPer,
) -> float:
    """Return the power of rounding errors in the outputs of all that reads a group's tensors.

    Errors are taken as evenly spread over a step, and those of different values as independent.

    Args:
        factors: Of the channels, shape (channels,).
        group: The tensors.
        channels: Of each tensor, unscaled.
        nodes: By name, unscaled in these tensors.
        readers: Layers with weights that read the tensors.
        weights_per: What of a convolution's kernel has a scale of its own.
    """
    power = np.mean([channels[name].size ** 2 for name in group], axis=0) / CREST**2
    gains, noise = np.zeros(len(factors)), 0.0
    for reader in readers:
        kernel = _by_input(reader, len(factors))
        gains += (kernel**2).sum(axis=(1, 2))
        scaled = np.abs(kernel) / factors[:, np.newaxis, np.newaxis]
        steps = scaled.max(axis=(0, 1)) / QMAX
        if weights_per == "tensor" and reader.op == "conv":
            steps = np.full_like(steps, steps.max())
        elif reader.arrays["kernel"].shape[-2] != len(factors):
            continue  # each channel has its own scale, whatever the factors are
        outputs = steps if reader.arrays["kernel"].shape[-2] == len(factors) else steps[:1]
        noise += kernel.shape[1] * float((outputs**2).sum() * (factors**2 * power).sum())
    for name in group:
        low, high = channels[name].lowest * factors, channels[name].highest * factors
        step = (max(float(high.max()), 0.0) - min(float(low.min()), 0.0)) / (QMAX - QMIN)
        errors = np.full(len(factors), step**2)
        writer = nodes[name]
        if weights_per == "tensor" and writer.op == "conv":
            kernel = writer.arrays["kernel"].reshape(-1, len(factors)).astype(np.float64)
            largest = float((np.abs(kernel).max(axis=0) * factors).max()) / QMAX
            strength = (kernel**2).mean(axis=0)
            inputs = power / np.maximum(strength, np.finfo(np.float64).tiny)
            errors += largest**2 * np.median(inputs)
        noise += float((errors * gains / factors**2).sum())
    return noise


def _by_input(node: FloatNode, channels: int) -> npt.NDArray[np.float64]:
    """Return a kernel by the channel that it reads, shape (channels, taps, outputs)."""
    kernel = node.arrays["kernel"].astype(np.float64)
    if kernel.shape[-2] == channels:
        return np.moveaxis(kernel.reshape(-1, *kernel.shape[-2:]), 1, 0)
    return kernel.reshape(-1, channels).T[:, :, np.newaxis]


def _relative(sizes: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return sizes relative to the largest, none of them 0."""
    largest = float(sizes.max())
    if largest == 0:
        return np.ones(len(sizes))
    return np.maximum(sizes.astype(np.float64) / largest, 1 / MOST)


def _scaled_output(node: FloatNode, factors: npt.NDArray[np.float64]) -> FloatNode:
    arrays = {name: (array * factors).astype(np.float32) for name, array in node.arrays.items()}
    return dataclasses.replace(node, arrays=arrays)


def _scaled_input(node: FloatNode, factors: npt.NDArray[np.float64]) -> FloatNode:
    kernel = node.arrays["kernel"]
    if kernel.shape[-2] == len(factors):
        scaled = kernel * factors[:, np.newaxis]
    else:
        scaled = kernel * factors
    return dataclasses.replace(node, arrays={**node.arrays, "kernel": scaled.astype(np.float32)})
