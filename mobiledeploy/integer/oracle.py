"""Run an integer graph in NumPy, with XNNPACK's arithmetic, bit for bit.

A third implementation next to the two runtimes: where they disagree, it decides which is right. It
needs only the graph. The arithmetic of each operator, with its sources, is in its module in `ops`.
"""

import functools
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Final

import numpy as np

from mobiledeploy.base.errors import RequestError
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.ops import table
from mobiledeploy.ops.node import Node
from mobiledeploy.ops.operator import Kernel
from mobiledeploy.ops.tensors import Int8, QTensor

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

ELEMENTS_AT_ONCE: Final = 2**19
"""Most elements of a graph's largest tensor, over all images that are computed together."""
MOST_IMAGES_AT_ONCE: Final = 8
"""Most images that are computed together: larger groups gain little."""


def run(
    graph: IntegerGraph,
    images: Int8,
    *,
    keep: Collection[str] | None = None,
    threads: int = 1,
    kernels: Kernel = "x86",
) -> Mapping[str, Int8]:
    """Return a graph's tensors, by name, for a batch of images.

    All tensors of a V2 1.0 224 are 7 MB an image: name those to keep, or see `stream`.

    Args:
        graph: What to run.
        images: int8, shape (batch, height, width, channels), on the grid of the graph's input.
        keep: Names of the tensors to return; None returns all.
        threads: How many groups of images run at a time.
        kernels: The architecture whose kernels to follow where they differ, as for means and
            softmaxes.

    Returns:
        int8, shape (batch, ...) each, in the graph's order.

    Raises:
        RequestError: The images do not fit the graph's input, or there is no such tensor.
    """
    rows = list(stream(graph, images, keep=keep, threads=threads, kernels=kernels))
    kept = _kept(graph, keep)
    if not rows:
        return {name: np.empty((0, *graph.tensors()[name].shape), np.int8) for name in kept}
    return {name: np.concatenate([row[name] for row in rows]) for name in kept}


def stream(
    graph: IntegerGraph,
    images: Int8,
    *,
    keep: Collection[str] | None = None,
    threads: int = 1,
    kernels: Kernel = "x86",
) -> Iterator[Mapping[str, Int8]]:
    """Yield, image by image, what `run` returns for a batch of one.

    Small images are computed in groups. At most `threads` groups are in memory, with only those
    tensors that are still needed. Arguments and errors are those of `run`; errors are raised when
    the first image is requested.
    """
    if images.dtype != np.int8 or images.shape[1:] != graph.input.shape:
        raise RequestError(
            f"expected int8 images of shape (batch, {', '.join(map(str, graph.input.shape))}), "
            f"received {images.dtype} of shape {images.shape}"
        )
    few = functools.partial(_run_few, graph, _kept(graph, keep), kernels)
    size = _images_at_once(graph, len(images), threads)
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(images), threads * size):
            group = images[start : start + threads * size]
            some = [group[i : i + size] for i in range(0, len(group), size)]
            with one_blas_thread():
                computed = list(pool.map(few, some))
            for rows, values in zip(some, computed, strict=True):
                for i in range(len(rows)):
                    yield {name: codes[i : i + 1] for name, codes in values.items()}


def layer(
    node: Node, grids: Sequence[QTensor], inputs: Sequence[Int8], *, kernels: Kernel = "x86"
) -> Int8:
    """Return what one node computes from given integers.

    Args:
        node: The node to compute; the names of its tensors are ignored.
        grids: The tensors that it reads, in order, for their shape, scale and zero point.
        inputs: int8, shape (batch, ...) each.
        kernels: The architecture whose kernels to follow where they differ, as for means and
            softmaxes.

    Raises:
        RequestError: The inputs are not int8 of the grids' shapes.
    """
    for grid, codes in zip(grids, inputs, strict=True):
        if codes.dtype != np.int8 or codes.shape[1:] != grid.shape:
            raise RequestError(
                f"`{node.output.name}`: expected int8 of shape {('batch', *grid.shape)}, "
                f"received {codes.dtype} of shape {codes.shape}"
            )
    with one_blas_thread():
        return _compute(node, grids, inputs, kernels)


def one_blas_thread() -> AbstractContextManager[object]:
    """Return a context in which BLAS uses only the calling thread.

    BLAS's own threads wait in busy loops, which is ten times slower on shared cores.
    """
    limited: AbstractContextManager[object] = _blas().limit(limits=1, user_api="blas")
    return limited


@functools.cache
def _blas() -> "ThreadpoolController":
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _compute(
    node: Node, grids: Sequence[QTensor], inputs: Sequence[Int8], kernels: Kernel
) -> Int8:
    return table.of_node(node).litert_codes(node, grids, inputs, kernel=kernels)


def _images_at_once(graph: IntegerGraph, images: int, threads: int) -> int:
    """Return how many images to compute together: for small ones NumPy's call overhead counts."""
    largest = max(math.prod(tensor.shape) for tensor in graph.tensors().values())
    return max(
        1, min(MOST_IMAGES_AT_ONCE, ELEMENTS_AT_ONCE // largest, math.ceil(images / threads))
    )


def _run_few(
    graph: IntegerGraph, kept: tuple[str, ...], kernels: Kernel, images: Int8
) -> Mapping[str, Int8]:
    grids = graph.tensors()
    last_use = {name: i for i, node in enumerate(graph.nodes) for name in node.inputs}
    values = {graph.input.name: images}
    kept_codes = {graph.input.name: images} if graph.input.name in kept else {}
    for i, node in enumerate(graph.nodes):
        names = node.inputs
        codes = _compute(
            node, [grids[name] for name in names], [values[name] for name in names], kernels
        )
        values[node.output.name] = codes
        if node.output.name in kept:
            kept_codes[node.output.name] = codes
        for name in set(names):
            if last_use[name] == i:
                del values[name]
    return kept_codes


def _kept(graph: IntegerGraph, keep: Collection[str] | None) -> tuple[str, ...]:
    names = tuple(graph.tensors())
    if keep is None:
        return names
    if unknown := set(keep) - set(names):
        raise RequestError(f"the graph has no tensor {', '.join(map(repr, sorted(unknown)))}")
    return tuple(name for name in names if name in keep)
