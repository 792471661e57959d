"""Quantisation-aware training, by one of two engines. Both end in the same types."""

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
    """A module that trains with fake quantisation."""

    def train_quantised(
        self,
        network: Network,
        ranges: Ranges,
        images: Images,
        config: QuantiseConfig,
        *,
        augment: Augmentation,
        seed: int,
        checkpoints: Checkpoints | None = ...,
        progress: Progress = ...,
    ) -> tuple[Network, Ranges]:
        """Return the network and the ranges after `config.steps` steps.

        Args:
            network: Folded float network.
            ranges: From calibration.
            images: To train on.
            config: How long and how fast.
            augment: How images are varied: as in the training of the network.
            seed: Of the order and the augmentation.
            checkpoints: Where the state is kept, None to keep none.
            progress: Told after every step.

        Raises:
            RequestError: The loss became NaN or infinite.
            StorageError: The checkpoint cannot be written.
        """
        ...


def plan(config: QuantiseConfig, seed: int) -> loop.Plan:
    """Return what every engine asks of the training loop."""
    return loop.Plan(
        steps=config.steps,
        batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        seed=seed,
        stage="quantise",
        message="quantisation-aware training",
    )


def load(name: str) -> Engine:
    """Return an engine by name: the module `training/qat_<name>.py`.

    Raises:
        RequestError: There is no such engine.
    """
    if name not in QAT_ENGINES:
        raise RequestError(f"expected a QAT engine of {', '.join(QAT_ENGINES)}; received {name}")
    engine: Engine = importlib.import_module(f"mobiledeploy.training.qat_{name}")
    return engine
