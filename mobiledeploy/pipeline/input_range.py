"""How pixels become the input of an imported network: said by its file or a user, or tried."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import RequestError
from mobiledeploy.base.progress import Event, Progress, silent
from mobiledeploy.network.float_graph import INPUT, FloatGraph, FloatNode
from mobiledeploy.network.importers.imported import Imported
from mobiledeploy.network.simplify.channel_order import fold_channel_order
from mobiledeploy.network.simplify.passes import simplify
from mobiledeploy.pipeline.tasks import last_operator
from mobiledeploy.runtimes import Array, litert
from mobiledeploy.spec.channel_scaling import (
    CANDIDATES,
    COLOURS,
    SCALINGS,
    ChannelScaling,
    options_of,
)
from mobiledeploy.spec.results import InputChoice
from mobiledeploy.targets import float_tflite
from mobiledeploy.verify.outputs import input_choice


def is_stated(imported: Imported) -> bool:
    """Whether the file says how pixels become its input: in so many words, or by its layers."""
    return bool(imported.input_range) or imported.scales_pixels


def of_pixels(imported: Imported, scaling: ChannelScaling | None, name: str) -> FloatGraph:
    """Return a graph whose input are pixels, with their scaling in it.

    Args:
        imported: The network and what its file says.
        scaling: What a user says; None if the file says it.
        name: Name of the file, for messages.

    Raises:
        RequestError: The scaling is not known, is stated twice, or is of another number of
            channels.
    """
    stated = is_stated(imported)
    if stated and scaling is not None:
        raise RequestError(
            f"{name} says itself how pixels become its input, but an input range was given",
            hint="leave out `--input-range`, `--mean` and `--std`",
        )
    if not stated and scaling is None:
        raise not_known(name)
    channels = imported.graph.input_shape[-1]
    if scaling is not None:
        if len(scaling.mean) not in {1, channels}:
            raise RequestError(
                f"expected one mean and std, or one for each of the {channels} channels of "
                f"{name}; received {len(scaling.mean)}",
                hint="give as many numbers to `--mean` and `--std` as there are channels",
            )
        if not scaling.fits(channels):
            raise RequestError(
                f"expected a network of {COLOURS} channels for {scaling.name}; {name} has "
                f"{channels}",
                hint="leave out `-bgr`",
            )
        mean, std = np.array(scaling.mean, np.float64), np.array(scaling.std, np.float64)
        if scaling.bgr:
            graph = _reversed(_scaled(imported.graph, 1 / std[::-1], -mean[::-1] / std[::-1]))
            return fold_channel_order(graph)
        return _scaled(imported.graph, 1 / std, -mean / std)
    if imported.input_range:
        rows = np.array(imported.input_range, np.float64)
        rows = np.broadcast_to(rows, (channels, 2))
        return _scaled(imported.graph, (rows[:, 1] - rows[:, 0]) / 255, rows[:, 0])
    return imported.graph


def not_known(name: str, why: str = "") -> RequestError:
    """Return the error that nobody says how pixels become a file's input.

    Args:
        name: Name of the file.
        why: Why photos do not decide it, in words; may be empty.
    """
    photos = f", and the photos do not decide it: {why}" if why else ""
    return RequestError(
        f"{name} does not say how pixels become its input{photos}",
        hint="say what it was trained with: `--input-range -1..1`, `0..1` or `0..255` "
        "(`0..1-bgr` if it was trained on images of OpenCV: blue, green, red); for "
        "Keras's ResNet50 and VGG `--input-range caffe`; for "
        f"torchvision and timm `{options_of(SCALINGS['torchvision'])}`",
    )


def choose(
    graph: FloatGraph,
    pixels: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.int64],
    orders: Sequence[npt.NDArray[np.int64]],
    *,
    threads: int,
    progress: Progress = silent,
) -> InputChoice:
    """Choose the scaling by labelled photos, see `input_choice.choose`.

    Args:
        graph: The network; its input are scaled pixels.
        pixels: uint8, shape (photos, height, width, channels).
        labels: The output that is the class of each photo.
        orders: Other orders of the classes, see `class_order.orders`.
        threads: Images that run at a time.
        progress: Called for every candidate.
    """
    session = litert.load(float_tflite.write(simplify(graph).graph), threads=threads)
    boundary = 0.5 if last_operator(graph) == "logistic" else 0.0

    def run(values: Array) -> Array:
        outputs = session.run(values)[0]
        if outputs.shape[-1] > 1:
            return outputs
        return np.concatenate([np.full_like(outputs, boundary), outputs], axis=-1)

    def tried(name: str, count: int) -> None:
        progress(Event("import", f"trying the input range {name} on {count} photos"))

    return input_choice.choose(
        run,
        pixels,
        (labels, *(order[labels] for order in orders)),
        tried=tried,
    )


def chosen(choice: InputChoice, name: str) -> ChannelScaling:
    """Return the scaling that was chosen.

    Raises:
        RequestError: None is plainly the best; the message has the numbers.
    """
    if choice.chosen:
        return CANDIDATES[choice.chosen]
    unknown = not_known(name)
    guessing = (
        "; none is better than guessing: check the order of the classes, too"
        if choice.near_chance
        else ""
    )
    raise RequestError(
        f"{unknown}, and no usual range is plainly the best on the photos: "
        f"{input_choice.words(choice)}{guessing}",
        hint=unknown.hint,
    )


def _reversed(graph: FloatGraph) -> FloatGraph:
    """Return a graph that reads the channels of its input in reverse."""
    channels = graph.input_shape[-1]
    kernel = np.eye(channels, dtype=np.float32)[None, None, :, ::-1]
    first = FloatNode(
        name=_unused(graph, "input_order"),
        op="conv",
        inputs=(INPUT,),
        attributes={"strides": (1, 1), "dilations": (1, 1), "groups": 1, "pads": (0, 0, 0, 0)},
        arrays={
            "kernel": np.ascontiguousarray(kernel),
            "bias": np.zeros(channels, np.float32),
        },
    )
    return _with_first(graph, first)


def _unused(graph: FloatGraph, name: str) -> str:
    while any(node.name == name for node in graph.nodes):
        name += "'"
    return name


def _scaled(graph: FloatGraph, scale: npt.ArrayLike, offset: npt.ArrayLike) -> FloatGraph:
    """Return a graph whose input is multiplied by a factor, and shifted, per channel."""
    channels = graph.input_shape[-1]
    first = FloatNode(
        name=_unused(graph, "input_scaling"),
        op="affine",
        inputs=(INPUT,),
        arrays={
            "scale": np.broadcast_to(np.asarray(scale, np.float32), (channels,)),
            "offset": np.broadcast_to(np.asarray(offset, np.float32), (channels,)),
        },
    )
    return _with_first(graph, first)


def _with_first(graph: FloatGraph, first: FloatNode) -> FloatGraph:
    """Return a graph whose other nodes read a first one in place of the input."""
    nodes = tuple(
        dataclasses.replace(
            node, inputs=tuple(first.name if read == INPUT else read for read in node.inputs)
        )
        for node in graph.nodes
    )
    return dataclasses.replace(graph, nodes=(first, *nodes))
