"""Call one of our functions in a child process, whose crash does not affect this one.

This is for parsers written in C, which hostile bytes can crash or hang. The child returns only
bytes or one of our errors; nothing is pickled. Its CPU time and memory are limited.
"""

import contextlib
import gc
import importlib
import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Final, NoReturn

from mobiledeploy.base.errors import CorruptFileError, MobileDeployError

MAX_MEMORY: Final = 4 << 30
"""Address space of the child, bytes (where the system can limit it)."""
SECONDS: Final = 60.0
"""CPU time that the child may use, unless the caller says otherwise."""
PATIENCE: Final = 10
"""Longest elapsed time, as a multiple of the CPU time that the child may use: other programs may
keep the processors busy."""

ONE_THREAD: Final = {"OPENBLAS_NUM_THREADS": "1"}
"""Environment of a child: a pool of threads would reserve more address space than it may have, and
would not be copied by a fork."""

_BOOT: Final = "import json, sys; sys.path[:] = json.loads(sys.argv.pop(1)); "
_ERRORS: Final = {error.exit_status: error for error in MobileDeployError.__subclasses__()}
_EARLY: "Final[dict[tuple[str, str, str], subprocess.Popen[bytes]]]" = {}
"""Processes of `started_early` whose answers were not asked for yet."""


def python(statement: str, *arguments: str) -> list[str]:
    """Return the command by which a new Python runs a statement, with this one's `sys.path`.

    Nothing is imported from the working directory (`-P`): it may hold a stranger's `json.py`.

    Args:
        statement: It finds the arguments in `sys.argv[1:]`.
        arguments: Of the command.
    """
    return [sys.executable, "-P", "-c", _BOOT + statement, json.dumps(sys.path), *arguments]


def call(module: str, function: str, argument: str, *, seconds: float = SECONDS) -> bytes:
    """Return `module.function(argument)`, computed in a child process.

    Args:
        module: Full name of the module.
        function: A function that takes a string and returns bytes.
        argument: Usually a path; error messages name it.
        seconds: CPU time that the child may use (Linux only). On all systems the elapsed time is
            limited, too, to `PATIENCE` times as much.

    Raises:
        CorruptFileError: The child crashed or took too long: the file is taken for damaged.
        MobileDeployError: The error that the function raised.
    """
    process = _EARLY.pop((module, function, argument), None)
    with process or _started(module, function, argument, seconds) as process:
        try:
            answer, said = process.communicate(timeout=PATIENCE * seconds)
        except subprocess.TimeoutExpired as error:
            raise CorruptFileError(
                f"{argument} is damaged, or this machine very busy: it could not be read in "
                f"{PATIENCE * seconds:.0f} s"
            ) from error
        finally:
            process.kill()  # no error if it has ended
    status = process.returncode
    if sys.platform == "linux" and status == -signal.SIGXCPU:
        raise CorruptFileError(f"{argument} is damaged: it could not be read in {seconds:.0f} s")
    if status == 0:
        return answer
    if status in _ERRORS:
        refusal = json.loads(answer)
        raise _ERRORS[status](refusal["message"], hint=refusal["hint"])
    if status < 0:
        raise CorruptFileError(f"{argument} is damaged: its reader crashed (signal {-status})")
    raise RuntimeError(f"{module}.{function} failed:\n{said.decode(errors='replace')}")


@contextlib.contextmanager
def started_early(
    module: str, function: str, argument: str, *, seconds: float = SECONDS
) -> Iterator[None]:
    """Start a call whose answer `call` asks for within the block, and go on without it.

    Arguments are those of `call`. Nothing is raised here: `call` says what was wrong.
    """
    key = module, function, argument
    _EARLY[key] = _started(*key, seconds)
    try:
        yield
    finally:
        if (unread := _EARLY.pop(key, None)) is not None:
            unread.kill()
            unread.communicate()


def _started(
    module: str, function: str, argument: str, seconds: float
) -> "subprocess.Popen[bytes]":
    statement = "from mobiledeploy.base.child_process import child; child(*sys.argv[1:])"
    return subprocess.Popen(
        python(statement, module, function, argument, str(seconds)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **ONE_THREAD},
    )


def child(module: str, function: str, argument: str, seconds: str) -> NoReturn:
    """Call the function in the child process, write the answer to stdout and end the process."""
    gc.disable()  # modules hold no garbage
    called = getattr(importlib.import_module(module), function)
    gc.enable()
    limit_memory()
    _limit_time(float(seconds))
    # What a library prints must not be mistaken for the answer.
    with os.fdopen(os.dup(1), "wb") as answer:
        os.dup2(2, 1)
        status = 0
        try:
            answer.write(called(argument))
        except MobileDeployError as error:
            answer.write(json.dumps({"message": str(error), "hint": error.hint}).encode())
            status = error.exit_status
        except MemoryError:
            message = f"{argument} is damaged: reading it takes more than {MAX_MEMORY:,} bytes"
            answer.write(json.dumps({"message": message, "hint": None}).encode())
            status = CorruptFileError.exit_status
    sys.stderr.flush()
    os._exit(status)  # the parent waits for this, and not for the end of each module


def limit_memory() -> None:
    """Limit the address space of this process to `MAX_MEMORY` (on Linux)."""
    if sys.platform == "linux":
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        soft = MAX_MEMORY if hard == resource.RLIM_INFINITY else min(MAX_MEMORY, hard)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _limit_time(seconds: float) -> None:
    """Limit the CPU time that this process may use from now on (on Linux)."""
    if sys.platform == "linux":
        import resource
        import time

        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        soft = math.ceil(time.process_time() + seconds)
        if hard != resource.RLIM_INFINITY:
            soft = min(soft, hard)
        resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))
