"""Data go to stdout, errors and progress to stderr; control characters go nowhere."""

import io
import os
import subprocess
import sys
from pathlib import Path

import onnx
import program
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobiledeploy.base.progress import Event
from mobiledeploy.cli import _output

PROGRAM = [sys.executable, "-m", "mobiledeploy"]
FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="only Linux has a device that is always full")
@pytest.mark.parametrize("options", [["--layers"], ["--json"]])
def test_a_full_disk_behind_stdout_is_a_storage_error(options: list[str]) -> None:
    with FULL.open("wb") as full:
        done = subprocess.run(
            [*PROGRAM, "cost", *options],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.stderr.startswith(f"error: cannot write to stdout: {os.strerror(28)}\n\nhint: ")
    assert done.returncode == 9


def test_a_reader_that_ends_early_is_not_an_error() -> None:
    with subprocess.Popen(
        [*PROGRAM, "cost", "--layers"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""


def test_an_error_whose_reader_has_ended_keeps_its_exit_status() -> None:
    with subprocess.Popen(
        [*PROGRAM, "cost", "--nothing", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read().startswith(b"error: no such option: --nothing\n\nhint: ")
    assert process.returncode == 2


def test_a_name_that_no_file_can_have_is_an_error_without_traceback() -> None:
    name = "long" * 100
    done = program.run("bundle", name)
    error = f"error: {name}: {os.strerror(36)}\n\nhint: "
    assert done.stderr.startswith(error)
    assert done.returncode == 9


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_step_without_a_count_does_not_show_that_of_the_step_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    with _output.progress(quiet=False) as show:
        show(Event("data", "reading images", 1797, 1797))
        terminal.seek(0)
        terminal.truncate()
        show(Event("train", "starting TensorFlow"))
    said = terminal.getvalue()
    assert "reading images" in said
    assert "starting TensorFlow" in said
    assert "1797" not in said


def test_control_characters_in_a_file_name_do_not_reach_the_terminal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    evil = tmp_path / "\nhint: no\x1b]0;mine\x07\udcff\u202e.tflite"
    evil.write_bytes(b"no model")
    done = program.run("inspect", evil)
    assert done.returncode == 6
    assert done.stderr.isascii()
    assert "/\n  hint: no?]0;mine???.tflite: expected a file with" in done.stderr
    _output.emit("a\tb\n\x9b31mc")
    assert capfd.readouterr().out == "a\tb\n?31mc\n"


def test_a_very_long_name_is_cut_in_an_error(tmp_path: Path) -> None:
    model = onnx.helper.make_model(
        onnx.helper.make_graph([onnx.helper.make_node("x" * 100_000, ["a"], ["b"])], "g", [], [])
    )
    model.graph.node[0].input[0] = "y" * 100_000
    model.graph.initializer.add(name="z" * 100_000, dims=[-1])
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    done = program.run("inspect", path)
    assert done.returncode == 6
    assert len(done.stderr) < 5000
    assert "hint:" in done.stderr


CLAUSE = st.lists(st.text("abc", min_size=1, max_size=9), min_size=1, max_size=12).map(" ".join)


@given(st.lists(CLAUSE, min_size=1, max_size=8), st.integers(1, 4))
def test_a_sentence_without_room_is_cut_between_clauses_if_any_fits(
    clauses: list[str], most: int
) -> None:
    words = "; ".join(clauses)
    lines = _output.lines_of(words, most=most, width=40)
    assert len(lines) <= most
    said = " ".join(lines)
    if said == words:
        return
    assert said.endswith("...")
    if len(_output.lines_of(f"{clauses[0]}; ...", width=40)) <= most:
        assert said.removesuffix("; ...").split("; ") == clauses[: said.count("; ")]


def test_a_very_long_sentence_is_cut_at_once() -> None:
    assert len(_output.lines_of("a; " * 500_000, most=3)) <= 3
