"""Prepare the network of a model file to be quantised: read it, then simplify it."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.network.float_graph import FloatGraph, FloatNode
from mobiledeploy.network.importers import sources
from mobiledeploy.network.importers.imported import Imported, Notice
from mobiledeploy.network.network import Network
from mobiledeploy.network.simplify.channel_order import fold_channel_order
from mobiledeploy.network.simplify.input_scaling import PIXELS
from mobiledeploy.network.simplify.passes import simplify
from mobiledeploy.network.simplify.to_network import refused_nodes, to_network
from mobiledeploy.ops.architecture import Architecture
from mobiledeploy.pipeline import (
    input_range,
    tasks,
    value_inputs,
)
from mobiledeploy.spec.channel_scaling import ChannelScaling

SINGLY: Final = 5
"""Most layers of one kind with the same fault that have a line each in an error."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prepared:
    """An imported network, ready to be quantised.

    Attributes:
        graph: The simplified graph, whose input are scaled pixels.
        network: The same as layers and weights.
        border: See `simplify.input_scaling.ScaledGraph`.
        notices: Of the import.
    """

    graph: FloatGraph
    network: Network
    border: float
    notices: tuple[Notice, ...]


def read_model(
    path: Path, *, image_size: tuple[int, int] | None = None, output: str | None = None
) -> Imported:
    """Return the network of a `.keras`, `.h5`, float `.onnx` or float `.tflite`.

    Args:
        path: The file.
        image_size: Height and width of images, where the file leaves them open.
        output: Name of the output, where the file has several.

    Raises:
        RequestError: There is no such file, or it leaves the size or the output open.
        ConversionError: A layer is not supported; the message names all of them.
        CorruptFileError: The file is damaged.
    """
    imported = sources.read(path, image_size=image_size, output=output)
    if imported.unsupported:
        raise ConversionError(
            f"{path.name}: {_counted(len(imported.unsupported))} not supported:\n  "
            + "\n  ".join(_unsupported(imported)),
            hint="do what the reasons say, or save the network without these layers; "
            "`mobiledeploy convert` takes files that are quantised already",
        )
    return _with_vector(imported)


def architecture_of(path: Path, *, image_size: tuple[int, int] | None = None) -> Architecture:
    """Return the layers of a model file as they are quantised: with batch normalisation folded.

    Args:
        path: The file.
        image_size: See `read_model`.

    Raises:
        MobileDeployError: See `read_model`; or a layer cannot be quantised. Of a file that is
            quantised already the hint names the command that counts it.
    """
    try:
        imported = read_model(path, image_size=image_size)
    except ConversionError as error:
        error.hint = f"{error.hint}; `mobiledeploy inspect` counts the MACs and bytes of any file"
        raise
    return to_network(simplify(imported.graph).graph, PIXELS).architecture


def _counted(layers: int) -> str:
    return "1 layer is" if layers == 1 else f"{layers} layers are"


def _with_vector(imported: Imported) -> Imported:
    """Return a supported network with a vector as output and channels in the order of pixels.

    Raises:
        ConversionError: See `tasks.as_vector`.
    """
    graph = tasks.as_vector(fold_channel_order(imported.graph))
    return dataclasses.replace(imported, graph=graph)


def _unsupported(imported: Imported) -> Iterator[str]:
    """Yield a line for each layer that is not supported, or for all of one kind and reason."""
    groups: dict[tuple[str, str], list[FloatNode]] = {}
    for node in imported.unsupported:
        groups.setdefault((node.kind, node.attributes["reason"]), []).append(node)
    for (kind, reason), nodes in groups.items():
        if len(nodes) <= SINGLY:
            yield from (f"{node.label}: {reason}" for node in nodes)
        else:
            names = ", ".join(f"`{node.name}`" for node in nodes)
            yield f"{len(nodes)} layers {kind}: {reason}: {names}"


def refusals(imported: Imported, name: str) -> tuple[tuple[FloatNode, str], ...]:
    """Return the layers that are not supported or have no int8 operator, with the reasons.

    Args:
        imported: The network.
        name: Name of its file, for messages.

    Raises:
        RequestError: The file states an input range that pixels cannot have.
        ConversionError: The network does not fit together, or its output is no vector.
    """
    if imported.unsupported:
        return tuple((node, node.attributes["reason"]) for node in imported.unsupported)
    imported = _with_vector(imported)
    if value_inputs.is_image(imported.graph.input_shape) and input_range.is_stated(imported):
        pixels = input_range.of_pixels(imported, None, name)
        return refused_nodes(simplify(pixels, pixels=True).graph)
    return refused_nodes(simplify(imported.graph).graph)


def prepare(imported: Imported, name: str, *, scaling: ChannelScaling | None = None) -> Prepared:
    """Simplify an imported network.

    Args:
        imported: The network.
        name: Name of its file, for messages.
        scaling: How pixels become the network's input, where its file does not say it.

    Raises:
        RequestError: Nobody says how pixels become the network's input, or the file and the caller
            both do.
        ConversionError: A layer cannot be quantised; the message names all of them.
    """
    scaled = simplify(input_range.of_pixels(imported, scaling, name), pixels=True)
    network = to_network(scaled.graph, scaled.scaling)
    return Prepared(
        graph=scaled.graph,
        network=network,
        border=scaled.border,
        notices=imported.notices,
    )
