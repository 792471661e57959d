"""A child process behaves the same whether it is forked or starts a new Python."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from mobiledeploy.base import fork_server
from mobiledeploy.base.fork_server import Process, ServerDiedError

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks")


@pytest.fixture(
    params=[pytest.param(True, marks=LINUX, id="forked"), pytest.param(False, id="new")]
)
def forked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(fork_server, "FORKS", request.param)
    return bool(request.param)


@contextlib.contextmanager
def started(function: str, argument: str, errors: IO[bytes] | None = None) -> Iterator[Process]:
    with tempfile.TemporaryFile() as file:
        process = fork_server.start("called_in_child", function, argument, errors=errors or file)
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                assert pipe is not None
                pipe.close()


def described(variable: str = "", text: bytes = b"") -> dict[str, Any]:
    with started("describe", variable) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(text)
        process.stdin.close()
        return dict(json.loads(process.stdout.read()))


@pytest.mark.usefixtures("forked")
def test_a_child_reads_stdin_with_the_callers_path_and_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = described("MOBILEDEPLOY_TEST", b"said")
    assert (before["stdin"], before["variable"]) == ("said", None)
    monkeypatch.setenv("MOBILEDEPLOY_TEST", "later")
    monkeypatch.syspath_prepend("/nowhere")
    after = described("MOBILEDEPLOY_TEST")
    assert (after["variable"], after["path"][0]) == ("later", "/nowhere")


@LINUX
def test_forks_share_one_parent_that_has_numpy_and_no_other_open_files() -> None:
    with started("sleep", "60") as other:
        assert other.pid
        one, two = described(), described()
    assert one["parent"] == two["parent"] != os.getpid()
    assert one["numpy"]
    assert one["files"] == 4, "the three standard ones and the folder that is being listed"


@pytest.mark.usefixtures("forked")
@pytest.mark.parametrize(("argument", "status"), [("3", 3), ("0", 0), ("", 0)])
def test_the_exit_status_is_the_childs(argument: str, status: int) -> None:
    with started("leave", argument) as process:
        assert process.wait(60) == status
        assert process.wait() == status


@pytest.mark.usefixtures("forked")
def test_an_error_in_the_child_gives_status_1_and_a_traceback() -> None:
    with tempfile.TemporaryFile() as errors:
        with started("fail", "why", errors) as process:
            assert process.wait(60) == 1
        errors.seek(0)
        assert errors.read().rstrip().endswith(b"ValueError: why")


@pytest.mark.usefixtures("forked")
def test_a_running_child_can_be_waited_for_and_killed() -> None:
    with started("sleep", "600") as process:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.01)
        process.kill()
        assert process.wait(60) == -signal.SIGKILL
        process.kill()


@LINUX
def test_children_start_and_end_in_several_threads_at_once() -> None:
    statuses: dict[int, int] = {}

    def run(number: int) -> None:
        with started("leave", str(number)) as process:
            statuses[number] = process.wait(60)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == {number: number for number in range(16)}


@LINUX
def test_after_the_server_was_killed_children_end_and_the_next_one_starts() -> None:
    server = described()["parent"]
    with started("sleep", "600") as process:
        assert process.stdout is not None
        assert process.stdout.read(1) == b"."
        os.kill(server, signal.SIGKILL)
        with pytest.raises(ServerDiedError, match="ended: signal 9"):
            process.wait(60)
        process.kill()
        assert process.wait(60) == -signal.SIGKILL
    assert described()["parent"] != server


@LINUX
def test_ctrl_c_does_not_end_the_server() -> None:
    server = described()["parent"]
    os.kill(server, signal.SIGINT)
    assert described()["parent"] == server


@LINUX
def test_a_child_that_never_began_can_be_ended_without_an_error() -> None:
    os.kill(described()["parent"], signal.SIGSTOP)
    server = fork_server._SERVERS[0]
    with started("sleep", "600") as process:
        server._process.kill()
        process.kill()
        assert process.wait(60) == -signal.SIGKILL
    assert described()["variable"] is None


@LINUX
def test_a_server_that_was_closed_by_another_thread_is_reported_as_ended() -> None:
    with started("sleep", "600") as process:
        assert process.pid
        fork_server._close_server()
        with pytest.raises(ServerDiedError):
            process.wait(60)


@LINUX
def test_a_stopped_server_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fork_server, "_LONGEST_END", 0.1)
    os.kill(described()["parent"], signal.SIGSTOP)
    begun = time.monotonic()
    fork_server._close_server()
    assert time.monotonic() - begun < 60


@LINUX
def test_a_fork_of_this_process_does_not_keep_the_server_alive() -> None:
    server = described()["parent"]
    code = (
        "import os, time\nfrom mobiledeploy.base import fork_server\nfork_server.prepare()\n"
        "if os.fork() == 0:\n    time.sleep(600)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", code], env=environment, start_new_session=True
    ) as process:
        try:
            assert process.wait(60) == 0
        finally:
            os.killpg(process.pid, signal.SIGKILL)
    assert described()["parent"] == server


@pytest.mark.usefixtures("forked")
def test_children_start_without_a_working_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "path", [str(Path(entry).absolute()) for entry in sys.path] + [""])
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    fork_server._close_server()
    assert described()["variable"] is None


@pytest.mark.usefixtures("forked")
def test_children_start_where_pipes_cannot_be_widened(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    fcntl = pytest.importorskip("fcntl")
    monkeypatch.setattr(fcntl, "fcntl", refuse)
    assert described()["variable"] is None


@pytest.mark.usefixtures("forked")
def test_ctrl_c_does_not_end_a_child() -> None:
    with started("sleep", "600") as process:
        assert process.stdout is not None
        assert process.stdout.read(1) == b"."
        os.kill(process.pid, signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.2)
