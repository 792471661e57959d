"""Give up on a process that works too long: by its processors' time, not by the clock.

A busy machine is no fault of a file. Where the system does not tell that time, and for a process
that only waits, the clock counts.
"""

import os
import subprocess
import threading
import time
from pathlib import Path
from typing import Any, Final, Self

WAITS: Final = 6
"""Times as long as a process may work, by the clock: others may keep the processors busy."""
_LONGEST_PAUSE: Final = 1.0


class Patience:
    """Kills a process that takes too long within a `with` block.

    Attributes:
        ended: Whether it was killed.
    """

    def __init__(self, process: "subprocess.Popen[Any]", seconds: float) -> None:
        """Set the limit.

        Args:
            process: Which works for us.
            seconds: How long processors may work for it, from the block's beginning.
        """
        self.ended = False
        self._process, self._seconds = process, seconds
        self._done = threading.Event()

    def __enter__(self) -> Self:
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()

    def _watch(self) -> None:
        begun, before = time.monotonic(), worked(self._process.pid)
        while not self._done.wait(min(self._seconds / 4, _LONGEST_PAUSE)):
            waited, now = time.monotonic() - begun, worked(self._process.pid)
            used = waited if now is None or before is None else now - before
            if used > self._seconds or waited > WAITS * self._seconds:
                self.ended = True
                self._process.kill()
                return


def worked(pid: int) -> float | None:
    """Return the seconds that processors have worked for a process; None if nobody tells."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        # The name in front may hold anything, brackets too. Then come utime and stime, in ticks.
        user, system = told.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError):
        return None
