"""Check that two files that compute in floats agree, within float rounding."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import ParityError
from mobiledeploy.base.progress import Event, Progress, silent
from mobiledeploy.data.dataset import Pixels
from mobiledeploy.data.preprocess import to_float32
from mobiledeploy.runtimes import Array, Session, cpu
from mobiledeploy.spec.config import Preprocessing
from mobiledeploy.verify import accuracy
from mobiledeploy.verify.inputs import ImageSet
from mobiledeploy.verify.parity import Answers
from mobiledeploy.verify.report import FileScore, FloatComparison, PairedTest, VerifyReport
from mobiledeploy.verify.side import HERE, Place

TOLERANCE: Final = 1e-3
"""Largest difference of an output, relative to the largest output: float kernels sum in any
order, and 50 layers deep that is some hundred units in the last place."""
BATCH: Final = 32


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FloatFile:
    """A file that gives out floats, in the runtime that apps use.

    Attributes:
        name: Of the file.
        session: It; the last output is compared.
        feed: From pixels to its input.
    """

    name: str
    session: Session
    feed: Callable[[Pixels], Array]


def verify(
    tflite: bytes,
    onnx_model: bytes,
    sets: Sequence[ImageSet],
    preprocessing: Preprocessing,
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
        preprocessing: From pixels to input values.
        threads: Images that run at a time.
        places: Where each file is run.
        progress: Told after every batch.

    Returns:
        The report, and what LiteRT answered to each set.

    Raises:
        ParityError: The outputs have different shapes, or do not vary on labelled images.
    """

    def feed(pixels: Pixels) -> Array:
        return to_float32(pixels, preprocessing)

    one = places[0].load("xnnpack", tflite, taps=(), threads=threads, name="model.tflite")
    two = places[1].load("ort-optimised", onnx_model, taps=(), threads=threads, name="model.onnx")
    files = (
        FloatFile(name="model.tflite", session=one, feed=feed),
        FloatFile(name="model.onnx", session=two, feed=feed),
    )
    return compare(files, sets, progress=progress)


def compare(
    files: tuple[FloatFile, FloatFile], sets: Sequence[ImageSet], *, progress: Progress = silent
) -> tuple[VerifyReport, tuple[Answers, ...]]:
    """Compare the last outputs of two files on sets of images.

    Returns:
        The report, and what the first file answered to each set.

    Raises:
        ParityError: The outputs have different shapes, or do not vary.
    """
    runtimes = {file.name: file.session.runtime for file in files}
    comparisons: list[FloatComparison] = []
    scores: list[FileScore] = []
    paired: list[PairedTest] = []
    answers: list[Answers] = []
    varied: list[bool] = []
    for images in sets:
        outputs = {file.name: _run(file, images, progress) for file in files}
        comparisons.append(_compare(images, *outputs.values()))
        varied.append(_varies(images, outputs[files[0].name]))
        if images.labels is not None:
            logits = images.float_logits
            predicted = {name: found.argmax(axis=1) for name, found in outputs.items()}
            reference = None if logits is None else logits.argmax(axis=1)
            scores += accuracy.scores(predicted, runtimes, images.labels, reference)
            paired += accuracy.paired(predicted, images.labels, reference)
        answers.append(Answers(logits=outputs[files[0].name], scores=None))
    if not any(varied):
        raise _constant("every image")
    failures = [
        f"outputs differ by {found.max_difference:.1e} of the largest on {found.inputs}, expected "
        f"at most {TOLERANCE:g}; worst: {found.worst}"
        for found in comparisons
        if found.max_difference > TOLERANCE
    ]
    report = VerifyReport(
        holds=not failures,
        failures=tuple(failures),
        float_comparisons=tuple(comparisons),
        scores=tuple(scores),
        paired=tuple(paired),
        sampled=tuple(
            f"outputs within {found.max_difference:.1e} of the largest on {found.images} "
            f"{found.inputs}, the same class on {found.same_top1}"
            for found in comparisons
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
        found = file.session.run(file.feed(images.pixels(start, stop)))[-1]
        rows.append(found.reshape(len(found), -1))
        progress(Event("verify", message, stop, len(images)))
    return np.concatenate(rows)


def _varies(images: ImageSet, found: npt.NDArray[np.float32]) -> bool:
    """Return whether answers differ from image to image, as those to labelled ones must."""
    if len(found) == 1 or np.ptp(found, axis=0).max() > TOLERANCE * np.abs(found).max():
        return True
    if images.labels is not None:
        raise _constant(f"all {len(images)} {images.name}")
    return False


def _constant(images: str) -> ParityError:
    return ParityError(
        f"the model gives the same output for {images}: comparing files would prove nothing",
        hint="the model is untrained or collapsed: train longer, or lower the learning rate",
    )


def _compare(
    images: ImageSet, first: npt.NDArray[np.float32], second: npt.NDArray[np.float32]
) -> FloatComparison:
    if first.shape != second.shape:
        raise ParityError(
            f"the two files give outputs of shapes {first.shape[1:]} and {second.shape[1:]}",
            hint="they are not the same classifier",
        )
    largest = np.abs(first).max()
    differences = np.abs(first - second).max(axis=1) / largest
    worst = int(differences.argmax())
    return FloatComparison(
        inputs=images.name,
        images=len(images),
        max_difference=float(differences[worst]),
        same_top1=int((first.argmax(1) == second.argmax(1)).sum()),
        worst=images.names[worst],
    )
