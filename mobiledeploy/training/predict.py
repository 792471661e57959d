"""Float outputs of a network for 8-bit images."""

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import RequestError
from mobiledeploy.base.progress import Event, Progress, silent
from mobiledeploy.network.network import Float, Network
from mobiledeploy.ops.architecture import Architecture
from mobiledeploy.training import tensorflow_graph
from mobiledeploy.training import tensorflow_setup
from mobiledeploy.training.tensorflow_graph import to_input

BATCH: Final = 64
"""Images at a time; it bounds memory, not results."""

Pixels: TypeAlias = npt.NDArray[np.uint8]
Runner: TypeAlias = Callable[[Pixels], Float]


def predict(
    network: Network, pixels: Pixels, *, progress: Progress = silent, stage: str = "predict"
) -> Float:
    """Return the logits of images.

    Args:
        network: Any network.
        pixels: uint8, shape (images, height, width, channels).
        progress: Told after every batch.
        stage: The stage's name in the events.

    Returns:
        float32, shape (images, classes).

    Raises:
        RequestError: Some are NaN or infinite.
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
    """Return a function from images to the output of one layer, to be called any number of times.

    Args:
        architecture: The layers.
        apply: What those with weights compute; where that reads variables, it reads them anew.
        layer: The name of one that gives a vector.
        progress: Told after every batch.
        stage: The stage's name in the events.
        message: What the events say.

    Raises:
        RequestError: The function does, if the layer gives NaN or infinite values.
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
    """Yield consecutive images, each batch with the position of its first."""
    for start in range(0, len(pixels), BATCH):
        yield start, np.ascontiguousarray(pixels[start : start + BATCH])
