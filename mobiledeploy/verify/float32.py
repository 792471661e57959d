"""Check that a float32 `.tflite` and a float32 `.onnx` agree, within float rounding."""

from typing import Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.config import Preprocessing
from mobiledeploy.data.evaluation import Evaluation
from mobiledeploy.data.preprocess import to_float32
from mobiledeploy.errors import ParityError
from mobiledeploy.progress import Event, Progress, silent
from mobiledeploy.runtimes import Session, cpu
from mobiledeploy.verify import accuracy
from mobiledeploy.verify.parity import Answers
from mobiledeploy.verify.report import FloatComparison, VerifyReport
from mobiledeploy.verify.side import HERE, Place

TOLERANCE: Final = 1e-3
"""Largest difference of an output, relative to the largest output: float kernels sum in any
order, and 50 layers deep that is some hundred units in the last place."""
BATCH: Final = 32


def verify(
    tflite: bytes,
    onnx_model: bytes,
    evaluation: Evaluation,
    preprocessing: Preprocessing,
    *,
    threads: int,
    places: tuple[Place, Place] = (HERE, HERE),
    progress: Progress = silent,
) -> tuple[VerifyReport, Answers]:
    """Compare two float files on labelled images.

    Args:
        tflite: A float32 `.tflite`.
        onnx_model: A float32 `.onnx`.
        evaluation: The images.
        preprocessing: From pixels to input values.
        threads: Images that run at a time.
        places: Where each file is run.
        progress: Told after every batch.

    Returns:
        The report, and what LiteRT answered.

    Raises:
        ParityError: The outputs have different shapes, or do not vary.
    """
    sessions: dict[str, Session] = {
        "model.tflite": places[0].load(
            "xnnpack", tflite, taps=(), threads=threads, name="model.tflite"
        ),
        "model.onnx": places[1].load(
            "ort-optimised", onnx_model, taps=(), threads=threads, name="model.onnx"
        ),
    }
    outputs = {
        name: _run(session, evaluation.pixels, preprocessing, progress)
        for name, session in sessions.items()
    }
    comparison = _compare(evaluation.names, *outputs.values())
    failures = []
    if comparison.max_difference > TOLERANCE:
        failures.append(
            f"outputs differ by {comparison.max_difference:.1e} of the largest, expected at most "
            f"{TOLERANCE:g}; worst: {comparison.worst}"
        )
    reference = evaluation.float_logits.argmax(axis=1)
    predicted = {name: found.argmax(axis=1) for name, found in outputs.items()}
    runtimes = {name: session.runtime for name, session in sessions.items()}
    report = VerifyReport(
        holds=not failures,
        failures=tuple(failures),
        float_comparisons=(comparison,),
        scores=accuracy.scores(predicted, runtimes, evaluation.labels, reference),
        cpu=cpu.name(),
        runtimes=tuple(runtimes.values()),
    )
    answers = outputs["model.tflite"]
    return report, Answers(logits=answers, scores=None)


def _run(
    session: Session,
    pixels: npt.NDArray[np.uint8],
    preprocessing: Preprocessing,
    progress: Progress,
) -> npt.NDArray[np.float32]:
    rows = []
    for start in range(0, len(pixels), BATCH):
        batch = to_float32(pixels[start : start + BATCH], preprocessing)
        rows.append(session.run(batch)[0])
        message = f"held-back images through {session.runtime}"
        progress(Event("verify", message, start + len(batch), len(pixels)))
    return np.concatenate(rows)


def _compare(
    names: tuple[str, ...], first: npt.NDArray[np.float32], second: npt.NDArray[np.float32]
) -> FloatComparison:
    if first.shape != second.shape:
        raise ParityError(
            f"the two files give outputs of shapes {first.shape[1:]} and {second.shape[1:]}",
            hint="they are not the same classifier",
        )
    if len(first) > 1 and float(np.ptp(first, axis=0).max()) <= TOLERANCE * float(
        np.abs(first).max()
    ):
        raise ParityError(
            "the model gives the same output for every image: comparing files would prove nothing",
            hint="the model is untrained or collapsed: train longer, or lower the learning rate",
        )
    differences = np.abs(first - second).max(axis=1) / np.abs(first).max()
    worst = int(differences.argmax())
    return FloatComparison(
        inputs="held-back images",
        images=len(names),
        max_difference=float(differences[worst]),
        same_top1=int((first.argmax(1) == second.argmax(1)).sum()),
        worst=names[worst],
    )
