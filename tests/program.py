"""The `mobiledeploy` program in a process of its own that starts quickly.

Half of what most commands of the tests take is imports. On Linux a process that has done them is
forked for each command, which has its own arguments, folder, environment, output and exit status.
"""

import atexit
import functools
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path

from mobiledeploy.base import fork_server

PROGRAM = Path(sys.executable).with_name("mobiledeploy")
"""The console script, for tests of what only a new process does."""


def run(
    *words: str | Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float = 280,
) -> subprocess.CompletedProcess[str]:
    """Run a command; `env` is put into this process's environment."""
    command = [str(PROGRAM), *map(str, words)]
    environment = {**os.environ, **(env or {})}
    if not fork_server.FORKS or "PYTHONPATH" in (env or {}):  # other modules are to be imported
        return subprocess.run(
            command, cwd=cwd, env=environment, capture_output=True, text=True, check=False,
            timeout=timeout,
        )  # fmt: skip
    called = json.dumps([command, str(cwd or Path.cwd()), environment])
    with tempfile.TemporaryFile() as errors:
        process = fork_server._Forked(_server(), "program_in_fork", "run", called, errors)
        limit = threading.Timer(timeout, process.kill)
        limit.start()
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.close()
            with process.stdout:
                said = process.stdout.read()
            status = process.wait()
        finally:
            limit.cancel()
        errors.seek(0)
        return subprocess.CompletedProcess(command, status, said.decode(), errors.read().decode())


@functools.cache
def _server() -> fork_server._Server:
    """Return a server that is not the package's, whose children have imported less."""
    server = fork_server._Server()
    atexit.register(server.close)
    return server
