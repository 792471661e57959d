"""Measure the activations of an int8 graph on images: histogram, range, quantisation noise.

The NumPy oracle gives the codes, a float32 run of the same layers the real values. Both run end to
end, so the noise of a layer contains that of the layers before it.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.base.progress import Event, Progress
from mobiledeploy.integer import float_reference, oracle
from mobiledeploy.integer.float_reference import RealWeights
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.ops import table
from mobiledeploy.ops.node import Node
from mobiledeploy.ops.tensors import QMIN, Float32, Int8, QTensor
from mobiledeploy.report.document import Activation
from mobiledeploy.runtimes import cpu

CODES = 256
"""Number of int8 codes."""


@dataclasses.dataclass(slots=True, eq=False)
class _Statistics:
    """Running sums of one tensor over the images so far."""

    counts: npt.NDArray[np.int64]
    low: float = math.inf
    high: float = -math.inf
    signal: float = 0.0
    noise: float = 0.0
    worst: tuple[float, str] = (math.inf, "")


def measure(
    graph: IntegerGraph,
    images: Int8,
    names: Sequence[str],
    kernels: RealWeights,
    *,
    threads: int,
    progress: Progress,
) -> tuple[Activation, ...]:
    """Return the statistics of every tensor.

    Args:
        graph: The int8 graph.
        images: Codes of the input, shape (images, height, width, channels).
        names: Names of the images.
        kernels: Real weights for the float32 run.
        threads: Images that run at a time.
        progress: Called after every image.

    Raises:
        ConversionError: Real values go beyond float32.
    """
    tensors = graph.tensors()
    statistics = {name: _Statistics(counts=np.zeros(CODES, np.int64)) for name in tensors}
    rows = oracle.stream(graph, images, threads=threads, kernels=cpu.this_architecture())
    for number, (name, codes) in enumerate(zip(names, rows, strict=True)):
        image = _real(images[number : number + 1], graph.input)
        with np.errstate(over="ignore", invalid="ignore"):
            reference = float_reference.run(graph, image, kernels)
        with oracle.one_blas_thread():
            for tensor in tensors.values():
                _add(
                    statistics[tensor.name],
                    codes[tensor.name],
                    tensor,
                    reference[tensor.name],
                    name,
                )
        progress(Event("report", "ranges of every activation", number + 1, len(names)))
    operators = {graph.input.name: "input"}
    operators |= {node.output.name: layer_kind(node, tensors) for node in graph.nodes}
    return tuple(
        _summary(tensor, operators[name], statistics[name]) for name, tensor in tensors.items()
    )


def layer_kind(node: Node, tensors: Mapping[str, QTensor]) -> str:
    """Return the name of the operator that a node computes, such as `conv`.

    Args:
        node: The node.
        tensors: The tensors of its graph, by name.
    """
    return table.of_node(node).float_layer(node, [tensors[name] for name in node.inputs]).op


def _real(codes: Int8, grid: QTensor) -> Float32:
    real: Float32 = (codes.astype(np.float32) - np.float32(grid.zero_point)) * grid.scale
    return real


def _add(
    statistics: _Statistics, codes: Int8, grid: QTensor, reference: Float32, image: str
) -> None:
    if not np.isfinite(reference).all():
        raise ConversionError(f"`{grid.name}` has real values beyond float32")
    statistics.counts += np.bincount(codes.view(np.uint8).ravel() ^ 128, minlength=CODES)
    statistics.low = min(statistics.low, float(reference.min()))
    statistics.high = max(statistics.high, float(reference.max()))
    flat = reference.ravel().astype(np.float64)
    difference = _real(codes, grid).ravel() - flat
    signal, noise = float(flat @ flat), float(difference @ difference)
    statistics.signal += signal
    statistics.noise += noise
    ratio = _decibels(signal, noise)
    if ratio is not None and ratio < statistics.worst[0]:
        statistics.worst = (ratio, image)


def _decibels(signal: float, noise: float) -> float | None:
    return 10 * math.log10(signal / noise) if signal > 0 and noise > 0 else None


def _summary(tensor: QTensor, writer: str, statistics: _Statistics) -> Activation:
    used = np.flatnonzero(statistics.counts)
    total = int(statistics.counts.sum())
    worst, image = statistics.worst
    return Activation(
        name=tensor.name,
        operator=writer,
        shape=tensor.shape,
        scale=float(tensor.scale),
        zero_point=tensor.zero_point,
        counts=tuple(int(count) for count in statistics.counts),
        lowest=int(used[0]) + QMIN,
        highest=int(used[-1]) + QMIN,
        at_lowest=int(statistics.counts[0]) / total,
        at_highest=int(statistics.counts[-1]) / total,
        unused=CODES - len(used),
        real_low=statistics.low,
        real_high=statistics.high,
        sqnr=_decibels(statistics.signal, statistics.noise),
        sqnr_worst=worst if image else None,
        worst=image,
    )
