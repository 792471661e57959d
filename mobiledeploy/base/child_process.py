"""Call one of our functions in a child process, whose crash does not affect this one.

This is for parsers written in C, which hostile bytes can crash or hang. The child returns only
bytes or one of our errors; nothing is pickled. Its CPU time and memory are limited.
"""

import importlib
import json
import math
import os
import signal
import subprocess
import sys
from typing import Final

from mobiledeploy.base.errors import CorruptFileError, MobileDeployError

MAX_MEMORY: Final = 4 << 30
"""Address space of the child, bytes (where the system can limit it)."""
PATIENCE: Final = 10
"""Longest elapsed time, as a multiple of the CPU time that the child may use: other programs may
keep the processors busy."""

ONE_THREAD: Final = {"OPENBLAS_NUM_THREADS": "1"}
"""Environment of a child: a pool of threads would reserve more address space than it may have, and
would not be copied by a fork."""

_BOOT: Final = "import json, sys; sys.path[:] = json.loads(sys.argv.pop(1)); "
_ERRORS: Final = {error.exit_status: error for error in MobileDeployError.__subclasses__()}


def python(statement: str, *arguments: str) -> list[str]:
    """Return the command by which a new Python runs a statement, with this one's `sys.path`.

    Args:
        statement: It finds the arguments in `sys.argv[1:]`.
        arguments: Of the command.
    """
    return [sys.executable, "-c", _BOOT + statement, json.dumps(sys.path), *arguments]


def call(module: str, function: str, argument: str, *, seconds: float = 60) -> bytes:
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
    statement = "from mobiledeploy.base.child_process import child; child(*sys.argv[1:])"
    try:
        run = subprocess.run(
            python(statement, module, function, argument, str(seconds)),
            capture_output=True,
            timeout=PATIENCE * seconds,
            env={**os.environ, **ONE_THREAD},
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise CorruptFileError(
            f"{argument} is damaged, or this machine very busy: it could not be read in "
            f"{PATIENCE * seconds:.0f} s"
        ) from error
    if sys.platform == "linux" and run.returncode == -signal.SIGXCPU:
        raise CorruptFileError(f"{argument} is damaged: it could not be read in {seconds:.0f} s")
    if run.returncode == 0:
        return run.stdout
    if run.returncode in _ERRORS:
        said = json.loads(run.stdout)
        raise _ERRORS[run.returncode](said["message"], hint=said["hint"])
    if run.returncode < 0:
        raise CorruptFileError(
            f"{argument} is damaged: its reader crashed (signal {-run.returncode})"
        )
    raise RuntimeError(f"{module}.{function} failed:\n{run.stderr.decode(errors='replace')}")


def child(module: str, function: str, argument: str, seconds: str) -> None:
    """Call the function in the child process and write the answer to stdout."""
    called = getattr(importlib.import_module(module), function)
    limit_memory()
    _limit_time(float(seconds))
    # What a library prints must not be mistaken for the answer.
    with os.fdopen(os.dup(1), "wb") as answer:
        os.dup2(2, 1)
        try:
            answer.write(called(argument))
        except MobileDeployError as error:
            answer.write(json.dumps({"message": str(error), "hint": error.hint}).encode())
            status = error.exit_status
        except MemoryError:
            message = f"{argument} is damaged: reading it takes more than {MAX_MEMORY:,} bytes"
            answer.write(json.dumps({"message": message, "hint": None}).encode())
            status = CorruptFileError.exit_status
        else:
            return
    sys.exit(status)


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
