"""What each stage does, given its folder: functions from frozen values to a frozen value."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.base import codec, files
from mobiledeploy.base.progress import Progress
from mobiledeploy.data import evaluation as held_back
from mobiledeploy.data.evaluation import Evaluation
from mobiledeploy.data.pixels import Images
from mobiledeploy.integer import tflite_reader
from mobiledeploy.integer.certify import certify
from mobiledeploy.integer.digest import digest
from mobiledeploy.integer.quantise import quantise
from mobiledeploy.network import network_file
from mobiledeploy.network.match import architecture_for, match
from mobiledeploy.network.network import Network
from mobiledeploy.network.stored import Stored
from mobiledeploy.ops.certificate import Certificate
from mobiledeploy.pipeline import selection
from mobiledeploy.spec.config import DIGITS, BuildConfig, ExportConfig
from mobiledeploy.spec.results import ExportResult, File, QuantiseResult, Score, TrainResult
from mobiledeploy.targets import onnx, tflite
from mobiledeploy.verify import build as verify_build
from mobiledeploy.verify.outputs import float_files, golden, image_sets
from mobiledeploy.verify.report import VerifyReport

if TYPE_CHECKING:
    from mobiledeploy.training.augment import Augmentation


CHECKPOINTS: Final = "checkpoints"
"""A stage's folder for what an interrupted run goes on from; gone when the stage is done."""


def train(
    folder: Path,
    splits: selection.Splits,
    class_names: tuple[str, ...],
    config: BuildConfig,
    *,
    weights: Stored | None,
    progress: Progress,
) -> TrainResult:
    """Train the float network: `network.npz`, `model.keras` and `logits.npy` of test images."""
    from mobiledeploy.training import float_training, predict, transfer
    from mobiledeploy.training.checkpoint import Checkpoints

    architecture = architecture_for(config, weights, classes=len(class_names))
    augment = _augmentation(config)
    checkpoints = Checkpoints(folder=folder / CHECKPOINTS)
    if weights is None:
        trained = float_training.train(
            architecture,
            splits["train"],
            config.train,
            augment=augment,
            checkpoints=checkpoints,
            progress=progress,
        )
    else:
        trained = transfer.train(
            architecture,
            splits["train"],
            splits["validation"],
            match(weights, architecture),
            config.train,
            augment=augment,
            checkpoints=checkpoints,
            progress=progress,
        )
    network_file.save(folder / "network.npz", trained.network)
    logits = {
        split: predict.predict(
            trained.network, splits[split].pixels, progress=progress, stage="train"
        )
        for split in selection.SCORED
    }
    scores = {
        split: Score.of(found.argmax(axis=1), splits[split].labels)
        for split, found in logits.items()
    }
    with files.storage_errors(folder):
        np.save(folder / "logits.npy", logits["test"], allow_pickle=False)
        trained.keras_model.save(folder / "model.keras")
        shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
    return TrainResult(validation=scores["validation"], test=scores["test"], note=trained.note)


def _augmentation(config: BuildConfig) -> "Augmentation":
    return "digits" if config.data == DIGITS else "photos"


def quantise_candidates(
    folder: Path,
    splits: selection.Splits,
    network: Network,
    config: BuildConfig,
    *,
    progress: Progress,
) -> QuantiseResult:
    """Quantise after training, then with training, and choose: `ptq.tflite`, `qat.tflite`."""
    from mobiledeploy.training import calibrate, qat, session
    from mobiledeploy.training.checkpoint import Checkpoints

    threads, wanted = config.train.threads, config.quantise
    session.start(threads, progress=progress, stage="quantise")
    images = splits["train"]
    count = min(wanted.calibration_images, len(images.pixels))
    rows = np.linspace(0, len(images.pixels) - 1, count).round().astype(np.int64)
    ranges = calibrate.calibrate(network, images.pixels[rows], progress=progress)
    graphs = {"ptq": quantise(network, ranges)}
    if wanted.steps:
        trained = qat.load(wanted.engine).train_quantised(
            network,
            ranges,
            images,
            wanted,
            augment=_augmentation(config),
            seed=config.train.seed,
            checkpoints=Checkpoints(folder=folder / CHECKPOINTS),
            progress=progress,
        )
        graphs["qat"] = quantise(*trained)
        shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
    for name, graph in graphs.items():
        files.write_atomic(folder / f"{name}.tflite", tflite.write(graph))
    return selection.choose(
        tuple(
            selection.score(name, graph, splits, threads=threads, progress=progress)
            for name, graph in graphs.items()
        )
    )


def export(
    folder: Path, root: Path, network: Network, chosen: Path | None, config: ExportConfig
) -> ExportResult:
    """Write `model.tflite` and `model.onnx` from one integer graph, or from the float network."""
    grid = ""
    certificates: Mapping[str, Certificate] = {}
    if chosen is None:
        from mobiledeploy.targets import float_onnx, float_tflite

        models = {
            "model.tflite": float_tflite.write(network, head=config.head),
            "model.onnx": float_onnx.write(network, head=config.head),
        }
    else:
        graph = tflite_reader.read_file(chosen)
        certificates = certify(graph)
        grid = digest(graph)
        models = {
            "model.tflite": tflite.write(graph, io=config.io, head=config.head),
            "model.onnx": onnx.write(graph, certificates, io=config.io, head=config.head),
        }
    for name, data in models.items():
        files.write_atomic(folder / name, data)
    return ExportResult(
        files=tuple(File.of(root, folder / name) for name in models),
        grid=grid,
        certified=len(certificates),
        nudged=sum(
            found.differing_before > 0 and not found.table for found in certificates.values()
        ),
    )


def verify(
    folder: Path,
    test: Images,
    float_logits: npt.NDArray[np.float32],
    exported: Path,
    config: BuildConfig,
    *,
    progress: Progress,
) -> VerifyReport:
    """Compare the two files, and record golden vectors: `golden.npz`, `evaluation.npz`."""
    evaluation = Evaluation(
        pixels=np.ascontiguousarray(test.pixels),
        labels=test.labels,
        names=test.names,
        float_logits=float_logits,
    )
    grids: list[tuple[float, int]] = []
    if config.export.int8:
        graph = tflite_reader.read_file(exported / "model.tflite")
        tensors = (graph.input, graph.output, graph.logits)
        grids = [(float(tensor.scale), tensor.zero_point) for tensor in tensors]
        report, answers = verify_build.prove_own(
            exported, evaluation, threads=config.train.threads, progress=progress
        )
    else:
        report, answers = float_files.verify_build(
            (exported / "model.tflite").read_bytes(),
            (exported / "model.onnx").read_bytes(),
            image_sets.own(evaluation),
            config.preprocessing,
            threads=config.train.threads,
            progress=progress,
        )
    files.write_atomic(folder / "golden.npz", golden.to_bytes(evaluation, answers, grids=grids))
    files.write_atomic(folder / "evaluation.npz", held_back.to_bytes(evaluation))
    files.write_atomic(folder / "report.json", codec.to_json(report))
    return report
