"""Prove that an int8 `.tflite` and an int8 `.onnx` are the same function."""

import dataclasses
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.config import Io
from mobiledeploy.errors import ConversionError
from mobiledeploy.integer import tflite_reader
from mobiledeploy.integer.certify import certify
from mobiledeploy.integer.graph import Int8, IntegerGraph
from mobiledeploy.integer.head import head_of
from mobiledeploy.progress import Progress, silent
from mobiledeploy.results import Score
from mobiledeploy.runtimes import Session, cpu, litert, ort
from mobiledeploy.targets import onnx, tap
from mobiledeploy.verify.answers import ask
from mobiledeploy.verify.parity import Answers, Comparison, compare
from mobiledeploy.verify.report import FileScore, VerifyReport

SCORES_LSB: Final = 1
"""How far scores may differ: TFLite's own softmax kernels differ by as much."""
UNTAPPED: Final = 64
"""Images that also run through the files as they are, without the tap at the logits."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class InputSet:
    """Images to compare on.

    Attributes:
        name: What they are, in the plural.
        names: One an image.
        codes: int8, shape (images, height, width, channels).
        labels: int64, shape (images,), or None where there are none.
        float_logits: float32, shape (images, classes), or None.
        recorded: Answers that were recorded when the files were built, or None.
    """

    name: str
    names: tuple[str, ...]
    codes: Int8
    labels: npt.NDArray[np.int64] | None = None
    float_logits: npt.NDArray[np.float32] | None = None
    recorded: Answers | None = None


def verify(
    tflite: bytes,
    onnx_model: bytes,
    sets: Sequence[InputSet],
    *,
    io: Io,
    threads: int,
    progress: Progress = silent,
) -> tuple[VerifyReport, tuple[Answers, ...]]:
    """Compare two files, integer by integer, on sets of inputs.

    Args:
        tflite: An int8 `.tflite`.
        onnx_model: An int8 `.onnx`.
        sets: At least one.
        io: Type of both files' inputs and outputs.
        threads: Images that run at a time.
        progress: Told after every batch.

    Returns:
        The report, and what LiteRT answered to each set.

    Raises:
        ParityError: The files are not of one shape, or their outputs do not vary.
        ConversionError: The `.tflite` holds what we do not know.
        CorruptFileError: A file is damaged.
    """
    graph = tflite_reader.read(tflite)
    sessions: dict[str, Session] = {
        "model.tflite": litert.load(tap.tflite(tflite), threads=threads),
        "model.onnx": ort.load(tap.onnx(onnx_model), threads=threads),
    }
    answered = [
        {
            name: ask(
                session,
                inputs.codes,
                graph,
                io,
                message=f"{inputs.name} through {session.runtime}",
                progress=progress,
            )
            for name, session in sessions.items()
        }
        for inputs in sets
    ]
    comparisons = tuple(
        comparison
        for inputs, answers in zip(sets, answered, strict=True)
        for comparison in _compare(inputs, answers)
    )
    same_grid = _same_grid(graph, onnx_model, io)
    failures = [
        failure for comparison in comparisons for failure in _failures(comparison)
    ] + _untapped_failures(graph, io, tflite, onnx_model, sets, answered, threads)
    report = VerifyReport(
        holds=not failures,
        failures=tuple(failures),
        comparisons=comparisons,
        float_comparisons=(),
        scores=tuple(
            line
            for inputs, answers in zip(sets, answered, strict=True)
            for line in _scores(inputs, answers, sessions)
        ),
        same_grid=same_grid,
        cpu=cpu.name(),
        runtimes=tuple(session.runtime for session in sessions.values()),
    )
    return report, tuple(answers["model.tflite"] for answers in answered)


def _compare(inputs: InputSet, answers: dict[str, Answers]) -> list[Comparison]:
    found = [compare(inputs.name, inputs.names, answers["model.tflite"], answers["model.onnx"])]
    if inputs.recorded is not None:
        recorded = f"{inputs.name}, against their record"
        found.append(compare(recorded, inputs.names, inputs.recorded, answers["model.tflite"]))
    return found


def _same_grid(graph: IntegerGraph, onnx_model: bytes, io: Io) -> bool:
    """Return whether the ONNX file is what we would write from the `.tflite`'s integers."""
    try:
        certificates = certify(graph)
    except ConversionError:
        return False  # an ADD that no ONNX scales can reproduce: not a file of ours
    return onnx.write(graph, certificates, io=io, head=head_of(graph)) == onnx_model


def _failures(comparison: Comparison) -> list[str]:
    found = []
    different = comparison.images - comparison.exact_logits
    if different:
        found.append(
            f"logits differ on {different} of {comparison.images} {comparison.inputs}, by up to "
            f"{comparison.max_logits_lsb} LSB; worst: {comparison.worst}"
        )
    if comparison.max_scores_lsb > SCORES_LSB:
        found.append(
            f"scores differ by {comparison.max_scores_lsb} LSB on {comparison.inputs}, expected "
            f"at most {SCORES_LSB}; worst: {comparison.worst}"
        )
    return found


def _untapped_failures(
    graph: IntegerGraph,
    io: Io,
    tflite: bytes,
    onnx_model: bytes,
    sets: Sequence[InputSet],
    answered: Sequence[dict[str, Answers]],
    threads: int,
) -> list[str]:
    """Check that the tap changed nothing: the files as they are give the same scores."""
    untapped: dict[str, Session] = {
        "model.tflite": litert.load(tflite, threads=threads),
        "model.onnx": ort.load(onnx_model, threads=threads),
    }
    found = []
    for inputs, answers in zip(sets, answered, strict=True):
        for name, session in untapped.items():
            codes = inputs.codes[:UNTAPPED]
            plain = ask(session, codes, graph, io, message=f"{name} without the tap")
            if not np.array_equal(plain.scores, answers[name].scores[: len(codes)]):
                found.append(f"{name} gives other scores on {inputs.name} than its tapped copy")
    return found


def _scores(
    inputs: InputSet, answers: dict[str, Answers], sessions: dict[str, Session]
) -> list[FileScore]:
    if inputs.labels is None or inputs.float_logits is None:
        return []
    reference = inputs.float_logits.argmax(axis=1)
    predicted = {name: found.logits.argmax(axis=1) for name, found in answers.items()}
    lines = {"float": reference, **predicted}
    return [
        FileScore(
            file=name,
            runtime=sessions[name].runtime if name in sessions else "TensorFlow",
            labels=Score.of(classes, inputs.labels),
            float_model=Score.of(classes, reference),
        )
        for name, classes in lines.items()
    ]
