"""Check that two files which compute in floats agree within float rounding."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy import reading
from mobiledeploy.base.errors import ParityError
from mobiledeploy.base.progress import Event, Progress, silent
from mobiledeploy.data.dataset import Pixels
from mobiledeploy.data.preprocess import to_float32
from mobiledeploy.reading import Packing
from mobiledeploy.runtimes import Array, Format, Session, cpu, table
from mobiledeploy.spec.config import Scaling
from mobiledeploy.verify.outputs import accuracy, answers, int8_files
from mobiledeploy.verify.outputs.image_sets import ImageSet
from mobiledeploy.verify.outputs.int8_files import Options
from mobiledeploy.verify.outputs.opened_file import HERE, OpenFile, Place
from mobiledeploy.verify.outputs.parity import SAME_IN_FLOATS, Answers, decided
from mobiledeploy.verify.outputs.runners import open_runners
from mobiledeploy.verify.report import FileScore, FloatComparison, PairedTest, VerifyReport

TOLERANCE: Final = 1e-3
"""Largest difference of an output, relative to the largest output: float kernels sum in any
order, and 50 layers deep that is some hundred units in the last place."""
BATCH: Final = 32


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FloatFile:
    """A file with float outputs, in the runtime that apps use.

    Attributes:
        name: Name of the file.
        session: The loaded file; its last output is compared.
        feed: Converts pixels to the file's input.
    """

    name: str
    session: Session
    feed: Callable[[Pixels], Array]


def verify_build(
    tflite: bytes,
    onnx_model: bytes,
    sets: Sequence[ImageSet],
    scaling: Scaling,
    *,
    threads: int,
    places: tuple[Place, Place] = (HERE, HERE),
    progress: Progress = silent,
) -> tuple[VerifyReport, tuple[Answers, ...]]:
    """Compare two float files on sets of images.

    Args:
        tflite: A float32 `.tflite`.
        onnx_model: A float32 `.onnx`.
        sets: At least one, none empty.
        scaling: Mean and std by which pixels become input values.
        threads: Images that run at a time.
        places: Where each file is run.
        progress: Called after every batch.

    Returns:
        The report, and the first file's outputs for each set.

    Raises:
        ParityError: The outputs have different shapes, are not finite numbers, or do not vary on
            labelled images.
    """

    def feed(pixels: Pixels) -> Array:
        return to_float32(pixels, scaling)

    formats: tuple[Format, Format] = ("tflite", "onnx")
    one, two = (
        FloatFile(
            name=name,
            session=place.load(table.primary(file), model, threads=threads, name=name),
            feed=feed,
        )
        for place, file, model in zip(places, formats, (tflite, onnx_model), strict=True)
        for name in (f"model.{file}",)
    )
    files = one, two
    return compare(files, sets, progress=progress)


def compare(
    files: tuple[FloatFile, FloatFile], sets: Sequence[ImageSet], *, progress: Progress = silent
) -> tuple[VerifyReport, tuple[Answers, ...]]:
    """Compare the last outputs of two files on sets of images.

    Returns:
        The report, and the first file's outputs for each set.

    Raises:
        ParityError: The outputs have different shapes, are not finite numbers, or do not vary.
    """
    runtimes = {file.name: file.session.runtime for file in files}
    comparisons: list[FloatComparison] = []
    scores: list[FileScore] = []
    paired: list[PairedTest] = []
    answers: list[Answers] = []
    varied: list[bool] = []
    for images in sets:
        first, second = (_run(file, images, progress) for file in files)
        comparisons.append(_compare(images, first, second))
        varied.append(_varies(images, first))
        if images.labels is not None:
            logits = images.float_logits
            predicted = {
                file.name: decided(comparison)
                for file, comparison in zip(files, (first, second), strict=True)
            }
            reference = None if logits is None else decided(logits)
            scores += accuracy.scores(predicted, runtimes, images.labels, reference)
            paired += accuracy.paired(predicted, images.labels, reference)
        answers.append(Answers(logits=first, scores=None))
    if not any(varied):
        raise _constant("every image")
    failures = [
        f"outputs differ by {comparison.max_difference:.1e} of the largest on "
        f"{comparison.inputs}, expected at most {TOLERANCE:g}; worst: {comparison.worst}"
        for comparison in comparisons
        if not comparison.max_difference <= TOLERANCE
    ]
    report = VerifyReport(
        holds=not failures,
        failures=tuple(failures),
        float_comparisons=tuple(comparisons),
        scores=tuple(scores),
        paired=tuple(paired),
        sampled=tuple(
            f"outputs within {comparison.max_difference:.1e} of the largest on "
            f"{comparison.images} {comparison.inputs}, the same class on {comparison.same_top1}"
            for comparison in comparisons
        ),
        cpu=cpu.name(),
        runtimes=tuple(runtimes.values()),
    )
    return report, tuple(answers)


def _run(file: FloatFile, images: ImageSet, progress: Progress) -> npt.NDArray[np.float32]:
    rows = []
    message = f"{images.name} through {file.session.runtime}"
    for start in range(0, len(images), BATCH):
        stop = min(start + BATCH, len(images))
        outputs_of_some = file.session.run(file.feed(images.pixels(start, stop)))[-1]
        rows.append(outputs_of_some.reshape(len(outputs_of_some), -1))
        progress(Event("verify", message, stop, len(images)))
    outputs = np.concatenate(rows)
    answers.require_finite(
        outputs, who=f"{file.name} in {file.session.runtime}", names=images.names
    )
    return outputs


def _varies(images: ImageSet, outputs: npt.NDArray[np.float32]) -> bool:
    """Return whether outputs differ between images; for labelled images they must."""
    spread = np.ptp(outputs.astype(np.float64), axis=0).max()
    if len(outputs) == 1 or spread > TOLERANCE * np.abs(outputs).max():
        return True
    if images.labels is not None:
        raise _constant(f"all {len(images)} {images.name}")
    return False


def _constant(images: str) -> ParityError:
    return ParityError(
        f"the model gives the same output for {images}: comparing files would prove nothing",
        hint=SAME_IN_FLOATS,
    )


def _compare(
    images: ImageSet, first: npt.NDArray[np.float32], second: npt.NDArray[np.float32]
) -> FloatComparison:
    if first.shape != second.shape:
        raise ParityError(
            f"the two files give outputs of shapes {first.shape[1:]} and {second.shape[1:]}",
            hint="they are not the same classifier",
        )
    largest = np.abs(first).max() or np.abs(second).max() or np.float32(1)
    with np.errstate(over="ignore"):
        differences = np.abs(first - second).max(axis=1) / largest
    # Differences beyond float32 count as its largest value: a report holds finite numbers only.
    differences = np.minimum(differences, np.finfo(np.float32).max)
    worst = int(differences.argmax())
    return FloatComparison(
        inputs=images.name,
        images=len(images),
        max_difference=float(differences[worst]),
        same_top1=int((decided(first) == decided(second)).sum()),
        worst=images.names[worst],
    )


NotPlain: TypeAlias = Literal["inner codes"] | Packing

_WORDS: Final[dict[NotPlain, str]] = {
    "inner codes": "int8 codes between its layers, but not as logits",
    "dynamic range": "int8 weights, and activations that are quantised as it runs (dynamic range)",
    "unpacked": "float16 weights, or weights quantised to save room only",
}


def are_floats(both: tuple[OpenFile, OpenFile]) -> bool:
    """Whether both files' logits are floats, so that there is no grid to count steps of."""
    return all(opened.ends.logits is None for opened in both)


