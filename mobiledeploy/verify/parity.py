"""Compare what two files answer, integer by integer. The worst sample decides and is named."""

import dataclasses
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.errors import ParityError

Codes: TypeAlias = npt.NDArray[Any]
"""Outputs, shape (images, classes): int8 codes as int16, which holds their differences; float32
of float files."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answers:
    """What one runtime answered to a set of images.

    Attributes:
        logits: Codes of the logits, shape (images, classes).
        scores: Codes of the softmax, same shape; equal to the logits where there is none.
    """

    logits: Codes
    scores: Codes


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How two runtimes' answers to one set of images differ.

    Attributes:
        inputs: What the images were.
        images: How many.
        exact_logits: Images on which every logit is equal.
        max_logits_lsb: Largest difference of a logit, in steps.
        max_scores_lsb: Largest difference of a score, in steps.
        same_top1: Images on which the highest logit is the same class.
        distinct: Different logit vectors among the images: 1 would prove nothing.
        worst: Name of the image with the largest difference; empty if there is none.
    """

    inputs: str
    images: int
    exact_logits: int
    max_logits_lsb: int
    max_scores_lsb: int
    same_top1: int
    distinct: int
    worst: str


def compare(inputs: str, names: tuple[str, ...], first: Answers, second: Answers) -> Comparison:
    """Compare two runtimes' answers to the same images.

    Raises:
        ParityError: The shapes differ, or the outputs do not vary, so that equality would
            prove nothing.
    """
    if first.logits.shape != second.logits.shape:
        raise ParityError(
            f"the two files give outputs of shapes {first.logits.shape[1:]} "
            f"and {second.logits.shape[1:]}",
            hint="they are not the same classifier",
        )
    distinct = len(np.unique(first.logits, axis=0))
    if len(names) > 1 and distinct == 1:
        raise ParityError(
            f"the model gives the same output for all {len(names)} {inputs}: "
            "comparing files would prove nothing",
            hint="the model is untrained or collapsed: train longer, or lower the learning rate",
        )
    logits = np.abs(first.logits - second.logits).max(axis=1)
    scores = np.abs(first.scores - second.scores).max(axis=1)
    by_badness = np.lexsort((scores, logits))
    worst = int(by_badness[-1])
    return Comparison(
        inputs=inputs,
        images=len(names),
        exact_logits=int((logits == 0).sum()),
        max_logits_lsb=int(logits.max()),
        max_scores_lsb=int(scores.max()),
        same_top1=int((first.logits.argmax(1) == second.logits.argmax(1)).sum()),
        distinct=distinct,
        worst=names[worst] if logits[worst] or scores[worst] else "",
    )
