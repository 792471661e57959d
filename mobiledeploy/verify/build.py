"""Verify a build folder: its files are the ones that were built, and they agree."""

from pathlib import Path

import numpy as np

from mobiledeploy import codec, manifest
from mobiledeploy.contract import Contract
from mobiledeploy.data import evaluation as held_back
from mobiledeploy.data.evaluation import Evaluation
from mobiledeploy.data.preprocess import to_int8
from mobiledeploy.errors import RequestError
from mobiledeploy.progress import Progress, silent
from mobiledeploy.verify import float32, golden, int8
from mobiledeploy.verify.inputs import extremes
from mobiledeploy.verify.int8 import InputSet
from mobiledeploy.verify.report import VerifyReport


def verify(
    root: Path,
    *,
    images: Evaluation | None = None,
    samples: int | None = None,
    threads: int = 2,
    progress: Progress = silent,
) -> VerifyReport:
    """Prove a build: integers compared with integers on held-back images and on extremes.

    Args:
        root: A build folder.
        images: Other labelled images than the build's own held-back ones.
        samples: Take only the first so many images.
        threads: Images that run at a time.
        progress: Told after every batch.

    Raises:
        CorruptFileError: A file is missing, or is not the one that was built.
        ParityError: The outputs do not vary, so that equality would prove nothing.
        RequestError: The images do not have the size of the network's input.
    """
    manifest.read(root)
    contract = codec.from_json(
        Contract, (root / "contract.json").read_bytes(), where="contract.json"
    )
    evaluation = held_back.read(root / "evaluation.npz") if images is None else images
    if evaluation.pixels.shape[1:] != contract.input.shape[1:]:
        raise RequestError(
            f"expected images of shape {contract.input.shape[1:]}, "
            f"received {evaluation.pixels.shape[1:]}"
        )
    models = ((root / "model.tflite").read_bytes(), (root / "model.onnx").read_bytes())
    if contract.tolerance is None:
        report, _ = float32.verify(
            *models,
            first(evaluation, samples),
            contract.preprocessing,
            threads=threads,
            progress=progress,
        )
        return report
    report, _ = int8.verify(
        *models,
        (*input_sets(first(evaluation, samples)), recorded_set(root / "golden.npz")),
        io=contract.input.dtype,
        threads=threads,
        progress=progress,
    )
    return report


def recorded_set(path: Path) -> InputSet:
    """Return the golden vectors: both files must still give the answers on record.

    Raises:
        CorruptFileError: The file is missing or damaged.
    """
    pixels, names, answers = golden.read(path)
    return InputSet(name="golden vectors", names=names, codes=to_int8(pixels), recorded=answers)


def first(evaluation: Evaluation, samples: int | None) -> Evaluation:
    """Return the first so many images, or all."""
    return Evaluation(
        pixels=evaluation.pixels[:samples],
        labels=evaluation.labels[:samples],
        names=evaluation.names[:samples],
        float_logits=evaluation.float_logits[:samples],
    )


def input_sets(evaluation: Evaluation) -> tuple[InputSet, InputSet]:
    """Return what an int8 build is compared on: held-back images, and synthetic extremes."""
    codes, names = extremes(evaluation.pixels.shape[1:])
    return (
        InputSet(
            name="held-back images",
            names=evaluation.names,
            codes=to_int8(np.ascontiguousarray(evaluation.pixels)),
            labels=evaluation.labels,
            float_logits=evaluation.float_logits,
        ),
        InputSet(name="synthetic extremes", names=names, codes=codes),
    )
