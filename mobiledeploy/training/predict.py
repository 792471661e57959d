"""Run the float network on 8-bit images in TensorFlow."""

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import RequestError
from mobiledeploy.base.progress import Event, Progress, silent
from mobiledeploy.network.network import Float, Network
from mobiledeploy.ops.architecture import Architecture
from mobiledeploy.training import tensorflow_graph, tensorflow_setup
from mobiledeploy.training.tensorflow_graph import to_input

BATCH: Final = 64
"""Images per batch; it limits memory and does not change results."""

Pixels: TypeAlias = npt.NDArray[np.uint8]
Runner: TypeAlias = Callable[[Pixels], Float]


def predict(
    network: Network, pixels: Pixels, *, progress: Progress = silent, stage: str = "predict"
) -> Float:
    """Return the logits of images.

    Args:
        network: The float network.
        pixels: uint8, shape (images, height, width, channels).
        progress: Called after every batch.
        stage: The stage's name in the events.

    Returns:
        float32, shape (images, classes).

    Raises:
        RequestError: A logit is NaN or infinite.
    """
    architecture = network.architecture
    run = runner(
        architecture,
        tensorflow_graph.constant_layers(network),
        layer=architecture.logits.name,
        progress=progress,
        stage=stage,
    )
    return run(pixels)


def runner(
    architecture: Architecture,
    apply: tensorflow_graph.Apply,
    *,
    layer: str,
    progress: Progress = silent,
    stage: str = "predict",
    message: str = "running the float network",
) -> Runner:
    """Return a function from images to the output of one layer.

    It raises a `RequestError` where the output has NaN or infinite values. Where `apply` reads
    `tf.Variable`s, each call uses their present values.

    Args:
        architecture: The layers.
        apply: What layers with weights compute.
        layer: The name of the layer; its output is a vector.
        progress: Called after every batch.
        stage: The stage's name in the events.
        message: The text of the events.
    """
    tf = tensorflow_setup.tensorflow()
    channels = architecture.shapes()[layer]
    compute = tensorflow_graph.traced(
        lambda batch: tensorflow_graph.forward(
            architecture, to_input(batch, architecture.scaling), apply, until=layer
        ),
        tf.TensorSpec((None, *architecture.input_shape), tf.uint8),
    )

    def run(pixels: Pixels) -> Float:
        rows = np.empty((len(pixels), *channels), np.float32)
        for start, batch in batches(pixels):
            done = start + len(batch)
            rows[start:done] = compute(batch).numpy()
            progress(Event(stage, message, done, len(pixels)))
        bad = ~np.isfinite(rows).all(axis=tuple(range(1, rows.ndim)))
        if bad.any():
            raise RequestError(
                f"the float network gives NaN or infinite values for {int(bad.sum())} of "
                f"{len(rows)} images in `{layer}`",
                hint="the training diverged, or the weights are damaged",
            )
        return rows

    return run


def batches(pixels: Pixels) -> Iterator[tuple[int, Pixels]]:
    """Yield batches of consecutive images, each with the position of its first image."""
    for start in range(0, len(pixels), BATCH):
        yield start, np.ascontiguousarray(pixels[start : start + BATCH])
