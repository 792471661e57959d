"""Transfer learning: train a network that starts from the weights of another one.

First the head alone, on features that the unchanged trunk computes once; then all layers, at a
low learning rate. Batch norm is folded, hence frozen: statistics of a few hundred images would be
worse than those of the million images that the weights come from.
"""

import dataclasses
from typing import Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.progress import Progress, silent
from mobiledeploy.data.pixels import Images
from mobiledeploy.models import keras_builder
from mobiledeploy.network import keras_model
from mobiledeploy.network.fold import Variables, fold
from mobiledeploy.network.network import Float, Network
from mobiledeploy.network.weight_matching import MatchedWeights
from mobiledeploy.ops.architecture import Architecture, Layer
from mobiledeploy.ops.weights import Weights
from mobiledeploy.spec.config import TrainConfig
from mobiledeploy.training import loop, predict, tensorflow_graph, tensorflow_setup
from mobiledeploy.training.augment import Augmentation, augmentation
from mobiledeploy.training.checkpoint import Checkpoints
from mobiledeploy.training.early_stopping import Validation
from mobiledeploy.training.float_training import TrainedNetwork
from mobiledeploy.training.loss import cross_entropies, objective
from mobiledeploy.training.step import TrainableModel

HEAD_EPOCHS: Final = 60
"""Most passes over the features; a pass takes milliseconds."""
HEAD_PATIENCE: Final = 10
"""Consecutive epochs that validate worse than the best, after which head training ends."""
HEAD_BATCH: Final = 32
HEAD_LEARNING_RATE: Final = 3e-3
FINE_TUNING_PATIENCE: Final = 3
"""Consecutive epochs that validate worse than the best, after which fine-tuning ends."""


def train(
    architecture: Architecture,
    images: Images,
    validation: Images,
    weights: MatchedWeights,
    config: TrainConfig,
    *,
    augment: Augmentation,
    checkpoints: Checkpoints | None = None,
    progress: Progress = silent,
    stage: str = "train",
) -> TrainedNetwork:
    """Train a network that starts from given weights.

    If the weights have no head that fits, a new head is trained first. Then all layers are
    trained for `config.epochs` epochs, which may be 0.

    Args:
        architecture: The network.
        images: Training images of the architecture's input size.
        validation: Held-back images for early stopping.
        weights: The initial weights.
        config: Epochs, batch size, learning rate, seed, threads.
        augment: How images are varied.
        checkpoints: Where the training state is saved; None: nowhere.
        progress: Called after every step.
        stage: The stage's name in the events.

    Raises:
        RequestError: The weights do not fit, or the loss became NaN or infinite.
        StorageError: A checkpoint cannot be written.
    """
    tensorflow_setup.start(config.threads, progress=progress, stage=stage)
    network = starting_network(architecture, weights)
    if not weights.head:
        network = train_head(
            network,
            images,
            validation,
            flip=augment == "photos",
            seed=config.seed,
            checkpoints=checkpoints,
            progress=progress,
            stage=stage,
        )
    if config.epochs:
        network = train_all_layers(
            network,
            images,
            validation,
            config,
            augment=augment,
            checkpoints=checkpoints,
            progress=progress,
            stage=stage,
        )
    return with_keras_model(network, note=weights.note)


def starting_network(architecture: Architecture, weights: MatchedWeights) -> Network:
    """Return the network before training; a new head is all zeros.

    Raises:
        RequestError: The weights do not fit, or are not finite.
    """
    variables = dict(weights.variables)
    if not weights.head:
        variables[architecture.logits.name] = _zeros(architecture.logits)
    return fold(architecture, variables)


def _zeros(layer: Layer) -> Variables:
    """Return zeros: unlike random weights, they do not disturb the first gradients."""
    return Variables(
        kernel=np.zeros(layer.kernel_shape, np.float32),
        bias=np.zeros(layer.out_channels, np.float32),
    )


