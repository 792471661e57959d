"""Compute an int8 network's logits of 8-bit pixels, in LiteRT with XNNPACK."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from mobiledeploy.data.preprocess import to_int8
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.runtimes import litert
from mobiledeploy.targets import tflite


def logits_runner(
    graph: IntegerGraph, *, threads: int
) -> Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]:
    """Return what computes a candidate's logits of 8-bit pixels, in LiteRT with XNNPACK.

    They are real values of shape (images, classes).
    """
    session = litert.load(tflite.write(graph, head="logits"), threads=threads)

    def run(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        codes = session.run(to_int8(np.ascontiguousarray(pixels)))[0]
        real = (codes.astype(np.float32) - graph.logits.zero_point) * graph.logits.scale
        return real.astype(np.float32).reshape(len(pixels), -1)

    return run
