"""Check batches, then run them in pieces on several threads."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

import numpy as np

from mobiledeploy.base.errors import RequestError
from mobiledeploy.runtimes import Array, TensorInfo

Input = TypeVar("Input")

PIECE: Final = 8
"""Most images per call: larger pieces do not fit the CPU caches, smaller ones add overhead."""
PIECE_VALUES: Final = 400_000
"""Values that the images of a call should have at most: two of 224 px. The activations of eight
take a hundred megabytes, and no less time."""


def check(batches: Sequence[Array], expected: Sequence[TensorInfo]) -> None:
    """Check that batches have the type and shape of a model's inputs.

    Raises:
        RequestError: They do not; the message names the expected and received type and shape.
    """
    if len(batches) != len(expected) or len({len(batch) for batch in batches}) != 1:
        sizes = ", ".join(str(len(batch)) for batch in batches)
        raise RequestError(
            f"expected {len(expected)} batches of one size, received {len(batches)} of {sizes}"
        )
    for batch, info in zip(batches, expected, strict=True):
        if batch.dtype != info.dtype or batch.shape[1:] != info.shape or not len(batch):
            shape = ", ".join(("batch", *map(str, info.shape)))
            raise RequestError(
                f"expected a {info.dtype} input of shape ({shape}), "
                f"received {batch.dtype} of shape {batch.shape}"
            )


def require_count(inputs: Sequence[Input], expected: int) -> Sequence[Input]:
    """Return the inputs of a model after checking their number.

    Raises:
        RequestError: It has more, or fewer.
    """
    if len(inputs) != expected:
        words = "one input" if expected == 1 else f"{expected} inputs"
        raise RequestError(f"expected a model with {words}, received {len(inputs)}")
    return inputs


def run_in_pieces(
    batches: Sequence[Array],
    run: Callable[[int, Sequence[Array]], Sequence[Array]],
    *,
    threads: int,
) -> tuple[Array, ...]:
    """Return the outputs for whole batches.

    Args:
        batches: One batch for each input; at least one image.
        run: Called with the number of a worker, 0..threads-1, and at most `PIECE` images; calls
            with the same number never overlap.
        threads: Number of workers.
    """
    values = sum(batch[0].size for batch in batches)
    size = min(max(PIECE_VALUES // max(values, 1), 1), PIECE)
    pieces = [
        [batch[start : start + size] for batch in batches]
        for start in range(0, len(batches[0]), size)
    ]
    if len(pieces) == 1:
        return tuple(run(0, pieces[0]))
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
