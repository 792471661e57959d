"""How the outputs of two participants differ, integer by integer.

A participant is a file in a runtime. The image with the largest difference is named. Outputs come
batch by batch; only sums of fixed size are kept.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import ParityError
from mobiledeploy.verify.report import Comparison

Outputs: TypeAlias = npt.NDArray[Any]
"""Outputs, shape (images, classes): int8 codes as int16, which holds their differences; float32
for float files, and for files whose grid is not the ruler's."""

TOP: Final = 5


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """One participant's outputs for some images.

    Attributes:
        logits: Shape (images, classes).
        scores: Outputs of the softmax, same shape; None where there is none.
        zero: The value of `logits` that is a real 0.
    """

    logits: Outputs
    scores: Outputs | None
    zero: float = 0.0

    def take(self, rows: npt.NDArray[Any]) -> "Answers":
        """Return the outputs for some of the images, given by number and in order."""
        if len(rows) == len(self.logits):
            return self
        return dataclasses.replace(
            self,
            logits=self.logits[rows],
            scores=None if self.scores is None else self.scores[rows],
        )

    @functools.cached_property
    def top1(self) -> npt.NDArray[np.int64]:
        """The class of each image, see `decided`."""
        return decided(self.logits, self.zero)

    @functools.cached_property
    def top5(self) -> npt.NDArray[np.int64]:
        """The classes of the five highest logits, sorted; the first ones among equals."""
        order = np.argsort(-self.logits.astype(np.float32), axis=1, kind="stable")
        return np.sort(order[:, :TOP], axis=1)


def decided(logits: Outputs, zero: float = 0.0) -> npt.NDArray[np.int64]:
    """Return the class of each image, shape (images,).

    It is that of the highest logit, the first one among equals. A single logit decides between two
    classes: the second one if it is above 0, which is a sigmoid above 0.5.

    Args:
        logits: Shape (images, classes).
        zero: The value of `logits` that is a real 0.
    """
    if logits.shape[1] == 1:
        return (logits[:, 0] > zero).astype(np.int64)
    classes: npt.NDArray[np.int64] = logits.argmax(axis=1)
    return classes


class Tally:
    """Differences between two participants, added up over batches."""

    def __init__(self, inputs: str, first: str, second: str) -> None:
        """Begin with no images.

        Args:
            inputs: What the images are, in the plural.
            first: Name of a participant.
            second: Name of another one.
        """
        self._names = inputs, first, second
        self.images = self.exact = 0
        self._same_top1 = self._same_top5 = 0
        self._logits, self._scores = _Differences(), _Differences()
        self._classes = 0
        self._worst = (0.0, 0.0, "")

    def add(self, names: Sequence[str], first: Answers, second: Answers) -> None:
        """Add a batch that both participants ran.

        Raises:
            ParityError: The two have different numbers of classes.
        """
        if first.logits.shape != second.logits.shape:
            raise ParityError(
                f"the two files give outputs of shapes {first.logits.shape[1:]} "
                f"and {second.logits.shape[1:]}",
                hint="they are not the same classifier",
            )
        logits = self._logits.add(first.logits, second.logits)
        scores = np.zeros_like(logits)
        if first.scores is not None and second.scores is not None:
            scores = self._scores.add(first.scores, second.scores)
        self.images += len(names)
        self.exact += int((logits == 0).sum())
        self._same_top1 += int((first.top1 == second.top1).sum())
        self._same_top5 += int((first.top5 == second.top5).all(axis=1).sum())
        self._classes = first.logits.shape[1]
        row = int(np.lexsort((-scores, -logits))[0])  # the first among equals
        self._worst = max(
            self._worst,
            (float(logits[row]), float(scores[row]), names[row]),
            key=lambda off: off[:2],
        )

    def comparison(self) -> Comparison:
        """Return the comparison of all images so far; at least one was added."""
        inputs, first, second = self._names
        *differences, name = self._worst
        return Comparison(
            inputs=inputs,
            first=first,
            second=second,
            images=self.images,
            exact_logits=self.exact,
            max_logits_lsb=self._logits.largest,
            mean_logits_lsb=self._logits.mean,
            max_scores_lsb=self._scores.largest if self._scores.elements else None,
            mean_scores_lsb=self._scores.mean if self._scores.elements else None,
            same_top1=self._same_top1,
            same_top5=self._same_top5 if self._classes > TOP else None,
            worst=name if any(differences) else "",
        )


@dataclasses.dataclass(slots=True)
class _Differences:
    """Absolute differences of one output, in steps."""

    largest: float = 0.0
    total: float = 0.0
    elements: int = 0

    @property
    def mean(self) -> float:
        return self.total / self.elements

    def add(self, first: Outputs, second: Outputs) -> Outputs:
        """Add a batch, and return the largest difference of each image."""
        off = np.abs(first - second)
        rows: Outputs = off.max(axis=1)
        self.largest = max(self.largest, float(rows.max()))
        self.total += float(off.sum(dtype=np.float64))
        self.elements += off.size
        return rows


def compare(inputs: str, names: Sequence[str], first: Answers, second: Answers) -> Comparison:
    """Compare two participants' outputs for the same images, which are all in memory.

    Raises:
        ParityError: See `Tally.add`.
    """
    tally = Tally(inputs, "first", "second")
    tally.add(names, first, second)
    return tally.comparison()


class Variety:
    """Counts different vectors of logits: a constant output would prove nothing."""

    def __init__(self) -> None:
        """Begin with no images."""
        self._seen: set[int] = set()
        self._images = 0

    @property
    def distinct(self) -> int:
        """How many different vectors were added so far."""
        return len(self._seen)

    def add(self, answers: Answers) -> None:
        """Add a batch."""
        self._images += len(answers.logits)
        self._seen.update(hash(row.tobytes()) for row in answers.logits)

    def require(self, inputs: str) -> None:
        """Check that the outputs vary.

        Raises:
            ParityError: There are several images, and all have the same output.
        """
        if self._images > 1 and self.distinct == 1:
            raise ParityError(
                f"the model gives the same output for all {self._images} {inputs}: "
                "comparing files would prove nothing",
                hint="the model is untrained or collapsed: train longer, or lower the learning "
                "rate",
            )
