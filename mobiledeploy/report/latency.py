"""Measure the latency of both files on this machine, with one image and one thread.

The files take turns, so that other load on the machine affects both. Each runs in a child process,
as everywhere in `verify`; the times contain the transfer of the image, which is some hundredths of
a millisecond.
"""

import time
from collections.abc import Sequence
from typing import Final

import numpy as np

from mobiledeploy.formats.model_file import ModelFile
from mobiledeploy.report.document import Latency, LatencyLine
from mobiledeploy.runtimes import Array, Session, TensorInfo, cpu, table
from mobiledeploy.runtimes.child import Children

WARM_UP: Final = 3
"""Runs of each file that are not timed."""
FEWEST, MOST = 5, 50
"""Smallest and largest number of timed runs of each file."""
SECONDS: Final = 2.0
"""Seconds after which no further run is started."""


def measure(files: Sequence[ModelFile]) -> Latency:
    """Return the latency of each file in the runtime that apps use.

    Raises:
        CorruptFileError: A runtime refuses a file.
        RuntimeDiedError: A runtime crashes on a file.
    """
    with Children([table.primary(file.format) for file in files]) as children:
        sessions = [
            children.load(table.primary(file.format), file.data, name=file.name) for file in files
        ]
        seconds = _in_turns(sessions)
    return Latency(
        cpu=cpu.name(),
        runs=len(seconds[0]),
        lines=tuple(
            LatencyLine(
                file=file.name,
                runtime=session.runtime,
                median=float(np.median(times)) * 1000,
                p90=float(np.quantile(times, 0.9)) * 1000,
            )
            for file, session, times in zip(files, sessions, seconds, strict=True)
        ),
    )


def _in_turns(sessions: Sequence[Session]) -> list[list[float]]:
    batches = [_image(session.input) for session in sessions]
    for session, batch in zip(sessions, batches, strict=True):
        for _ in range(WARM_UP):
            session.run(batch)
    seconds: list[list[float]] = [[] for _ in sessions]
    end = time.perf_counter() + SECONDS
    for turn in range(MOST):
        if turn >= FEWEST and time.perf_counter() > end:
            break
        for session, batch, times in zip(sessions, batches, seconds, strict=True):
            start = time.perf_counter()
            session.run(batch)
            times.append(time.perf_counter() - start)
    return seconds


def _image(info: TensorInfo) -> Array:
    """Return an image of noise: the time does not depend on the values."""
    rng = np.random.default_rng(0)
    shape = (1, *info.shape)
    if info.dtype == np.float32:
        return rng.uniform(-1, 1, shape).astype(np.float32)
    return rng.integers(0, 256, shape).astype(np.uint8).view(info.dtype)
