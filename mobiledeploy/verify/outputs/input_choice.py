"""Choose how pixels become an input, by the answers that each usual way gives."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.runtimes import Array
from mobiledeploy.spec.channel_scaling import CANDIDATES, REVERSED
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
    """Try the usual scalings, and choose as `decide` does.

    Those of blue, green, red (`REVERSED`) are tried only if the others are wrong so often that one
    of them can be plainly better.

    Args:
        run: Returns the outputs for input values, float32 of the shape of `pixels`.
        pixels: uint8, shape (images, height, width, channels).
        truths: The right classes, shape (images,), in each order that the classes may have: a
            wrong order must not look like a wrong scaling.
        tried: Called with every candidate's name and the number of images.
    """
    rows = evenly(len(pixels), TRIED)
    pixels, truths = pixels[rows], [truth[rows] for truth in truths]
    channels, classes = pixels.shape[-1], 1
    predicted: dict[str, Classes] = {}
    for name, scaling in CANDIDATES.items():
        if not scaling.fits(channels) or (
            name in REVERSED and not _may_be_better(predicted, truths)
        ):
            continue
        tried(name, len(rows))
        outputs = run(scaling.inputs(pixels))
        outputs = outputs.reshape(len(rows), -1)
        classes = outputs.shape[1]
        predicted[name] = np.where(answers.rows_not_finite(outputs), -1, outputs.argmax(axis=1))
    return decide(predicted, truths, classes=classes)


def _may_be_better(predicted: Mapping[str, Classes], truths: Sequence[Classes]) -> bool:
    """Whether one of `REVERSED` could be plainly better than all others, which were tried."""
    wrong = min(
        int((~_right(given, truths)).sum())
        for name, given in predicted.items()
        if name not in REVERSED
    )
    return accuracy.mcnemar(wrong, 0) < PLAIN


def _right(answered: Classes, truths: Sequence[Classes]) -> npt.NDArray[np.bool_]:
    """Return which answers are right, in the order of the classes that fits best."""
    return max((answered == truth for truth in truths), key=np.count_nonzero)


def decide(
    predicted: Mapping[str, Classes], truths: Sequence[Classes], *, classes: int
) -> InputChoice:
    """Choose the scaling that gives the right class most often.

    It is chosen if it is plainly better than the second (`PLAIN`) and than guessing: the 95 %
    interval of its accuracy lies above 1 / classes. One of blue, green, red (`REVERSED`) competes
    only if it is plainly better than all others: a network that hardly depends on the order
    of the colours is right about as often with its range in either order.

    Args:
        predicted: By the name of a scaling, the classes that are found, -1 for none.
        truths: See `choose`.
        classes: Number of classes.
    """
    rights: list[tuple[npt.NDArray[np.bool_], InputCandidate]] = []
    for name, answered in predicted.items():
        right = _right(answered, truths)
        candidate = InputCandidate(
            name=name,
            mean=CANDIDATES[name].mean,
            std=CANDIDATES[name].std,
            bgr=CANDIDATES[name].bgr,
            right=Accuracy(correct=int(right.sum()), total=len(right)),
        )
        rights.append((right, candidate))
    rights.sort(key=lambda pair: -pair[1].right.correct)
    usual = [pair for pair in rights if pair[1].name not in REVERSED]
    reversed_ = rights[0][1].name in REVERSED and _p(rights[0][0], usual[0][0]) < PLAIN
    (best, first), (second, other) = (rights if reversed_ else usual)[:2]
    p = _p(best, second)
    guessed = accuracy.wilson(int(best.sum()), len(best))[0] <= 1 / classes
    return InputChoice(
        chosen=first.name if p < PLAIN and not guessed else "",
        candidates=tuple(candidate for _, candidate in rights),
        best=first.name,
        second=other.name,
        p=p,
        near_chance=guessed,
    )


def _p(one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> float:
    return accuracy.mcnemar(int((one & ~other).sum()), int((other & ~one).sum()))


def words(choice: InputChoice) -> str:
    """Return how often the class is right with each candidate, and how sure that is."""
    counts = ", ".join(
        f"{candidate.name} {candidate.right.top1:.0%} ({candidate.right.correct})"
        for candidate in choice.candidates
    )
    most = choice.candidates[0]
    not_plain = (
        f"; {most.name} is not plainly better than {choice.best}"
        if most.name != choice.best and choice.best
        else ""
    )
    return (
        f"of {most.right.total} images right with {counts}; {choice.best or 'the first'} against "
        f"{choice.second or 'the second'} p = {choice.p:.2g}, expected below {PLAIN:g}{not_plain}"
    )
