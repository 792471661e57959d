"""How often int8 files answer as the float network does, which may give one class only."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.spec.config import Task
from mobiledeploy.spec.results import Accuracy, FloatAgreement
from mobiledeploy.verify.outputs.accuracy import wilson
from mobiledeploy.verify.outputs.totals import FLOAT
from mobiledeploy.verify.report import VerifyReport

PLAINLY_LOW: Final = 0.9
"""A share of images whose 95 % interval ends below this is warned of."""
FEW: Final = 10
"""So many images may well be of one class."""


def measured(verified: VerifyReport, task: Task, *, synthetic: bool) -> FloatAgreement | None:
    """Return what a verification found of the first file against the float network.

    Args:
        verified: The report; that of float files does not compare them with the network.
        task: What the outputs are; numbers have no classes.
        synthetic: Whether the images are.
    """
    if task == "regression" or not verified.participants:
        return None
    first = verified.participants[0].name
    for pair in verified.matrix:
        if (pair.first, pair.second) == (first, FLOAT):
            by_scores = pair.same_by_scores
            return FloatAgreement(
                of="label" if task == "multi-label" else "class",
                same=Accuracy(correct=pair.same_top1, total=pair.images),
                interval=wilson(pair.same_top1, pair.images),
                synthetic=synthetic,
                by_scores=None
                if by_scores is None
                else Accuracy(correct=by_scores, total=pair.images),
            )
    return None


def words(agreement: FloatAgreement | None, helps: Sequence[str]) -> list[str]:
    """Return a warning if the answers are plainly too seldom the same.

    None is given of labels: where none holds, the likeliest one may change without a meaning.

    Args:
        agreement: What was measured.
        helps: What makes it better, in words.
    """
    if agreement is None or agreement.of == "label" or agreement.interval[1] >= PLAINLY_LOW:
        return []
    same, (low, high) = agreement.same, agreement.interval
    images = "synthetic images" if agreement.synthetic else "images"
    warning = (
        f"the int8 files find the class of the float network on {same.correct} of {same.total} "
        f"{images} only (95 % interval {low:.1%} to {high:.1%}); what helps: {', or '.join(helps)}"
    )
    return [warning]


def one_class(
    logits: npt.NDArray[np.floating[Any]],
    labels: npt.NDArray[np.int64] | None,
    task: Task,
    names: Sequence[str],
    *,
    helps: str = "if they are of several classes, check the input range",
) -> list[str]:
    """Return a warning if the float network gives one class for all images.

    None is given where the images are few, or known to be of one class.

    Args:
        logits: The float network's, of photos or values, shape (images, outputs).
        labels: Their classes; None if they are not known.
        task: What the outputs are.
        names: Names of the classes.
        helps: What may be wrong, in words.
    """
    if task not in {"classification", "binary"} or len(logits) < FEW:
        return []
    given = np.unique(logits[:, 0] > 0 if task == "binary" else logits.argmax(axis=1))
    if len(given) > 1 or (labels is not None and len(np.unique(labels)) == 1):
        return []
    warning = (
        f"the float network gives the class `{names[int(given[0])]}` for all {len(logits)} images "
        f"that are held back: {helps}"
    )
    return [warning]
