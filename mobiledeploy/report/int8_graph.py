"""Measure the int8 graph of a `.tflite` for the report: its activations on images, its cost."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Final

import numpy as np

from mobiledeploy import reading
from mobiledeploy.base.errors import ConversionError
from mobiledeploy.base.progress import Progress
from mobiledeploy.formats.model_file import ModelFile
from mobiledeploy.integer import float_reference, tflite_reader
from mobiledeploy.integer.float_reference import RealWeights
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.network.cost import LayerCost, cost
from mobiledeploy.network.network import Network
from mobiledeploy.ops import table
from mobiledeploy.ops.architecture import INPUT, Architecture, Layer
from mobiledeploy.ops.node import Node, WeightedNode
from mobiledeploy.ops.tensors import QTensor
from mobiledeploy.report import activations
from mobiledeploy.report.document import Activations, CostLine, GraphCost, ReferenceKind
from mobiledeploy.runtimes import TensorInfo
from mobiledeploy.verify.outputs import model_input
from mobiledeploy.verify.outputs.image_sets import ImageSet
from mobiledeploy.verify.pair import Observed

MACS: Final = 2e9
"""Most multiply-accumulates of the oracle for all images: some seconds on one core."""
FEWEST, MOST = 2, 64
"""Smallest and largest number of images that activations are measured on."""
LARGEST: Final = 2**26
"""Most elements of all tensors together: ten times those of a MobileNet."""
MOST_MACS: Final = 1e10
"""Most multiply-accumulates for one image: more than ten times those of a MobileNet."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GraphReport:
    """The fields of `Report` that describe the int8 graph."""

    activations: Activations | None
    activations_missing: str
    cost: GraphCost | None


def report_on_graph(
    observed: Observed, network: Network | None, *, threads: int, progress: Progress
) -> GraphReport:
    """Return the activations and the cost of the first `.tflite`'s graph.

    Args:
        observed: The files and the images; labelled images are preferred.
        network: The float network of the build; None if it is not known.
        threads: Images that run at a time.
        progress: Called after every image.
    """
    file = next((file for file in observed.files if file.format == "tflite"), None)
    if file is None:
        return _missing("neither file is a .tflite, from which the int8 graph is read")
    try:
        graph = tflite_reader.read(file.tflite)
    except ConversionError as error:
        return _missing(f"{file.name} is not an int8 graph of supported layers: {error}")
    graph_costs = graph_cost(graph)
    elements = sum(math.prod(tensor.shape) for tensor in graph.tensors().values())
    if elements > LARGEST or graph_costs.macs > MOST_MACS:
        return _missing("the graph is too large to be run in NumPy", graph_costs)
    try:
        measured = _measure(
            graph, file, _images(observed), network, graph_costs.macs, threads, progress
        )
    except ConversionError as error:
        return _missing(str(error), graph_costs)
    return GraphReport(activations=measured, activations_missing="", cost=graph_costs)


def _missing(why: str, costs: GraphCost | None = None) -> GraphReport:
    return GraphReport(activations=None, activations_missing=why, cost=costs)


def _images(observed: Observed) -> ImageSet:
    labelled = (images for images in observed.sets if images.labels is not None)
    return next(labelled, observed.sets[0])


def _measure(
    graph: IntegerGraph,
    file: ModelFile,
    images: ImageSet,
    network: Network | None,
    macs: int,
    threads: int,
    progress: Progress,
) -> Activations:
    count = min(len(images), MOST, max(FEWEST, int(MACS / max(macs, 1))))
    rows = np.unique(np.linspace(0, len(images) - 1, count).round().astype(int))
    codes = TensorInfo(name=graph.input.name, dtype=np.dtype(np.int8), shape=graph.input.shape)
    (feed,) = model_input.feeds([(reading.read_tflite(file.tflite).input, codes)])
    pixels = np.concatenate([images.pixels(row, row + 1) for row in rows])
    kernels, reference = real_weights(graph, network)
    return Activations(
        file=file.name,
        inputs=images.name,
        images=len(rows),
        reference=reference,
        tensors=activations.measure(
            graph,
            feed(pixels),
            [images.names[row] for row in rows],
            kernels,
            threads=threads,
            progress=progress,
        ),
    )


def real_weights(
    graph: IntegerGraph, network: Network | None
) -> tuple[RealWeights, ReferenceKind]:
    """Return the float network's weights where it has the same layers, else the graph's own."""
    own = float_reference.dequantised(graph)
    if network is None:
        return own, "int8 weights in float"
    # Keras has the output channels last, as HWIO, HWC1 and IO; integer graphs have them first.
    trained = {
        name: (np.moveaxis(weights.kernel, -1, 0), weights.bias)
        for name, weights in network.weights.items()
    }
    same = trained.keys() == own.keys() and all(
        trained[name][0].shape == kernel.shape for name, (kernel, _) in own.items()
    )
    return (trained, "float network") if same else (own, "int8 weights in float")


def graph_cost(graph: IntegerGraph) -> GraphCost:
    """Return the cost of an int8 graph for one image."""
    counted = cost(_architecture(graph))
    names = {str(number): node.output.name for number, node in enumerate(graph.nodes)}
    lines = tuple(
        _line(line, node) for line, node in zip(counted.layers, graph.nodes, strict=True)
    )
    return GraphCost(
        macs=counted.macs,
        weights=sum(line.weights for line in lines),
        weight_bytes=counted.int8_bytes,
        peak_bytes=counted.peak_bytes,
        peak_layer=names[counted.peak_layer],
        layers=lines,
    )


def _line(counted: LayerCost, node: Node) -> CostLine:
    weights = node.weights if isinstance(node, WeightedNode) else None
    return CostLine(
        layer=node.output.name,
        operator=counted.op,
        shape=counted.output_shape,
        macs=counted.macs,
        weights=0 if weights is None else weights.kernel.size + weights.bias.size,
        weight_bytes=counted.int8_bytes,
        live_bytes=counted.live_bytes,
    )


def _architecture(graph: IntegerGraph) -> Architecture:
    """Return a graph's layers, with numbers as names, since a file's names may be anything."""
    names = {node.output.name: str(number) for number, node in enumerate(graph.nodes)}
    names[graph.input.name] = INPUT
    tensors = graph.tensors()
    return Architecture(
        name=graph.name,
        input_shape=graph.input.shape,
        layers=tuple(_layer(node, names, tensors) for node in graph.nodes),
    )


def _layer(node: Node, names: Mapping[str, str], tensors: Mapping[str, QTensor]) -> Layer:
    inputs = [tensors[name] for name in node.inputs]
    layer = table.of_node(node).float_layer(node, inputs)
    return dataclasses.replace(
        layer,
        name=names[node.output.name],
        inputs=tuple(names[name] for name in node.inputs),
    )
