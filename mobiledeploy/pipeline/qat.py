"""Fine-tune an imported network with fake quantisation, and ship the better of two candidates."""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.base import files
from mobiledeploy.base.errors import RequestError
from mobiledeploy.base.progress import Event, Progress
from mobiledeploy.data.dataset import Dataset, Split
from mobiledeploy.data.pixels import Images, load_pixels
from mobiledeploy.integer.certify import exact_ranges
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.integer.quantise import quantise
from mobiledeploy.network.network import Network
from mobiledeploy.ops.ranges import Ranges
from mobiledeploy.pipeline import preflight, stages
from mobiledeploy.spec.config import DIGITS, RANDOM, FineTuneConfig, ImportConfig
from mobiledeploy.spec.results import Accuracy, Candidate, QuantiseResult
from mobiledeploy.targets import tflite
from mobiledeploy.training.loss import cross_entropies
from mobiledeploy.verify.outputs.image_sets import evenly

Logits: TypeAlias = npt.NDArray[np.float32]
"""Of a batch of images, shape (images, classes)."""

PHOTOS: Final = "photos.npy"
"""Decoded training photos, beside the checkpoints."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Photos:
    """What an imported network is fine-tuned and judged with.

    Attributes:
        dataset: The photos.
        numbers: int64, shape (folders,): the output that each folder's photos should give; None if
            that is not known.
        test: Photos that are only reported on, uint8, shape (images, size, size, 3).
        test_labels: Their outputs; None if they are not known.
        float_logits: Computes the float network's logits of such pixels.
    """

    dataset: Dataset
    numbers: npt.NDArray[np.int64] | None
    test: npt.NDArray[np.uint8]
    test_labels: npt.NDArray[np.int64] | None
    float_logits: Callable[[npt.NDArray[np.uint8]], Logits]


def check_request(data: str) -> None:
    """Check that networks can be trained here, and that there are photos.

    Args:
        data: As `ImportConfig.data`.

    Raises:
        RequestError: There are only synthetic images.
        MissingDependencyError: TensorFlow is not installed.
    """
    if data == RANDOM:
        raise RequestError(
            "quantisation-aware training needs photos, received synthetic images",
            hint="name a folder of photos with `--data`, or leave out `--qat`",
        )
    preflight.require_packages([("tensorflow", "training")])


def check_network(network: Network, config: FineTuneConfig, *, known: bool) -> None:
    """Check that a network can be trained as it is asked for.

    Args:
        network: The network; its input scaling does not matter.
        config: How it is to be trained.
        known: Whether the photos' folders are named like the network's classes.

    Raises:
        RequestError: A layer cannot be trained, or photos do not say the right outputs.
    """
    from mobiledeploy.training import tensorflow_graph

    architecture = network.architecture
    tensorflow_graph.require_trainable(architecture)
    if config.loss == "distill":
        return
    if architecture.output.op == "logistic" or architecture.classes < 2:
        raise RequestError(
            "expected a network with one score a class, of which one is right, to train with "
            f"labels; received {architecture.classes} outputs of `{architecture.output.op}`",
            hint="train without labels: `--qat-loss distill`",
        )
    if not known:
        raise RequestError(
            "the photos' folders are not named like the network's classes, so that they say no "
            "labels",
            hint="name a file with the classes with `--labels`, or train without labels: "
            "`--qat-loss distill`",
        )


def quantise_candidates(
    folder: Path,
    network: Network,
    ptq: IntegerGraph,
    ranges: Ranges,
    photos: Photos,
    config: ImportConfig,
    *,
    progress: Progress,
) -> QuantiseResult:
    """Fine-tune the network, write `qat.tflite`, and choose between it and post-training's.

    Args:
        folder: The stage's.
        network: The float network, which also is the teacher.
        ptq: The integers of post-training quantisation.
        ranges: The ranges that they were made with.
        photos: What it is trained and judged with.
        config: The configuration, which asks for QAT.
        progress: Called after every step.

    Raises:
        RequestError: The training diverged.
        StorageError: The folder cannot be written.
    """
    from mobiledeploy.training import fine_tune, tensorflow_setup
    from mobiledeploy.training.checkpoint import Checkpoints

    fine_tuning, threads = config.qat, config.threads
    assert fine_tuning is not None  # noqa: S101 - the caller has looked
    checkpoints = folder / stages.CHECKPOINTS
    checkpoints.mkdir(exist_ok=True)
    train = _load(
        photos,
        "train",
        config,
        most=fine_tuning.steps * fine_tuning.batch_size,
        path=checkpoints / PHOTOS,
        progress=progress,
    )
    validation = _load(photos, "validation", config, progress=progress)
    tensorflow_setup.start(threads, progress=progress, stage="quantise")
    trained = fine_tune.fine_tune(
        network,
        exact_ranges(network, ranges),
        train,
        fine_tuning,
        augment="digits" if config.data == DIGITS else "photos",
        checkpoints=Checkpoints(folder=checkpoints),
        progress=progress,
    )
    qat = quantise(trained, ranges)
    files.write_atomic(folder / "qat.tflite", tflite.write(qat, head=config.export.head))
    shutil.rmtree(checkpoints, ignore_errors=True)
    judge = _Judge(
        validation=np.ascontiguousarray(validation.pixels),
        labels=validation.labels if fine_tuning.loss == "labels" else None,
        photos=photos,
        signs=network.architecture.output.op == "logistic",
        threads=threads,
    )
    result = stages.choose_candidate(
        tuple(judge.score(name, graph, progress) for name, graph in (("ptq", ptq), ("qat", qat))),
        counted="right" if fine_tuning.loss == "labels" else "answers as the float network",
    )
    return dataclasses.replace(result, unreadable=(*train.unreadable, *validation.unreadable))


def _load(
    photos: Photos,
    part: Split,
    config: ImportConfig,
    *,
    most: int | None = None,
    path: Path | None = None,
    progress: Progress,
) -> Images:
    """Decode the photos of a split, at most so many of them; labels are the network's outputs."""
    indices = photos.dataset.splits[part]
    loaded = load_pixels(
        photos.dataset,
        indices[evenly(len(indices), most)],
        config.preprocessing,
        threads=config.threads,
        progress=progress,
        stage="quantise",
        path=path,
    )
    if photos.numbers is None:
        return loaded
    return dataclasses.replace(loaded, labels=photos.numbers[loaded.labels])


