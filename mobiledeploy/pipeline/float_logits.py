"""Compute a float network's logits in LiteRT."""

import dataclasses
from typing import Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.data.preprocess import to_float32
from mobiledeploy.network.network import Network
from mobiledeploy.network.simplify.from_network import from_network
from mobiledeploy.runtimes import litert
from mobiledeploy.targets import float_tflite

BATCH: Final = 16
"""Images of which the float inputs are in memory at a time."""


def float_logits(
    network: Network, pixels: npt.NDArray[np.uint8], *, threads: int
) -> npt.NDArray[np.float32]:
    """Return the logits of images, shape (images, outputs).

    Args:
        network: The float network.
        pixels: uint8, shape (images, ...).
        threads: Images that run at a time.
    """
    architecture = network.architecture
    graph = dataclasses.replace(from_network(network), output=architecture.logits.name)
    session = litert.load(float_tflite.write(graph), threads=threads)
    batches = (pixels[start : start + BATCH] for start in range(0, len(pixels), BATCH))
    logits = [session.run(to_float32(batch, architecture.scaling))[0] for batch in batches]
    return np.concatenate(logits).reshape(len(pixels), architecture.classes)
