"""The stages of a build, each a function that writes into its folder and returns its result."""

import dataclasses
import math
import shutil
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.base import codec, files
from mobiledeploy.base.errors import ParityError, RequestError
from mobiledeploy.base.progress import Event, Progress
from mobiledeploy.data import evaluation as held_back
from mobiledeploy.data.dataset import Split
from mobiledeploy.data.evaluation import Evaluation
from mobiledeploy.data.pixels import Images, load_pixels
from mobiledeploy.formats import model_file
from mobiledeploy.integer import tflite_reader
from mobiledeploy.integer.certify import certify
from mobiledeploy.integer.graph import IntegerGraph, digest
from mobiledeploy.integer.quantise import quantise
from mobiledeploy.network.network import Network, save_network
from mobiledeploy.network.weight_matching import Stored, architecture_for, match_weights
from mobiledeploy.ops.certificate import Certificate
from mobiledeploy.pipeline import class_order, ladder
from mobiledeploy.pipeline.distillation import Distillation
from mobiledeploy.pipeline.float_logits import float_logits
from mobiledeploy.pipeline.int8_logits import logits_runner
from mobiledeploy.pipeline.quantise_images import calibration_rows
from mobiledeploy.spec.config import DIGITS, SCALINGS, BuildConfig, ExportConfig, ImportConfig
from mobiledeploy.spec.results import (
    Accuracy,
    Candidate,
    ClassOrder,
    ExportResult,
    File,
    InputChoice,
    QuantiseResult,
    ScoreLine,
    TrainResult,
)
from mobiledeploy.targets import description, onnx, tflite
from mobiledeploy.targets.description import Described
from mobiledeploy.verify import build as verify_build
from mobiledeploy.verify.outputs import float_files, golden, image_sets, input_choice
from mobiledeploy.verify.outputs.accuracy import EVIDENCE, mcnemar
from mobiledeploy.verify.outputs.image_sets import Photos, evenly
from mobiledeploy.verify.outputs.parity import Answers
from mobiledeploy.verify.report import VerifyReport

if TYPE_CHECKING:
    from mobiledeploy.training.augment import Augmentation


Splits: TypeAlias = Mapping[Split, Images]
"""The images of the training, validation and test split."""

CHECKPOINTS: Final = "checkpoints"
"""Folder from which an interrupted stage continues; it is deleted when the stage is done."""
DISTILLATION: Final = "distillation"
"""Folder in it, of the training state of distillation."""
HEAD_CHECKED: Final = 128
"""Most training images on which a head that was taken is checked."""
SCORED: Final[tuple[Split, ...]] = ("validation", "test")
"""The splits on which accuracy is measured, and nothing is trained."""


def train(
    folder: Path,
    splits: Splits,
    class_names: tuple[str, ...],
    config: BuildConfig,
    *,
    weights: Stored | None,
    progress: Progress,
) -> TrainResult:
    """Train the float network, and write `network.npz`, `model.keras` and `logits.npy`."""
    from mobiledeploy.training import float_training, predict, transfer
    from mobiledeploy.training.checkpoint import Checkpoints

    architecture = architecture_for(config, weights, classes=len(class_names))
    augment = _augmentation(config)
    checkpoints = Checkpoints(folder=folder / CHECKPOINTS)
    order, choice = None, None
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
        matched = match_weights(weights, architecture)
        if matched.head:
            order, choice = _check_head(
                transfer.starting_network(architecture, matched),
                splits["train"],
                class_names,
                threads=config.train.threads,
                progress=progress,
            )
        trained = transfer.train(
            architecture,
            splits["train"],
            splits["validation"],
            matched,
            config.train,
            augment=augment,
            checkpoints=checkpoints,
            progress=progress,
        )
    save_network(folder / "network.npz", trained.network)
    logits = {
        split: predict.predict(
            trained.network, splits[split].pixels, progress=progress, stage="train"
        )
        for split in SCORED
    }
    scores = {
        split: Accuracy.of(rows.argmax(axis=1), splits[split].labels)
        for split, rows in logits.items()
    }
    with files.storage_errors(folder):
        np.save(folder / "logits.npy", logits["test"], allow_pickle=False)
        trained.keras_model.save(folder / "model.keras")
        shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
    return TrainResult(
        validation=scores["validation"],
        test=scores["test"],
        note=trained.note,
        class_order=order,
        input_choice=choice,
    )


