"""Call our functions in child processes that start quickly, on Linux as forks of one process.

Every child needs Python and NumPy, which take longer to import than a small network takes to run.
On Linux one process imports them once and is forked for every child. It has a single thread and
never sees a file of the user's. Other systems start a new Python for every child, since their
libraries do not survive a fork.
"""

import atexit
import contextlib
import importlib
import itertools
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Final, NoReturn, Protocol

from mobiledeploy.base.child_process import ONE_THREAD, python

FORKS: Final = sys.platform == "linux"
"""Whether processes are forked on this system."""
PIPE_BYTES: Final = 1 << 20
"""Capacity of a pipe, if the system can set it: a batch at once instead of pieces of 64 kB."""

_IMPORT: Final = "from mobiledeploy.base import fork_server; "
_LONGEST_PAUSE: Final = 0.02
_PATIENCE: Final = 120.0
"""Seconds after which a server that does not answer is killed; NumPy's import is one of them."""
_LONGEST_END: Final = 5.0
"""Seconds after which a server that should end is killed."""


class Process(Protocol):
    """A child process; a `subprocess.Popen` is one too.

    Attributes:
        stdin: The pipe to the process.
        stdout: The pipe from the process.
    """

    stdin: IO[bytes] | None
    stdout: IO[bytes] | None

    @property
    def pid(self) -> int:
        """The number of the process."""

    def kill(self) -> None:
        """Send SIGKILL; no error if the process has ended."""

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status, negative for a signal, once the process has ended.

        Raises:
            subprocess.TimeoutExpired: It runs longer than `timeout` seconds.
        """


def prepare() -> None:
    """Start the process that is forked, so that it is ready when `start` is called."""
    if FORKS:
        _server()


def start(module: str, function: str, argument: str, *, errors: IO[bytes]) -> Process:
    """Start a process that calls `module.function(argument)`, with pipes to stdin and from stdout.

    Its exit status is 0 if the function returns, 1 and a traceback in `errors` if it raises.

    Args:
        module: Full name of the module; importing it must start no thread.
        function: A function that takes a string.
        argument: The string.
        errors: The file that becomes its stderr.
    """
    if FORKS:
        return _Forked(_server(), module, function, argument, errors)
    process = subprocess.Popen(
        python(f"{_IMPORT}fork_server.call(*sys.argv[1:])", module, function, argument),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        env={**os.environ, **ONE_THREAD},
    )
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            _widen(pipe.fileno())
    return process


def call(module: str, function: str, argument: str) -> None:
    """Call `module.function(argument)` in this process, which `start` has started.

    Ctrl-C goes to every process of a terminal: the one that started this one decides.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    getattr(importlib.import_module(module), function)(argument)


class ServerDiedError(Exception):
    """The process that is forked has ended; the text says how."""


class _Server:
    """A running `serve`. Several threads may use it."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self._lock = threading.Lock()
        self._asked, self._answered = itertools.count(), itertools.count()
        self._answers: dict[int, Any] = {}
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
        self._socket, theirs = socket.socketpair()
        self._socket.settimeout(_PATIENCE)
        self._stream = self._socket.makefile("rb")
        with theirs:
            self._process = subprocess.Popen(
                python(f"{_IMPORT}fork_server.serve(int(sys.argv[1]))", str(theirs.fileno())),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                env={**os.environ, **ONE_THREAD},
                pass_fds=[theirs.fileno()],
            )

    def running(self) -> bool:
        return self._process.poll() is None

    def ask(self, body: dict[str, Any], files: Sequence[int] = ()) -> int:
        """Send a request, and return the number for `answer`."""
        text = json.dumps(body).encode()
        with self._lock:
            try:
                socket.send_fds(self._socket, [struct.pack("<I", len(text))], files)
                self._socket.sendall(text)
            except OSError as error:
                raise self._died() from error
            return next(self._asked)

    def answer(self, number: int) -> Any:
        """Return the answer to a request; each can be read once."""
        with self._lock:
            while number not in self._answers:
                try:
                    line = self._stream.readline()
                except (OSError, ValueError) as error:
                    raise self._died() from error
                if not line:
                    raise self._died()
                self._answers[next(self._answered)] = json.loads(line)
            return self._answers.pop(number)

    def close(self) -> None:
        """End the server, if this process started it."""
        if os.getpid() == self.owner:
            # A fork of this process may hold the socket, too: closing it would not end the server.
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._end(_LONGEST_END)
        with self._lock:
            self._stream.close()
            self._socket.close()
            self._errors.close()

    def _end(self, seconds: float) -> int:
        """Return the server's exit status; kill it if it runs for longer than `seconds`."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def _died(self) -> ServerDiedError:
        status = self._end(0)
        how = f"signal {-status}" if status < 0 else f"exit status {status}"
        said = ""
        if not self._errors.closed:
            self._errors.seek(0)
            said = self._errors.read().decode(errors="replace")
        return ServerDiedError(f"the process that starts child processes ended: {how}\n{said}")


