"""A child process that answers requests about files with one runtime, and how it ends.

It is given up on when it works too long: by its processors' time, not by the clock. A busy machine
is no fault of a file. Where the system does not tell that time, and for a process that only waits,
the clock counts.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Final, Self

from mobiledeploy.base.errors import CorruptFileError, Death, MobileDeployError, RuntimeDiedError
from mobiledeploy.runtimes import Array, Runtime
from mobiledeploy.runtimes.child_worker import BrokenMessageError, receive, send

_BOOT: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from mobiledeploy.runtimes.child_worker import work; work(sys.argv[2])"
)
_ERRORS: Final = {error.exit_status: error for error in MobileDeployError.__subclasses__()}
WAITS: Final = 6
"""Times as long as a process may work, by the clock: others may keep the processors busy."""
PIPE_BYTES: Final = 1 << 20
"""What a pipe holds where the system can be told: a batch in one go, not in pieces of 64 kB."""
_LONGEST_PAUSE: Final = 1.0


class ChildProcess:
    """A running `child_worker.work`.

    Attributes:
        ended: How it ended; None while it runs.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.ended: tuple[Death, str] | None = None
        self._runtime, self._lock, self._closed = runtime, threading.Lock(), False
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
        # One thread: a pool of them would reserve more address space than the child may have.
        self._process = subprocess.Popen(
            [sys.executable, "-c", _BOOT, json.dumps(sys.path), runtime.module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            pipesize=PIPE_BYTES,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        )

    def ask(
        self,
        body: dict[str, Any],
        arrays: Sequence[Array],
        *,
        seconds: float,
        name: str,
        loading: bool = False,
        hint: str | None = None,
    ) -> tuple[dict[str, Any], list[Array]]:
        """Send a request and return the answer.

        Args:
            body: What is asked.
            arrays: That go with it.
            seconds: How long a processor may work for it.
            name: Of the file, for messages.
            loading: Whether it loads the file.
            hint: What to say if the process dies.

        Raises:
            MobileDeployError: What the runtime raised.
            RuntimeDiedError: Says how the process ended, now or before.
        """

        def died(death: Death, detail: str) -> RuntimeDiedError:
            return RuntimeDiedError(
                file=name,
                runtime=self._runtime.title,
                death=death,
                detail=detail,
                loading=loading,
                hint=hint,
            )

        with self._lock:
            if self._closed:
                raise RuntimeError("the process that held the file was closed")
            if self.ended is not None:
                raise died(*self.ended)
            try:
                answer, found = self._exchange(body, arrays, seconds)
            except _DeathError as error:
                self.ended = error.death, error.detail
                self._end()
                raise died(*self.ended) from None
        if "memory" in answer:
            raise died("memory", f"{answer['memory']:,} bytes")
        if "status" in answer:
            kind = _ERRORS.get(answer["status"], CorruptFileError)
            where = f"{name} in {self._runtime.title}"
            raise kind(f"{where}: {answer['message']}", hint=answer["hint"])
        return answer, found

    def _exchange(
        self, body: dict[str, Any], arrays: Sequence[Array], seconds: float
    ) -> tuple[dict[str, Any], list[Array]]:
        requests, answers = self._process.stdin, self._process.stdout
        assert requests is not None  # noqa: S101 - both are pipes
        assert answers is not None  # noqa: S101
        with Patience(self._process, seconds) as patience:
            try:
                send(requests, body, arrays)
                return receive(answers)
            except (OSError, EOFError, BrokenMessageError) as error:
                if patience.ended:
                    raise _DeathError("time", f"{seconds:.0f} s") from error
                raise self._death(error) from error

    def _death(self, error: Exception) -> Exception:
        if isinstance(error, BrokenMessageError):
            return _DeathError("nonsense", str(error))
        status = self._process.wait(10)
        if status < 0:
            return _DeathError("signal", _signal_name(-status))
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace")
        return RuntimeError(f"a child process failed with status {status}:\n{said}")

    def close(self) -> None:
        """End the process when it has answered."""
        with self._lock:
            self._end()
            self._closed = True

    def _end(self) -> None:
        """Kill the process, and wait until it is gone."""
        self._process.kill()
        # Closing a pipe flushes what a dead process will never read.
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    continue
        self._process.wait()
        self._errors.close()


class _DeathError(Exception):
    """The process ended, or was ended."""

    def __init__(self, death: Death, detail: str) -> None:
        super().__init__(detail)
        self.death, self.detail = death, detail


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


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
