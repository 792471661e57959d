"""`verify`: compare two int8 files, integer by integer, on sets of images."""

import dataclasses
from collections.abc import Sequence
from typing import Final, Literal

from mobiledeploy.base.errors import ParityError
from mobiledeploy.base.progress import Progress, silent
from mobiledeploy.formats.model_file import ModelFile
from mobiledeploy.runtimes import cpu
from mobiledeploy.spec.config import Scaling
from mobiledeploy.verify.outputs import accuracy, why_runtimes_differ
from mobiledeploy.verify.outputs.answers import FileOutputs, OutputGrid
from mobiledeploy.verify.outputs.image_sets import ImageSet
from mobiledeploy.verify.outputs.opened_file import OpenFile
from mobiledeploy.verify.outputs.parity import Answers, decided
from mobiledeploy.verify.outputs.runners import Runner, untapped
from mobiledeploy.verify.outputs.stream import stream, taken
from mobiledeploy.verify.outputs.totals import FLOAT, Totals
from mobiledeploy.verify.report import (
    Comparison,
    FileFacts,
    FileScore,
    Level,
    PairedTest,
    Participant,
    VerifyReport,
)

SCORES_LSB: Final = 1
"""LSB by which scores may differ: TFLite's own softmax kernels differ by that much."""
GROSS: Final = 0.9
"""Smallest share of images on which every runtime should find the same class."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Options of a verification: how much to do.

    Attributes:
        level: `full` gives slow runtimes ten times as many images.
        only_main: Whether to run each file only in the runtime that apps use.
        threads: Images that run at a time in each runtime.
        keep: Whether to return the first runner's outputs, which keeps all of them in memory.
        layers: Whether to measure every layer even if the files agree.
        locate: When to search the first layer that differs: if the files are not known to be one
            function, only if their logits differ, or never.
    """

    level: Level = "quick"
    only_main: bool = False
    threads: int = 1
    keep: bool = False
    layers: bool = False
    locate: Literal["unproven", "differing", "never"] = "unproven"


DEFAULT: Final = Options()


def verify(
    both: tuple[OpenFile, OpenFile],
    runners: Sequence[Runner],
    sets: Sequence[ImageSet],
    options: Options,
    *,
    progress: Progress = silent,
) -> tuple[VerifyReport, tuple[Answers, ...]]:
    """Compare two files, integer by integer, on sets of images.

    Args:
        both: The two files.
        runners: The files in their runtimes: first both files in the ones that apps use.
        sets: At least one, none empty.
        options: How much to do.
        progress: Called after every batch.

    Returns:
        The report, and with `keep` the first file's outputs for each set.

    Raises:
        ParityError: The files have different shapes, or their outputs do not vary.
        CorruptFileError: A file is damaged.
    """
    ruler = ruler_of(both)
    plain = untapped(both, runners)
    totals = Totals(runners, plain, ruler, keep=options.keep)
    for images in sets:
        count = sum(bool(taken(runner, images).any()) for runner in runners)
        message = f"{images.name} in {count} runtimes"
        everyone = [*runners, *plain]
        batches = stream(images, everyone, ruler, message=message, progress=progress)
        totals.add_set(images, batches)
    totals.require_variety()
    return _report(both, runners, totals, options), tuple(totals.kept)


def ruler_of(both: tuple[OpenFile, OpenFile]) -> OutputGrid:
    """Return the grid in whose steps logits are compared: that of the first file with one.

    Raises:
        ParityError: Neither file's logits are integers.
    """
    for opened in both:
        if opened.ends.logits is not None:
            return opened.ends.logits
    raise ParityError(
        f"neither {both[0].file.name} nor {both[1].file.name} has integer logits: expected two "
        "int8 files",
        hint="a build with `--float` can be verified: name its folder",
    )


def _report(
    both: tuple[OpenFile, OpenFile], runners: Sequence[Runner], totals: Totals, options: Options
) -> VerifyReport:
    matrix = totals.matrix
    failures = [
        *(failure for comparison in totals.comparisons for failure in _failures(comparison)),
        *_exact_failures(runners, matrix),
        *(
            f"{runners[number].name} {failure.words}: it has to equal what apps use"
            for number, failure in totals.failures.items()
            if runners[number].runtime.exact
        ),
        *(
            f"{file} gives other scores than its copy with tapped logits: its runtime fuses other "
            "layers where an inner tensor is given out, and the logits here are the copy's"
            for file in sorted(totals.tap_changed)
        ),
    ]
    scores, paired = _accuracy(runners, totals)
    return VerifyReport(
        holds=not failures,
        failures=tuple(failures),
        warnings=(
            *_warnings(runners, totals),
            *why_runtimes_differ.told(
                [(runner.runtime, runner.session) for runner in runners],
                [opened.reading for opened in both],
            ),
        ),
        level=options.level,
        files=tuple(
            facts_of(opened, runner) for opened, runner in zip(both, runners[:2], strict=True)
        ),
        inputs=tuple(totals.inputs),
        participants=_participants(runners, totals),
        matrix=matrix,
        comparisons=tuple(totals.comparisons),
        scores=scores,
        paired=paired,
        sampled=tuple(_sampled(totals)),
        cpu=cpu.name(),
        runtimes=tuple(dict.fromkeys(runner.session.runtime for runner in runners)),
    )


