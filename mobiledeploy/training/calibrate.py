"""Calibration: measure each activation's range on a representative dataset."""

from typing import Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.progress import Event, Progress, silent
from mobiledeploy.network.network import Network
from mobiledeploy.ops.architecture import INPUT
from mobiledeploy.ops.ranges import Ranges
from mobiledeploy.training import tensorflow_graph, tensorflow_setup
from mobiledeploy.training.predict import batches
from mobiledeploy.training.tensorflow_graph import TfTensor, input_limits, to_input

SMALLEST: Final = 2.0**-20
"""Upper end of the range of a tensor that is 0 for all images: a scale must be positive."""


def calibrate(
    network: Network,
    pixels: npt.NDArray[np.uint8],
    *,
    progress: Progress = silent,
    stage: str = "quantise",
) -> Ranges:
    """Return each activation's range: its lowest and highest value, averaged over batches.

    Averages rather than extremes: otherwise a single outlier would make the scale larger. The
    input's range is not measured: it is that of 8-bit pixels.

    Args:
        network: Float network with batch norm folded.
        pixels: uint8, shape (images, height, width, channels), at least 1 image. Images of all
            classes should be among them.
        progress: Called after every batch.
        stage: The stage's name in the events.
    """
    tf = tensorflow_setup.tensorflow()
    architecture, apply = network.architecture, tensorflow_graph.constant_layers(network)
    names: list[str] = []

    def measure(batch: TfTensor) -> TfTensor:
        names.clear()
        extremes: list[TfTensor] = []

        def observe(name: str, tensor: TfTensor) -> TfTensor:
            names.append(name)
            extremes.append((tf.reduce_min(tensor), tf.reduce_max(tensor)))
            return tensor

        tensorflow_graph.forward(
            architecture, to_input(batch, architecture.scaling), apply, observe=observe
        )
        return tf.stack(extremes)

    run = tensorflow_graph.traced(
        measure, tf.TensorSpec((None, *architecture.input_shape), tf.uint8)
    )
    rows = []
    for start, batch in batches(pixels):
        rows.append(run(batch).numpy())
        progress(Event(stage, "measuring ranges", start + len(batch), len(pixels)))
    # Ranges are float32 values, so that storing them in float32 or float64 changes no scale.
    means = np.stack(rows).mean(axis=0, dtype=np.float64).astype(np.float32)
    ranges = {
        name: (min(float(low), 0.0), max(float(high), SMALLEST))
        for name, (low, high) in zip(names, means, strict=True)
    }
    return {**ranges, INPUT: input_limits(architecture.scaling)}