def verify_pair(
    both: tuple[OpenFile, OpenFile],
    sets: Sequence[ImageSet],
    options: Options,
    *,
    progress: Progress = silent,
) -> tuple[VerifyReport, tuple[Answers, ...]]:
    """Compare two float files by their logits, each in the runtime that apps use.

    Args:
        both: The two files.
        sets: Images, at least one set, none empty.
        options: How much to do; float files get no certificate.
        progress: Called after every batch.

    Returns:
        The report, and with `options.keep` the first file's outputs for each set.

    Raises:
        ParityError: The files have different shapes, or their outputs do not vary.
        CorruptFileError: A runtime refuses a file, or crashes on it.
    """
    runners = open_runners(both, only_main=True, level=options.level, threads=options.threads)
    one, two = (
        FloatFile(name=runner.file, session=runner.session, feed=runner.feed) for runner in runners
    )
    report, answers = compare((one, two), sets, progress=progress)
    kinds = [(opened.file.name, _kind(opened)) for opened in both]
    packed = [f"{name} has {_WORDS[kind]}" for name, kind in kinds if kind is not None]
    warnings = ["no certificate: it is for int8 files"] if options.level == "full" else []
    report = dataclasses.replace(
        report,
        level=options.level,
        files=tuple(
            int8_files.facts_of(opened, runner)
            for opened, runner in zip(both, runners, strict=True)
        ),
        failures=(*report.failures, *packed) if report.failures else (),
        warnings=(*warnings, *(packed if not report.failures else ())),
    )
    return report, answers if options.keep else ()


def _kind(opened: OpenFile) -> NotPlain | None:
    """Return in what a file differs from plain float32; None if in nothing."""
    if reading.arithmetic(opened.reading) == "codes":
        return "inner codes"
    return reading.packing(opened.reading)