def _failures(comparison: Comparison) -> list[str]:
    failures = []
    different = comparison.images - comparison.exact_logits
    if different:
        failures.append(
            f"logits differ on {different} of {comparison.images} {comparison.inputs}, by up to "
            f"{comparison.max_logits_lsb:.3g} LSB; worst: {comparison.worst}"
        )
    if not (comparison.max_scores_lsb or 0) <= SCORES_LSB:
        failures.append(
            f"scores differ by {comparison.max_scores_lsb:.3g} LSB on {comparison.inputs}, "
            f"expected at most {SCORES_LSB}; worst: {comparison.worst}"
        )
    return failures


def _exact_failures(runners: Sequence[Runner], matrix: Sequence[Comparison]) -> list[str]:
    """Return where the runtime that apps use differs from an exact runtime of the same file."""
    main = {runner.name: runner.file for runner in runners[:2]}
    others = {runner.name: runner.file for runner in runners[2:] if runner.runtime.exact}
    return [
        f"{pair.first} differs from the {pair.second} on {pair.images - pair.exact_logits} of "
        f"{pair.images} images, by up to {pair.max_logits_lsb:.3g} LSB; worst: {pair.worst}"
        for pair in matrix
        if pair.exact_logits < pair.images
        and pair.first in main
        and main[pair.first] == others.get(pair.second)
    ]


def _warnings(runners: Sequence[Runner], totals: Totals) -> list[str]:
    """Return which runtimes that may round differently failed, or found other classes often."""
    exact = {runner.name for runner in runners if runner.runtime.exact}
    failed = [
        f"{runners[number].name} {failure.words}; it decides nothing"
        for number, failure in totals.failures.items()
        if runners[number].name not in exact
    ]
    gross = [
        f"{pair.second} finds the class of {pair.first} on {pair.same_top1} of {pair.images} "
        "images only"
        for pair in totals.matrix
        if pair.first == runners[0].name
        and pair.second not in exact
        and pair.same_top1 < GROSS * pair.images
    ]
    return [*failed, *gross]


def _participants(runners: Sequence[Runner], totals: Totals) -> tuple[Participant, ...]:
    rows = [
        runner.participant(totals.ran[number], totals.failures.get(number))
        for number, runner in enumerate(runners)
    ]
    if totals.float_images:
        rows.append(
            Participant(
                name=FLOAT,
                file="",
                runtime=accuracy.RECORDED,
                images=totals.float_images,
                exact=False,
            )
        )
    return tuple(rows)


def _accuracy(
    runners: Sequence[Runner], totals: Totals
) -> tuple[tuple[FileScore, ...], tuple[PairedTest, ...]]:
    scores: list[FileScore] = []
    paired: list[PairedTest] = []
    runtimes = {runner.file: runner.session.runtime for runner in runners[:2]}
    for images, classes in totals.predicted:
        assert images.labels is not None  # noqa: S101 - only labelled sets are kept
        logits = images.float_logits
        reference = None if logits is None else decided(logits)
        predicted = dict(zip(runtimes, classes, strict=True))
        scores += accuracy.scores(predicted, runtimes, images.labels, reference)
        paired += accuracy.paired(predicted, images.labels, reference)
    return tuple(scores), tuple(paired)


def _sampled(totals: Totals) -> list[str]:
    return [
        f"logits equal on {comparison.exact_logits} of {comparison.images} {comparison.inputs}"
        for comparison in totals.comparisons
    ]


def facts_of(opened: OpenFile, runner: Runner) -> FileFacts:
    """Return what a report states about a file.

    Args:
        opened: The file.
        runner: The file in its first runtime.
    """
    shape = " x ".join(map(str, runner.session.input.shape))
    layout = "NCHW" if runner.feed.channels_first else "NHWC"
    return FileFacts(
        name=opened.file.name,
        format=opened.file.format,
        size=opened.file.size,
        sha256=opened.file.sha256,
        input=f"{runner.session.input.dtype} {layout} {shape}, {_input_grid(opened, runner)}",
        output=_output(opened.ends),
        fed=runner.feed.words,
        external_data=opened.file.external,
        input_choice=opened.choice,
    )


def facts_of_floats(
    file: ModelFile, shape: Sequence[int], scaling: Scaling, *, softmax: bool
) -> FileFacts:
    """Return what a report states about a float build's file, whose input its contract states.

    Args:
        file: The file.
        shape: Shape of an image.
        scaling: Mean and std by which pixels become input values.
        softmax: Whether the file ends in a softmax.
    """
    size = " x ".join(map(str, shape))
    return FileFacts(
        name=file.name,
        format=file.format,
        size=file.size,
        sha256=file.sha256,
        input=f"float32 NHWC {size}, no grid",
        output=f"float logits{', then softmax' if softmax else ''}",
        fed=f"(pixel - {scaling[0]:g}) / {scaling[1]:g}",
        external_data=file.external,
    )


def _input_grid(opened: OpenFile, runner: Runner) -> str:
    """Return the grid of the input, its zero point in the file's own type (int8 or uint8)."""
    tensor = opened.reading.input
    if tensor.scale is None or tensor.zero_point is None:
        return "no grid"
    zero = tensor.zero_point + (128 if runner.session.input.dtype == "uint8" else 0)
    return _grid(OutputGrid(scale=float(tensor.scale), zero_point=zero))


def _output(ends: FileOutputs) -> str:
    grid = "codes, grid not stated" if ends.unstated else _grid(ends.logits)
    return f"{grid}, then {ends.called}" if ends.softmax else grid


def _grid(grid: OutputGrid | None) -> str:
    if grid is None:
        return "float logits"
    return f"scale {grid.scale:.6g}, zero point {grid.zero_point}"
