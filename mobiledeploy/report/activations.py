"""Every activation of an int8 graph on real images: its codes, and its distance from real values.

The NumPy oracle gives the codes, a float32 run of the same layers the real values. Both go end to
end, so that the noise of a layer contains that of the layers before it.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.base.progress import Event, Progress
from mobiledeploy.integer import float_reference, oracle
from mobiledeploy.integer.float_reference import Kernels
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.ops import table
from mobiledeploy.ops.operator import Node
from mobiledeploy.ops.tensors import QMIN, Float32, Int8, QTensor
from mobiledeploy.report.document import Activation
from mobiledeploy.runtimes import cpu

CODES = 256


@dataclasses.dataclass(slots=True, eq=False)
class _Seen:
    """What was seen of a tensor so far."""

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
    kernels: Kernels,
    *,
    threads: int,
    progress: Progress,
) -> tuple[Activation, ...]:
    """Return the statistics of every tensor.

    Args:
        graph: What to run.
        images: Codes of the input, shape (images, height, width, channels).
        names: One an image.
        kernels: Real weights of the reference.
        threads: Images that run at a time.
        progress: Told after every image.

    Raises:
        ConversionError: The scales are such that real values leave float32.
    """
    tensors = graph.tensors()
    seen = {name: _Seen(counts=np.zeros(CODES, np.int64)) for name in tensors}
    rows = oracle.stream(graph, images, threads=threads, kernels=cpu.this_architecture())
    for number, (name, codes) in enumerate(zip(names, rows, strict=True)):
        image = _real(images[number : number + 1], graph.input)
        with np.errstate(over="ignore", invalid="ignore"):
            reference = float_reference.run(graph, image, kernels)
        with oracle.one_blas_thread():
            for tensor in tensors.values():
                _add(seen[tensor.name], codes[tensor.name], tensor, reference[tensor.name], name)
        progress(Event("report", "ranges of every activation", number + 1, len(names)))
    operators = {graph.input.name: "input"}
    operators |= {node.output.name: operator(node, tensors) for node in graph.nodes}
    return tuple(_summary(tensor, operators[name], seen[name]) for name, tensor in tensors.items())


def operator(node: Node, tensors: Mapping[str, QTensor]) -> str:
    """Return what a node computes: the name of its layer's operator.

    Args:
        node: The node.
        tensors: Of its graph, by name.
    """
    return table.of_node(node).float_layer(node, [tensors[name] for name in node.inputs]).op


def _real(codes: Int8, grid: QTensor) -> Float32:
    real: Float32 = (codes.astype(np.float32) - np.float32(grid.zero_point)) * grid.scale
    return real


def _add(seen: _Seen, codes: Int8, grid: QTensor, reference: Float32, image: str) -> None:
    if not np.isfinite(reference).all():
        raise ConversionError(f"`{grid.name}`: real values beyond float32")
    seen.counts += np.bincount(codes.view(np.uint8).ravel() ^ 128, minlength=CODES)
    seen.low = min(seen.low, float(reference.min()))
    seen.high = max(seen.high, float(reference.max()))
    flat = reference.ravel().astype(np.float64)
    difference = _real(codes, grid).ravel() - flat
    signal, noise = float(flat @ flat), float(difference @ difference)
    seen.signal += signal
    seen.noise += noise
    found = _decibels(signal, noise)
    if found is not None and found < seen.worst[0]:
        seen.worst = (found, image)


def _decibels(signal: float, noise: float) -> float | None:
    return 10 * math.log10(signal / noise) if signal > 0 and noise > 0 else None


def _summary(tensor: QTensor, writer: str, seen: _Seen) -> Activation:
    used = np.flatnonzero(seen.counts)
    total = int(seen.counts.sum())
    worst, image = seen.worst
    return Activation(
        name=tensor.name,
        operator=writer,
        shape=tensor.shape,
        scale=float(tensor.scale),
        zero_point=tensor.zero_point,
        counts=tuple(int(count) for count in seen.counts),
        lowest=int(used[0]) + QMIN,
        highest=int(used[-1]) + QMIN,
        at_lowest=int(seen.counts[0]) / total,
        at_highest=int(seen.counts[-1]) / total,
        unused=CODES - len(used),
        real_low=seen.low,
        real_high=seen.high,
        sqnr=_decibels(seen.signal, seen.noise),
        sqnr_worst=worst if image else None,
        worst=image,
    )
