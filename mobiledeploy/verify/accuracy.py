"""How often files are right, how sure one can be of that, and whether int8 cost anything."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from mobiledeploy.spec.results import Accuracy as Score
from mobiledeploy.verify.report import FileScore, PairedTest
from mobiledeploy.verify.statistics import mcnemar, wilson

FLOAT = "float"
EVIDENCE = 0.05
"""Below it, a difference is called one."""

Classes = npt.NDArray[np.int64]


def scores(
    predicted: Mapping[str, Classes],
    runtimes: Mapping[str, str],
    labels: Classes,
    reference: Classes | None,
) -> tuple[FileScore, ...]:
    """Return how each file scores, the float network first where there is one.

    Args:
        predicted: By file, the class of each image.
        runtimes: By file, what ran it.
        labels: The true classes, shape (images,).
        reference: What the float network says, or None.
    """
    lines = {} if reference is None else {FLOAT: reference}
    lines |= predicted
    return tuple(
        FileScore(
            file=name,
            runtime=runtimes.get(name, "TensorFlow"),
            labels=Score.of(classes, labels),
            interval=wilson(int((classes == labels).sum()), len(labels)),
            float_model=None if reference is None else Score.of(classes, reference),
        )
        for name, classes in lines.items()
    )


def paired(
    predicted: Mapping[str, Classes], labels: Classes, reference: Classes | None
) -> tuple[PairedTest, ...]:
    """Test each file against the float network, or the second against the first without one.

    Two files that always say the same are one: the second is not tested again.
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
    """Return the finding, then what it rests on; a name at the start would need a capital."""
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
