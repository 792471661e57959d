"""Run files in child processes, one for each runtime, because some files crash a runtime.

LiteRT trusts a `.tflite`: it may read outside the file or abort on a sum that is too large, which
ends the process. A child runs only one runtime, with limits of memory and of time per request.
After a crash the next load starts a new child.

The time limit counts CPU time, so that a busy machine does not fail a file. If the system does not
report CPU time, or the process only waits, a longer limit of wall-clock time applies.
"""

import contextlib
import dataclasses
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, Final, Self

import numpy as np

from mobiledeploy.base import fork_server
from mobiledeploy.base.errors import CorruptFileError, Death, MobileDeployError, RuntimeDiedError
from mobiledeploy.runtimes import Array, FileLayer, Runtime, TensorInfo, child_worker
from mobiledeploy.runtimes.batches import check
from mobiledeploy.runtimes.child_worker import BrokenMessageError, receive, send

LOAD_SECONDS: Final = 25.0
"""CPU seconds to load a file: several times what the largest network needs."""
IMAGE_SECONDS: Final = 5.0
"""CPU seconds for each image of a batch, on top of those for loading: the slowest kernels take two
for a large network."""
MOST_SECONDS: Final = 300.0
"""Most CPU seconds for any request, however many images it has: then a file counts as hanging."""

_ERRORS: Final = {error.exit_status: error for error in MobileDeployError.__subclasses__()}
CLOCK_FACTOR: Final = 6
"""Wall-clock limit as a multiple of the CPU limit: other processes may use the CPUs."""
_LONGEST_PAUSE: Final = 1.0


class Children:
    """Processes that load and run files, one for each runtime; also a context manager.

    Several threads may use the sessions; a process answers requests one at a time.
    """

    def __init__(
        self,
        start: Sequence[Runtime] = (),
        *,
        load_seconds: float = LOAD_SECONDS,
        image_seconds: float = IMAGE_SECONDS,
    ) -> None:
        """Start processes; others start when they are needed.

        Args:
            start: Runtimes whose processes start now.
            load_seconds: CPU seconds to load a file.
            image_seconds: Further CPU seconds for each image of a batch.
        """
        self._load_seconds, self._image_seconds = load_seconds, image_seconds
        self._lock = threading.Lock()
        self._processes: dict[tuple[str, bool], ChildProcess] = {}
        self.start(start)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, runtimes: Sequence[Runtime]) -> None:
        """Start processes early: they import the runtimes while the caller goes on."""
        for runtime in runtimes:
            self._process(runtime)

    def load(
        self,
        runtime: Runtime,
        model: bytes,
        *,
        threads: int = 1,
        inner_threads: int = 1,
        inputs: int = 1,
        name: str = "the file",
        hint: str | None = None,
    ) -> "ChildSession":
        """Return a session; see `runtimes.Load`.

        Args:
            runtime: The runtime that runs the file.
            model: The file.
            threads: How many images run at a time.
            inner_threads: How many threads share each operator.
            inputs: How many inputs the file has.
            name: The file's name for messages.
            hint: Hint of the error if the runtime crashes.

        Raises:
            CorruptFileError: The file is damaged, or the runtime refuses it.
            ConversionError: The runtime cannot run this file.
            RuntimeDiedError: The runtime crashed, took too much memory or too long.
        """
        wanted = {"threads": threads, "inner_threads": inner_threads, "inputs": inputs}
        return self._load(runtime, model, wanted, name, hint, scratch=False)

    def once(
        self, runtime: Runtime, model: bytes, batches: Sequence[Array], *, name: str = "the file"
    ) -> tuple[Array, ...]:
        """Return the outputs of a file that is run once; see `load` for arguments and errors.

        It runs in a process of its own: a crash does not end the open sessions.
        """
        wanted = {"threads": 1, "inner_threads": 1, "inputs": len(batches)}
        session = self._load(runtime, model, wanted, name, None, scratch=True)
        outputs = session.run(*batches)
        session.close()
        return outputs

    def tapped(
        self,
        runtime: Runtime,
        model: bytes,
        tensors: Sequence[str],
        *,
        name: str = "the file",
        hint: str | None = None,
    ) -> bytes:
        """Return a copy of a file with inner tensors as further outputs.

        The copy is made in the runtime's process, since ONNX's type inference is C++.

        Args:
            runtime: The runtime whose process makes the copy; others can run the copy too.
            model: The file.
            tensors: Names of the inner tensors.
            name: The file's name for messages.
            hint: Hint of the error if the process crashes.

        Raises:
            CorruptFileError: The file is damaged.
            ConversionError: There is no such tensor.
            RuntimeDiedError: The process crashed.
        """
        _, (copy,) = self._process(runtime).ask(
            {"do": "tap", "tensors": list(tensors)},
            [np.frombuffer(model, np.uint8)],
            seconds=self._load_seconds,
            name=name,
            loading=True,
            hint=hint,
        )
        return copy.tobytes()

    def kernel_reasons(
        self,
        runtime: Runtime,
        model: bytes,
        layers: Sequence[FileLayer],
        *,
        name: str = "the file",
    ) -> list[tuple[str, ...]]:
        """Return why a file's layers run in other kernels than the proven ones.

        See `runtimes.Runtime.kernel_reasons`, and `load` for arguments and errors.
        """
        fields = [dataclasses.asdict(layer) for layer in layers]
        answer, _ = self._process(runtime, scratch=True).ask(
            {"do": "kernel_reasons", "layers": fields},
            [np.frombuffer(model, np.uint8)],
            seconds=self._load_seconds,
            name=name,
            loading=True,
        )
        return [tuple(map(str, reasons)) for reasons in answer["reasons"]]

    def close(self) -> None:
        """End all processes."""
        with self._lock:
            for process in self._processes.values():
                process.close()
            self._processes.clear()

    def _process(self, runtime: Runtime, *, scratch: bool = False) -> "ChildProcess":
        """Return a runtime's process, a new one if the last one has ended."""
        with self._lock:
            process = self._processes.get((runtime.name, scratch))
            if process is None or process.ended is not None:
                process = ChildProcess(runtime)
                self._processes[runtime.name, scratch] = process
            return process

    def _load(
        self,
        runtime: Runtime,
        model: bytes,
        wanted: dict[str, int],
        name: str,
        hint: str | None,
        *,
        scratch: bool,
    ) -> "ChildSession":
        process = self._process(runtime, scratch=scratch)
        answer, _ = process.ask(
            {"do": "load", **wanted},
            [np.frombuffer(model, np.uint8)],
            seconds=self._load_seconds,
            name=name,
            loading=True,
            hint=hint,
        )

        def again() -> ChildSession:
            return self._load(runtime, model, wanted, name, hint, scratch=scratch)

        seconds = self._load_seconds, self._image_seconds
        return ChildSession(process, answer, name=name, hint=hint, seconds=seconds, again=again)


