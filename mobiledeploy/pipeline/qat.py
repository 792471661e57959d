"""Fine-tune an imported network with fake quantisation, and ship the better of two candidates."""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

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
from mobiledeploy.ops.architecture import Architecture
from mobiledeploy.pipeline import preflight, stages
from mobiledeploy.pipeline.int8_logits import logits_runner
from mobiledeploy.pipeline.ladder import Quantised
from mobiledeploy.spec.config import DIGITS, FineTuneConfig, ImportConfig, Task
from mobiledeploy.spec.results import Accuracy, Candidate, QuantiseResult
from mobiledeploy.targets import tflite
from mobiledeploy.verify.outputs.image_sets import evenly
from mobiledeploy.verify.outputs.parity import decided

if TYPE_CHECKING:
    from mobiledeploy.training.augment import Augmentation

Logits: TypeAlias = npt.NDArray[np.float32]
"""Of a batch of images, shape (images, classes)."""

DECIDE: Final = 4
"""One row of values of so many decides between the candidates; the others train."""
_WITHOUT_LABELS: Final = "`--qat-loss distill`"
PHOTOS: Final = "photos.npy"
"""Decoded training photos, beside the checkpoints."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Examples:
    """What an imported network is fine-tuned and judged with.

    Attributes:
        dataset: Photos; None where the network takes values.
        numbers: int64, shape (folders,): the output that each folder's photos should give; None if
            that is not known.
        values: Of a network that takes values: those that train and decide, uint8, shape
            (rows, ...).
        test: Inputs that are only reported on, uint8, shape (images, ...).
        test_labels: Their outputs; None if they are not known.
        float_logits: Computes the float network's logits of such inputs.
    """

    dataset: Dataset | None
    numbers: npt.NDArray[np.int64] | None
    values: npt.NDArray[np.uint8]
    test: npt.NDArray[np.uint8]
    test_labels: npt.NDArray[np.int64] | None
    float_logits: Callable[[npt.NDArray[np.uint8]], Logits]


def check_request(*, random: bool) -> None:
    """Check that networks can be trained here, and that there is something to train with.

    Args:
        random: Whether there are only synthetic images or random values.

    Raises:
        RequestError: There are only these.
        MissingDependencyError: TensorFlow is not installed.
    """
    if random:
        raise RequestError(
            "quantisation-aware training needs photos or values, received random ones",
            hint="name a folder of photos with `--data`, or leave out `--qat`",
        )
    preflight.require_packages([("tensorflow", "training")])


def check_network(architecture: Architecture, config: FineTuneConfig, task: Task) -> None:
    """Check that a network can be trained as it is asked for.

    Args:
        architecture: The network's layers.
        config: How it is to be trained.
        task: What its outputs are.

    Raises:
        RequestError: A layer cannot be trained, or the outputs are none that labels fit.
    """
    from mobiledeploy.training import tensorflow_graph

    tensorflow_graph.require_trainable(architecture)
    if config.loss == "labels" and task != "classification":
        raise RequestError(
            "expected a network with one score a class, of which one is right, to train with "
            f"labels; received the outputs of a {task} task",
            hint=f"train without labels: {_WITHOUT_LABELS}",
        )


def check_labels(config: FineTuneConfig | None, *, known: bool, why: str = "") -> None:
    """Check that there are labels if a network is to be trained with them.

    Args:
        config: How it is to be trained; None: not at all.
        known: Whether the photos' folders are named like the network's classes.
        why: Which are not, in words; may be empty.

    Raises:
        RequestError: Labels are asked for, and there are none.
    """
    if config is not None and config.loss == "labels" and not known:
        raise RequestError(
            "training with labels needs folders of photos that are named like the network's "
            f"classes, received {f'others: {why}' if why else 'none that are'}",
            hint="name a file with the classes with `--labels`, or train without labels: "
            f"{_WITHOUT_LABELS}",
        )


def quantise_candidates(
    folder: Path,
    network: Network,
    ptq: Quantised,
    examples: Examples,
    config: ImportConfig,
    *,
    progress: Progress,
) -> QuantiseResult:
    """Fine-tune the network, write `qat.tflite`, and choose between it and post-training's.

    Args:
        folder: The stage's.
        network: The float network, which is the teacher.
        ptq: What post-training quantisation made of it, from which the training starts.
        examples: What it is trained and judged with.
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
    most = fine_tuning.steps * fine_tuning.batch_size
    train, validation = _parts(examples, config, most, checkpoints / PHOTOS, progress)
    tensorflow_setup.start(threads, progress=progress, stage="quantise")
    trained = fine_tune.fine_tune(
        ptq.network,
        exact_ranges(ptq.network, ptq.ranges),
        train,
        fine_tuning,
        augment=_augmentation(config),
        teacher=network,
        checkpoints=Checkpoints(folder=checkpoints),
        progress=progress,
    )
    qat = quantise(trained, ptq.ranges)
    files.write_atomic(folder / "qat.tflite", tflite.write(qat, head=config.export.head))
    shutil.rmtree(checkpoints, ignore_errors=True)
    learned = fine_tuning.loss == "labels"
    judge = _Judge(
        validation=np.ascontiguousarray(validation.pixels),
        labels=validation.labels if learned else None,
        examples=examples,
        threads=threads,
    )
    first, second = (
        judge.score(name, graph, progress) for name, graph in (("ptq", ptq.integers), ("qat", qat))
    )
    result = stages.choose_candidate(
        (first, second), counted="right" if learned else "answers as the float network"
    )
    return dataclasses.replace(result, unreadable=(*train.unreadable, *validation.unreadable))


