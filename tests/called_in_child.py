"""Functions that the tests of `base.fork_server` call in a child process."""

import json
import os
import sys
import time
from pathlib import Path


def describe(name: str) -> None:
    """Write this process's parent, open files, NumPy, an environment variable and stdin."""
    files = Path("/proc/self/fd")
    sys.stdout.write(
        json.dumps(
            {
                "parent": os.getppid(),
                "files": len(list(files.iterdir())) if files.is_dir() else None,
                "numpy": "numpy" in sys.modules,
                "variable": os.environ.get(name),
                "path": sys.path,
                "stdin": sys.stdin.read(),
            }
        )
    )
    sys.stdout.flush()


def leave(status: str) -> None:
    """Exit with a status; with no status if it is empty."""
    sys.exit(int(status) if status else None)


def fail(message: str) -> None:
    """Raise an error that nobody handles."""
    raise ValueError(message)


def sleep(seconds: str) -> None:
    """Say that the process has started, then sleep."""
    os.write(1, b".")
    time.sleep(float(seconds))
