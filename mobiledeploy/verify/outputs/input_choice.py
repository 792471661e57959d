"""Choose how pixels become an input, by the answers that each usual way gives."""

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.runtimes import Array
from mobiledeploy.spec.channel_scaling import SCALINGS
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
    """
    rows = evenly(len(pixels), TRIED)
    pixels, truths = pixels[rows], [truth[rows] for truth in truths]
    channels, classes = np.arange(pixels.shape[-1]), 1
    rights: list[tuple[npt.NDArray[np.bool_], InputCandidate]] = []
    for name, scaling in SCALINGS.items():
        if len(scaling.mean) not in {1, len(channels)}:
            continue
        tried(name, len(rows))
        table = scaling.values(len(channels)).astype(np.float32)
        outputs = run(table[pixels, channels])
        outputs = outputs.reshape(len(rows), -1)
        classes = outputs.shape[1]
        predicted = np.where(answers.rows_not_finite(outputs), -1, outputs.argmax(axis=1))
        right = max((predicted == truth for truth in truths), key=np.count_nonzero)
        count = Accuracy(correct=int(right.sum()), total=len(rows))
        candidate = InputCandidate(name=name, mean=scaling.mean, std=scaling.std, right=count)
        rights.append((right, candidate))
    rights.sort(key=lambda pair: -pair[1].right.correct)
    (best, first), (second, _) = rights[:2]
    p = accuracy.mcnemar(int((best & ~second).sum()), int((second & ~best).sum()))
    guessed = accuracy.wilson(int(best.sum()), len(rows))[0] <= 1 / classes
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
