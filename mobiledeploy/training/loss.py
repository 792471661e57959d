"""The loss of all training here: cross entropy per example."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.training import tensorflow_setup
from mobiledeploy.training.step import Loss
from mobiledeploy.training.tensorflow_graph import TfTensor

SMOOTHING: Final = 0.1
"""Label smoothing: it keeps logits small, which makes their int8 scale finer."""


def objective(labels: npt.NDArray[np.int64], classes: int) -> Loss:
    """Return the loss of float training, transfer learning and quantisation-aware training.

    Labels are smoothed, and rare classes weigh more. All kinds of training share it, so that
    losses on held-back images compare networks, not loss functions.

    Args:
        labels: int64, of the training examples.
        classes: Number of classes.
    """
    weights = balancing_weights(labels, classes)
    return cross_entropy(classes, smoothing=SMOOTHING, class_weights=weights)


def cross_entropy(
    classes: int, *, smoothing: float = 0.0, class_weights: Sequence[float] | None = None
) -> Loss:
    """Return the softmax cross entropy of labels and logits.

    Args:
        classes: Length of the logits.
        smoothing: Share of the target that is spread evenly over all classes
            (arXiv:1512.00567, section 7).
        class_weights: Factor of an example's loss, by label.
    """
    tf = tensorflow_setup.tensorflow()
    on, off = 1 - smoothing + smoothing / classes, smoothing / classes

    def loss(labels: TfTensor, logits: TfTensor) -> TfTensor:
        targets = tf.one_hot(labels, classes, on_value=on, off_value=off)
        losses = tf.nn.softmax_cross_entropy_with_logits(targets, logits)
        if class_weights is None:
            return losses
        return losses * tf.gather(tf.constant(class_weights, tf.float32), labels)

    return loss


def cross_entropies(
    labels: npt.NDArray[np.int64], logits: npt.NDArray[np.float32]
) -> npt.NDArray[np.float64]:
    """Return the cross entropy of each example, computed in float64 NumPy.

    Args:
        labels: int64, shape (examples,).
        logits: float32, shape (examples, classes).

    Returns:
        float64, shape (examples,).
    """
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    chosen = np.take_along_axis(shifted, labels[:, np.newaxis], axis=1)[:, 0]
    losses: npt.NDArray[np.float64] = np.log(np.exp(shifted).sum(axis=1)) - chosen
    return losses


def balancing_weights(
    labels: npt.NDArray[np.int64], classes: int, *, tolerated: float = 1.5
) -> tuple[float, ...] | None:
    """Return one factor per class with which each class adds the same to the loss.

    Args:
        labels: int64, of the training examples.
        classes: Number of classes.
        tolerated: Largest ratio of the largest class to the smallest at which no factors are used.

    Returns:
        Factors that are 1 on average over the examples; None where all would be about 1.
    """
    counts = np.bincount(labels, minlength=classes)
    present = counts[counts > 0]
    if present.max() <= tolerated * present.min():
        return None
    return tuple(float(len(labels) / (len(present) * count)) if count else 0.0 for count in counts)
