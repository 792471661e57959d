"""The whole proof of two int8 files: their answers, their integers, and where they part."""

import dataclasses
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np

from mobiledeploy import reading
from mobiledeploy.base.errors import ConversionError
from mobiledeploy.base.progress import Event, Progress, silent
from mobiledeploy.compare import structure
from mobiledeploy.compare.difference import StructureReport
from mobiledeploy.integer import tflite_reader
from mobiledeploy.integer.certify import certify
from mobiledeploy.integer.graph import head_of
from mobiledeploy.spec.config import Io
from mobiledeploy.targets import onnx
from mobiledeploy.verify import divergence, int8
from mobiledeploy.verify.divergence import Suspects
from mobiledeploy.verify.inputs import ImageSet
from mobiledeploy.verify.int8 import Options
from mobiledeploy.verify.layer_report import Divergence, LayerRow
from mobiledeploy.verify.parity import Answers
from mobiledeploy.verify.report import Comparison, VerifyReport
from mobiledeploy.verify.runners import open_runners
from mobiledeploy.verify.side import Side

SUSPECTS: Final = 6
"""Images of each set that are searched for the first layer that diverges, besides the worst."""


def prove(
    sides: tuple[Side, Side],
    sets: Sequence[ImageSet],
    options: Options,
    *,
    progress: Progress = silent,
) -> tuple[VerifyReport, tuple[Answers, ...]]:
    """Compare two int8 files by their answers and by their integers, and say where they part.

    Args:
        sides: The two files.
        sets: Images, at least one set, none empty.
        options: How much to do.
        progress: Told after every batch.

    Returns:
        The report, and with `options.keep` what the first file answered to each set.

    Raises:
        ParityError: The files are not of one shape, or their outputs do not vary.
        CorruptFileError: A file is damaged.
    """
    progress(Event("verify", "reading and loading both files", 0, None))
    compared = structure.compare(sides[0].reading, sides[1].reading)
    runners = open_runners(
        sides, only_main=options.only_main, level=options.level, threads=options.threads
    )
    with ThreadPoolExecutor(1) as pool:  # while this thread waits for the runtimes
        same = pool.submit(same_grid, sides)
        report, answers = int8.verify(sides, runners, sets, options, progress=progress)
        report = _with_structure(report, compared, same=same.result())
    if options.layers or not report.holds:
        suspects = _suspects(sets, report.comparisons)
        found, layers = divergence.locate(
            sides, runners[:2], suspects, compared, threads=options.threads, progress=progress
        )
        report = _with_layers(report, found, layers, images=len(suspects[0]))
    if options.level == "full":
        report = _with_certificate(report, sides, threads=options.threads, progress=progress)
    return report, answers


def _with_certificate(
    report: VerifyReport, sides: tuple[Side, Side], *, threads: int, progress: Progress
) -> VerifyReport:
    """Return a report that also holds the certificate, and fails where that does."""
    from mobiledeploy.verify import certificate  # half of this room: not for a quick verification

    by_format = {side.file.format: side for side in sides}
    floats = any(reading.arithmetic(side.reading) != "codes" for side in sides)
    if floats or len(by_format) < len(sides):
        words = (
            f"no certificate: it is for {'int8 files' if floats else 'a .tflite with an .onnx'}"
        )
        return dataclasses.replace(report, warnings=(*report.warnings, words))
    pair = by_format["tflite"], by_format["onnx"]
    found = certificate.certify_sides(pair, threads=threads, progress=progress)
    failures = report.failures if found.holds else (*report.failures, found.verdict)
    return dataclasses.replace(
        report,
        holds=not failures,
        failures=failures,
        proven=(*report.proven, found.verdict) if found.holds else report.proven,
        sampled=(*report.sampled, *found.sampled),
        certificate=found,
    )


def _with_layers(
    report: VerifyReport,
    found: Divergence | None,
    layers: tuple[LayerRow, ...],
    *,
    images: int,
) -> VerifyReport:
    """Return a report that also holds what was seen inside; only a failure has a divergence."""
    warnings = report.warnings
    if report.holds and found is not None:
        warnings = (*warnings, f"the logits agree, but `{found.layer}` does not: {found.cause}")
    return dataclasses.replace(
        report,
        warnings=warnings,
        divergence=None if report.holds else found,
        layers=layers,
        layer_images=images if layers else 0,
    )


def same_grid(sides: tuple[Side, Side]) -> bool | None:
    """Return whether the ONNX file is what we would write from the `.tflite`'s integers.

    None where there is no such pair, or the `.tflite` holds more than integer graphs do.
    """
    by_format = {side.file.format: side for side in sides}
    if len(by_format) < len(sides):
        return None
    try:
        graph = tflite_reader.read(by_format["tflite"].file.tflite)
    except ConversionError:
        return None
    try:
        certificates = certify(graph)
    except ConversionError:
        return False  # an ADD that no ONNX scales can reproduce: not a file of ours
    io = _io(by_format["onnx"])
    if io is None:
        return False
    written = onnx.write(graph, certificates, io=io, head=head_of(graph))
    return written == by_format["onnx"].file.data


def _io(side: Side) -> Io | None:
    match side.reading.input.dtype:
        case "int8" | "uint8" | "float32" as io:
            return io
        case _:
            return None


def _with_structure(
    report: VerifyReport, compared: StructureReport, *, same: bool | None
) -> VerifyReport:
    """Return a report that also judges the files' integers, whatever the images showed."""
    failures, warnings, proven, by_integers = report.failures, report.warnings, [], ""
    if same:
        proven.append(
            "the .onnx is byte for byte what the integers of the .tflite give, every ADD and "
            "MEAN certified over all their inputs"
        )
    if compared.same:
        proven.append(
            f"all {compared.layers} layers hold the same integers in both files, or integers "
            "that give the same codes"
        )
    elif any(
        not found.equivalent and found.field != "not comparable" for found in compared.differences
    ):
        by_integers = f"by their integers the files are not one function: {compared.cause}"
        failures = (*failures, by_integers)
    else:
        warnings = (*warnings, compared.cause)
    return dataclasses.replace(
        report,
        holds=not failures,
        failures=failures,
        warnings=warnings,
        structure=compared,
        same_grid=same,
        proven=tuple(proven),
        by_integers=by_integers,
    )


def _suspects(sets: Sequence[ImageSet], comparisons: Sequence[Comparison]) -> Suspects:
    """Return the images of all sets that differ most, and then some of every set."""
    worst: list[tuple[ImageSet, int]] = []
    others: list[tuple[ImageSet, int]] = []
    for images in sets:
        named = [found.worst for found in comparisons if found.inputs == images.name]
        rows = dict.fromkeys(images.names.index(name) for name in named if name)
        spread = np.linspace(0, len(images) - 1, SUSPECTS).astype(int).tolist()
        worst += [(images, row) for row in rows]
        others += [(images, row) for row in dict.fromkeys(spread) if row not in rows]
    chosen = [*worst, *others]
    return (
        tuple(images.names[row] for images, row in chosen),
        np.concatenate([images.pixels(row, row + 1) for images, row in chosen]),
    )
