"""`Clock`: seconds of each stage of a command."""

import time

from mobiledeploy.spec.results import StageTime


class Clock:
    """Seconds of each stage."""

    def __init__(self) -> None:
        self._last, self._times = time.perf_counter(), list[StageTime]()

    def lap(self, stage: str) -> None:
        """End a stage."""
        now = time.perf_counter()
        self._times.append(StageTime(stage=stage, seconds=now - self._last))
        self._last = now

    def times(self) -> tuple[StageTime, ...]:
        """Return all stages so far."""
        return tuple(self._times)
