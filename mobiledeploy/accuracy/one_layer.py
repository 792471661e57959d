"""Measure what each layer costs by quantising it alone, with all others in float.

What a layer costs is the noise of the logits when only its weights, or only its output, are on
their int8 grid. The network is run from the last tensor that everything later depends on, so that
what comes before a layer is computed once.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.accuracy.agreement import Agreement, compare
from mobiledeploy.accuracy.bias_correction import real_kernel
from mobiledeploy.base.progress import Event, Progress, silent
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.network.float_graph import INPUT, FloatArray, FloatGraph, FloatNode
from mobiledeploy.ops.node import WeightedNode
from mobiledeploy.ops.tensors import QMAX, QMIN, QTensor
from mobiledeploy.runtimes import litert
from mobiledeploy.spec.config import Task
from mobiledeploy.targets import float_tflite

_TO_INTEGER: Final = 1.5 * 2.0**23
"""Adding this rounds a float32 to an integer: the unit in the last place of the sum is 1."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LayerCost:
    """What a layer alone costs.

    Attributes:
        name: Of the layer.
        op: What it computes.
        weights: The logits with only its weights in int8, beside the float network's; None of a
            layer without weights.
        output: The same with only its output on its grid.
    """

    name: str
    op: str
    weights: Agreement | None
    output: Agreement

    @property
    def noise(self) -> float:
        """Power of the logits' noise, by that of the logits: of the weights and of the output."""
        parts = (self.weights, self.output)
        return math.fsum(10 ** (-part.sqnr / 10) for part in parts if part is not None)


def one_by_one(
    graph: FloatGraph,
    integers: IntegerGraph,
    inputs: npt.NDArray[Any],
    *,
    task: Task = "classification",
    feed: Callable[[npt.NDArray[Any]], FloatArray] = np.asarray,
    threads: int = 1,
    progress: Progress = silent,
) -> tuple[LayerCost, ...]:
    """Return what each layer that both graphs have costs, in the order in which they run.

    Args:
        graph: The float network; its output are the logits.
        integers: The same, quantised: tensors of one name are the same one.
        inputs: Images that judge, shape (images, ...).
        task: What the outputs are.
        feed: Makes the graph's inputs, float32, of some of them; without it they are that.
        threads: Images that run at a time.
        progress: Called after every layer.
    """
    grids = integers.tensors()
    weighted = {
        node.output.name: node for node in integers.nodes if isinstance(node, WeightedNode)
    }
    values = feed(inputs)
    floats = _run(graph, values, threads)
    costs = []
    for rest, part in _parts(graph):
        for node in part:
            if node.name not in grids:
                continue
            changed = [_with_output_on_grid(rest, node, grids[node.name])]
            if node.name in weighted:
                changed.append(_with_weights(rest, node, weighted[node.name]))
            output, *weights = (
                compare(floats, _run(each, values, threads), task=task) for each in changed
            )
            costs.append(
                LayerCost(
                    name=node.name,
                    op=node.kind or node.op,
                    weights=weights[0] if weights else None,
                    output=output,
                )
            )
            progress(Event("explain", "one layer at a time", len(costs), len(graph.nodes)))
        values = _run(dataclasses.replace(rest, output=part[-1].name), values, threads)
    return tuple(costs)


def _run(graph: FloatGraph, inputs: FloatArray, threads: int) -> FloatArray:
    (outputs,) = litert.load(float_tflite.write(graph), threads=threads).run(inputs)
    return np.asarray(outputs, np.float32)


def _parts(graph: FloatGraph) -> Iterator[tuple[FloatGraph, Sequence[FloatNode]]]:
    """Yield the nodes between two tensors that all later ones depend on alone.

    With each part comes the graph from its first tensor on, which is that graph's input.
    """
    needed, shapes = graph.needed(), graph.shapes()
    nodes = [node for node in graph.nodes if node.name in needed]
    last_use = {name: place for place, node in enumerate(nodes) for name in node.inputs}
    start, source = 0, INPUT
    for place, node in enumerate(nodes):
        before = [INPUT, *(earlier.name for earlier in nodes[:place])]
        if any(last_use[name] > place for name in before):
            continue
        rest = [
            dataclasses.replace(
                later, inputs=tuple(INPUT if name == source else name for name in later.inputs)
            )
            for later in nodes[start:]
        ]
        yield (
            dataclasses.replace(graph, input_shape=shapes[source], nodes=tuple(rest)),
            rest[: place + 1 - start],
        )
        start, source = place + 1, node.name


def _with_weights(graph: FloatGraph, node: FloatNode, integers: WeightedNode) -> FloatGraph:
    """Return a graph in which a layer has the weights of its integers."""
    _, bias = integers.weights.real(integers.channel_axis)
    arrays = {"kernel": real_kernel(integers, node), "bias": bias}
    return _with_nodes(graph, node, (dataclasses.replace(node, arrays=arrays),))


def _with_output_on_grid(graph: FloatGraph, node: FloatNode, grid: QTensor) -> FloatGraph:
    """Return a graph in which the output of a layer is rounded to its int8 grid.

    No operator of the float graph rounds, but a sum of float32 does.
    """
    scale = float(grid.scale)
    low, high = (scale * (code - grid.zero_point) for code in (QMIN, QMAX))
    exact, clipped, codes, sums = (f"{node.name}/{what}" for what in ("real", "in", "sum", "code"))
    channels = grid.shape[-1]

    def affine(name: str, source: str, factor: float, offset: float) -> FloatNode:
        arrays = {
            "scale": np.full(channels, factor, np.float32),
            "offset": np.full(channels, offset, np.float32),
        }
        return FloatNode(name=name, op="affine", inputs=(source,), arrays=arrays)

    return _with_nodes(
        graph,
        node,
        (
            dataclasses.replace(node, name=exact),
            FloatNode(
                name=clipped, op="clip", inputs=(exact,), attributes={"low": low, "high": high}
            ),
            affine(codes, clipped, 1 / scale, _TO_INTEGER),
            affine(sums, codes, 1.0, -_TO_INTEGER),
            affine(node.name, sums, scale, 0.0),
        ),
    )


def _with_nodes(graph: FloatGraph, node: FloatNode, others: Sequence[FloatNode]) -> FloatGraph:
    place = next(i for i, each in enumerate(graph.nodes) if each.name == node.name)
    return dataclasses.replace(
        graph, nodes=(*graph.nodes[:place], *others, *graph.nodes[place + 1 :])
    )