def _check_head(
    network: Network,
    images: Images,
    class_names: tuple[str, ...],
    *,
    threads: int,
    progress: Progress,
) -> tuple[ClassOrder, InputChoice]:
    """Return how well the answers of weights fit the folders' order and the input range.

    Raises:
        RequestError: Another order or range is plainly better.
    """
    from mobiledeploy.training import predict, tensorflow_setup

    tensorflow_setup.start(threads, progress=progress, stage="train")
    rows = evenly(len(images.pixels), HEAD_CHECKED)
    pixels, labels = images.pixels[rows], images.labels[rows]
    predicted = {}
    for name, scaling in SCALINGS.items():
        architecture = dataclasses.replace(network.architecture, scaling=scaling)
        ranged = dataclasses.replace(network, architecture=architecture)
        logits = predict.predict(ranged, pixels, progress=progress, stage="train")
        predicted[str(name)] = logits.argmax(axis=1)
    orders = [order[labels] for order in class_order.orders(class_names).values()]
    choice = input_choice.decide(predicted, [labels, *orders], classes=len(class_names))
    used = next(n for n, scaling in SCALINGS.items() if scaling == network.architecture.scaling)
    if choice.chosen and choice.chosen != used:
        raise RequestError(
            f"the weights are plainly better with another input range than {used}: "
            f"{input_choice.words(choice)}",
            hint=f"build with `--input-range {choice.chosen}`",
        )
    order = class_order.check(predicted[used], labels, class_names)
    class_order.require_plausible(order, class_order.of_folders(class_names), labels=False)
    return order, choice


def _augmentation(config: BuildConfig) -> "Augmentation":
    return "digits" if config.data == DIGITS else "photos"


def quantise_candidates(
    folder: Path,
    splits: Splits,
    network: Network,
    config: BuildConfig,
    *,
    apart: Photos | None,
    progress: Progress,
) -> QuantiseResult:
    """Quantise by PTQ and by QAT, write `ptq.tflite` and `qat.tflite`, and choose one of them.

    `network.npz` is the float network with the channels of both.

    Args:
        folder: Where they are written.
        splits: The images.
        network: The float network.
        config: Of the build.
        apart: Photos that decide the ranges; None: some of the training split do.
        progress: Called with what is being done.
    """
    threads, quantisation = config.train.threads, config.quantise
    network = dataclasses.replace(network, weights_per=quantisation.weights_per)
    images = splits["train"]
    unreadable: tuple[str, ...] = ()
    if apart is None:
        rows = calibration_rows(np.arange(len(images.pixels)), quantisation.calibration_images)
        calibration = np.ascontiguousarray(images.pixels[rows])
    else:
        loaded = load_pixels(
            apart.dataset,
            calibration_rows(apart.rows, quantisation.calibration_images),
            config.preprocessing,
            threads=threads,
            progress=progress,
            stage="quantise",
        )
        calibration, unreadable = loaded.pixels, loaded.unreadable
    quantised = ladder.climb(
        network,
        calibration,
        quantisation.effort,
        distillation=Distillation(
            seed=config.train.seed,
            threads=threads,
            folder=folder / CHECKPOINTS / DISTILLATION,
            progress=progress,
        ),
        folder=folder / CHECKPOINTS,
        threads=threads,
        progress=progress,
    )
    save_network(folder / "network.npz", quantised.uncorrected)
    graphs = {"ptq": quantised.integers}
    if quantisation.steps:
        from mobiledeploy.training import qat, tensorflow_setup
        from mobiledeploy.training.checkpoint import Checkpoints

        tensorflow_setup.start(threads, progress=progress, stage="quantise")
        trained = qat.load(quantisation.engine).train_quantised(
            quantised.network,
            quantised.ranges,
            images,
            quantisation,
            teacher=network,
            augment=_augmentation(config),
            seed=config.train.seed,
            checkpoints=Checkpoints(folder=folder / CHECKPOINTS),
            progress=progress,
        )
        graphs["qat"] = quantise(*trained)
    shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
    for name, graph in graphs.items():
        files.write_atomic(folder / f"{name}.tflite", tflite.write(graph))
    validation = np.ascontiguousarray(splits["validation"].pixels)
    floats = float_logits(network, validation, threads=threads)
    chosen = choose_candidate(
        tuple(
            score_candidate(name, graph, splits, floats, threads=threads, progress=progress)
            for name, graph in graphs.items()
        )
    )
    return dataclasses.replace(
        chosen, rungs=quantised.rungs, not_tried=quantised.not_tried, unreadable=unreadable
    )


