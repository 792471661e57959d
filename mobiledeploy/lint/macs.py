"""How many multiplications a file does for one image."""

import math

from mobiledeploy.formats.model import Dimension
from mobiledeploy.lint.graph import Graph
from mobiledeploy.lint.layer import Layer


def macs(graph: Graph) -> int | None:
    """Return the multiply-accumulates of convolutions and dense layers; None if not known.

    As the file does them: zeros that a writer put into a kernel count.
    """
    total = 0
    for layer in graph.layers:
        if layer.kind in {"conv", "depthwise", "dense"}:
            count = _layer(graph, layer)
            if count is None:
                return None
            total += count
    return total


def _layer(graph: Graph, layer: Layer) -> int | None:
    sizes = None if layer.kernel is None else layer.kernel.tensor.sizes
    positions = _positions(graph, layer)
    return None if sizes is None or positions is None else math.prod(sizes) * positions


def _positions(graph: Graph, layer: Layer) -> int | None:
    """Return at how many places of an image the kernel is applied."""
    shape = layer.output.tensor.shape
    if shape is None or not shape:
        return None
    places: tuple[Dimension, ...] = shape[1:-1]
    if graph.model.format == "onnx" and layer.kind != "dense":
        places = shape[2:]
    known = [size for size in places if isinstance(size, int) and size >= 0]
    return math.prod(known) if len(known) == len(places) else None
