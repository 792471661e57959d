"""Train the dense layer alone: the trunk computes each image's features once."""

import dataclasses
from typing import Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.progress import Progress, silent
from mobiledeploy.data.pixels import Images
from mobiledeploy.network.network import Float, Network
from mobiledeploy.ops.weights import Weights
from mobiledeploy.training import folded, loop, predict, session
from mobiledeploy.training.checkpoint import Checkpoints
from mobiledeploy.training.loss import cross_entropies, objective
from mobiledeploy.training.model import Model
from mobiledeploy.training.validation import Validation

EPOCHS: Final = 60
"""Passes over the features at most; a pass costs milliseconds."""
PATIENCE: Final = 10
BATCH: Final = 32
LEARNING_RATE: Final = 3e-3


def train(
    network: Network,
    images: Images,
    validation: Images,
    *,
    flip: bool,
    seed: int,
    checkpoints: Checkpoints | None = None,
    progress: Progress = silent,
    stage: str = "train",
) -> Network:
    """Return the network with a trained dense layer; all else stays.

    Args:
        network: Where to start; its dense layer knows nothing yet.
        images: To train on.
        validation: Held back: the latest dense layer that does as well on them as any is kept.
        flip: Whether to train on each image's mirror image too.
        seed: Of the order.
        checkpoints: Where the state is kept, None to keep none.
        progress: Told after every batch and step.
        stage: The stage's name in the events.

    Raises:
        RequestError: The loss became NaN or infinite.
        StorageError: A checkpoint cannot be written.
    """
    tf = session.tensorflow()
    architecture = network.architecture
    head = architecture.logits
    trunk = predict.runner(
        architecture,
        folded.constants(network),
        layer=head.inputs[0],
        progress=progress,
        stage=stage,
        message="computing features",
    )
    features, labels = trunk(images.pixels), images.labels
    if flip:
        mirrored = trunk(images.pixels[:, :, ::-1])
        features, labels = np.concatenate([features, mirrored]), np.tile(labels, 2)
    held_back = trunk(validation.pixels)

    found = network.weights[head.name]
    kernel, bias = tf.Variable(found.kernel), tf.Variable(found.bias)

    def validation_losses() -> npt.NDArray[np.float64]:
        logits: Float = held_back @ kernel.numpy() + bias.numpy()
        return cross_entropies(validation.labels, logits)

    plan = loop.Plan(
        steps=loop.steps(EPOCHS, len(features), BATCH),
        batch_size=BATCH,
        learning_rate=LEARNING_RATE,
        seed=seed,
        stage=stage,
        message="training the head",
    )
    loop.train(
        Model(
            variables=(kernel, bias),
            logits=lambda rows: tf.nn.bias_add(tf.matmul(rows, kernel), bias),
        ),
        features,
        labels,
        plan,
        prepare=lambda rows, _: rows,
        loss=objective(labels, architecture.classes),
        validation=Validation(
            every=loop.steps(1, len(features), BATCH),
            patience=PATIENCE,
            losses=validation_losses,
            from_start=False,
        ),
        checkpoint=checkpoints.of(
            "head", features, labels, held_back, found.kernel, found.bias, plan
        )
        if checkpoints
        else None,
        progress=progress,
    )
    trained = Weights(kernel=kernel.numpy(), bias=bias.numpy())
    return dataclasses.replace(network, weights={**network.weights, head.name: trained})