def _augmentation(config: ImportConfig) -> "Augmentation":
    if config.preprocessing is None:
        return "none"
    return "digits" if config.data == DIGITS else "photos"


def _parts(
    examples: Examples, config: ImportConfig, most: int, path: Path, progress: Progress
) -> tuple[Images, Images]:
    """Return what trains, at most so many, and what decides; labels are the network's outputs."""
    dataset, preprocessing = examples.dataset, config.preprocessing
    if dataset is None or preprocessing is None:
        decide = np.arange(len(examples.values)) % DECIDE == 0
        parts = [rows.nonzero()[0] for rows in (~decide, decide)]
        train, validation = (Images.without_labels(examples.values[rows], rows) for rows in parts)
        return train, validation

    def load(part: Split, most: int | None, path: Path | None) -> Images:
        indices = dataset.splits[part]
        loaded = load_pixels(
            dataset,
            indices[evenly(len(indices), most)],
            preprocessing,
            threads=config.threads,
            progress=progress,
            stage="quantise",
            path=path,
        )
        if examples.numbers is None:
            return loaded
        return dataclasses.replace(loaded, labels=examples.numbers[loaded.labels])

    return load("train", most, path), load("validation", None, None)


class _Judge:
    """Scores int8 candidates on inputs that are not trained on."""

    def __init__(
        self,
        validation: npt.NDArray[np.uint8],
        labels: npt.NDArray[np.int64] | None,
        examples: Examples,
        *,
        threads: int,
    ) -> None:
        """Compute the float network's answers.

        Args:
            validation: Inputs that decide.
            labels: The right outputs for them; None if the float network's answers are.
            examples: With those that are reported on.
            threads: Inputs that run at a time.
        """
        self._validation, self._labels, self._examples = validation, labels, examples
        self._float = examples.float_logits(validation)
        self._threads = threads

    def score(self, name: str, graph: IntegerGraph, progress: Progress) -> stages.Scored:
        """Return how well a candidate does."""
        from mobiledeploy.training.loss import cross_entropies
        from mobiledeploy.training.teacher import relative_errors

        examples = self._examples
        run = logits_runner(graph, threads=self._threads)
        count = len(self._validation) + len(examples.test)
        progress(Event("quantise", f"scoring {name} on {count} images"))
        logits, test = run(self._validation), run(examples.test)
        expected, reported = self._labels, examples.test_labels
        if expected is None:
            expected = decided(self._float)
            losses = relative_errors(logits, self._float)
        else:
            losses = cross_entropies(expected, logits)
        if reported is None:
            reported = decided(examples.float_logits(examples.test))
        answers = decided(logits)
        return stages.Scored(
            candidate=Candidate(
                name=name,
                validation=Accuracy.of(answers, expected),
                validation_loss=float(losses.mean()),
                test=Accuracy.of(decided(test), reported),
            ),
            right=answers == expected,
            losses=losses,
        )
