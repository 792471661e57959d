"""Choose the images that a report shows.

They are the image that shows the first diverging layer best, the images on which runtimes differ
most, and wrongly classified ones.
"""

import base64
import dataclasses
import io
from typing import Final

import numpy as np

from mobiledeploy.data.dataset import Pixels
from mobiledeploy.report import classification
from mobiledeploy.report.document import ExampleImage
from mobiledeploy.verify.outputs.image_sets import ImageSet
from mobiledeploy.verify.outputs.parity import Answers
from mobiledeploy.verify.pair import Observed
from mobiledeploy.verify.report import Comparison, VerifyReport

MISTAKES: Final = 8
"""Most wrongly classified images."""
DIFFERENCES: Final = 4
"""Most images on which runtimes differ."""


def choose(observed: Observed) -> tuple[ExampleImage, ...]:
    """Return the images, those with differences first."""
    if not observed.answers:
        return ()
    return (*_divergence(observed), *_differences(observed), *_mistakes(observed))


def _divergence(observed: Observed) -> list[ExampleImage]:
    """Return the image that shows the first diverging layer best, if there is one."""
    divergence = observed.report.divergence
    place = None if divergence is None else _place(observed, divergence.image)
    if divergence is None or place is None:
        return []
    number, row = place
    example = _example(
        observed.sets[number], observed.answers[number], row, observed.scale, None, exact=True
    )
    most = max((abs(step) for step, _ in divergence.histogram), default=0)
    return [dataclasses.replace(example, why="divergence", difference=float(most))]


def _mistakes(observed: Observed) -> list[ExampleImage]:
    labelled = classification.labelled(observed)
    if labelled is None:
        return []
    images, answers = labelled
    rows = classification.mistakes(images, answers, observed.scale, MISTAKES)
    return [_example(images, answers, row, observed.scale, None, exact=False) for row in rows]


def _differences(observed: Observed) -> list[ExampleImage]:
    """Return the images on which runtimes differ most, those that must be equal first."""
    pairs = sorted(
        (pair for pair in observed.report.matrix if pair.worst),
        key=lambda pair: (not must_equal(observed.report, pair), -pair.max_logits_lsb),
    )
    chosen: dict[str, ExampleImage] = {}
    for pair in pairs:
        place = _place(observed, pair.worst)
        if place is None or pair.worst in chosen or len(chosen) == DIFFERENCES:
            continue
        number, row = place
        chosen[pair.worst] = _example(
            observed.sets[number],
            observed.answers[number],
            row,
            observed.scale,
            pair,
            exact=must_equal(observed.report, pair),
        )
    return list(chosen.values())


def must_equal(report: VerifyReport, pair: Comparison) -> bool:
    """Return whether two participants must give equal logits."""
    exact = {row.name for row in report.participants if row.exact}
    return {pair.first, pair.second} <= exact


def _place(observed: Observed, name: str) -> tuple[int, int] | None:
    """Return the number of an image's set and its number in the set; None if no set has it."""
    for number, images in enumerate(observed.sets):
        if name in images.names:
            return number, images.names.index(name)
    return None


def _example(
    images: ImageSet,
    answers: Answers,
    row: int,
    scale: float | None,
    pair: Comparison | None,
    *,
    exact: bool,
) -> ExampleImage:
    one = answers.take(np.array([row]))
    return ExampleImage(
        name=images.names[row],
        inputs=images.name,
        why="mistake" if pair is None else "difference",
        label=None if images.labels is None else int(images.labels[row]),
        predicted=int(one.top1[0]),
        confidence=float(classification.confidences(one, scale)[0]),
        difference=0.0 if pair is None else pair.max_logits_lsb,
        first="" if pair is None else pair.first,
        second="" if pair is None else pair.second,
        exact=exact,
        png=_png(images.pixels(row, row + 1)[0]),
    )


def _png(pixels: Pixels) -> str:
    from PIL import Image

    buffer = io.BytesIO()
    grey = pixels.shape[-1] == 1
    Image.fromarray(pixels[..., 0] if grey else pixels).save(buffer, "png", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()
