"""Train all layers of a network that is already good, gently."""

from typing import Final

from mobiledeploy.base.progress import Progress, silent
from mobiledeploy.data.pixels import Images
from mobiledeploy.network.network import Network
from mobiledeploy.spec.config import TrainConfig
from mobiledeploy.training import folded, graph, loop, predict
from mobiledeploy.training.augment import Augmentation, augmentation
from mobiledeploy.training.checkpoint import Checkpoints
from mobiledeploy.training.loss import cross_entropies, objective
from mobiledeploy.training.model import Model
from mobiledeploy.training.validation import Validation

PATIENCE: Final = 3
"""Epochs that validate worse than the best, in a row, after which training ends."""


def train(
    network: Network,
    images: Images,
    validation: Images,
    config: TrainConfig,
    *,
    augment: Augmentation,
    checkpoints: Checkpoints | None = None,
    progress: Progress = silent,
    stage: str = "train",
) -> Network:
    """Return the network after training, or as it came if training only did harm.

    Args:
        network: Where to start.
        images: To train on.
        validation: Held back: the latest weights that do as well on them as any are kept.
        config: How long and how fast.
        augment: How images are varied.
        checkpoints: Where the state is kept, None to keep none.
        progress: Told after every step.
        stage: The stage's name in the events.

    Raises:
        RequestError: The loss became NaN or infinite.
        StorageError: A checkpoint cannot be written.
    """
    architecture = network.architecture
    variables = folded.variables_of(network)
    apply = folded.layers(variables, convolve=graph.convolve_to_train)
    held_back = predict.runner(architecture, apply, layer=architecture.logits.name)
    count = len(images.pixels)
    plan = loop.Plan(
        steps=loop.steps(config.epochs, count, config.batch_size),
        batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        seed=config.seed,
        stage=stage,
        message="training all layers",
    )
    loop.train(
        Model(
            variables=tuple(variable for pair in variables.values() for variable in pair),
            logits=lambda inputs: graph.forward(architecture, inputs, apply),
        ),
        images.pixels,
        images.labels,
        plan,
        prepare=augmentation(augment, seed=config.seed, scaling=architecture.scaling),
        loss=objective(images.labels, architecture.classes),
        validation=Validation(
            every=loop.steps(1, count, config.batch_size),
            patience=PATIENCE,
            losses=lambda: cross_entropies(validation.labels, held_back(validation.pixels)),
        ),
        checkpoint=checkpoints.of("all", network, images, validation, plan, augment)
        if checkpoints
        else None,
        progress=progress,
    )
    return folded.network_of(architecture, variables)
