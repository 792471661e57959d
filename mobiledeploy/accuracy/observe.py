"""Compute vectors of a float graph for images, in LiteRT.

XNNPACK computes the network, and what is asked for are operators of the same file, so that only
the vectors leave LiteRT.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.progress import Event, Progress, silent
from mobiledeploy.network.float_graph import FloatArray, FloatGraph, FloatNode
from mobiledeploy.runtimes import litert
from mobiledeploy.targets import float_tflite

BATCH: Final = 8
"""Images that are computed together, at most."""
_ALL: Final = "/vectors"


def observe(
    graph: FloatGraph,
    nodes: Sequence[FloatNode],
    names: Sequence[str],
    inputs: npt.NDArray[Any],
    *,
    feed: Callable[[npt.NDArray[Any]], FloatArray] = np.asarray,
    threads: int = 1,
    what: str,
    progress: Progress = silent,
) -> Iterator[Mapping[str, FloatArray]]:
    """Yield vectors of a graph by name, each of shape (images, length), for batch after batch.

    Nothing is yielded if no vector is asked for.

    Args:
        graph: The float graph.
        nodes: Further nodes that compute the vectors from its tensors.
        names: Tensors of the graph or of the further nodes, all vectors.
        inputs: Shape (images, ...), at least 1.
        feed: Makes the graph's inputs, float32, of some of them; without it they are that.
        threads: Images that run at a time.
        what: What is being done, for the events.
        progress: Called after every batch.
    """
    if not names:
        return
    joined = FloatNode(name=_ALL, op="concat", inputs=tuple(names))
    wider = dataclasses.replace(graph, nodes=(*graph.nodes, *nodes, joined), output=_ALL)
    shapes = wider.shapes()
    ends = np.cumsum([shapes[name][0] for name in names])[:-1]
    session = litert.load(float_tflite.write(wider), threads=threads)
    for start in range(0, len(inputs), BATCH):
        batch = inputs[start : start + BATCH]
        (vectors,) = session.run(feed(batch))
        progress(Event("quantise", what, start + len(batch), len(inputs)))
        yield dict(zip(names, np.split(vectors, ends, axis=1), strict=True))
