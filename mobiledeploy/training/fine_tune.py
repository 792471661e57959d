"""Fine-tune a network that was trained elsewhere, with fake quantisation.

Without labels its own float outputs are the target: see `teacher`.
"""

import dataclasses

from mobiledeploy.base.progress import Progress, silent
from mobiledeploy.data.pixels import Images
from mobiledeploy.network.network import Network
from mobiledeploy.ops.ranges import Ranges
from mobiledeploy.spec.config import FineTuneConfig
from mobiledeploy.training import loop, qat_folded, tensorflow_graph
from mobiledeploy.training.augment import Augmentation, augmentation
from mobiledeploy.training.checkpoint import Checkpoints
from mobiledeploy.training.loss import objective
from mobiledeploy.training.step import Loss
from mobiledeploy.training.teacher import squared_error, with_teacher


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
