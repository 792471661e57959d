"""What the int8 graph inside a `.tflite` shows: activations on images, and what it costs."""

import dataclasses
import math
from typing import Final

import numpy as np

from mobiledeploy import reading
from mobiledeploy.base.errors import ConversionError
from mobiledeploy.base.progress import Progress
from mobiledeploy.formats.model_file import ModelFile
from mobiledeploy.integer import float_reference, tflite_reader
from mobiledeploy.integer.float_reference import Kernels
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.network.network import Network
from mobiledeploy.report import activations, graph_cost
from mobiledeploy.report.document import Activations, GraphCost, Reference
from mobiledeploy.runtimes import TensorInfo
from mobiledeploy.verify.outputs import model_input
from mobiledeploy.verify.outputs.image_sets import ImageSet
from mobiledeploy.verify.pair import Observed

MACS: Final = 2e9
"""Multiplications that the oracle may spend: some seconds on one core."""
FEWEST, MOST = 2, 64
LARGEST: Final = 2**26
"""Elements of all tensors together that are looked at: ten times those of a MobileNet."""
MOST_MACS: Final = 1e10
"""Multiplications of an image that are tried: more than ten times those of a MobileNet."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GraphReport:
    """See the fields of `Report` of the same names."""

    activations: Activations | None
    activations_missing: str
    cost: GraphCost | None


def of(
    observed: Observed, network: Network | None, *, threads: int, progress: Progress
) -> GraphReport:
    """Return the activations and the cost of the first `.tflite`'s graph.

    Args:
        observed: The files and the images; labelled ones are preferred.
        network: The float network of the build, if it is at hand.
        threads: Images that run at a time.
        progress: Told after every image.
    """
    file = next((file for file in observed.files if file.format == "tflite"), None)
    if file is None:
        return _missing("neither file is a .tflite, from which the graph is read")
    try:
        graph = tflite_reader.read(file.tflite)
    except ConversionError as error:
        return _missing(f"{file.name} is no int8 graph of the layers that are known here: {error}")
    cost = graph_cost.of(graph)
    elements = sum(math.prod(tensor.shape) for tensor in graph.tensors().values())
    if elements > LARGEST or cost.macs > MOST_MACS:
        return _missing("the graph is too large to be run in NumPy", cost)
    try:
        found = _measure(graph, file, _images(observed), network, cost.macs, threads, progress)
    except ConversionError as error:
        return _missing(str(error), cost)
    return GraphReport(activations=found, activations_missing="", cost=cost)


def _missing(why: str, cost: GraphCost | None = None) -> GraphReport:
    return GraphReport(activations=None, activations_missing=why, cost=cost)


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
    kernels, reference = _kernels(graph, network)
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


def _kernels(graph: IntegerGraph, network: Network | None) -> tuple[Kernels, Reference]:
    """Return the float network's weights where it has the same layers, else the graph's own."""
    own = float_reference.dequantised(graph)
    if network is None:
        return own, "int8 weights in float"
    orders = {layer.name: _order(layer.op) for layer in network.architecture.layers}
    found = {
        name: (weights.kernel.transpose(orders[name]), weights.bias)
        for name, weights in network.weights.items()
    }
    same = found.keys() == own.keys() and all(
        found[name][0].shape == kernel.shape for name, (kernel, _) in own.items()
    )
    return (found, "float network") if same else (own, "int8 weights in float")


def _order(op: str) -> tuple[int, ...]:
    """Return how Keras's kernel becomes TFLite's: HWIO to OHWI, HWC1 to 1HWC, IO to OI."""
    return {"conv": (3, 0, 1, 2), "depthwise": (3, 0, 1, 2), "dense": (1, 0)}[op]
