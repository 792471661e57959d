"""`prove`: compare two int8 files by outputs, integers, layers and proofs, in one report."""

import dataclasses
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np

from mobiledeploy import reading
from mobiledeploy.base.errors import ConversionError
from mobiledeploy.base.progress import Event, Progress, silent
from mobiledeploy.compare import diagnosis
from mobiledeploy.compare.difference import StructureReport
from mobiledeploy.compare.judge import Judgement, judge
from mobiledeploy.integer import tflite_reader
from mobiledeploy.integer.certify import certify
from mobiledeploy.integer.graph import head_of
from mobiledeploy.ops import table
from mobiledeploy.ops.capabilities import Certified
from mobiledeploy.spec.config import Io
from mobiledeploy.targets import onnx
from mobiledeploy.verify.layers import divergence
from mobiledeploy.verify.layers.as_computed import as_computed
from mobiledeploy.verify.layers.divergence import Suspects
from mobiledeploy.verify.outputs import int8_files
from mobiledeploy.verify.outputs.image_sets import ImageSet
from mobiledeploy.verify.outputs.int8_files import Options
from mobiledeploy.verify.outputs.opened_file import OpenFile
from mobiledeploy.verify.outputs.parity import Answers
from mobiledeploy.verify.outputs.runners import open_runners
from mobiledeploy.verify.report import Comparison, Divergence, LayerRow, VerifyReport

SUSPECTS: Final = 6
"""Images of each set, besides the worst, in which the first diverging layer is searched."""


def prove(
    both: tuple[OpenFile, OpenFile],
    sets: Sequence[ImageSet],
    options: Options,
    *,
    progress: Progress = silent,
) -> tuple[VerifyReport, tuple[Answers, ...]]:
    """Compare two int8 files by their outputs and integers, and name the layer that differs.

    Args:
        both: The two files.
        sets: Images, at least one set, none empty.
        options: How much to do.
        progress: Called after every batch.

    Returns:
        The report, and with `options.keep` the first file's outputs for each set.

    Raises:
        ParityError: The files have different shapes, or their outputs do not vary.
        CorruptFileError: A file is damaged.
    """
    progress(Event("verify", "reading and loading both files", 0, None))
    with ThreadPoolExecutor(2) as pool:  # the runtimes work while this thread computes
        opened = pool.submit(
            open_runners,
            both,
            only_main=options.only_main,
            level=options.level,
            threads=options.threads,
        )
        same = pool.submit(same_grid, both)
        judgement = judge(both[0].reading, both[1].reading)
        compared = diagnosis.report(judgement)
        runners = opened.result()
        if not compared.same:
            both, judgement, compared = _as_computed(both, judgement, compared)
        report, answers = int8_files.verify(both, runners, sets, options, progress=progress)
        certified = _certified(judgement) if same.result() else ()
        report = _with_structure(report, compared, same=same.result(), certified=certified)
    differ = any(each.exact_logits < each.images for each in report.comparisons)
    wanted = {"unproven": True, "differing": differ, "never": False}[options.locate]
    if options.layers or (not report.holds and wanted):
        suspects = _suspects(sets, report.comparisons)
        divergence_found, layers = divergence.locate(
            both,
            runners[:2],
            suspects,
            judgement,
            compared,
            threads=options.threads,
            progress=progress,
        )
        report = _with_layers(report, divergence_found, layers, images=len(suspects[0]))
    if options.level == "full":
        report = _with_certificate(
            report, both, judgement, threads=options.threads, progress=progress
        )
    return report, answers


def _as_computed(
    both: tuple[OpenFile, OpenFile], judgement: Judgement, compared: StructureReport
) -> tuple[tuple[OpenFile, OpenFile], Judgement, StructureReport]:
    """Return files, their judgement and what it says, each `.onnx` as its runtime computes it.

    Those that are given if that says no more.
    """
    from mobiledeploy.verify.proof import certificate

    if any(reading.arithmetic(opened.reading) != "codes" for opened in both):
        return both, judgement, compared
    files = as_computed(both[0]), as_computed(both[1])
    in_floats = certificate.in_floats(files[0]), certificate.in_floats(files[1])
    if files == both and not any(in_floats):
        return both, judgement, compared
    judged = judge(files[0].reading, files[1].reading, in_floats)
    return files, judged, diagnosis.report(judged)


