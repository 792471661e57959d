"""Prove that two int8 files are the same function: compare integers, then say what that proves."""

import dataclasses
from collections.abc import Sequence
from typing import Final

from mobiledeploy.base.errors import ParityError
from mobiledeploy.base.progress import Progress, silent
from mobiledeploy.runtimes import cpu
from mobiledeploy.verify import accuracy, departure, facts
from mobiledeploy.verify.answers import Grid
from mobiledeploy.verify.findings import FLOAT, Findings
from mobiledeploy.verify.inputs import ImageSet
from mobiledeploy.verify.parity import Answers
from mobiledeploy.verify.report import (
    Comparison,
    FileScore,
    Level,
    PairedTest,
    Participant,
    VerifyReport,
)
from mobiledeploy.verify.runners import Runner, untapped
from mobiledeploy.verify.side import Side
from mobiledeploy.verify.stream import stream, taken

SCORES_LSB: Final = 1
"""How far scores may differ: TFLite's own softmax kernels differ by as much."""
GROSS: Final = 0.9
"""Share of images on which every runtime should find the same class."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How much to do.

    Attributes:
        level: `full` gives slow runtimes ten times as many images.
        only_main: Whether to run each file in its fastest runtime only.
        threads: Images that run at a time in each runtime.
        keep: Whether to return the first runner's answers, which takes memory for all of them.
        layers: Whether to measure every layer also where the files agree.
    """

    level: Level = "quick"
    only_main: bool = False
    threads: int = 1
    keep: bool = False
    layers: bool = False


DEFAULT: Final = Options()


def verify(
    sides: tuple[Side, Side],
    runners: Sequence[Runner],
    sets: Sequence[ImageSet],
    options: Options,
    *,
    progress: Progress = silent,
) -> tuple[VerifyReport, tuple[Answers, ...]]:
    """Compare two files, integer by integer, on sets of images.

    Args:
        sides: The two files.
        runners: Them in their runtimes, what apps use of each file first.
        sets: At least one, none empty.
        options: How much to do.
        progress: Told after every batch.

    Returns:
        The report, and with `keep` what the first file answered to each set.

    Raises:
        ParityError: The files are not of one shape, or their outputs do not vary.
        CorruptFileError: A file is damaged.
    """
    ruler = ruler_of(sides)
    plain = untapped(sides, runners)
    found = Findings(runners, plain, ruler, keep=options.keep)
    for images in sets:
        count = sum(bool(taken(runner, images).any()) for runner in runners)
        message = f"{images.name} in {count} runtimes"
        everyone = [*runners, *plain]
        batches = stream(images, everyone, ruler, message=message, progress=progress)
        found.add_set(images, batches)
    found.require_variety()
    return _report(sides, runners, found, options), tuple(found.kept)


def ruler_of(sides: tuple[Side, Side]) -> Grid:
    """Return the grid in whose steps logits are compared: the first file's that has one.

    Raises:
        ParityError: Neither file's logits are integers.
    """
    for side in sides:
        if side.ends.logits is not None:
            return side.ends.logits
    raise ParityError(
        f"neither {sides[0].file.name} nor {sides[1].file.name} has integer logits: expected two "
        "int8 files",
        hint="a build with `--float` can be verified: name its folder",
    )


