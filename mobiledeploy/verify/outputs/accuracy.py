"""How often files find the true class, with confidence intervals.

McNemar's exact test on the same images shows whether quantisation to int8 lost accuracy.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.spec.results import (
    Accuracy,
    ClassRecall,
    balanced,
    named_recalls,
    never_right,
)
from mobiledeploy.verify.report import FileScore, PairedTest, VerifyReport

FLOAT = "float"
RECORDED: Final = "float32, as recorded by the build"
"""Runtime of the float network: TensorFlow for `build`, LiteRT for `quantize`."""
EVIDENCE = 0.05
"""p-value below which a difference is called significant."""

Classes = npt.NDArray[np.int64]


def scores(
    predicted: Mapping[str, Classes],
    runtimes: Mapping[str, str],
    labels: Classes,
    reference: Classes | None,
) -> tuple[FileScore, ...]:
    """Return the accuracy of each file, the float network first if there is one.

    Args:
        predicted: The class of each image, by file.
        runtimes: The runtime that ran it, by file.
        labels: The true classes, shape (images,).
        reference: The float network's classes, shape (images,), or None.
    """
    lines = {} if reference is None else {FLOAT: reference}
    lines |= predicted
    recalls = {name: ClassRecall.of(classes, labels) for name, classes in lines.items()}
    return tuple(
        FileScore(
            file=name,
            runtime=runtimes.get(name, RECORDED),
            labels=Accuracy.of(classes, labels),
            interval=wilson(int((classes == labels).sum()), len(labels)),
            float_model=None if reference is None else Accuracy.of(classes, reference),
            balanced=balanced(recalls[name]),
            recalls=recalls[name],
        )
        for name, classes in lines.items()
    )


def with_class_names(report: VerifyReport, class_names: Sequence[str]) -> VerifyReport:
    """Return a report whose recalls have their classes' names, and that warns of those of 0."""
    named = tuple(
        dataclasses.replace(score, recalls=named_recalls(score.recalls, class_names))
        for score in report.scores
    )
    warnings = [
        f"{score.file} is {never}"
        for score in named
        if score.file != FLOAT and (never := never_right(score.recalls))
    ]
    return dataclasses.replace(report, scores=named, warnings=(*report.warnings, *warnings[:1]))


def paired(
    predicted: Mapping[str, Classes], labels: Classes, reference: Classes | None
) -> tuple[PairedTest, ...]:
    """Test each file against the float network; without one, the second against the first.

    Where both files find the same class for every image, the second is not tested again.
    """
    names = list(predicted)
    if reference is None:
        pairs = [(names[0], predicted[names[0]], names[1])]
    else:
        pairs = [(FLOAT, reference, names[0])]
        if not np.array_equal(predicted[names[0]], predicted[names[1]]):
            pairs.append((FLOAT, reference, names[1]))
    return tuple(
        _test(first, one == labels, second, predicted[second] == labels)
        for first, one, second in pairs
    )


def _test(
    first: str,
    first_right: npt.NDArray[np.bool_],
    second: str,
    second_right: npt.NDArray[np.bool_],
) -> PairedTest:
    only_first = int((first_right & ~second_right).sum())
    only_second = int((second_right & ~first_right).sum())
    p = mcnemar(only_first, only_second)
    return PairedTest(
        first=first,
        second=second,
        images=len(first_right),
        only_first=only_first,
        only_second=only_second,
        p=p,
        words=_words(first, second, only_first, only_second, p),
    )


def _words(first: str, second: str, only_first: int, only_second: int, p: float) -> str:
    """Return the finding, then the counts; it does not start with a name, which has no capital."""
    one, two = (_named(file) for file in (first, second))
    if not only_first and not only_second:
        return f"no loss was seen: {two} and {one} are right on the same images"
    if p >= EVIDENCE:
        finding = f"no evidence of a {'difference' if only_second > only_first else 'loss'}"
    else:
        finding = "a gain" if only_second > only_first else "a loss"
    return (
        f"{finding} (p {_rounded(p)}): {two} is right on {_images(only_second)} where {one} is "
        f"wrong, and wrong on {only_first} where {one} is right"
    )


def _named(file: str) -> str:
    return "the float network" if file == FLOAT else file


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count} images"


def _rounded(p: float) -> str:
    return "= 1.0" if p == 1 else f"= {p:.2g}" if p >= 1e-4 else "< 0.0001"


CONFIDENCE: Final = 0.95


def wilson(correct: int, total: int) -> tuple[float, float]:
    """Return the 95 % interval of a proportion.

    Args:
        correct: Successes, 0..total.
        total: Trials, at least one.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
    JASA 22 (1927). Its coverage stays close to 95 % near 0 and 1, where accuracies are.
    """
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    share, weight = correct / total, z * z / total
    centre = (share + weight / 2) / (1 + weight)
    half = z / (1 + weight) * math.sqrt(share * (1 - share) / total + weight / total / 4)
    # At the ends the interval touches 0 or 1 exactly; floats would miss them slightly.
    return (
        0.0 if correct == 0 else max(0.0, centre - half),
        1.0 if correct == total else min(1.0, centre + half),
    )


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the two-sided exact p-value of a paired test: are two classifiers equally good?

    Under the null hypothesis each image on which exactly one of them is right falls to either
    with probability 1/2. The exact test never exceeds its stated error rate; it is slightly more
    conservative than the mid-p variant.

    Args:
        only_first: Images on which the first alone is right.
        only_second: Images on which the second alone is right.

    Source: Q. McNemar, "Note on the sampling error of the difference between correlated
    proportions", Psychometrika 12 (1947).
    """
    discordant, fewer = only_first + only_second, min(only_first, only_second)
    outcomes, ways = 0, 1
    for count in range(fewer + 1):
        outcomes += ways
        ways = ways * (discordant - count) // (count + 1)
    return min(1.0, 2 * outcomes / (1 << discordant))
