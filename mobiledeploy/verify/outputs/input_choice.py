"""Choose how pixels become an input, by the answers that each usual way gives."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.runtimes import Array
from mobiledeploy.spec.channel_scaling import CANDIDATES, SCALINGS, ChannelScaling
from mobiledeploy.spec.results import Accuracy, InputCandidate, InputChoice
from mobiledeploy.verify.outputs import accuracy, answers
from mobiledeploy.verify.outputs.image_sets import evenly

Classes: TypeAlias = npt.NDArray[np.int64]

PLAIN: Final = 0.01
"""p-value of McNemar's exact test, best against second, below which the best one is chosen."""
TRIED: Final = 256
"""Most images on which candidates are tried."""


def choose(
    run: Callable[[Array], Array],
    pixels: npt.NDArray[np.uint8],
    truths: Sequence[Classes],
    *,
    tried: Callable[[str, int], None],
    candidates: Mapping[str, ChannelScaling] = SCALINGS,
) -> InputChoice:
    """Try the usual scalings, and choose the one that gives the right class most often.

    It is chosen if it is plainly better than the second (`PLAIN`) and than guessing: the 95 %
    interval of its accuracy lies above 1 / classes.

    Args:
        run: Returns the outputs for input values, float32 of the shape of `pixels`.
        pixels: uint8, shape (images, height, width, channels).
        truths: The right classes, shape (images,), in each order that the classes may have: a
            wrong order must not look like a wrong scaling.
        tried: Called with every candidate's name and the number of images.
        candidates: Of `CANDIDATES`, by their names.
    """
    rows = evenly(len(pixels), TRIED)
    pixels = pixels[rows]
    channels, classes = pixels.shape[-1], 1
    predicted: dict[str, Classes] = {}
    for name, scaling in candidates.items():
        if len(scaling.mean) not in {1, channels}:
            continue
        tried(name, len(rows))
        outputs = run(scaling.inputs(pixels))
        outputs = outputs.reshape(len(rows), -1)
        classes = outputs.shape[1]
        predicted[name] = np.where(answers.rows_not_finite(outputs), -1, outputs.argmax(axis=1))
    return decide(predicted, [truth[rows] for truth in truths], classes=classes)


def decide(
    predicted: Mapping[str, Classes], truths: Sequence[Classes], *, classes: int
) -> InputChoice:
    """Choose a scaling by the classes that are found with each.

    Args:
        predicted: By the name of a scaling, the classes that are found, -1 for none.
        truths: See `choose`.
        classes: Number of classes.
    """
    rights: list[tuple[npt.NDArray[np.bool_], InputCandidate]] = []
    for name, answered in predicted.items():
        right = max((answered == truth for truth in truths), key=np.count_nonzero)
        candidate = InputCandidate(
            name=name,
            mean=CANDIDATES[name].mean,
            std=CANDIDATES[name].std,
            right=Accuracy(correct=int(right.sum()), total=len(right)),
        )
        rights.append((right, candidate))
    rights.sort(key=lambda pair: -pair[1].right.correct)
    (best, first), (second, _) = rights[:2]
    p = accuracy.mcnemar(int((best & ~second).sum()), int((second & ~best).sum()))
    guessed = accuracy.wilson(int(best.sum()), len(best))[0] <= 1 / classes
    return InputChoice(
        chosen=first.name if p < PLAIN and not guessed else "",
        candidates=tuple(candidate for _, candidate in rights),
        p=p,
        near_chance=guessed,
    )


def words(choice: InputChoice) -> str:
    """Return how often the class is right with each candidate, and how sure that is."""
    counts = ", ".join(
        f"{candidate.name} {candidate.right.top1:.0%} ({candidate.right.correct})"
        for candidate in choice.candidates
    )
    return (
        f"of {choice.candidates[0].right.total} images right with {counts}; the first against the "
        f"second p = {choice.p:.2g}, expected below {PLAIN:g}"
    )