def _with_certificate(
    report: VerifyReport,
    both: tuple[OpenFile, OpenFile],
    judgement: Judgement,
    *,
    threads: int,
    progress: Progress,
) -> VerifyReport:
    """Return a report with the certificate, which fails if the certificate does not hold."""
    from mobiledeploy.verify.proof import certificate

    by_format = {opened.file.format: opened for opened in both}
    floats = any(reading.arithmetic(opened.reading) != "codes" for opened in both)
    if floats or len(by_format) < len(both):
        words = (
            f"no certificate: it is for {'int8 files' if floats else 'a .tflite with an .onnx'}"
        )
        return dataclasses.replace(report, warnings=(*report.warnings, words))
    pair = by_format["tflite"], by_format["onnx"]
    if pair != both:
        judgement = judgement.turned()
    certified = certificate.certify(pair, judgement, threads=threads, progress=progress)
    failures = report.failures if certified.holds else (*report.failures, certified.verdict)
    return dataclasses.replace(
        report,
        holds=not failures,
        failures=failures,
        proven=(*report.proven, certified.verdict) if certified.holds else report.proven,
        sampled=(*report.sampled, *certified.sampled),
        certificate=certified,
    )


def _with_layers(
    report: VerifyReport,
    divergence: Divergence | None,
    layers: tuple[LayerRow, ...],
    *,
    images: int,
) -> VerifyReport:
    """Return a report with the rows of the layers and, if it fails, the divergence."""
    warnings = report.warnings
    if report.holds and divergence is not None:
        warnings = (
            *warnings,
            f"the logits agree, but `{divergence.layer}` does not: {divergence.cause}",
        )
    return dataclasses.replace(
        report,
        warnings=warnings,
        divergence=None if report.holds else divergence,
        layers=layers,
        layer_images=images if layers else 0,
    )


def same_grid(both: tuple[OpenFile, OpenFile]) -> bool | None:
    """Return whether the ONNX file is what a build would write from the `.tflite`'s integers.

    None if the files are not a `.tflite` and an `.onnx`, or the `.tflite` is not an integer graph.
    """
    by_format = {opened.file.format: opened for opened in both}
    if len(by_format) < len(both):
        return None
    try:
        graph = tflite_reader.read(by_format["tflite"].file.tflite)
    except ConversionError:
        return None
    try:
        certificates = certify(graph)
    except ConversionError:
        return False  # an ADD that no ONNX scales can reproduce: no build wrote this file
    io = _io(by_format["onnx"])
    if io is None:
        return False
    written = onnx.write(graph, certificates, io=io, head=head_of(graph))
    return written == by_format["onnx"].file.data


def _io(opened: OpenFile) -> Io | None:
    match opened.reading.input.dtype:
        case "int8" | "uint8" | "float32" as io:
            return io
        case _:
            return None


def _certified(judgement: Judgement) -> tuple[str, ...]:
    """Return the operators of two files all of whose inputs are tried, in the table's order."""
    kinds = {layer.kind for reading in judgement.readings for layer in reading.layers}
    return tuple(
        next(iter(operator.TFLITE))
        for operator in table.OPERATORS
        if isinstance(operator, Certified) and kinds.intersection(operator.LAYERS)
    )


def _with_structure(
    report: VerifyReport,
    compared: StructureReport,
    *,
    same: bool | None,
    certified: Sequence[str],
) -> VerifyReport:
    """Return a report that also fails where the files' integers are not the same function."""
    failures, warnings, proven, by_integers = report.failures, report.warnings, [], ""
    if same:
        outside = any(file.external_data for file in report.files)
        put = ", with its external data put inside," if outside else ""
        words = f"the .onnx{put} is byte for byte what the integers of the .tflite give"
        if certified:
            *others, last = certified
            names = f"{', '.join(others)} and {last}" if others else last
            words += f", every {names} certified over all {'their' if others else 'its'} inputs"
        proven.append(words)
    warnings = (*warnings, *_but(compared))
    if compared.same:
        other = any(difference.field in divergence.ALONE for difference in compared.differences)
        proven.append(
            f"all {compared.layers} layers hold the same integers in both files, or integers "
            f"that give the same codes{', in other layers for some of them' if other else ''}"
        )
    elif any(
        not difference.equivalent and difference.field != "not comparable"
        for difference in compared.differences
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


def _but(compared: StructureReport) -> Iterator[str]:
    """Yield where layers may differ that hold the same codes, in words."""
    for difference in compared.differences:
        if difference.equivalent and difference.but:
            yield f"`{difference.name}`: {difference.but}"


def _suspects(sets: Sequence[ImageSet], comparisons: Sequence[Comparison]) -> Suspects:
    """Return the image of each set that differs most, then some more of every set."""
    worst: list[tuple[ImageSet, int]] = []
    others: list[tuple[ImageSet, int]] = []
    for images in sets:
        named = [
            comparison.worst for comparison in comparisons if comparison.inputs == images.name
        ]
        rows = dict.fromkeys(images.names.index(name) for name in named if name)
        spread = np.linspace(0, len(images) - 1, SUSPECTS).astype(int).tolist()
        worst += [(images, row) for row in rows]
        others += [(images, row) for row in dict.fromkeys(spread) if row not in rows]
    chosen = [*worst, *others]
    return (
        tuple(images.names[row] for images, row in chosen),
        np.concatenate([images.pixels(row, row + 1) for images, row in chosen]),
    )
