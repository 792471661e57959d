"""Calibration alone, ours and TensorFlow's, taking turns in one process.

    python -m peer.calibration FOLDER ROUNDS

It writes `FOLDER/calibration.json`: what each of the two took in each round. TensorFlow computes
the same float network with batch norm folded, as a traced function, and the ranges of the same
tensors on the same images. Its first call, which traces the function, is no round.
"""

import dataclasses
import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mobiledeploy.network.network import Network
from mobiledeploy.ops.ranges import Ranges
from mobiledeploy.pipeline import calibrate
from mobiledeploy.training import tensorflow_graph, tensorflow_setup
from peer.record import Stopwatch
from peer.task import Pixels, Task

OURS, TENSORFLOW = "ours", "tensorflow"


def main() -> None:
    folder, rounds = Path(sys.argv[1]), int(sys.argv[2])
    task = Task.load(folder)
    network = task.network()
    images, threads = task.calibration(), os.cpu_count() or 1
    ways: Mapping[str, Callable[[], Ranges]] = {
        OURS: lambda: calibrate.calibrate(network, images, threads=threads),
        TENSORFLOW: in_tensorflow(network, images),
    }
    ranges: dict[str, Ranges] = {}
    measured = []
    for _ in range(rounds + 1):
        costs = {}
        for name, way in ways.items():
            watch = Stopwatch()
            with watch.step("calibrate"):
                ranges[name] = way()
            costs[name] = dataclasses.asdict(watch.costs["calibrate"])
        measured.append(costs)
    record = {
        "first": measured[0],
        "rounds": measured[1:],
        "difference": _difference(ranges[OURS], ranges[TENSORFLOW]),
    }
    (folder / "calibration.json").write_text(json.dumps(record))


def in_tensorflow(network: Network, images: Pixels) -> Callable[[], Ranges]:
    """Return a function that measures a network's ranges in TensorFlow."""
    tf = tensorflow_setup.tensorflow()
    layers, apply = network.architecture, tensorflow_graph.constant_layers(network)
    names: list[str] = []

    def extremes(pixels: Any) -> Any:
        ends: dict[str, Any] = {}

        def observe(name: str, tensor: Any) -> Any:
            ends[name] = tf.stack([tf.reduce_min(tensor), tf.reduce_max(tensor)])
            return tensor

        inputs = tensorflow_graph.to_input(pixels, layers.scaling)
        tensorflow_graph.forward(layers, inputs, apply, observe=observe)
        names[:] = ends
        return tf.stack(list(ends.values()))

    shape = (None, *layers.input_shape)
    function = tensorflow_graph.traced(extremes, tf.TensorSpec(shape, tf.uint8))

    def measure() -> Ranges:
        size = calibrate.BATCH
        rows = [
            function(tf.constant(images[start : start + size])).numpy()
            for start in range(0, len(images), size)
        ]
        low, high = np.mean(rows, axis=0, dtype=np.float64).T
        return dict(zip(names, zip(low.tolist(), high.tolist(), strict=True), strict=True))

    return measure


def _difference(ours: Ranges, theirs: Ranges) -> float:
    """Return the largest difference of an end of a range, as a part of the range."""
    return max(
        abs(end - other) / (high - low)
        for name, (low, high) in ours.items()
        for end, other in zip((low, high), (min(theirs[name][0], 0), theirs[name][1]), strict=True)
        if name != tensorflow_graph.INPUT
    )


if __name__ == "__main__":
    main()
