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
HALF: Final = 0.0
"""The code of a score of 1/2, in steps of 1/256 from -128."""
_STEPS: Final = 255
SAME_IN_FLOATS: Final = (
    "the model is untrained or collapsed (train longer, or lower the learning rate), or pixels "
    "reach it in the wrong input range (`--input-range`, `--mean`, `--std`)"
)
"""Hint for a float network whose outputs do not vary."""


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
    def top1_by_scores(self) -> npt.NDArray[np.int64] | None:
        """The class of each image by the scores, as an app sees it; None without scores."""
        return None if self.scores is None else decided(self.scores, HALF)

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
        self._same_by_scores: int | None = None
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
        if first.top1_by_scores is not None and second.scores is None:
            same = int((first.top1_by_scores == second.top1).sum())
            self._same_by_scores = (self._same_by_scores or 0) + same
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
            same_by_scores=self._same_by_scores,
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


def hardly_varies(logits: Outputs) -> bool | None:
    """Return whether a float network answers every image alike; None of one image, or none.

    It does if it finds one class, and its logits differ by less than a step of 8 bits.
    """
    if len(logits) < 2:
        return None
    spread = np.ptp(logits.astype(np.float64), axis=0).max()
    alike = len(np.unique(decided(logits))) == 1 and spread <= np.abs(logits).max() / _STEPS
    return bool(alike)


def constant(same: str, proof: str, *, in_floats: bool | None) -> ParityError:
    """Return the error of a model whose outputs do not vary.

    Args:
        same: What is the same, and for which images.
        proof: What would prove nothing.
        in_floats: See `hardly_varies`; None if nobody knows.
    """
    if in_floats:
        return ParityError(
            f"the model gives {same}, and the float network itself answers alike, within a step "
            f"of 8 bits: {proof} would prove nothing",
            hint=SAME_IN_FLOATS,
        )
    if in_floats is None:
        return ParityError(
            f"the model gives {same}: {proof} would prove nothing",
            hint="the model is untrained or collapsed, its input range is wrong, or its rounding "
            "to int8 took what differs",
        )
    return ParityError(
        f"rounded to int8, the model gives {same}, but the float network tells them apart: "
        f"{proof} would prove nothing",
        hint="quantisation took what differs: train with it (`--qat`, of `build` `--qat-steps`), "
        "or decide the ranges on more photos",
    )


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

    def require(self, inputs: str, float_logits: Outputs | None = None) -> None:
        """Check that the outputs vary.

        Args:
            inputs: What the images are, in the plural.
            float_logits: The float network's logits of some of them, if they are known.

        Raises:
            ParityError: There are several images, and all have the same output.
        """
        if self._images > 1 and self.distinct == 1:
            raise constant(
                f"the same output for all {self._images} {inputs}",
                "comparing files",
                in_floats=None if float_logits is None else hardly_varies(float_logits),
            )