def train_head(
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
    """Return the network with its dense layer trained and all other weights unchanged.

    Args:
        network: The initial weights; its dense layer is untrained.
        images: Training images.
        validation: Held-back images for early stopping.
        flip: Whether to train on the mirror image of each image, too.
        seed: Seed of the order of the images.
        checkpoints: Where the training state is saved; None: nowhere.
        progress: Called after every batch and step.
        stage: The stage's name in the events.

    Raises:
        RequestError: The loss became NaN or infinite.
        StorageError: A checkpoint cannot be written.
    """
    tf = tensorflow_setup.tensorflow()
    architecture = network.architecture
    head = architecture.logits
    trunk = predict.runner(
        architecture,
        tensorflow_graph.constant_layers(network),
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

    initial = network.weights[head.name]
    kernel, bias = tf.Variable(initial.kernel), tf.Variable(initial.bias)

    def validation_losses() -> npt.NDArray[np.float64]:
        logits: Float = held_back @ kernel.numpy() + bias.numpy()
        return cross_entropies(validation.labels, logits)

    plan = loop.Plan(
        steps=loop.steps_for(HEAD_EPOCHS, len(features), HEAD_BATCH),
        batch_size=HEAD_BATCH,
        learning_rate=HEAD_LEARNING_RATE,
        seed=seed,
        stage=stage,
        message="training the head",
    )
    loop.train(
        TrainableModel(
            variables=(kernel, bias),
            logits=lambda rows: tf.nn.bias_add(tf.matmul(rows, kernel), bias),
        ),
        features,
        labels,
        plan,
        prepare=lambda rows, _: rows,
        loss=objective(labels, architecture.classes),
        validation=Validation(
            every=loop.steps_for(1, len(features), HEAD_BATCH),
            patience=HEAD_PATIENCE,
            losses=validation_losses,
            from_start=False,
        ),
        checkpoint=checkpoints.of(
            "head", features, labels, held_back, initial.kernel, initial.bias, plan
        )
        if checkpoints
        else None,
        progress=progress,
    )
    trained = Weights(kernel=kernel.numpy(), bias=bias.numpy())
    return dataclasses.replace(network, weights={**network.weights, head.name: trained})


def train_all_layers(
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
    """Return the network after fine-tuning, or unchanged if its initial weights validate best.

    Args:
        network: The initial weights.
        images: Training images.
        validation: Held-back images for early stopping.
        config: Epochs, batch size, learning rate, seed.
        augment: How images are varied.
        checkpoints: Where the training state is saved; None: nowhere.
        progress: Called after every step.
        stage: The stage's name in the events.

    Raises:
        RequestError: The loss became NaN or infinite.
        StorageError: A checkpoint cannot be written.
    """
    architecture = network.architecture
    variables = tensorflow_graph.variables_of(network)
    apply = tensorflow_graph.float_layers(variables, convolve=tensorflow_graph.convolve_to_train)
    held_back = predict.runner(architecture, apply, layer=architecture.logits.name)
    count = len(images.pixels)
    plan = loop.Plan(
        steps=loop.steps_for(config.epochs, count, config.batch_size),
        batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        seed=config.seed,
        stage=stage,
        message="training all layers",
    )
    loop.train(
        TrainableModel(
            variables=tuple(variable for pair in variables.values() for variable in pair),
            logits=lambda inputs: tensorflow_graph.forward(architecture, inputs, apply),
        ),
        images.pixels,
        images.labels,
        plan,
        prepare=augmentation(augment, seed=config.seed, scaling=architecture.scaling),
        loss=objective(images.labels, architecture.classes),
        validation=Validation(
            every=loop.steps_for(1, count, config.batch_size),
            patience=FINE_TUNING_PATIENCE,
            losses=lambda: cross_entropies(validation.labels, held_back(validation.pixels)),
        ),
        checkpoint=checkpoints.of("all", network, images, validation, plan, augment)
        if checkpoints
        else None,
        progress=progress,
    )
    return tensorflow_graph.network_of(architecture, variables)


def with_keras_model(network: Network, *, note: str) -> TrainedNetwork:
    """Return a network together with a Keras model that computes the same.

    The Keras model's batch normalisations add the biases and are otherwise the identity.

    Args:
        network: Trained with batch norm folded.
        note: See `TrainedNetwork`.
    """
    tensorflow_setup.keras()
    architecture = network.architecture
    model = keras_builder.build(architecture)
    variables = {
        name: Variables(kernel=weights.kernel, bias=weights.bias)
        for name, weights in network.weights.items()
    }
    keras_model.assign(architecture, model, variables)
    return TrainedNetwork(network=network, keras_model=model, note=note)
