"""Choose the ranges of activations by the squared error of their quantised values.

The extremes waste codes on a few large values: a narrower range clips these and represents all
others more finely. Source: Banner, Nahshan, Soudry, "Post Training 4-bit Quantization of
Convolutional Networks for Rapid-Deployment", 2019, section 3, with the measured distribution
instead of an assumed one.
"""

import math
from collections.abc import Callable, Collection, Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.accuracy.observe import observe
from mobiledeploy.base.progress import Progress, silent
from mobiledeploy.network.float_graph import FloatArray, FloatGraph, FloatNode
from mobiledeploy.ops.ranges import Interval, Ranges
from mobiledeploy.ops.tensors import QMAX, QMIN, Shape

BINS: Final = 4096
"""Bins of a histogram between the extremes: 16 a step of the widest grid."""
VALUES: Final = 2048
"""About how many values of a tensor and an image are counted."""
NARROWEST: Final = 0.3
"""Least part of the extremes that is tried."""
_SHRUNK: Final = np.linspace(1, NARROWEST, 36).tolist()
_REFINED: Final = np.linspace(1.3, 0.6, 29).tolist()
_ROUNDS: Final = 2


def ranges_by_error(
    graph: FloatGraph,
    extremes: Ranges,
    names: Collection[str],
    inputs: npt.NDArray[Any],
    *,
    feed: Callable[[npt.NDArray[Any]], FloatArray] = np.asarray,
    threads: int = 1,
    progress: Progress = silent,
) -> Ranges:
    """Return ranges, those of some tensors with the least mean squared error.

    Args:
        graph: The float network.
        extremes: The ranges as `calibrate` measures them; no chosen range goes beyond.
        names: The tensors whose ranges are chosen.
        inputs: Representative images, shape (images, ...).
        feed: Makes the network's inputs, float32, of some of them; without it they are that.
        threads: Images that run at a time.
        progress: Called after every batch.
    """
    shapes = graph.shapes()
    nodes, vectors = list[FloatNode](), dict[str, str]()
    for name in names:
        vectors[name] = name
        for node in _sampled(name, shapes[name]):
            nodes.append(node)
            vectors[name] = node.name
    counts = {name: np.zeros(BINS, np.int64) for name in vectors}
    for batch in observe(
        graph, nodes, tuple(vectors.values()), inputs, feed=feed, threads=threads,
        what="choosing ranges", progress=progress,
    ):  # fmt: skip
        for name, vector in vectors.items():
            counts[name] += _histogram(batch[vector], extremes[name])
    return {**extremes, **{name: best(counts[name], extremes[name]) for name in vectors}}


def _sampled(name: str, shape: Shape) -> Iterator[FloatNode]:
    """Yield the nodes that take about `VALUES` values of a tensor as a vector."""
    if len(shape) == 1:
        return
    sliced = name
    if len(shape) == 3:
        height, width, channels = shape
        positions = max(VALUES // channels, 1)
        step = max(math.isqrt(height * width // positions), 1)
        steps = (min(step, height), min(step, width), 1)
        begin = (steps[0] // 2, steps[1] // 2, 0)
        sliced = f"{name}/sample"
        yield FloatNode(
            name=sliced, op="slice", inputs=(name,),
            attributes={"begin": begin, "end": shape, "strides": steps},
        )  # fmt: skip
        shape = tuple(
            -(-(size - first) // each)
            for size, first, each in zip(shape, begin, steps, strict=True)
        )
    yield FloatNode(
        name=f"{name}/vector", op="reshape", inputs=(sliced,),
        attributes={"shape": (math.prod(shape),)},
    )  # fmt: skip


def _histogram(values: FloatArray, interval: Interval) -> npt.NDArray[np.int64]:
    low, high = interval
    bins = (values.ravel() - np.float32(low)) * np.float32(BINS / (high - low))
    numbers = np.clip(bins, 0, BINS - 1).astype(np.int64)
    return np.bincount(numbers, minlength=BINS)


def best(counts: npt.NDArray[np.int64], extremes: Interval) -> Interval:
    """Return the range within the extremes on whose grid the values have the least error.

    Args:
        counts: How many values each of `BINS` equal bins between the extremes holds.
        extremes: Least and greatest value, around 0.
    """
    low, high = extremes
    centres = low + (np.arange(BINS, dtype=np.float64) + 0.5) * ((high - low) / BINS)
    chosen = min(
        ((low * part, high * part) for part in _SHRUNK),
        key=lambda interval: _error(counts, centres, interval),
    )
    if low == 0 or high == 0:
        return chosen
    for _ in range(_ROUNDS):
        for end in range(2):
            tried = [chosen]
            for part in _REFINED:
                ends = list(chosen)
                ends[end] *= part
                if low <= ends[0] and ends[1] <= high:
                    tried.append((ends[0], ends[1]))
            chosen = min(tried, key=lambda interval: _error(counts, centres, interval))
    return chosen


def _error(
    counts: npt.NDArray[np.int64], centres: npt.NDArray[np.floating[Any]], interval: Interval
) -> float:
    low, high = interval
    step = (high - low) / (QMAX - QMIN)
    zero = np.rint(-low / step)
    codes = np.clip(np.rint(centres / step) + zero, 0, QMAX - QMIN)
    return float(counts @ ((codes - zero) * step - centres) ** 2)
