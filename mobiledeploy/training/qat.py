"""Quantisation-aware training (QAT): the interface of its engines.

An engine is a module `qat_<name>` with the function `train_quantised`.
"""

import importlib
from typing import Protocol

from mobiledeploy.base.errors import RequestError
from mobiledeploy.base.progress import Progress
from mobiledeploy.data.pixels import Images
from mobiledeploy.network.network import Network
from mobiledeploy.ops.ranges import Ranges
from mobiledeploy.spec.config import QAT_ENGINES, QuantiseConfig
from mobiledeploy.training import loop
from mobiledeploy.training.augment import Augmentation
from mobiledeploy.training.checkpoint import Checkpoints


class Engine(Protocol):
    """A module that trains a network with fake quantisation."""

    def train_quantised(
        self,
        network: Network,
        ranges: Ranges,
        images: Images,
        config: QuantiseConfig,
        *,
        teacher: Network,
        augment: Augmentation,
        seed: int,
        checkpoints: Checkpoints | None = ...,
        progress: Progress = ...,
    ) -> tuple[Network, Ranges]:
        """Return the network and the ranges after `config.steps` training steps.

        The labels and the float network's logits are learnt together.

        Args:
            network: Float network with batch norm folded, where the training starts.
            ranges: Activation ranges from calibration.
            images: Training images.
            config: Steps, batch size, learning rate.
            teacher: The float network as it was trained.
            augment: How images are varied; as in float training.
            seed: Seed of the order of the images and of the augmentation.
            checkpoints: Where the training state is saved; None: nowhere.
            progress: Called after every step.

        Raises:
            RequestError: The loss became NaN or infinite.
            StorageError: The checkpoint cannot be written.
        """
        ...


def plan(config: QuantiseConfig, seed: int) -> loop.Plan:
    """Return the settings of the training loop, the same for every engine."""
    return loop.Plan(
        steps=config.steps,
        batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        seed=seed,
        stage="quantise",
        message="quantisation-aware training",
    )


def load(name: str) -> Engine:
    """Return an engine by name.

    Raises:
        RequestError: There is no such engine.
    """
    if name not in QAT_ENGINES:
        raise RequestError(f"expected a QAT engine of {', '.join(QAT_ENGINES)}; received {name}")
    engine: Engine = importlib.import_module(f"mobiledeploy.training.qat_{name}")
    return engine