def _report(
    sides: tuple[Side, Side], runners: Sequence[Runner], found: Findings, options: Options
) -> VerifyReport:
    matrix = found.matrix
    failures = [
        *(failure for comparison in found.comparisons for failure in _failures(comparison)),
        *_oracle_failures(runners, matrix),
        *(
            f"{file} gives other scores than its copy with tapped logits: its runtime fuses other "
            "layers where an inner tensor is given out, and the logits here are the copy's"
            for file in sorted(found.tap_changed)
        ),
    ]
    scores, paired = _accuracy(runners, found)
    return VerifyReport(
        holds=not failures,
        failures=tuple(failures),
        warnings=(
            *_warnings(runners, matrix),
            *departure.told(
                [runner.session.runtime for runner in runners], [side.reading for side in sides]
            ),
        ),
        level=options.level,
        files=tuple(
            facts.of(side, runner) for side, runner in zip(sides, runners[:2], strict=True)
        ),
        inputs=tuple(found.inputs),
        participants=_participants(runners, found),
        matrix=matrix,
        comparisons=tuple(found.comparisons),
        scores=scores,
        paired=paired,
        sampled=tuple(_sampled(found)),
        cpu=cpu.name(),
        runtimes=tuple(dict.fromkeys(runner.session.runtime for runner in runners)),
    )


def _failures(comparison: Comparison) -> list[str]:
    found = []
    different = comparison.images - comparison.exact_logits
    if different:
        found.append(
            f"logits differ on {different} of {comparison.images} {comparison.inputs}, by up to "
            f"{comparison.max_logits_lsb:.3g} LSB; worst: {comparison.worst}"
        )
    if (comparison.max_scores_lsb or 0) > SCORES_LSB:
        found.append(
            f"scores differ by {comparison.max_scores_lsb:.3g} LSB on {comparison.inputs}, "
            f"expected at most {SCORES_LSB}; worst: {comparison.worst}"
        )
    return found


def _oracle_failures(runners: Sequence[Runner], matrix: Sequence[Comparison]) -> list[str]:
    """Return what is wrong with the runtime that the oracle imitates."""
    oracles = {runner.name: runner.file for runner in runners if runner.kind == "oracle"}
    main = {runner.name: runner.file for runner in runners[:2] if runner.kind == "xnnpack"}
    return [
        f"{pair.first} differs from the {pair.second} on {pair.images - pair.exact_logits} of "
        f"{pair.images} images, by up to {pair.max_logits_lsb:.3g} LSB; worst: {pair.worst}"
        for pair in matrix
        if pair.exact_logits < pair.images
        and pair.first in main
        and main[pair.first] == oracles.get(pair.second)
    ]


def _warnings(runners: Sequence[Runner], matrix: Sequence[Comparison]) -> list[str]:
    """Return gross disagreement of the runtimes that may round differently."""
    exact = {runner.name for runner in runners if runner.participant(0).exact}
    return [
        f"{pair.second} finds the class of {pair.first} on {pair.same_top1} of {pair.images} "
        "images only"
        for pair in matrix
        if pair.first == runners[0].name
        and pair.second not in exact
        and pair.same_top1 < GROSS * pair.images
    ]


def _participants(runners: Sequence[Runner], found: Findings) -> tuple[Participant, ...]:
    rows = [runner.participant(ran) for runner, ran in zip(runners, found.ran, strict=True)]
    if found.float_images:
        rows.append(
            Participant(
                name=FLOAT,
                file="",
                runtime="TensorFlow, as recorded",
                images=found.float_images,
                exact=False,
            )
        )
    return tuple(rows)


def _accuracy(
    runners: Sequence[Runner], found: Findings
) -> tuple[tuple[FileScore, ...], tuple[PairedTest, ...]]:
    scores: list[FileScore] = []
    paired: list[PairedTest] = []
    runtimes = {runner.file: runner.session.runtime for runner in runners[:2]}
    for images, classes in found.predicted:
        assert images.labels is not None  # noqa: S101 - only labelled sets are kept
        logits = images.float_logits
        reference = None if logits is None else logits.argmax(axis=1)
        predicted = dict(zip(runtimes, classes, strict=True))
        scores += accuracy.scores(predicted, runtimes, images.labels, reference)
        paired += accuracy.paired(predicted, images.labels, reference)
    return tuple(scores), tuple(paired)


def _sampled(found: Findings) -> list[str]:
    return [
        f"logits equal on {comparison.exact_logits} of {comparison.images} {comparison.inputs}"
        for comparison in found.comparisons
    ]