class ChildSession:
    """A file in a child process; see `runtimes.Session`."""

    def __init__(
        self,
        process: "ChildProcess",
        answer: dict[str, Any],
        *,
        name: str,
        hint: str | None,
        seconds: tuple[float, float],
        again: Callable[[], "ChildSession"],
    ) -> None:
        self.runtime = str(answer["runtime"])
        self.options = tuple(map(str, answer["options"]))
        self.inputs = tuple(_info(source) for source in answer["inputs"])
        self.outputs = tuple(_info(output) for output in answer["outputs"])
        self._number, self._process = answer["session"], process
        self._name, self._hint, self._seconds, self._again = name, hint, seconds, again

    @property
    def input(self) -> TensorInfo:
        """The first input."""
        return self.inputs[0]

    @property
    def output_names(self) -> tuple[str, ...]:
        """The names of the outputs, in their order."""
        return tuple(output.name for output in self.outputs)

    def run(self, *batches: Array) -> tuple[Array, ...]:
        """Return every output for a batch of any size; see `runtimes.Session.run`.

        Raises:
            RequestError: A batch is empty, or of another type or shape than its input.
            CorruptFileError: The runtime refused to run the file.
            RuntimeDiedError: The runtime crashed, or took too long or too much memory.
        """
        check(batches, self.inputs)
        gone = self._process.ended is not None
        try:
            return self._ask(batches)
        except RuntimeDiedError as error:
            if not gone:
                error.image = self._deadly(error.death, batches)
            raise

    def close(self) -> None:
        """Free the session in the child process."""
        self._process.ask(
            {"do": "drop", "session": self._number},
            [],
            seconds=self._seconds[0],
            name=self._name,
            hint=self._hint,
        )

    def _ask(self, batches: Sequence[Array]) -> tuple[Array, ...]:
        load_seconds, image_seconds = self._seconds
        _, outputs = self._process.ask(
            {"do": "run", "session": self._number},
            batches,
            seconds=min(load_seconds + image_seconds * len(batches[0]), MOST_SECONDS),
            name=self._name,
            hint=self._hint,
        )
        return tuple(outputs)

    def _deadly(self, death: Death, batches: Sequence[Array]) -> int | None:
        """Return the first image that crashes the runtime when it is run alone."""
        count = len(batches[0])
        if count == 1:
            return 0
        if death != "signal":
            return None  # trying again would take as much time or memory again
        number = -1
        try:
            session = self._again()
            for number in range(count):
                session._ask([batch[number : number + 1] for batch in batches])
            session.close()
        except RuntimeDiedError:
            return number if number >= 0 else None
        return None


