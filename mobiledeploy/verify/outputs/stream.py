"""Send images through several runtimes at once, batch by batch.

Nothing is kept. Every runner has a thread, so that both cores are busy while batches are made and
compared; at most two batches are on the way, so that memory does not grow with the number of
images.
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

BATCH_BYTES: Final = 1 << 22
SMALLEST, LARGEST = 16, 1024
DEPTH: Final = 2

Job: TypeAlias = "tuple[npt.NDArray[np.int64], Future[Answers] | None]"
"""The images that a runner takes of a batch, and what it will answer."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """Every runner's answers to some images of a set.

    Attributes:
        start: Number of the first image in the set.
        rows: For each runner, the images that it took, counted from `start`.
        answers: For each runner, its answers to them; None if it took none, or failed.
        failures: For each runner, how it failed on them; None if it did not.
    """

    start: int
    rows: tuple[npt.NDArray[np.int64], ...]
    answers: tuple[Answers | None, ...]
    failures: tuple[RuntimeFailure | None, ...]

    def both(
        self, first: int, second: int
    ) -> tuple[npt.NDArray[np.int64], Answers, Answers] | None:
        """Return the images that two runners took, and their answers; None if there is none."""
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
    """Yield all answers to a set of images, in order.

    Args:
        images: At least one.
        runners: Who answers.
        ruler: The grid whose steps count.
        message: What is being done, for the events.
        progress: Told after every batch.

    Raises:
        ParityError: A runner's outputs are no vectors of numbers.
        CorruptFileError: A runtime that apps use refused.
        RuntimeDiedError: A runtime that apps use died.
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
    """Return which images of a set a runner takes.

    Answers on record are there to be compared with what apps run: they belong to images that
    other sets hold as well, and slow runtimes see enough of those.
    """
    if images.recorded is not None and runner.most is not None:
        return np.zeros(len(images), np.bool_)
    return runner.chosen(len(images))


def _batch_size(images: ImageSet) -> int:
    """Return how many images make a batch: a multiple of what two threads take at a time."""
    bytes_each = images.pixels(0, 1).nbytes
    fitting = BATCH_BYTES // bytes_each // SMALLEST * SMALLEST
    return int(min(max(fitting, SMALLEST), LARGEST))


@contextlib.contextmanager
def _pools(count: int) -> Iterator[list[ThreadPoolExecutor]]:
    """Give threads that work one after the other each; what is still waiting is given up."""
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
    """Return what a runner answered, or how it failed.

    Raises:
        CorruptFileError: It is what apps use, and refused.
        RuntimeDiedError: It is what apps use, and died.
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
