"""The time limit of a child process counts CPU time, or wall-clock time while it waits."""

import subprocess
import sys
import time

import pytest

from mobiledeploy.runtimes.child import CLOCK_FACTOR, TimeLimit, cpu_seconds

LINUX = sys.platform == "linux"


def started(code: str) -> "subprocess.Popen[bytes]":
    """A process that has started to run the given code."""
    process = subprocess.Popen(
        [sys.executable, "-c", f"print(flush=True)\n{code}"], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


@pytest.mark.skipif(not LINUX, reason="only Linux tells a process's time")
def test_a_busy_process_is_stopped_after_its_cpu_time() -> None:
    with started("while True: pass") as process:
        with TimeLimit(process, 0.4) as limit:
            assert process.wait(60) < 0
        assert limit.ended


@pytest.mark.skipif(not LINUX, reason="only Linux tells a process's time")
def test_a_waiting_process_gets_more_wall_clock_time() -> None:
    with started("import time; time.sleep(600)") as process:
        begun = time.monotonic()
        with TimeLimit(process, 0.1) as limit:
            assert process.wait(60) < 0
        assert limit.ended
        assert time.monotonic() - begun > 0.9 * CLOCK_FACTOR * 0.1


def test_a_process_is_not_stopped_after_the_with_block() -> None:
    with started("import time; time.sleep(600)") as process:
        with TimeLimit(process, 0.05) as limit:
            pass
        time.sleep(0.4)
        assert not limit.ended
        assert process.poll() is None
        process.kill()


@pytest.mark.skipif(not LINUX, reason="only Linux tells a process's time")
def test_the_cpu_time_of_a_process_can_be_read() -> None:
    busy = "import time\nwhile time.process_time() < 0.3: pass"
    with started(f"{busy}\nprint(flush=True)\ntime.sleep(600)") as process:
        assert process.stdout is not None
        process.stdout.readline()
        seconds = cpu_seconds(process.pid)
        process.kill()
    assert seconds is not None
    assert 0.28 <= seconds < 5
    assert cpu_seconds(2**22 + 1) is None
