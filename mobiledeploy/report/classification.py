"""How the first file classifies labelled images."""

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.report.document import Classification, Confusion
from mobiledeploy.verify.outputs.image_sets import ImageSet
from mobiledeploy.verify.outputs.parity import Answers
from mobiledeploy.verify.pair import Observed


def classify(observed: Observed) -> Classification | None:
    """Return the accuracy and the confusion matrix; None without labels.

    Raises:
        CorruptFileError: A label is not one of the file's classes.
    """
    with_labels = labelled(observed)
    if with_labels is None:
        return None
    images, answers = with_labels
    assert images.labels is not None  # noqa: S101 - `labelled` returns such images only
    classes = max(answers.logits.shape[1], 2)  # a single logit decides between two
    if images.labels.min() < 0 or images.labels.max() >= classes:
        raise CorruptFileError(
            f"{images.name}: expected labels in 0..{classes - 1}, received "
            f"{images.labels.min()}..{images.labels.max()}"
        )
    pairs, counts = np.unique(
        np.stack([images.labels, answers.top1], axis=1), axis=0, return_counts=True
    )
    return Classification(
        file=observed.files[0].name,
        inputs=images.name,
        images=len(images),
        correct=int((images.labels == answers.top1).sum()),
        classes=classes,
        class_names=observed.class_names,
        confusion=tuple(
            Confusion(label=int(label), predicted=int(predicted), images=int(count))
            for (label, predicted), count in zip(pairs, counts, strict=True)
        ),
    )


def labelled(observed: Observed) -> tuple[ImageSet, Answers] | None:
    """Return the labelled images and the first file's answers to them; None if there are none."""
    both = zip(observed.sets, observed.answers, strict=True)
    return next(((images, answer) for images, answer in both if images.labels is not None), None)


def mistakes(images: ImageSet, answers: Answers, scale: float | None, most: int) -> list[int]:
    """Return the numbers of the wrongly classified images, the highest confidence first."""
    assert images.labels is not None  # noqa: S101 - see `labelled`
    wrong = np.flatnonzero(answers.top1 != images.labels)
    sure = confidences(answers.take(wrong), scale)
    order = np.argsort(-sure, kind="stable")[:most]
    return [int(row) for row in wrong[order]]


def confidences(answers: Answers, scale: float | None) -> npt.NDArray[np.float64]:
    """Return each image's highest softmax value, computed from the logits.

    A single logit's is that of a sigmoid, or of the other class.

    Args:
        answers: The answers to some images.
        scale: Real units of a step of the logits; None if they are probabilities.
    """
    logits = answers.logits.astype(np.float64)
    if logits.shape[1] == 1:
        off = logits[:, 0] - (0.5 if scale is None else answers.zero)
        sure: npt.NDArray[np.float64] = np.abs(off)
        return 0.5 + sure if scale is None else 1 / (1 + np.exp(-sure * scale))
    if scale is None:
        shares: npt.NDArray[np.float64] = logits.max(axis=1, initial=0)
        return shares
    below = (logits - logits.max(axis=1, keepdims=True)) * scale
    sums: npt.NDArray[np.float64] = np.exp(below).sum(axis=1)
    return 1 / sums
