"""Measure the ranges of a network's tensors on a representative dataset, in LiteRT.

XNNPACK computes the float network, and the least and greatest values are operators of the same
file, so that no activation leaves LiteRT.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.base.progress import Event, Progress, silent
from mobiledeploy.data.preprocess import to_float32
from mobiledeploy.network.float_graph import FloatGraph
from mobiledeploy.network.network import Network
from mobiledeploy.network.simplify.from_network import from_network
from mobiledeploy.ops.architecture import INPUT
from mobiledeploy.ops.ranges import SMALLEST, Interval, Ranges
from mobiledeploy.runtimes import litert
from mobiledeploy.targets import float_tflite

BATCH: Final = 64
"""Images whose extremes are taken together; the range is the mean of these."""

NOT_FINITE: Final = (
    "the network's weights, or the range of its input, are not those it was trained with"
)
"""Hint for a tensor that is NaN or infinite."""


def calibrate(
    network: Network,
    pixels: npt.NDArray[np.uint8],
    *,
    threads: int = 1,
    progress: Progress = silent,
    stage: str = "quantise",
) -> Ranges:
    """Return each tensor's range: its lowest and highest value, averaged over batches.

    The input's range is not measured: it is that of 8-bit pixels. Layers whose output has a fixed
    range, such as a softmax, have none.

    Args:
        network: Float network with batch norm folded.
        pixels: uint8, shape (images, height, width, channels), at least 1 image. Images of all
            classes should be among them.
        threads: Images that run at a time.
        progress: Called after every batch.
        stage: The stage's name in the events.

    Raises:
        ConversionError: A tensor is NaN or infinite for an image; the message names both.
    """
    architecture = network.architecture
    measured = measure(
        from_network(network),
        pixels,
        feed=lambda batch: to_float32(batch, architecture.scaling),
        threads=threads,
        progress=progress,
        stage=stage,
    )
    mean, std = architecture.scaling
    free = (layer.name for layer in architecture.layers if layer.operator.FIXED_RANGE is None)
    return {INPUT: (-mean / std, (255 - mean) / std), **{name: measured[name] for name in free}}


def measure(
    graph: FloatGraph,
    inputs: npt.NDArray[Any],
    *,
    feed: Callable[[npt.NDArray[Any]], npt.NDArray[np.float32]] = np.asarray,
    threads: int = 1,
    progress: Progress = silent,
    stage: str = "quantise",
) -> Ranges:
    """Return the range of the input and of each tensor: its extremes, averaged over batches.

    Averages rather than extremes: otherwise a single outlier would make the scale larger.

    Args:
        graph: The float network.
        inputs: Shape (images, ...), at least 1. Images of all classes should be among them.
        feed: Makes the network's inputs, float32, of some of them; without it they are that.
        threads: Images that run at a time.
        progress: Called after every batch.
        stage: The stage's name in the events.

    Raises:
        ConversionError: A tensor is NaN or infinite for an image; the message names both.
    """
    measured = float_tflite.extremes_of(graph)
    names = measured["REDUCE_MAX"]
    signed = [names.index(name) for name in measured["REDUCE_MIN"]]
    model = float_tflite.write(graph, extremes=True)
    sessions = [litert.load(model) for _ in range(min(threads, len(inputs)))]

    def run_part(worker: int, batch: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        session, images = sessions[worker], batch[worker :: len(sessions)]
        extremes = np.zeros((len(images), len(names), 2), np.float32)
        for image, row in zip(images, extremes, strict=True):
            row[signed, 0], row[:, 1] = session.run(feed(image[np.newaxis]))
        return extremes

    rows = []
    with ThreadPoolExecutor(len(sessions)) as pool:
        for start, batch in _batches(inputs):
            parts = [pool.submit(run_part, worker, batch) for worker in range(len(sessions))]
            extremes = np.empty((len(batch), len(names), 2), np.float32)
            for worker, part in enumerate(parts):
                extremes[worker :: len(sessions)] = part.result()
            _require_finite(extremes, names, start)
            rows.append(
                np.stack([extremes[..., 0].min(axis=0), extremes[..., 1].max(axis=0)], axis=1)
            )
            progress(Event(stage, "measuring ranges", start + len(batch), len(inputs)))
    # Ranges are float32 values, so that storing them in float32 or float64 changes no scale.
    means = np.stack(rows).mean(axis=0, dtype=np.float64).astype(np.float32)
    return {name: _interval(*row) for name, row in zip(names, means.tolist(), strict=True)}


def _interval(low: float, high: float) -> Interval:
    return min(low, 0.0), max(high, SMALLEST)


def _batches(
    inputs: npt.NDArray[Any],
) -> Iterator[tuple[int, npt.NDArray[Any]]]:
    for start in range(0, len(inputs), BATCH):
        yield start, inputs[start : start + BATCH]


def _require_finite(extremes: npt.NDArray[np.float32], names: tuple[str, ...], start: int) -> None:
    bad = np.argwhere(~np.isfinite(extremes).all(axis=2))
    if len(bad):
        image, tensor = bad[np.lexsort(bad.T[::-1])][0]
        raise ConversionError(
            f"`{names[tensor]}` is NaN or infinite for calibration image {start + image}",
            hint=NOT_FINITE,
        )