_LOCK: Final = threading.Lock()
_SERVERS: Final[list[_Server]] = []
"""At most one: the server of this process."""


def _server() -> _Server:
    """Return the server, a new one if there is none or it has ended."""
    with _LOCK:
        if _SERVERS and _SERVERS[0].owner == os.getpid() and _SERVERS[0].running():
            return _SERVERS[0]
        _close_server()
        _SERVERS.append(_Server())
        return _SERVERS[0]


def _close_server() -> None:
    while _SERVERS:
        _SERVERS.pop().close()


atexit.register(_close_server)


class _Forked:
    """A fork of the server: see `Process`."""

    def __init__(
        self, server: _Server, module: str, function: str, argument: str, errors: IO[bytes]
    ) -> None:
        requests, to_requests = os.pipe()
        from_answers, answers = os.pipe()
        self.stdin: IO[bytes] | None = os.fdopen(to_requests, "wb")
        self.stdout: IO[bytes] | None = os.fdopen(from_answers, "rb")
        self._server, self._lock = server, threading.RLock()
        self._pid: int | None = None
        self._status: int | None = None
        self._killed = False
        try:
            _widen(requests)
            _widen(answers)
            request = {
                "call": [module, function, argument],
                "path": [_absolute(folder) for folder in sys.path],
                "environment": {**os.environ, **ONE_THREAD},
            }
            self._start = server.ask(request, [requests, answers, errors.fileno()])
        finally:
            os.close(requests)
            os.close(answers)

    @property
    def pid(self) -> int:
        """The number of the process."""
        with self._lock:
            if self._pid is None:
                self._pid = int(self._server.answer(self._start))
            return self._pid

    def kill(self) -> None:
        """Send SIGKILL; no error if the process has ended."""
        if self._status is None:  # otherwise its number may belong to another process by now
            self._killed = True
            # Without a server that says its number it never began.
            with contextlib.suppress(ProcessLookupError, ServerDiedError):
                os.kill(self.pid, signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status; see `Process.wait`."""
        begun, pause = time.monotonic(), 0.0005
        while True:
            status = self._poll()
            if status is not None:
                return status
            if timeout is not None and time.monotonic() - begun > timeout:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout)
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _poll(self) -> int | None:
        with self._lock:
            if self._status is None:  # the server can tell it once
                self._status = self._ask_status()
            return self._status

    def _ask_status(self) -> int | None:
        try:
            status = self._server.answer(self._server.ask({"pid": self.pid}))
            return None if status is None else int(status)
        except ServerDiedError:
            if not self._killed:
                raise
            return -signal.SIGKILL  # which no process survives


def _absolute(folder: str) -> str:
    """Return an entry of `sys.path` as an absolute path, if there is a working directory."""
    if Path(folder).is_absolute():
        return folder
    try:
        return str(Path.cwd() / folder)
    except FileNotFoundError:  # it was deleted: nothing can be imported from there
        return folder


def _widen(pipe: int) -> None:
    """Give a pipe its capacity, where the system can set it and the user may have more."""
    if sys.platform == "linux":
        import fcntl

        # Each user has a budget, of which other programs may have used up all.
        with contextlib.suppress(PermissionError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)


def serve(number: int) -> None:
    """Fork for each request on a socket, until its other end is closed.

    A request is the length of a JSON text (4 bytes, little endian) and the text. With `call`
    (module, function, argument), `path`, `environment` and three open files it starts a process;
    the answer is the process's number. With `pid` the answer is the exit status, null while it
    runs. An answer is a line of JSON.

    Args:
        number: The socket's file descriptor.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # as in `call`
    importlib.import_module("numpy")
    with socket.socket(fileno=number) as requests:
        while True:
            header, files, _, _ = socket.recv_fds(requests, 4, 3)
            if not header:
                return
            body = json.loads(_exactly(requests, *struct.unpack("<I", header)))
            if "pid" in body:
                pid, status = os.waitpid(body["pid"], os.WNOHANG)
                answer = os.waitstatus_to_exitcode(status) if pid else None
            else:
                importlib.import_module(body["call"][0])
                answer = os.fork()
                if answer == 0:
                    requests.close()
                    _become(body, files)
                for file in files:
                    os.close(file)
            requests.sendall(json.dumps(answer).encode() + b"\n")


def _exactly(requests: socket.socket, size: int) -> bytes:
    text = bytearray()
    while len(text) < size:
        piece = requests.recv(size - len(text))
        if not piece:
            raise EOFError
        text += piece
    return bytes(text)


def _become(body: dict[str, Any], files: Sequence[int]) -> NoReturn:
    """Become the process that a request describes."""
    status = 1
    try:
        for standard, file in enumerate(files):
            os.dup2(file, standard)
            os.close(file)
        sys.path[:] = body["path"]
        os.environ.clear()
        os.environ.update(body["environment"])
        call(*body["call"])
        status = 0
    except SystemExit as end:
        status = int(end.code or 0) if isinstance(end.code, int | None) else 1
    except BaseException:  # noqa: BLE001 - a fork must not return into the server
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)
