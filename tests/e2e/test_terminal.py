"""On a terminal there is a live line; finished steps stay on the screen."""

import os
import pty
import re
import subprocess
from pathlib import Path

import pytest
from program import PROGRAM

pytestmark = pytest.mark.tensorflow  # the build that is verified needs it


def on_a_terminal(*args: str | Path) -> tuple[int, str]:
    """Run the program with a pseudo-terminal as stdout and stderr; without colours."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [PROGRAM, *args], stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "xterm"}
    ) as process:
        os.close(theirs)
        said = b""
        while True:
            try:
                piece = os.read(ours, 4096)
            except OSError:  # the other side is closed
                break
            if not piece:
                break
            said += piece
    os.close(ours)
    return process.returncode, re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", said.decode())


def test_each_step_has_a_progress_bar_and_then_a_line_with_its_seconds(small_build: Path) -> None:
    status, said = on_a_terminal("verify", small_build)
    assert status == 0, said
    assert "━" in said
    assert re.search(r"held-back images in 6 runtimes.*\d\.\d s", said)
    assert re.search(r"golden vectors in 2 runtimes.*\d\.\d s", said)
    assert "holds: logits equal on" in said


def test_quiet_shows_the_result_only(small_build: Path) -> None:
    status, said = on_a_terminal("verify", small_build, "--quiet", "--samples", "20")
    assert status == 0
    assert "━" not in said
    assert said.startswith("holds: ")
