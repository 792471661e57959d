"""`Totals`: the differences of every pair of runners, added up batch by batch.

It also collects the predicted classes, and counts different outputs.
"""

import itertools
from collections.abc import Iterable, Sequence

import numpy as np

from mobiledeploy.verify.outputs.accuracy import Classes
from mobiledeploy.verify.outputs.answers import OutputGrid, in_steps
from mobiledeploy.verify.outputs.image_sets import ImageSet
from mobiledeploy.verify.outputs.parity import Answers, Outputs, Tally, Variety
from mobiledeploy.verify.outputs.runners import Runner
from mobiledeploy.verify.outputs.stream import Batch
from mobiledeploy.verify.report import RECORD, Comparison, InputFacts, RuntimeFailure

ALL = "all"
FLOAT = "float network"


class Totals:
    """Sums over all outputs; with `keep`, also the first runner's outputs.

    Attributes:
        ran: For each runner, how many images it ran.
        failures: Each failed runner's first failure, by its number.
        tap_changed: Files whose scores change when their logits are tapped.
        inputs: Facts of each set.
        comparisons: The first two runners on each set, and the first against recorded outputs.
        kept: With `keep`, the first runner's outputs for each set.
        predicted: For each labelled set, the classes that the first two runners found.
    """

    def __init__(
        self,
        runners: Sequence[Runner],
        plain: Sequence[Runner],
        ruler: OutputGrid,
        *,
        keep: bool = False,
    ) -> None:
        """Begin with no images.

        Args:
            runners: First both files in the runtimes that apps use.
            plain: Untapped copies of the first two, where there are taps.
            ruler: The grid in whose steps logits are compared.
            keep: Whether to keep the first runner's outputs.
        """
        self._names = [runner.name for runner in runners]
        self._plain = [(self._names.index(other.name), other.file) for other in plain]
        self._ruler, self._keep = ruler, keep
        pairs = itertools.combinations(range(len(runners)), 2)
        self._matrix = {pair: Tally(ALL, *(self._names[i] for i in pair)) for pair in pairs}
        self._float = [Tally(ALL, name, FLOAT) for name in self._names]
        self._variety = Variety()
        self._real: list[Outputs] = []
        self.ran = [0] * len(runners)
        self.failures: dict[int, RuntimeFailure] = {}
        self.tap_changed: set[str] = set()
        self.inputs: list[InputFacts] = []
        self.comparisons: list[Comparison] = []
        self.kept: list[Answers] = []
        self.predicted: list[tuple[ImageSet, tuple[Classes, Classes]]] = []

    @property
    def matrix(self) -> tuple[Comparison, ...]:
        """Every pair of runners that had images in common, over all sets."""
        tallies = [*self._matrix.values(), *self._float]
        return tuple(tally.comparison() for tally in tallies if tally.images)

    @property
    def float_images(self) -> int:
        """How many images have logits of the float network."""
        return self._float[0].images

    def add_set(self, images: ImageSet, batches: Iterable[Batch]) -> None:
        """Add every runner's outputs for a set of images.

        Args:
            images: The set.
            batches: All batches of the set, see `stream`.

        Raises:
            ParityError: The outputs have different shapes.
        """
        if images.float_logits is not None:
            self._real.append(images.float_logits)
        variety, main = Variety(), Tally(images.name, *self._names[:2])
        record = Tally(f"{images.name}, against their record", RECORD, self._names[0])
        classes: tuple[list[Classes], list[Classes]] = ([], [])
        kept: list[Answers] = []
        for batch in batches:
            names = images.names[batch.start : batch.start + len(batch.rows[0])]
            first, second = (_present(answers) for answers in batch.answers[:2])
            variety.add(first)
            self._variety.add(first)
            main.add(names, first, second)
            if images.recorded is not None:
                rows = batch.rows[0] + batch.start
                record.add(names, images.recorded.take(rows), first)
            self._add_pairs(batch, names)
            self._add_float(images, batch, names)
            self._add_plain(batch)
            for some, answers in zip(classes, (first, second), strict=True):
                some.append(answers.top1)
            if self._keep:
                kept.append(first)
        self.inputs.append(
            InputFacts(
                name=images.name,
                images=len(images),
                labelled=images.labels is not None,
                distinct=variety.distinct,
            )
        )
        tallies = (main, record) if images.recorded is not None else (main,)
        self.comparisons += [tally.comparison() for tally in tallies]
        if images.labels is not None:
            one, two = (np.concatenate(some) for some in classes)
            self.predicted.append((images, (one, two)))
        if self._keep:
            self.kept.append(_joined(kept))

    def require_variety(self) -> None:
        """Check that the outputs vary, over all sets: extremes alone may saturate a small model.

        Raises:
            ParityError: Every image has the same output.
        """
        self._variety.require(
            " and ".join(facts.name for facts in self.inputs),
            np.concatenate(self._real) if self._real else None,
        )

    def _add_pairs(self, batch: Batch, names: Sequence[str]) -> None:
        for number in range(len(self._names)):
            failure = batch.failures[number]
            if failure is None:
                self.ran[number] += len(batch.rows[number])
            else:
                self.failures.setdefault(number, failure)
        for pair, tally in self._matrix.items():
            common_answers = batch.both(*pair)
            if common_answers is not None:
                common, one, two = common_answers
                tally.add([names[row] for row in common], one, two)

    def _add_float(self, images: ImageSet, batch: Batch, names: Sequence[str]) -> None:
        if images.float_logits is None:
            return
        for number, tally in enumerate(self._float):
            answers, rows = batch.answers[number], batch.rows[number]
            if answers is not None:
                real = images.float_logits[rows + batch.start]
                steps = in_steps(real, self._ruler, who=f"the {FLOAT}")
                reference = Answers(logits=steps, scores=None, zero=self._ruler.zero_point)
                tally.add([names[row] for row in rows], answers, reference)

    def _add_plain(self, batch: Batch) -> None:
        for number, (main, file) in enumerate(self._plain, start=len(self._names)):
            answers = batch.answers[number]
            if answers is not None:
                tapped = _present(batch.answers[main]).take(batch.rows[number])
                if not _same_scores(tapped, answers):
                    self.tap_changed.add(file)


def _present(answers: Answers | None) -> Answers:
    """The first two runners take every image."""
    assert answers is not None  # noqa: S101
    return answers


def _same_scores(one: Answers, two: Answers) -> bool:
    return (
        one.scores is not None
        and two.scores is not None
        and np.array_equal(one.scores, two.scores)
    )


def _joined(parts: Sequence[Answers]) -> Answers:
    scores = [answers.scores for answers in parts if answers.scores is not None]
    return Answers(
        logits=np.concatenate([answers.logits for answers in parts]),
        scores=np.concatenate(scores) if scores else None,
        zero=parts[0].zero,
    )
