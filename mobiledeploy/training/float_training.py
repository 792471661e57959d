"""Float training from random weights, with batch normalisation."""

import dataclasses
from typing import TYPE_CHECKING, Final

from mobiledeploy.base.progress import Progress, silent
from mobiledeploy.data.pixels import Images
from mobiledeploy.models import keras_builder
from mobiledeploy.network import keras_model
from mobiledeploy.network.network import Network
from mobiledeploy.ops.architecture import Architecture
from mobiledeploy.spec.config import TrainConfig
from mobiledeploy.training import batch_norm, loop, tensorflow_setup
from mobiledeploy.training.augment import Augmentation, augmentation
from mobiledeploy.training.checkpoint import Checkpoints
from mobiledeploy.training.loss import objective

if TYPE_CHECKING:
    import keras

MOMENTUM: Final = 0.9
"""Momentum of the moving averages: Keras applications' 0.999 needs more steps than a short run."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainedNetwork:
    """A trained float network in two forms.

    Attributes:
        network: The network with batch norm folded, which is quantised and exported.
        keras_model: The same function as a Keras model, to be saved or trained further.
        note: Which weights come from a file and which are new, as a sentence; may be empty.
    """

    network: Network
    keras_model: "keras.Model"
    note: str


def train(
    architecture: Architecture,
    images: Images,
    config: TrainConfig,
    *,
    augment: Augmentation,
    checkpoints: Checkpoints | None = None,
    progress: Progress = silent,
    stage: str = "train",
) -> TrainedNetwork:
    """Train a new Keras model.

    The last weights are kept, without early stopping: the learning rate falls to nearly 0.

    Args:
        architecture: The network.
        images: Training images of the architecture's input size.
        config: Epochs, batch size, learning rate, seed, threads.
        augment: How images are varied.
        checkpoints: Where the training state is saved; None: nowhere.
        progress: Called after every step.
        stage: The stage's name in the events.

    Raises:
        RequestError: The loss became NaN or infinite.
        StorageError: A checkpoint cannot be written.
    """
    tensorflow_setup.start(config.threads, progress=progress, stage=stage)
    tensorflow_setup.keras().utils.set_random_seed(config.seed)
    model = keras_builder.build(architecture, batch_norm_momentum=MOMENTUM)
    start_as_identities(architecture, model)
    classes = architecture.classes
    plan = loop.Plan(
        steps=loop.steps_for(config.epochs, len(images.pixels), config.batch_size),
        batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        seed=config.seed,
        stage=stage,
        message="training",
    )
    loop.train(
        batch_norm.model_of(architecture, model),
        images.pixels,
        images.labels,
        plan,
        prepare=augmentation(augment, seed=config.seed, scaling=architecture.scaling),
        loss=objective(images.labels, classes),
        checkpoint=checkpoints.of("float", architecture, images, plan, augment)
        if checkpoints
        else None,
        progress=progress,
    )
    return TrainedNetwork(
        network=keras_model.network_of(architecture, model), keras_model=model, note=""
    )


def start_as_identities(architecture: Architecture, model: "keras.Model") -> None:
    """Initialise each residual block as the identity: its last gamma becomes 0.

    Goyal et al., arXiv:1706.02677, section 5.1. In short runs it matters: MobileNet V2 makes half
    as many errors on the digits.

    Args:
        architecture: The architecture of the model.
        model: Changed in place.
    """
    for layer in architecture.layers:
        if layer.op == "add":
            norm = model.get_layer(f"{layer.inputs[1]}{keras_builder.BATCH_NORM}")
            norm.gamma.assign(norm.gamma * 0)
