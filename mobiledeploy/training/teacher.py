"""Distillation: a quantised network learns the logits of the float network, its teacher.

The teacher sees the same images, varied alike. Squared error of logits serves heads of every kind,
and does at least as well as the divergence of softened scores (arXiv:1503.02531): see
arXiv:2105.08919, and docs/qat.md for measurements.
"""

import dataclasses
from typing import Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.network.network import Network
from mobiledeploy.training import tensorflow_graph, tensorflow_setup
from mobiledeploy.training.loss import cross_entropies
from mobiledeploy.training.step import Loss, TrainableModel
from mobiledeploy.training.tensorflow_graph import TfTensor

SMALLEST_VARIANCE: Final = 1e-12
"""Of logits that are the same for all images: a divisor must be positive."""
WEIGHT: Final = 10.0
"""Of the squared error beside the cross entropy, where there are labels."""


def with_teacher(student: TrainableModel, network: Network) -> TrainableModel:
    """Return a model whose outputs are the pair of its own logits and those of a float network.

    Args:
        student: What is trained.
        network: Its weights stay constant.
    """
    teacher = tensorflow_graph.constant_layers(network)

    def both(inputs: TfTensor) -> TfTensor:
        return student.logits(inputs), tensorflow_graph.forward(
            network.architecture, inputs, teacher
        )

    return dataclasses.replace(student, logits=both)


def squared_error(labels: TfTensor, outputs: TfTensor) -> TfTensor:
    """Return each example's mean squared error of logits, as a part of the teacher's variance.

    As a part, so that the loss means the same for outputs of any size.

    Args:
        labels: Ignored.
        outputs: The student's and the teacher's logits, float32, shape (examples, classes) each.

    Returns:
        float32, shape (examples,).
    """
    del labels
    tf = tensorflow_setup.tensorflow()
    student, teacher = outputs
    variance = tf.maximum(tf.math.reduce_variance(teacher), SMALLEST_VARIANCE)
    return tf.reduce_mean(tf.math.squared_difference(student, teacher), axis=1) / variance


def relative_errors(
    student: npt.NDArray[np.float32], teacher: npt.NDArray[np.float32]
) -> npt.NDArray[np.float64]:
    """Return what `squared_error` does, computed in float64 NumPy.

    Args:
        student: Logits, shape (examples, classes).
        teacher: The float network's for the same examples.

    Returns:
        float64, shape (examples,).
    """
    expected = teacher.astype(np.float64)
    errors = np.square(student - expected).mean(axis=1)
    return np.asarray(errors / max(expected.var(), SMALLEST_VARIANCE))


def with_labels(cross_entropy: Loss) -> Loss:
    """Return the loss of labels and of the teacher's logits together.

    Args:
        cross_entropy: Of labels and the student's logits.
    """

    def loss(labels: TfTensor, outputs: TfTensor) -> TfTensor:
        student, _ = outputs
        return cross_entropy(labels, student) + WEIGHT * squared_error(labels, outputs)

    return loss


def losses_with_labels(
    labels: npt.NDArray[np.int64],
    student: npt.NDArray[np.float32],
    teacher: npt.NDArray[np.float32],
) -> npt.NDArray[np.float64]:
    """Return the loss of each example, computed in float64 NumPy, without smoothing.

    Args:
        labels: int64, shape (examples,).
        student: Logits, shape (examples, classes).
        teacher: The float network's for the same examples.

    Returns:
        float64, shape (examples,).
    """
    return cross_entropies(labels, student) + WEIGHT * relative_errors(student, teacher)
