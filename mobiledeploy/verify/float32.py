"""Check that a float32 `.tflite` and a float32 `.onnx` agree, within float rounding."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.config import Preprocessing
from mobiledeploy.data.preprocess import to_float32
from mobiledeploy.errors import ParityError
from mobiledeploy.progress import Event, Progress, silent
from mobiledeploy.runtimes import Session, cpu
from mobiledeploy.verify import accuracy
from mobiledeploy.verify.inputs import ImageSet
from mobiledeploy.verify.parity import Answers
from mobiledeploy.verify.report import FileScore, FloatComparison, VerifyReport
from mobiledeploy.verify.side import HERE, Place

TOLERANCE: Final = 1e-3
"""Largest difference of an output, relative to the largest output: float kernels sum in any
order, and 50 layers deep that is some hundred units in the last place."""
BATCH: Final = 32


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
    sessions: dict[str, Session] = {
        "model.tflite": places[0].load(
            "xnnpack", tflite, taps=(), threads=threads, name="model.tflite"
        ),
        "model.onnx": places[1].load(
            "ort-optimised", onnx_model, taps=(), threads=threads, name="model.onnx"
        ),
    }
    runtimes = {name: session.runtime for name, session in sessions.items()}
    comparisons: list[FloatComparison] = []
    scores: list[FileScore] = []
    answers: list[Answers] = []
    for images in sets:
        outputs = {
            name: _run(session, images, preprocessing, progress)
            for name, session in sessions.items()
        }
        comparisons.append(_compare(images, *outputs.values()))
        scores += _accuracy(images, outputs, runtimes)
        answers.append(Answers(logits=outputs["model.tflite"], scores=None))
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
        cpu=cpu.name(),
        runtimes=tuple(runtimes.values()),
    )
    return report, tuple(answers)


def _run(
    session: Session,
    images: ImageSet,
    preprocessing: Preprocessing,
    progress: Progress,
) -> npt.NDArray[np.float32]:
    rows = []
    message = f"{images.name} through {session.runtime}"
    for start in range(0, len(images), BATCH):
        stop = min(start + BATCH, len(images))
        rows.append(session.run(to_float32(images.pixels(start, stop), preprocessing))[0])
        progress(Event("verify", message, stop, len(images)))
    return np.concatenate(rows)


def _accuracy(
    images: ImageSet, outputs: dict[str, npt.NDArray[np.float32]], runtimes: dict[str, str]
) -> tuple[FileScore, ...]:
    if images.labels is None:
        return ()
    logits = images.float_logits
    predicted = {name: found.argmax(axis=1) for name, found in outputs.items()}
    reference = None if logits is None else logits.argmax(axis=1)
    return accuracy.scores(predicted, runtimes, images.labels, reference)


def _compare(
    images: ImageSet, first: npt.NDArray[np.float32], second: npt.NDArray[np.float32]
) -> FloatComparison:
    if first.shape != second.shape:
        raise ParityError(
            f"the two files give outputs of shapes {first.shape[1:]} and {second.shape[1:]}",
            hint="they are not the same classifier",
        )
    largest = np.abs(first).max()
    varied = len(first) == 1 or np.ptp(first, axis=0).max() > TOLERANCE * largest
    if images.labels is not None and not varied:
        raise ParityError(
            "the model gives the same output for every image: comparing files would prove nothing",
            hint="the model is untrained or collapsed: train longer, or lower the learning rate",
        )
    differences = np.abs(first - second).max(axis=1) / largest
    worst = int(differences.argmax())
    return FloatComparison(
        inputs=images.name,
        images=len(images),
        max_difference=float(differences[worst]),
        same_top1=int((first.argmax(1) == second.argmax(1)).sum()),
        worst=images.names[worst],
    )
