"""How pixels become the input of an imported network: said by its file or a user, or tried."""

import dataclasses
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import RequestError
from mobiledeploy.base.progress import Event, Progress, silent
from mobiledeploy.network.float_graph import INPUT, FloatGraph, FloatNode
from mobiledeploy.network.importers.imported import Imported
from mobiledeploy.network.simplify.passes import simplify
from mobiledeploy.runtimes import litert
from mobiledeploy.spec.channel_scaling import SCALINGS, ChannelScaling, options_of
from mobiledeploy.spec.results import Accuracy, InputCandidate, InputChoice
from mobiledeploy.targets import float_tflite
from mobiledeploy.verify.outputs import accuracy


def is_stated(imported: Imported) -> bool:
    """Whether the file says how pixels become its input: in so many words, or by its layers."""
    readers = imported.graph.users()[INPUT]
    return bool(imported.input_range) or (len(readers) == 1 and readers[0].op == "affine")


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
        mean, std = np.array(scaling.mean, np.float64), np.array(scaling.std, np.float64)
        return _scaled(imported.graph, 1 / std, -mean / std)
    if imported.input_range:
        rows = np.array(imported.input_range, np.float64)
        rows = np.broadcast_to(rows, (channels, 2))
        return _scaled(imported.graph, (rows[:, 1] - rows[:, 0]) / 255, rows[:, 0])
    return imported.graph


def not_known(name: str) -> RequestError:
    """Return the error that nobody says how pixels become a file's input."""
    return RequestError(
        f"{name} does not say how pixels become its input",
        hint="say what it was trained with: `--input-range -1..1`, `0..1` or `0..255`; for "
        f"torchvision and timm `{options_of(SCALINGS['torchvision'])}`",
    )


PLAIN: Final = 0.01
"""p-value of McNemar's exact test, best against second, below which the best one is chosen."""
TRIED: Final = 256
"""Most photos on which candidates are tried."""


def choose(
    graph: FloatGraph,
    pixels: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.int64],
    orders: Sequence[npt.NDArray[np.int64]],
    *,
    threads: int,
    progress: Progress = silent,
) -> InputChoice:
    """Try the usual scalings on labelled photos; choose the one that is right most often.

    It is chosen if it is plainly better than the second (`PLAIN`) and than guessing: the 95 %
    interval of its accuracy lies above 1 / classes.

    Args:
        graph: The network; its input are scaled pixels.
        pixels: uint8, shape (photos, height, width, channels).
        labels: The output that is the class of each photo.
        orders: Other orders of the classes, by each of which a candidate may be right as well: a
            wrong order must not look like a wrong scaling. See `class_order.orders`.
        threads: Images that run at a time.
        progress: Called for every candidate.
    """
    rows = np.unique(np.linspace(0, len(pixels) - 1, TRIED).round().astype(np.int64))
    pixels, labels = pixels[rows], labels[rows]
    graph = simplify(graph).graph
    session = litert.load(float_tflite.write(graph), threads=threads)
    channels = np.arange(pixels.shape[-1])
    tried: list[tuple[npt.NDArray[np.bool_], InputCandidate]] = []
    for name, scaling in SCALINGS.items():
        if len(scaling.mean) not in {1, len(channels)}:
            continue
        progress(Event("import", f"trying the input range {name} on {len(rows)} photos"))
        table = scaling.values(len(channels)).astype(np.float32)
        (outputs,) = session.run(table[pixels, channels])
        outputs = outputs.reshape(len(rows), -1)
        predicted = np.where(np.isfinite(outputs).all(axis=1), outputs.argmax(axis=1), -1)
        right = max(
            (predicted == truth for truth in (labels, *(order[labels] for order in orders))),
            key=np.count_nonzero,
        )
        count = Accuracy(correct=int(right.sum()), total=len(rows))
        tried.append(
            (right, InputCandidate(name=name, mean=scaling.mean, std=scaling.std, right=count))
        )
    tried.sort(key=lambda pair: -pair[1].right.correct)
    (best, first), (second, _) = tried[:2]
    p = accuracy.mcnemar(int((best & ~second).sum()), int((second & ~best).sum()))
    guessed = (
        accuracy.wilson(int(best.sum()), len(rows))[0] <= 1 / graph.shapes()[graph.output][-1]
    )
    return InputChoice(
        chosen=first.name if p < PLAIN and not guessed else "",
        candidates=tuple(candidate for _, candidate in tried),
        p=p,
        near_chance=guessed,
    )


def chosen(choice: InputChoice, name: str) -> ChannelScaling:
    """Return the scaling that was chosen.

    Raises:
        RequestError: None is plainly the best; the message has the numbers.
    """
    if choice.chosen:
        return SCALINGS[choice.chosen]
    unknown = not_known(name)
    guessing = (
        "; none is better than guessing: check the order of the classes, too"
        if choice.near_chance
        else ""
    )
    raise RequestError(
        f"{unknown}, and no usual range is plainly the best on the photos: {words(choice)}"
        f"{guessing}",
        hint=unknown.hint,
    )


def words(choice: InputChoice) -> str:
    """Return how often the float network is right with each candidate, and how sure that is."""
    counts = ", ".join(
        f"{candidate.name} {candidate.right.top1:.0%} ({candidate.right.correct})"
        for candidate in choice.candidates
    )
    return (
        f"of {choice.candidates[0].right.total} photos right with {counts}; the first against the "
        f"second p = {choice.p:.2g}, expected below {PLAIN:g}"
    )


def _scaled(graph: FloatGraph, scale: npt.ArrayLike, offset: npt.ArrayLike) -> FloatGraph:
    """Return a graph whose input is multiplied by a factor, and shifted, per channel."""
    channels = graph.input_shape[-1]
    name = "input_scaling"
    while any(node.name == name for node in graph.nodes):
        name += "'"
    first = FloatNode(
        name=name,
        op="affine",
        inputs=(INPUT,),
        arrays={
            "scale": np.broadcast_to(np.asarray(scale, np.float32), (channels,)),
            "offset": np.broadcast_to(np.asarray(offset, np.float32), (channels,)),
        },
    )
    nodes = tuple(
        dataclasses.replace(
            node, inputs=tuple(name if read == INPUT else read for read in node.inputs)
        )
        for node in graph.nodes
    )
    return dataclasses.replace(graph, nodes=(first, *nodes))
