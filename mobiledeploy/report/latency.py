"""How long both files take here: one image, one thread, in turns, so that noise meets both.

Files run in processes of their own, as everywhere in `verify`; the time contains the way of an
image there and back, which is some hundredths of a millisecond.
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
FEWEST, MOST = 5, 50
SECONDS: Final = 2.0


def measure(files: Sequence[ModelFile]) -> Latency:
    """Return the times of files.

    Raises:
        CorruptFileError: A runtime refuses a file.
        RuntimeDiedError: A runtime dies of a file.
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
    """Return noise: what the numbers are does not change how long they take."""
    rng = np.random.default_rng(0)
    shape = (1, *info.shape)
    if info.dtype == np.float32:
        return rng.uniform(-1, 1, shape).astype(np.float32)
    return rng.integers(0, 256, shape).astype(np.uint8).view(info.dtype)
