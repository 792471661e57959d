"""Send images through several runtimes at once, batch by batch.

Outputs are yielded, not kept. Every runner has its own thread, which keeps the cores busy while
batches are made and compared. At most a few batches are in flight, so memory does not grow with
the number of images.
"""

import collections
import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import CorruptFileError, RuntimeDiedError
from mobiledeploy.base.progress import Event, Progress
from mobiledeploy.data.dataset import Pixels
from mobiledeploy.verify import report
from mobiledeploy.verify.outputs.answers import OutputGrid
from mobiledeploy.verify.outputs.image_sets import ImageSet
from mobiledeploy.verify.outputs.parity import Answers
from mobiledeploy.verify.outputs.runners import Runner
from mobiledeploy.verify.report import RuntimeFailure

BATCH_BYTES: Final = 1 << 21
SMALLEST, LARGEST = 16, 1024
DEPTH: Final = 2

Job: TypeAlias = "tuple[npt.NDArray[np.int64], Future[Answers] | None]"
"""The images of a batch that a runner runs, and its outputs once they are there."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """Every runner's outputs for some images of a set.

    Attributes:
        start: Number of the first image in the set.
        rows: For each runner, the images that it ran, counted from `start`.
        answers: For each runner, its outputs for them; None if it ran none, or failed.
        failures: For each runner, how it failed on them; None if it did not.
    """

    start: int
    rows: tuple[npt.NDArray[np.int64], ...]
    answers: tuple[Answers | None, ...]
    failures: tuple[RuntimeFailure | None, ...]

    def both(
        self, first: int, second: int
    ) -> tuple[npt.NDArray[np.int64], Answers, Answers] | None:
        """Return the images that two runners both ran, and their outputs; None if there are none.

        The images are counted from `start`.
        """
        one, two = self.answers[first], self.answers[second]
        if one is None or two is None:
            return None
        rows, of_one, of_two = np.intersect1d(
            self.rows[first], self.rows[second], assume_unique=True, return_indices=True
        )
        return (rows, one.take(of_one), two.take(of_two)) if len(rows) else None


def stream(
    images: ImageSet,
    runners: Sequence[Runner],
    ruler: OutputGrid,
    *,
    message: str,
    progress: Progress,
) -> Iterator[Batch]:
    """Yield every runner's outputs for a set of images, in order.

    Args:
        images: At least one.
        runners: The files in their runtimes.
        ruler: The grid in whose steps logits are compared.
        message: What is being done, for the progress events.
        progress: Called after every batch.

    Raises:
        ParityError: A runner's outputs are not vectors of finite numbers.
        CorruptFileError: A runtime that apps use refused a file.
        RuntimeDiedError: A runtime that apps use crashed.
    """
    size = _batch_size(images)
    progress(Event("verify", message, 0, len(images)))
    chosen = [taken(runner, images) for runner in runners]
    with _pools(len(runners) + 1) as pools:
        maker, *threads = pools
        waiting: collections.deque[tuple[int, Sequence[Job]]] = collections.deque()
        for start in range(0, len(images), size):
            stop = min(start + size, len(images))
            pixels = maker.submit(images.pixels, start, stop)
            jobs = [
                _submit(thread, runner, pixels, np.flatnonzero(taken[start:stop]), ruler)
                for thread, runner, taken in zip(threads, runners, chosen, strict=True)
            ]
            waiting.append((start, jobs))
            if len(waiting) > DEPTH:
                yield _collected(images, runners, *waiting.popleft())
                progress(Event("verify", message, start, len(images)))
        while waiting:
            yield _collected(images, runners, *waiting.popleft())
        progress(Event("verify", message, len(images), len(images)))


def taken(runner: Runner, images: ImageSet) -> npt.NDArray[np.bool_]:
    """Return a mask of the images of a set that a runner runs.

    Slow runtimes skip sets with recorded outputs: these are compared with the runtimes that apps
    use, and their images are in other sets too.
    """
    if images.recorded is not None and runner.most is not None:
        return np.zeros(len(images), np.bool_)
    return runner.chosen(len(images))


def _batch_size(images: ImageSet) -> int:
    """Return how many images a batch has: a multiple of `SMALLEST`, of about `BATCH_BYTES`."""
    bytes_each = images.pixels(0, 1).nbytes
    fitting = BATCH_BYTES // bytes_each // SMALLEST * SMALLEST
    return int(min(max(fitting, SMALLEST), LARGEST))


@contextlib.contextmanager
def _pools(count: int) -> Iterator[list[ThreadPoolExecutor]]:
    """Give pools of one thread each; jobs that still wait at the end are cancelled."""
    pools = [ThreadPoolExecutor(1) for _ in range(count)]
    try:
        yield pools
    finally:
        for pool in pools:
            pool.shutdown(wait=False, cancel_futures=True)
        for pool in pools:
            pool.shutdown(wait=True)


def _submit(
    thread: ThreadPoolExecutor,
    runner: Runner,
    pixels: "Future[Pixels]",
    rows: npt.NDArray[np.int64],
    ruler: OutputGrid,
) -> Job:
    if not len(rows):
        return rows, None

    def answer() -> Answers:
        made = pixels.result()
        return runner.answer(made if len(rows) == len(made) else made[rows], ruler)

    return rows, thread.submit(answer)


def _collected(
    images: ImageSet, runners: Sequence[Runner], start: int, jobs: Sequence[Job]
) -> Batch:
    results = [
        _answered(images, runner, start, job) for runner, job in zip(runners, jobs, strict=True)
    ]
    return Batch(
        start=start,
        rows=tuple(rows for rows, _ in jobs),
        answers=tuple(answers for answers, _ in results),
        failures=tuple(failure for _, failure in results),
    )


def _answered(
    images: ImageSet, runner: Runner, start: int, job: Job
) -> tuple[Answers | None, RuntimeFailure | None]:
    """Return a runner's outputs, or how it failed.

    Raises:
        CorruptFileError: The runtime that apps use refused the file.
        RuntimeDiedError: The runtime that apps use crashed.
    """
    rows, future = job
    if future is None:
        return None, None
    try:
        return future.result(), None
    except CorruptFileError as error:
        if runner.runtime.primary:
            raise
        return None, report.failure_of(error)
    except RuntimeDiedError as error:
        failure = _failure(error, images, runner, start, rows)
        if not runner.runtime.primary:
            return None, failure
        raise RuntimeDiedError(
            file=error.file,
            runtime=error.runtime,
            death=error.death,
            detail=error.detail,
            image=error.image,
            where=failure.place,
            hint=error.hint,
        ) from error


def _failure(
    error: RuntimeDiedError,
    images: ImageSet,
    runner: Runner,
    start: int,
    rows: npt.NDArray[np.int64],
) -> RuntimeFailure:
    if error.loading:
        return report.failure_of(error)
    chosen = np.flatnonzero(runner.chosen(len(images)))
    if error.image is None:
        return report.failure_of(error, inputs=images.name, images=len(chosen))
    row = start + int(rows[error.image])
    return report.failure_of(
        error,
        inputs=images.name,
        images=len(chosen),
        number=int(np.searchsorted(chosen, row)) + 1,
        image=images.names[row],
    )
