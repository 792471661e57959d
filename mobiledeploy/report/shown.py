"""Images worth looking at: of the diverging layer, of runtimes that differ, and mistakes."""

import base64
import dataclasses
import io
from typing import Final

import numpy as np

from mobiledeploy.data.dataset import Pixels
from mobiledeploy.report import classification
from mobiledeploy.report.document import ShownImage
from mobiledeploy.verify.outputs.image_sets import ImageSet
from mobiledeploy.verify.outputs.parity import Answers
from mobiledeploy.verify.pair import Observed
from mobiledeploy.verify.report import Comparison, VerifyReport

MISTAKES: Final = 8
DIFFERENCES: Final = 4


def of(observed: Observed) -> tuple[ShownImage, ...]:
    """Return the images, those with differences first."""
    if not observed.answers:
        return ()
    return (*_divergence(observed), *_differences(observed), *_mistakes(observed))


def _divergence(observed: Observed) -> list[ShownImage]:
    """Return the image that shows the first diverging layer best, if there is one."""
    found = observed.report.divergence
    place = None if found is None else _place(observed, found.image)
    if found is None or place is None:
        return []
    number, row = place
    shown = _shown(
        observed.sets[number], observed.answers[number], row, observed.scale, None, exact=True
    )
    most = max((abs(step) for step, _ in found.histogram), default=0)
    return [dataclasses.replace(shown, why="divergence", difference=float(most))]


def _mistakes(observed: Observed) -> list[ShownImage]:
    found = classification.labelled(observed)
    if found is None:
        return []
    images, answers = found
    rows = classification.mistakes(images, answers, observed.scale, MISTAKES)
    return [_shown(images, answers, row, observed.scale, None, exact=False) for row in rows]


def _differences(observed: Observed) -> list[ShownImage]:
    """Return the images that runtimes differ on most, what has to be equal first."""
    pairs = sorted(
        (pair for pair in observed.report.matrix if pair.worst),
        key=lambda pair: (not must_equal(observed.report, pair), -pair.max_logits_lsb),
    )
    shown: dict[str, ShownImage] = {}
    for pair in pairs:
        place = _place(observed, pair.worst)
        if place is None or pair.worst in shown or len(shown) == DIFFERENCES:
            continue
        number, row = place
        shown[pair.worst] = _shown(
            observed.sets[number],
            observed.answers[number],
            row,
            observed.scale,
            pair,
            exact=must_equal(observed.report, pair),
        )
    return list(shown.values())


def must_equal(report: VerifyReport, pair: Comparison) -> bool:
    """Return whether two participants use the same arithmetic."""
    exact = {row.name for row in report.participants if row.exact}
    return {pair.first, pair.second} <= exact


def _place(observed: Observed, name: str) -> tuple[int, int] | None:
    """Return an image's set and its number there; None where no set has it."""
    for number, images in enumerate(observed.sets):
        if name in images.names:
            return number, images.names.index(name)
    return None


def _shown(
    images: ImageSet,
    answers: Answers,
    row: int,
    scale: float | None,
    pair: Comparison | None,
    *,
    exact: bool,
) -> ShownImage:
    one = answers.take(np.array([row]))
    return ShownImage(
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
