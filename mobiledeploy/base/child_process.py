"""Call a function in a process of its own: for parsers in C that foreign bytes can crash or hang.

The child gives back bytes, or a deliberate error, and nothing else: nothing is pickled.
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
"""Times as long as a processor may work for the child, by the clock: others may keep it busy."""

_BOOT: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from mobiledeploy.base.child_process import child; child(*sys.argv[2:])"
)
_ERRORS: Final = {error.exit_status: error for error in MobileDeployError.__subclasses__()}


def call(module: str, function: str, argument: str, *, seconds: float = 60) -> bytes:
    """Return `module.function(argument)`, computed elsewhere.

    Args:
        module: Importable by its full name.
        function: Takes a string and returns bytes.
        argument: A path, usually; it is named when something goes wrong.
        seconds: How long a processor may work for the child (on Linux; by the clock, `PATIENCE`
            times as long, everywhere).

    Raises:
        CorruptFileError: The child crashed, or took too long.
        MobileDeployError: What the function raised.
    """
    command = [
        sys.executable, "-c", _BOOT, json.dumps(sys.path), module, function, argument, str(seconds)
    ]  # fmt: skip
    # One thread: a pool of them would reserve more address space than the child may have.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    try:
        run = subprocess.run(
            command, capture_output=True, timeout=PATIENCE * seconds, env=environment, check=False
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
    """Do the call, in the child, and put the answer on its stdout."""
    found = getattr(importlib.import_module(module), function)
    limit_memory()
    _limit_time(float(seconds))
    # What a library prints must not be mistaken for the answer.
    with os.fdopen(os.dup(1), "wb") as answer:
        os.dup2(2, 1)
        try:
            answer.write(found(argument))
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
    """Limit what processors may work for this process from now on (on Linux)."""
    if sys.platform == "linux":
        import resource
        import time

        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        soft = math.ceil(time.process_time() + seconds)
        if hard != resource.RLIM_INFINITY:
            soft = min(soft, hard)
        resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))