def _info(described: dict[str, Any]) -> TensorInfo:
    return TensorInfo(
        name=str(described["name"]),
        dtype=np.dtype(described["dtype"]),
        shape=tuple(map(int, described["shape"])),
    )


class ChildProcess:
    """A running `child_worker.answer_requests`.

    Attributes:
        ended: How the process ended; None while it runs.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.ended: tuple[Death, str] | None = None
        self._runtime, self._lock, self._closed = runtime, threading.Lock(), False
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
        self._process = fork_server.start(
            child_worker.__name__,
            child_worker.answer_requests.__name__,
            runtime.module,
            errors=self._errors,
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
            body: The request.
            arrays: The arrays that go with it.
            seconds: CPU seconds that it may take.
            name: The file's name for messages.
            loading: Whether the request loads the file.
            hint: Hint of the error if the process crashes.

        Raises:
            MobileDeployError: The error that the runtime raised.
            RuntimeDiedError: The process ended, now or earlier; the message says how.
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
                answer, outputs = self._exchange(body, arrays, seconds)
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
        return answer, outputs

    def _exchange(
        self, body: dict[str, Any], arrays: Sequence[Array], seconds: float
    ) -> tuple[dict[str, Any], list[Array]]:
        requests, answers = self._process.stdin, self._process.stdout
        assert requests is not None  # noqa: S101 - both are pipes
        assert answers is not None  # noqa: S101
        with TimeLimit(self._process, seconds) as limit:
            try:
                send(requests, body, arrays)
                return receive(answers)
            except (OSError, EOFError, BrokenMessageError) as error:
                if limit.ended:
                    raise _DeathError("time", f"{seconds:.0f} s") from error
                raise self._death(error) from error

    def _death(self, error: Exception) -> Exception:
        if isinstance(error, BrokenMessageError):
            return _DeathError("nonsense", str(error))
        try:
            status = self._process.wait(10)
        except fork_server.ServerDiedError:
            return _DeathError("signal", "with the process that starts it")
        if status < 0:
            return _DeathError("signal", _signal_name(-status))
        self._errors.seek(0)
        errors = self._errors.read().decode(errors="replace")
        return RuntimeError(f"a child process failed with status {status}:\n{errors}")

    def close(self) -> None:
        """End the process after its current answer."""
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


class TimeLimit:
    """Kills a process that takes too long within a `with` block.

    Attributes:
        ended: Whether it was killed.
    """

    def __init__(self, process: fork_server.Process, seconds: float) -> None:
        """Set the limit.

        Args:
            process: The process to watch.
            seconds: CPU seconds that it may use from the start of the block.
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
        # Without a server there is nothing to watch: the pipes are closed.
        with contextlib.suppress(fork_server.ServerDiedError):
            self._limit()

    def _limit(self) -> None:
        begun, before = time.monotonic(), cpu_seconds(self._process.pid)
        while not self._done.wait(min(self._seconds / 4, _LONGEST_PAUSE)):
            waited, now = time.monotonic() - begun, cpu_seconds(self._process.pid)
            used = waited if now is None or before is None else now - before
            if used > self._seconds or waited > CLOCK_FACTOR * self._seconds:
                self.ended = True
                self._process.kill()
                return


def cpu_seconds(pid: int) -> float | None:
    """Return a process's CPU time in seconds; None if the system does not report it."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        # The name at the front may hold anything, even brackets. Then utime and stime, in ticks.
        user, system = stat.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError):
        return None


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
