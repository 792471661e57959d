"""Fine-tune a network that was trained elsewhere, with fake quantisation.

Without labels its own float outputs are the target (distillation): the float network sees the
same images, varied alike, and the quantised one learns to give the same logits. Squared error of
logits serves heads of every kind, and does at least as well as the divergence of softened scores
(arXiv:1503.02531): see arXiv:2105.08919, and docs/qat.md for measurements.
"""

import dataclasses
from typing import Final

from mobiledeploy.base.progress import Progress, silent
from mobiledeploy.data.pixels import Images
from mobiledeploy.network.network import Network
from mobiledeploy.ops.ranges import Ranges
from mobiledeploy.spec.config import FineTuneConfig
from mobiledeploy.training import loop, qat_folded, tensorflow_graph, tensorflow_setup
from mobiledeploy.training.augment import Augmentation, augmentation
from mobiledeploy.training.checkpoint import Checkpoints
from mobiledeploy.training.loss import objective
from mobiledeploy.training.step import Loss, TrainableModel
from mobiledeploy.training.tensorflow_graph import TfTensor

SMALLEST_VARIANCE: Final = 1e-12
"""Of logits that are the same for all images: a divisor must be positive."""


def fine_tune(
    network: Network,
    ranges: Ranges,
    images: Images,
    config: FineTuneConfig,
    *,
    augment: Augmentation,
    teacher: Network | None = None,
    checkpoints: Checkpoints | None = None,
    progress: Progress = silent,
) -> Network:
    """Return the network after training with fake quantisation.

    Args:
        network: What is trained.
        ranges: Range of every tensor; they stay as they are.
        images: Training images. Their labels only count with the loss `labels`.
        config: Loss, steps, batch size, learning rate and seed.
        augment: How images are varied.
        teacher: The float network whose outputs are the target of the loss `distill`; None: the
            network as it is.
        checkpoints: Where the training state is saved; None: nowhere.
        progress: Called after every step.

    Raises:
        RequestError: A layer cannot be trained, or the loss became NaN or infinite.
        StorageError: The checkpoint cannot be written.
    """
    tensorflow_graph.require_trainable(network.architecture)
    variables = tensorflow_graph.variables_of(network)
    model = qat_folded.model_of(network, variables, ranges)
    loss: Loss = squared_error
    teacher = network if teacher is None else teacher
    if config.loss == "distill":
        model = with_teacher(model, teacher)
    else:
        loss = objective(images.labels, network.architecture.classes)
    plan = loop.Plan(
        steps=config.steps,
        batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        seed=config.seed,
        stage="quantise",
        message="quantisation-aware training",
    )
    loop.train(
        model,
        images.pixels,
        images.labels,
        plan,
        prepare=augmentation(augment, seed=config.seed, scaling=network.architecture.scaling),
        loss=loss,
        checkpoint=checkpoints.of(
            "fine_tune", network, teacher, ranges, images, plan, config, augment
        )
        if checkpoints
        else None,
        progress=progress,
    )
    trained = tensorflow_graph.network_of(network.architecture, variables)
    return dataclasses.replace(trained, weights_per=network.weights_per)


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
