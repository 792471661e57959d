"""Which range each activation takes: measured on training images."""

from typing import Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.progress import Event, Progress, silent
from mobiledeploy.network.network import Network
from mobiledeploy.ops.architecture import INPUT
from mobiledeploy.ops.ranges import Ranges
from mobiledeploy.training import tensorflow_graph
from mobiledeploy.training import tensorflow_setup
from mobiledeploy.training.tensorflow_graph import input_limits
from mobiledeploy.training.tensorflow_graph import to_input
from mobiledeploy.training.predict import batches

SMALLEST: Final = 2.0**-20
"""Width of the range of a tensor that is 0 for all images: a scale must be positive."""


def calibrate(
    network: Network,
    pixels: npt.NDArray[np.uint8],
    *,
    progress: Progress = silent,
    stage: str = "quantise",
) -> Ranges:
    """Return the mean over batches of each activation's lowest and highest value.

    The mean rather than the extremes: a single outlier does not widen every step of the grid.
    Images of all classes should be among them. The input's range is not measured: it is the grid
    of 8-bit pixels.

    Args:
        network: Folded float network.
        pixels: uint8, shape (images, height, width, channels), at least 1 image.
        progress: Told after every batch.
        stage: The stage's name in the events.
    """
    tf = tensorflow_setup.tensorflow()
    architecture, apply = network.architecture, tensorflow_graph.constant_layers(network)
    names: list[str] = []

    def extremes(batch: tensorflow_graph.TfTensor) -> tensorflow_graph.TfTensor:
        names.clear()
        found = []

        def observe(name: str, tensor: tensorflow_graph.TfTensor) -> tensorflow_graph.TfTensor:
            names.append(name)
            found.append((tf.reduce_min(tensor), tf.reduce_max(tensor)))
            return tensor

        tensorflow_graph.forward(architecture, to_input(batch, architecture.scaling), apply, observe=observe)
        return tf.stack(found)

    run = tensorflow_graph.traced(extremes, tf.TensorSpec((None, *architecture.input_shape), tf.uint8))
    rows = []
    for start, batch in batches(pixels):
        rows.append(run(batch).numpy())
        progress(Event(stage, "measuring ranges", start + len(batch), len(pixels)))
    # Ranges are float32 values: whoever stores them, in whatever type, has the same grid.
    means = np.stack(rows).mean(axis=0, dtype=np.float64).astype(np.float32)
    ranges = {
        name: (min(float(low), 0.0), max(float(high), SMALLEST))
        for name, (low, high) in zip(names, means, strict=True)
    }
    return {**ranges, INPUT: input_limits(architecture.scaling)}