def export(
    folder: Path,
    root: Path,
    network: Network,
    chosen: Path | None,
    config: ExportConfig,
    described: Described,
) -> ExportResult:
    """Write `model.tflite` and `model.onnx` from one integer graph, or from the float network.

    Args:
        folder: Where they are written.
        root: The build folder.
        network: The float network.
        chosen: The `.tflite` of the integer graph; None for float files.
        config: Types and output of the files.
        described: What the `.tflite` says about itself.
    """
    grid = ""
    shape = network.architecture.input_shape
    attached = description.attachment(described, shape, head=config.head)
    certificates: Mapping[str, Certificate] = {}
    if chosen is None:
        from mobiledeploy.targets import float_files

        models = {
            "model.tflite": float_files.write_tflite(network, head=config.head, attached=attached),
            "model.onnx": float_files.write_onnx(network, head=config.head),
        }
    else:
        graph = tflite_reader.read_file(chosen)
        certificates = certify(graph)
        grid = digest(graph)
        models = {
            "model.tflite": tflite.write(graph, io=config.io, head=config.head, attached=attached),
            "model.onnx": onnx.write(graph, certificates, io=config.io, head=config.head),
        }
    for name, data in models.items():
        files.write_atomic(folder / name, data)
    return ExportResult(
        files=tuple(File.of(root, folder / name) for name in models),
        grid=grid,
        certified=len(certificates),
        nudged=sum(certificate.nudged for certificate in certificates.values()),
    )


def verify(
    folder: Path,
    evaluation: Evaluation,
    exported: Path,
    config: BuildConfig | ImportConfig,
    *,
    packed: Future[bytes] | None = None,
    threads: int,
    progress: Progress,
) -> VerifyReport:
    """Compare the two files, and write `report.json`, `golden.npz` and `evaluation.npz`.

    Args:
        folder: Where they are written.
        evaluation: The held-back images.
        exported: The folder of the two files.
        config: Of the build.
        packed: The bytes of `evaluation.npz`, where somebody makes them already.
        threads: Images that run at a time.
        progress: Called after every batch.
    """
    with ThreadPoolExecutor(1) as pool:  # packs the images while the files are compared
        packed = packed or pool.submit(held_back.to_bytes, evaluation)
        report, answers, grids = _compared(
            evaluation, exported, config, threads=threads, progress=progress
        )
        files.write_atomic(
            folder / "golden.npz", golden.to_bytes(evaluation, answers, grids=grids)
        )
        files.write_atomic(folder / "evaluation.npz", packed.result())
    files.write_atomic(folder / "report.json", codec.to_json(report))
    return report


def _compared(
    evaluation: Evaluation,
    exported: Path,
    config: BuildConfig | ImportConfig,
    *,
    threads: int,
    progress: Progress,
) -> tuple[VerifyReport, tuple[Answers, ...], list[tuple[float, int]]]:
    """Return the report, the first file's outputs, and the grids that `golden.npz` states."""
    if not config.export.int8:
        assert config.preprocessing is not None  # noqa: S101 - floats are of `build`, of photos
        report, answers = float_files.verify_build(
            (exported / "model.tflite").read_bytes(),
            (exported / "model.onnx").read_bytes(),
            image_sets.own(evaluation),
            config.preprocessing.scaling,
            threads=threads,
            progress=progress,
        )
        return report, answers, []
    one, two = (model_file.read(exported / name) for name in verify_build.FILES)
    graph = tflite_reader.read(one.tflite)
    tensors = (graph.input, graph.output, graph.logits)
    grids = [(float(tensor.scale), tensor.zero_point) for tensor in tensors]
    scale, zero_point = grids[0]
    photo = config.preprocessing
    scaling = (zero_point + 128.0, 1 / scale) if photo is None else photo.scaling
    report, answers = verify_build.prove_own(
        (one, two), evaluation, scaling, threads=threads, progress=progress
    )
    return report, answers, grids


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scored:
    """A candidate, and how it does on each validation image.

    Attributes:
        candidate: What is reported of it.
        right: Whether it gives the expected answer, shape (images,).
        losses: float64, shape (images,).
    """

    candidate: Candidate
    right: npt.NDArray[np.bool_]
    losses: npt.NDArray[np.float64]


