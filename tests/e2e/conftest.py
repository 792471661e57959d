"""The program, as a user runs it, and small builds made with it."""

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import program
import pytest
from filelock import FileLock

SCHEMAS = Path(__file__).resolve().parents[2] / "docs/schemas"
SIZE = 16
SMALL = (
    "build", "--arch", "v1", "--image-size", str(SIZE), "--epochs", "3", "--qat-steps", "4",
    "--threads", "2",
)  # fmt: skip
"""A build that trains too little to be good, and enough for outputs to vary."""


def mobiledeploy(
    *args: str | Path,
    cwd: Path,
    status: int | None = 0,
    env: dict[str, str] | None = None,
    timeout: float = 280,
) -> subprocess.CompletedProcess[str]:
    """Run the program and check its exit status, unless that is None."""
    done = program.run(*args, cwd=cwd, env=env, timeout=timeout)
    assert status in {done.returncode, None}, f"{done.stdout}\n{done.stderr}"
    return done


def printed(done: subprocess.CompletedProcess[str], schema: str) -> Any:
    """Return the JSON document that a command printed, after holding it against its schema."""
    document = json.loads(done.stdout)
    jsonschema.validate(document, json.loads((SCHEMAS / f"{schema}.schema.json").read_text()))
    return document


@pytest.fixture(scope="session")
def small_build(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A finished build folder, made once for all workers. Copy it before changing it."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "small"
    with FileLock(f"{folder}.lock"):
        if not (folder / "build/manifest.json").exists():  # a build's last file
            folder.mkdir(exist_ok=True)
            mobiledeploy(*SMALL, cwd=folder)
    return folder / "build"


@pytest.fixture
def heard() -> Iterator[None]:
    """Let programs hear SIGINT, also where the tests run in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
