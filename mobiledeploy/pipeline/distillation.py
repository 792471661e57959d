"""Train a quantised network to answer as its float network does, on representative images."""

import dataclasses
import importlib.util
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.progress import Progress
from mobiledeploy.data.pixels import Images
from mobiledeploy.integer.certify import exact_ranges
from mobiledeploy.network.network import Network
from mobiledeploy.ops.ranges import Ranges
from mobiledeploy.spec.config import FineTuneConfig
from mobiledeploy.spec.results import WhyNotTried

STEPS: Final = 100
"""Training steps."""
BATCH_SIZE: Final = 16
LEARNING_RATE: Final = 1e-5
"""Peak of the schedule."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Distillation:
    """How a quantised network is trained.

    Attributes:
        seed: Seed of the order of the images.
        threads: Threads of TensorFlow's kernels.
        folder: Where the training state is saved.
        progress: Called after every step.
    """

    seed: int
    threads: int
    folder: Path
    progress: Progress

    def obstacle(self, network: Network) -> WhyNotTried | None:
        """Return why a network cannot be trained here; None if it can."""
        if importlib.util.find_spec("tensorflow") is None:
            return "no TensorFlow"
        from mobiledeploy.training import tensorflow_graph

        layers = network.architecture.layers
        trainable = tensorflow_graph.TENSORFLOW_OPERATORS
        return None if all(layer.op in trainable for layer in layers) else "not trainable"

    def train(
        self,
        network: Network,
        ranges: Ranges,
        teacher: Network,
        pixels: npt.NDArray[np.uint8],
    ) -> Network:
        """Return the network after training with fake quantisation.

        Args:
            network: What is trained.
            ranges: Range of every tensor; they stay as they are.
            teacher: The float network.
            pixels: Training images, uint8, shape (images, ...).

        Raises:
            RequestError: The loss became NaN or infinite.
            StorageError: The training state cannot be saved.
        """
        from mobiledeploy.training import fine_tune, tensorflow_setup
        from mobiledeploy.training.checkpoint import Checkpoints

        tensorflow_setup.start(self.threads, progress=self.progress, stage="quantise")
        self.folder.mkdir(parents=True, exist_ok=True)
        return fine_tune.fine_tune(
            network,
            exact_ranges(network, ranges),
            Images.without_labels(pixels),
            FineTuneConfig(
                loss="distill",
                steps=STEPS,
                batch_size=BATCH_SIZE,
                learning_rate=LEARNING_RATE,
                seed=self.seed,
            ),
            teacher=teacher,
            augment="none",  # varied images are others than those that the ranges fit
            checkpoints=Checkpoints(folder=self.folder),
            progress=self.progress,
        )