def score_candidate(
    name: str,
    graph: IntegerGraph,
    splits: Splits,
    floats: npt.NDArray[np.float32],
    *,
    threads: int,
    progress: Progress,
) -> Scored:
    """Measure a candidate's accuracy, as a file in LiteRT with XNNPACK that ends in its logits.

    Args:
        name: `ptq` or `qat`.
        graph: The candidate.
        splits: Images of the validation and the test split.
        floats: The float network's logits of the validation images, shape (images, classes).
        threads: Images that run at a time.
        progress: Called before each split.
    """
    from mobiledeploy.training.teacher import losses_with_labels

    run = logits_runner(graph, threads=threads)
    logits, right = {}, {}
    for split in SCORED:
        images = splits[split]
        progress(Event("quantise", f"scoring {name} on {len(images.pixels)} {split} images"))
        logits[split] = run(images.pixels)
        right[split] = logits[split].argmax(axis=1) == images.labels
    losses = losses_with_labels(splits["validation"].labels, logits["validation"], floats)
    scores = {
        split: Accuracy(correct=int(rows.sum()), total=len(rows)) for split, rows in right.items()
    }
    return Scored(
        candidate=Candidate(
            name=name,
            validation=scores["validation"],
            validation_loss=float(losses.mean()),
            test=scores["test"],
        ),
        right=right["validation"],
        losses=losses,
    )


def choose_candidate(scored: tuple[Scored, ...], *, counted: str = "right") -> QuantiseResult:
    """Choose the first candidate unless a later one is better, by a paired test.

    A candidate is better that gives the expected answer to more validation images, if McNemar's
    test tells the two counts apart; otherwise, if its loss is lower by more than the standard
    error of the mean difference. Test images do not count: they are used to report the accuracy of
    the chosen candidate.

    Args:
        scored: The candidates.
        counted: What their accuracy counts, to precede "on 500 validation images".

    Raises:
        ParityError: A loss is NaN or infinite, so that losses cannot be compared.
    """
    candidates = tuple(each.candidate for each in scored)
    for candidate in candidates:
        if not math.isfinite(candidate.validation_loss):
            raise ParityError(
                f"{candidate.name}: expected a finite loss of the validation images, received "
                f"{candidate.validation_loss}",
                hint="the training diverged: try a lower `--learning-rate`",
            )
    chosen, why = scored[0], ""
    for other in scored[1:]:
        right, also = chosen.right, other.right
        p = mcnemar(int((right & ~also).sum()), int((also & ~right).sum()))
        lower = chosen.losses - other.losses
        error = float(lower.std() / math.sqrt(len(lower)))
        why = "" if p < EVIDENCE else _by_loss(p, float(lower.mean()), error)
        more = also.sum() > right.sum() if p < EVIDENCE else lower.mean() > error
        chosen = other if more else chosen
    reason = _reason(candidates, chosen.candidate, counted) + why
    return QuantiseResult(candidates=candidates, chosen=chosen.candidate.name, reason=reason)


def _by_loss(p: float, lower: float, error: float) -> str:
    """Return why the loss decides, in words that follow the counts.

    Args:
        p: p-value of the counts' difference.
        lower: By how much the later candidate's loss is lower.
        error: Standard error of that.
    """
    chance = f"; the counts are equal or differ by chance (p = {p:.2g}), so the loss decides"
    return f"{chance}, and it is not plainly lower" if 0 < lower <= error else chance


def candidate_lines(quantised: QuantiseResult) -> list[ScoreLine]:
    """Return one line for each candidate for a report."""
    return [
        ScoreLine(
            name=f"{candidate.name} int8",
            test=candidate.test,
            shipped=candidate.name == quantised.chosen,
        )
        for candidate in quantised.candidates
    ]


def _reason(candidates: tuple[Candidate, ...], chosen: Candidate, counted: str) -> str:
    if len(candidates) == 1:
        return f"{chosen.name} is shipped: it is the only candidate"
    counts = ", ".join(
        f"{c.name} {c.validation.correct} (loss {c.validation_loss:.4f})" for c in candidates
    )
    return (
        f"{chosen.name} is shipped: {counted} on {chosen.validation.total} validation images: "
        f"{counts}"
    )
