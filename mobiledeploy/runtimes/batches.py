"""Check a batch, cut it into pieces, run them on several threads, put the answers together."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

import numpy as np

from mobiledeploy.errors import RequestError
from mobiledeploy.runtimes import Array, TensorInfo

Input = TypeVar("Input")

PIECE: Final = 8
"""Images a call: larger pieces fall out of the caches, smaller ones pay more for each call."""


def check(batch: Array, expected: TensorInfo) -> None:
    """Check that a batch is what a model takes.

    Raises:
        RequestError: Names the type and shape that were expected and received.
    """
    if batch.dtype != expected.dtype or batch.shape[1:] != expected.shape or not len(batch):
        shape = ", ".join(("batch", *map(str, expected.shape)))
        raise RequestError(
            f"expected a {expected.dtype} input of shape ({shape}), "
            f"received {batch.dtype} of shape {batch.shape}"
        )


def only(inputs: Sequence[Input]) -> Input:
    """Return the input of a model that has one.

    Raises:
        RequestError: It has none, or several.
    """
    if len(inputs) != 1:
        raise RequestError(f"expected a model with one input, received {len(inputs)}")
    return inputs[0]


def run_in_pieces(
    batch: Array, run: Callable[[int, Array], Sequence[Array]], *, threads: int
) -> tuple[Array, ...]:
    """Return the outputs for a whole batch.

    Args:
        batch: At least one image.
        run: Given the number of a worker in 0..threads-1 and at most `PIECE` images; calls
            with the same number never overlap.
        threads: Workers.
    """
    pieces = [batch[start : start + PIECE] for start in range(0, len(batch), PIECE)]
    workers = min(threads, len(pieces))

    def work(worker: int) -> list[Sequence[Array]]:
        return [run(worker, piece) for piece in pieces[worker::workers]]

    if workers == 1:
        answers = [work(0)]
    else:
        with ThreadPoolExecutor(workers) as pool:
            answers = list(pool.map(work, range(workers)))
    ordered = [answers[i % workers][i // workers] for i in range(len(pieces))]
    return tuple(np.concatenate(output) for output in zip(*ordered, strict=True))
