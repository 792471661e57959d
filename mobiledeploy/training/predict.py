"""Float logits of a `Network`."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.network.network import Float, Network
from mobiledeploy.progress import Event, Progress, silent
from mobiledeploy.training import folded, graph, session
from mobiledeploy.training.input_grid import to_input

BATCH: Final = 64
"""Images a step; it bounds memory, not results."""

Pixels = npt.NDArray[np.uint8]


def predict(
    network: Network, pixels: Pixels, *, progress: Progress = silent, stage: str = "predict"
) -> Float:
    """Return the logits of 8-bit images.

    Args:
        network: Any network.
        pixels: uint8, shape (images, height, width, channels).
        progress: Told after every batch.
        stage: The stage's name in the events.

    Returns:
        float32, shape (images, classes).
    """
    return features(
        network, pixels, layer=network.architecture.logits.name, progress=progress, stage=stage
    )


def features(
    network: Network,
    pixels: Pixels,
    *,
    layer: str,
    progress: Progress = silent,
    stage: str = "predict",
) -> Float:
    """Return the output of one layer that gives a vector.

    Args:
        network: Any network.
        pixels: uint8, shape (images, height, width, channels).
        layer: The layer's name.
        progress: Told after every batch.
        stage: The stage's name in the events.

    Returns:
        float32, shape (images, channels of the layer).
    """
    tf = session.tensorflow()
    apply = folded.constants(network)

    run = graph.traced(
        lambda batch: graph.forward(network.architecture, to_input(batch), apply, until=layer),
        tf.TensorSpec((None, *network.architecture.input_shape), tf.uint8),
    )
    channels = network.architecture.shapes()[layer]
    rows = np.empty((len(pixels), *channels), np.float32)
    for start, batch in batches(pixels):
        rows[start : start + len(batch)] = run(batch).numpy()
        progress(Event(stage, "running the float network", start + len(batch), len(pixels)))
    return rows


def batches(pixels: Pixels) -> Iterator[tuple[int, Pixels]]:
    """Yield consecutive images, each batch with the position of its first."""
    for start in range(0, len(pixels), BATCH):
        yield start, np.ascontiguousarray(pixels[start : start + BATCH])
