"""A crash, a hang or too much memory in the child process becomes an error."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mobiledeploy.base import child_process
from mobiledeploy.base.errors import CorruptFileError, RequestError

PARSER = """
import os, signal, sys, time
from mobiledeploy.base.errors import RequestError

def parse(argument):
    match argument:
        case "crash": os.kill(os.getpid(), signal.SIGSEGV)
        case "hang": time.sleep(60)
        case "loop":
            while True: pass
        case "wait": time.sleep(1.2)
        case "refuse": raise RequestError("not like this", hint="but so")
        case "fill": return bytes(1 << 40)
        case "bug": return 1 / 0
        case "chatter": print("noise"); os.write(1, b"more noise")
    return b"\\x00\\xffread " + argument.encode()
"""


@pytest.fixture(autouse=True)
def parser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "parser_of_this_test.py").write_text(PARSER)
    monkeypatch.syspath_prepend(tmp_path)


def test_no_module_of_the_working_directory_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strangers = tmp_path / "strangers"
    strangers.mkdir()
    for name in ("json", "re", "types", "numpy"):
        (strangers / f"{name}.py").write_text("open('executed', 'w').close()")
    monkeypatch.chdir(strangers)
    subprocess.run(child_process.python("import json, re, types, numpy"), check=True)
    assert not (strangers / "executed").exists()


def call(argument: str, seconds: float = 60) -> bytes:
    return child_process.call("parser_of_this_test", "parse", argument, seconds=seconds)


@pytest.mark.parametrize("argument", ["a file", "chatter", "ünïcode\n"])
def test_the_result_is_returned_byte_for_byte(argument: str) -> None:
    assert call(argument) == b"\x00\xffread " + argument.encode()


def test_our_own_errors_are_raised_in_the_parent() -> None:
    with pytest.raises(RequestError, match="not like this") as caught:
        call("refuse")
    assert caught.value.hint == "but so"


def test_a_crash_and_a_hang_mean_a_damaged_file() -> None:
    with pytest.raises(CorruptFileError, match="crash is damaged: its reader crashed"):
        call("crash")
    with pytest.raises(
        CorruptFileError, match=r"hang is damaged, .*: it could not be read in 2 s"
    ):
        call("hang", seconds=0.2)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the processor's time")
def test_cpu_time_is_limited_and_waiting_is_not() -> None:
    with pytest.raises(CorruptFileError, match=r"loop is damaged.*could not be read in"):
        call("loop", seconds=1)
    assert call("wait", seconds=1).endswith(b"wait")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the address space")
def test_a_parser_that_fills_the_memory_is_stopped() -> None:
    with pytest.raises(CorruptFileError, match="takes more than 4,294,967,296 bytes"):
        call("fill")


def test_other_exceptions_are_reported_with_their_traceback() -> None:
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        call("bug")


def test_the_limits_do_not_apply_to_the_parent() -> None:
    before = dict(os.environ)
    call("a file")
    assert dict(os.environ) == before


def test_a_call_takes_the_answer_of_the_process_that_was_started_early(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with child_process.started_early("parser_of_this_test", "parse", "refuse"):
        monkeypatch.setattr(child_process, "_started", None)
        with pytest.raises(RequestError, match="not like this"):
            call("refuse")


def test_a_process_that_was_started_early_ends_with_the_block() -> None:
    with child_process.started_early("parser_of_this_test", "parse", "hang"):
        (process,) = child_process._EARLY.values()
    assert process.returncode is not None
    assert not child_process._EARLY
