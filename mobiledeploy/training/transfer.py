"""Transfer learning: from a network that knows other images to one that knows ours.

First the head, on features that the unchanged trunk computes once; then all layers together, at
a low rate. Batch norm is folded, hence frozen: statistics of a few hundred images would be worse
than those of the million that the weights come from.
"""

import numpy as np

from mobiledeploy.base.progress import Progress, silent
from mobiledeploy.data.pixels import Images
from mobiledeploy.network.fold import Variables, fold
from mobiledeploy.network.match import Matched
from mobiledeploy.network.network import Network
from mobiledeploy.ops.architecture import Architecture, Layer
from mobiledeploy.spec.config import TrainConfig
from mobiledeploy.training import fine_tune, head_training, session
from mobiledeploy.training.augment import Augmentation
from mobiledeploy.training.checkpoint import Checkpoints
from mobiledeploy.training.trained import TrainedNetwork, from_network


def train(
    architecture: Architecture,
    images: Images,
    validation: Images,
    weights: Matched,
    config: TrainConfig,
    *,
    augment: Augmentation,
    checkpoints: Checkpoints | None = None,
    progress: Progress = silent,
    stage: str = "train",
) -> TrainedNetwork:
    """Train a network that starts from weights.

    A head that came with the weights is kept; otherwise a new one is trained first. With 0
    epochs that is all.

    Args:
        architecture: What to train.
        images: To train on, of the architecture's input size.
        validation: Held back: the latest weights that do as well on them as any are kept.
        weights: Where to start.
        config: How long and how fast all layers are trained.
        augment: How images are varied.
        checkpoints: Where the state is kept, None to keep none.
        progress: Told after every step.
        stage: The stage's name in the events.

    Raises:
        RequestError: The weights do not fit, or the loss became NaN or infinite.
        StorageError: A checkpoint cannot be written.
    """
    session.start(config.threads, progress=progress, stage=stage)
    network = starting_network(architecture, weights)
    if not weights.head:
        network = head_training.train(
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
        network = fine_tune.train(
            network,
            images,
            validation,
            config,
            augment=augment,
            checkpoints=checkpoints,
            progress=progress,
            stage=stage,
        )
    return from_network(network, note=weights.note)


def starting_network(architecture: Architecture, weights: Matched) -> Network:
    """Return the network as it is before training, with a head without an opinion if it is new.

    Raises:
        RequestError: The weights do not fit, or are not finite.
    """
    variables = dict(weights.variables)
    if not weights.head:
        variables[architecture.logits.name] = _zeros(architecture.logits)
    return fold(architecture, variables)


def _zeros(layer: Layer) -> Variables:
    """The first gradients of such a head are not those of random guesses."""
    return Variables(
        kernel=np.zeros(layer.kernel_shape, np.float32),
        bias=np.zeros(layer.out_channels, np.float32),
    )
