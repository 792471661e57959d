"""How pixels become the input of a file that has no grid there, so that nothing in it says it.

A float file beside an int8 one need not take the int8 file's range: its preprocessing may be in
its own layers, or in its metadata.
"""

import dataclasses

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import RequestError
from mobiledeploy.base.progress import Event, Progress
from mobiledeploy.runtimes import Array, Session
from mobiledeploy.spec.channel_scaling import CANDIDATES, ChannelScaling, named
from mobiledeploy.spec.results import InputChoice
from mobiledeploy.verify.outputs import input_choice, model_input
from mobiledeploy.verify.outputs.image_sets import ImageSet, evenly
from mobiledeploy.verify.outputs.model_input import PixelInput
from mobiledeploy.verify.outputs.opened_file import OpenFile


def known(
    both: tuple[OpenFile, OpenFile], images: ImageSet, *, threads: int, progress: Progress
) -> tuple[OpenFile, OpenFile]:
    """Return two files with how pixels become their inputs, as far as that can be found out.

    A file without a grid at its input has the scaling that its metadata state. Otherwise the usual
    ones are tried on the images: that one is taken which gives the right class plainly most often;
    where the images have no labels, the class that the other file gives, if that has a grid.

    Args:
        both: The files.
        images: Images to try on.
        threads: Images that run at a time.
        progress: Called for every candidate.
    """
    if all(has_grid(opened) for opened in both):
        return both
    rows = evenly(len(images), input_choice.TRIED)
    pixels = np.concatenate([images.pixels(row, row + 1) for row in rows.tolist()])
    truth = None if images.labels is None else images.labels[rows]
    if truth is None:
        truth = next(
            (_answers(opened, pixels, threads) for opened in both if has_grid(opened)), None
        )
    one, two = (_with_scaling(opened, pixels, truth, threads, progress) for opened in both)
    return one, two


def has_grid(opened: OpenFile) -> bool:
    """Whether a file has a grid at its input, which says how pixels become it."""
    return model_input.scaling_of(opened.reading.input) is not None


def _with_scaling(
    opened: OpenFile,
    pixels: npt.NDArray[np.uint8],
    truth: npt.NDArray[np.int64] | None,
    threads: int,
    progress: Progress,
) -> OpenFile:
    if has_grid(opened):
        return opened
    stated = _stated(opened)
    if stated is not None or truth is None:
        return dataclasses.replace(opened, scaling=stated)
    session = _session(opened, threads)
    layout = _feed(opened, session)
    if layout.vector or len(layout.table.T) != pixels.shape[-1]:
        return opened

    def run(values: Array) -> Array:
        return session.run(layout.arranged(values))[-1]

    def tried(name: str, count: int) -> None:
        words = f"trying the input range {name} of {opened.file.name} on {count} images"
        progress(Event("verify", words, 0, None))

    choice = input_choice.choose(run, pixels, (truth,), tried=tried)
    return dataclasses.replace(
        opened, scaling=CANDIDATES[choice.chosen] if choice.chosen else None, choice=choice
    )


def _answers(
    opened: OpenFile, pixels: npt.NDArray[np.uint8], threads: int
) -> npt.NDArray[np.int64]:
    """Return the classes that a file gives."""
    session = _session(opened, threads)
    outputs = session.run(_feed(opened, session)(pixels))[-1]
    classes: npt.NDArray[np.int64] = outputs.reshape(len(pixels), -1).argmax(axis=1)
    return classes


def _session(opened: OpenFile, threads: int) -> Session:
    return opened.load(opened.primary, taps=opened.ends.taps, threads=threads)


def _feed(opened: OpenFile, session: Session) -> PixelInput:
    (feed,) = model_input.feeds([(opened.reading.input, session.input)])
    return feed


def _stated(opened: OpenFile) -> ChannelScaling | None:
    """Return what the metadata of a `.tflite` state; None if they state nothing usable."""
    pairs = opened.described.normalisation
    try:
        return named(*zip(*pairs, strict=True)) if pairs else None
    except RequestError:
        return None


def words(both: tuple[OpenFile, OpenFile]) -> list[str]:
    """Return warnings about inputs that nothing explains, a sentence each."""
    return [
        f"nothing says how pixels become the input of {opened.file.name}, and no usual range is "
        f"plainly the best: {input_choice.words(opened.choice)}; its accuracy is that of another "
        "range, if it was made for one"
        for opened in both
        if opened.choice is not None and not opened.choice.chosen
    ]


def reason(choice: InputChoice | None, *, labelled: bool) -> str:
    """Return why a scaling was taken, for the words after its name; empty if it was not tried."""
    if choice is None or not choice.chosen:
        return ""
    means = "" if labelled else ", where right means the class of the other file"
    return f" (chosen: {input_choice.words(choice)}{means})"