class _Judge:
    """Scores int8 candidates on photos that are not trained on."""

    def __init__(
        self,
        validation: npt.NDArray[np.uint8],
        labels: npt.NDArray[np.int64] | None,
        photos: Photos,
        *,
        signs: bool,
        threads: int,
    ) -> None:
        """Compute the float network's answers.

        Args:
            validation: Photos that decide.
            labels: The right outputs for them; None if the float network's answers are.
            photos: With those that are reported on.
            signs: Whether an output counts as an answer on its own, by the sign of its logit.
            threads: Photos that run at a time.
        """
        self._validation, self._labels, self._photos = validation, labels, photos
        self._float = photos.float_logits(validation)
        self._signs, self._threads = signs, threads

    def score(self, name: str, graph: IntegerGraph, progress: Progress) -> Candidate:
        """Return how well a candidate does."""
        photos = self._photos
        run = stages.logits_runner(graph, threads=self._threads)
        count = len(self._validation) + len(photos.test)
        progress(Event("quantise", f"scoring {name} on {count} images"))
        logits, test = run(self._validation), run(photos.test)
        if self._labels is None:
            error = relative_error(logits, self._float)
            validation = self._agreement(logits, self._float)
        else:
            error = float(cross_entropies(self._labels, logits).mean())
            validation = Accuracy.of(logits.argmax(axis=1), self._labels)
        if photos.test_labels is None:
            reported = self._agreement(test, photos.float_logits(photos.test))
        else:
            reported = Accuracy.of(test.argmax(axis=1), photos.test_labels)
        return Candidate(name=name, validation=validation, validation_loss=error, test=reported)

    def _agreement(self, logits: Logits, reference: Logits) -> Accuracy:
        if self._signs:
            same = ((logits > 0) == (reference > 0)).all(axis=1)
        else:
            same = logits.argmax(axis=1) == reference.argmax(axis=1)
        return Accuracy(correct=int(same.sum()), total=len(same))


def relative_error(logits: Logits, reference: Logits) -> float:
    """Return the mean squared error of logits as a part of the variance of the reference."""
    expected = reference.astype(np.float64)
    error = np.square(logits - expected).mean()
    return float(error / max(expected.var(), np.finfo(np.float64).tiny))
