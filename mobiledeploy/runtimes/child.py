"""Run files in a process of its own, because native runtimes die of damaged files.

LiteRT trusts a `.tflite` and reads outside of it, which ends the process. Here the process that
ends is a child; it also has a limit of memory, and of time for each request. A child may load many
files; after a death the next load starts another one.
"""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from typing import IO, Any, Final, Self

import numpy as np

from mobiledeploy.base.errors import CorruptFileError, MobileDeployError
from mobiledeploy.runtimes import Array, TensorInfo, wire
from mobiledeploy.runtimes.batches import check
from mobiledeploy.runtimes.kinds import TITLES, Kind
from mobiledeploy.runtimes.patience import Patience

_BOOT: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from mobiledeploy.runtimes.child_worker import work; work()"
)
_ERRORS: Final = {error.exit_status: error for error in MobileDeployError.__subclasses__()}
LOAD_SECONDS: Final = 25.0
"""Of a processor's time, as all of these; several times what the largest network needs."""
IMAGE_SECONDS: Final = 5.0
"""Allowed for each image of a batch, on top of the seconds for loading: the slowest kernels take
two for a large network."""

MOST_SECONDS: Final = 300.0
"""Allowed for any request: a file that hangs is given up then, however many images it got."""
PIPE_BYTES: Final = 1 << 20
"""What a pipe holds where the system can be told: a batch in one go, not in pieces of 64 kB."""


class Child:
    """A process that loads and runs files; also a context manager.

    Several threads may use its sessions; the process answers one after the other.
    """

    def __init__(
        self, *, load_seconds: float = LOAD_SECONDS, image_seconds: float = IMAGE_SECONDS
    ) -> None:
        """Start the process; it imports its runtimes while the caller goes on.

        Args:
            load_seconds: How long a processor may work to load a file.
            image_seconds: And for an image of a batch, on top.
        """
        self._load_seconds, self._image_seconds = load_seconds, image_seconds
        self._lock = threading.Lock()
        self._process: _Process | None = _Process()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def load(
        self,
        kind: Kind,
        model: bytes,
        *,
        taps: Sequence[str] | None = None,
        threads: int = 1,
        inputs: int = 1,
        name: str = "the file",
    ) -> "ChildSession":
        """Return a session; see `kinds.load`.

        Args:
            kind: How to run the file.
            model: The file.
            taps: Further outputs.
            threads: Images that run at a time.
            inputs: How many the file has.
            name: Of the file, for messages.

        Raises:
            CorruptFileError: The file is damaged, or the runtime refuses it, dies of it, takes
                too much memory or too long.
            ConversionError: There is no such tensor, or the oracle cannot read the file.
        """
        with self._lock:
            if self._process is None:
                self._process = _Process()
            process = self._process
        body = {
            "do": "load",
            "kind": kind,
            "taps": None if taps is None else list(taps),
            "threads": threads,
            "inputs": inputs,
        }
        where = f"{name} in {TITLES[kind]}"
        data = np.frombuffer(model, np.uint8)
        found, _ = self._ask(process, body, [data], self._load_seconds, where)
        return ChildSession(self, process, found, where)

    def once(
        self, kind: Kind, model: bytes, batches: Sequence[Array], *, name: str = "the file"
    ) -> tuple[Array, ...]:
        """Return the outputs of a file that is run once; see `load` for the rest."""
        session = self.load(kind, model, taps=(), inputs=len(batches), name=name)
        outputs = session.run(*batches)
        session.close()
        return outputs

    def close(self) -> None:
        """End the process."""
        with self._lock:
            if self._process is not None:
                self._process.end()
                self._process = None

    def _ask(
        self,
        process: "_Process",
        body: dict[str, Any],
        arrays: Sequence[Array],
        seconds: float,
        where: str,
    ) -> tuple[dict[str, Any], list[Array]]:
        with self._lock:
            if process is not self._process:
                raise CorruptFileError(f"{where}: the process that held it has ended")
            try:
                answer, found = process.ask(body, arrays, seconds)
            except _DeathError as death:
                process.end()
                self._process = None
                raise CorruptFileError(
                    f"{where}: {death}", hint="the file is damaged, or the runtime has a bug"
                ) from None
        if "status" in answer:
            kind = _ERRORS.get(answer["status"], CorruptFileError)
            raise kind(f"{where}: {answer['message']}", hint=answer["hint"])
        return answer, found

    def run(self, session: "ChildSession", batches: Sequence[Array]) -> tuple[Array, ...]:
        """Run a batch through one of the process's sessions; `ChildSession.run` is the way in."""
        seconds = min(self._load_seconds + self._image_seconds * len(batches[0]), MOST_SECONDS)
        body = {"do": "run", "session": session.number}
        _, outputs = self._ask(session.process, body, batches, seconds, session.where)
        return tuple(outputs)

    def drop(self, session: "ChildSession") -> None:
        """Let the process forget a session; `ChildSession.close` is the way in."""
        body = {"do": "drop", "session": session.number}
        self._ask(session.process, body, [], self._load_seconds, session.where)


