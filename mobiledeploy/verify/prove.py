"""The whole proof of two int8 files: their answers, their integers, and where they part."""

import dataclasses
from collections.abc import Sequence

from mobiledeploy.config import Io
from mobiledeploy.errors import ConversionError
from mobiledeploy.integer import tflite_reader
from mobiledeploy.integer.certify import certify
from mobiledeploy.integer.head import head_of
from mobiledeploy.progress import Progress, silent
from mobiledeploy.targets import onnx
from mobiledeploy.verify import int8
from mobiledeploy.verify.inputs import ImageSet
from mobiledeploy.verify.int8 import Options
from mobiledeploy.verify.parity import Answers
from mobiledeploy.verify.report import VerifyReport
from mobiledeploy.verify.side import Side

SAME_GRID = (
    "the .onnx is byte for byte what the integers of the .tflite give, every ADD and MEAN "
    "certified over all their inputs"
)


def prove(
    sides: tuple[Side, Side],
    sets: Sequence[ImageSet],
    options: Options,
    *,
    progress: Progress = silent,
) -> tuple[VerifyReport, tuple[Answers, ...]]:
    """Compare two int8 files in every way there is; see `int8.verify`."""
    report, answers = int8.verify(sides, sets, options, progress=progress)
    same = same_grid(sides)
    report = dataclasses.replace(
        report, same_grid=same, proven=(SAME_GRID,) if same else report.proven
    )
    return report, answers


def same_grid(sides: tuple[Side, Side]) -> bool | None:
    """Return whether the ONNX file is what we would write from the `.tflite`'s integers.

    None where there is no such pair, or the `.tflite` holds more than integer graphs do.
    """
    if [side.file.format for side in sides] != ["tflite", "onnx"]:
        return None
    try:
        graph = tflite_reader.read(sides[0].file.data)
    except ConversionError:
        return None
    try:
        certificates = certify(graph)
    except ConversionError:
        return False  # an ADD that no ONNX scales can reproduce: not a file of ours
    io = _io(sides[0])
    if io is None:
        return False
    written = onnx.write(graph, certificates, io=io, head=head_of(graph))
    return written == sides[1].file.data


def _io(side: Side) -> Io | None:
    match side.reading.input.dtype:
        case "int8" | "uint8" | "float32" as io:
            return io
        case _:
            return None