class ChildSession:
    """A file in a child process; see `runtimes.Session`."""

    def __init__(
        self, child: Child, process: "_Process", found: dict[str, Any], where: str
    ) -> None:
        self.runtime = str(found["runtime"])
        self.inputs = tuple(_info(source) for source in found["inputs"])
        self.outputs = tuple(_info(output) for output in found["outputs"])
        self.number, self.process, self.where = found["session"], process, where
        self._child = child

    @property
    def input(self) -> TensorInfo:
        """The first input."""
        return self.inputs[0]

    @property
    def output_names(self) -> tuple[str, ...]:
        """One an output."""
        return tuple(output.name for output in self.outputs)

    def run(self, *batches: Array) -> tuple[Array, ...]:
        """Return every output for a batch of any size; see `runtimes.Session.run`.

        Raises:
            RequestError: A batch is empty, or of another type or shape than its input.
            CorruptFileError: The runtime refused, died, or took too long or too much memory.
        """
        check(batches, self.inputs)
        return self._child.run(self, batches)

    def close(self) -> None:
        """Free what the process holds for it."""
        self._child.drop(self)


class _DeathError(Exception):
    """The process ended, or was ended."""


@dataclasses.dataclass(slots=True, eq=False)
class _Process:
    """A running `child_worker.work`."""

    _process: subprocess.Popen[bytes] = dataclasses.field(init=False)
    _errors: IO[bytes] = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
        # One thread: a pool of them would reserve more address space than the child may have.
        self._process = subprocess.Popen(
            [sys.executable, "-c", _BOOT, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            pipesize=PIPE_BYTES,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        )

    def ask(
        self, body: dict[str, Any], arrays: Sequence[Array], seconds: float
    ) -> tuple[dict[str, Any], list[Array]]:
        """Send a request and return the answer.

        Raises:
            _DeathError: Says how the process ended.
        """
        requests, answers = self._process.stdin, self._process.stdout
        assert requests is not None  # noqa: S101 - both are pipes
        assert answers is not None  # noqa: S101
        with Patience(self._process, seconds) as patience:
            try:
                wire.send(requests, body, arrays)
                return wire.receive(answers)
            except (OSError, EOFError, wire.BrokenMessageError) as error:
                if patience.ended:
                    raise _DeathError(f"took longer than {seconds:.0f} s") from error
                raise self._death(error) from error

    def _death(self, error: Exception) -> Exception:
        if isinstance(error, wire.BrokenMessageError):
            return _DeathError(f"the process that ran it answered nonsense: {error}")
        status = self._process.wait(10)
        if status < 0:
            return _DeathError(f"the runtime crashed ({_signal_name(-status)})")
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace")
        return RuntimeError(f"a child process failed with status {status}:\n{said}")

    def end(self) -> None:
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


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _info(found: dict[str, Any]) -> TensorInfo:
    return TensorInfo(
        name=str(found["name"]),
        dtype=np.dtype(found["dtype"]),
        shape=tuple(map(int, found["shape"])),
    )
