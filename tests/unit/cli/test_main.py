"""Every error is `error: ...` with a hint and an exit status, whoever noticed it."""

import json
from pathlib import Path

import graphs
import onnx
import program
import pytest
from onnx import TensorProto, helper
from typer.testing import CliRunner
from unit.cli.conftest import check

from mobiledeploy.base.errors import MobileDeployError
from mobiledeploy.cli.main import app
from mobiledeploy.targets import tflite


def refused(*arguments: str | Path) -> MobileDeployError:
    with pytest.raises(MobileDeployError) as caught:
        CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
    return caught.value


@pytest.mark.parametrize(
    ("arguments", "said", "help_of"),
    [
        (["verfy"], "no such command 'verfy'. Did you mean 'verify'?", "mobiledeploy"),
        (["--nothing"], "no such option: --nothing", "mobiledeploy"),
        (["verify", "--nothing"], "no such option: --nothing", "mobiledeploy verify"),
        (["inspect", "a", "b"], "got unexpected extra argument(s) (b)", "mobiledeploy inspect"),
        (["cost", "--alpha"], "option '--alpha' requires an argument", "mobiledeploy cost"),
    ],
)
def test_wrong_arguments_are_errors_like_all_others(
    tmp_path: Path, arguments: list[str], said: str, help_of: str
) -> None:
    done = program.run(*arguments, cwd=tmp_path)
    assert done.stderr == f"error: {said}\n\nhint: `{help_of} --help` lists what there is\n"
    assert done.returncode == 2


@pytest.mark.parametrize(
    ("arguments", "status", "kind"),
    [
        (["verify", "nowhere", "--json"], 2, "RequestError"),
        (["cost", "--nothing", "--json"], 2, "RequestError"),
        (["inspect", "empty.tflite", "--json"], 6, "CorruptFileError"),
        (["bundle", "long" * 100, "--json"], 9, "StorageError"),
        (
            ["verify", "broken.onnx", "a.tflite", "--json", "--level", "quick"],
            6,
            "CorruptFileError",
        ),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else None,
)
def test_with_json_an_error_is_a_document_on_stdout_beside_the_words_on_stderr(
    tmp_path: Path, arguments: list[str], status: int, kind: str
) -> None:
    (tmp_path / "empty.tflite").touch()
    (tmp_path / "broken.onnx").write_bytes(b"\x08\x07:\x99")
    (tmp_path / "a.tflite").write_bytes(tflite.write(graphs.assorted_graph()))
    done = program.run(*arguments, cwd=tmp_path)
    document = json.loads(done.stdout)
    check(document, "error")
    error = document["error"]
    assert (done.returncode, error["status"], error["kind"]) == (status, status, kind)
    words = f"error: {error['message']}\n\nhint: {error['hint']}\n"
    assert done.stderr.endswith(words.replace("\n  ", "\n    "))


def test_an_error_after_a_report_adds_nothing_to_stdout(tmp_path: Path) -> None:
    (tmp_path / "a.tflite").write_bytes(tflite.write(graphs.assorted_graph()))
    done = program.run("inspect", "a.tflite", "--json", "--strict", cwd=tmp_path)
    check(json.loads(done.stdout), "inspect")
    assert done.returncode == 5
    assert done.stderr.startswith("error: ")


def test_a_file_named_like_the_option_asks_for_no_json(tmp_path: Path) -> None:
    done = program.run("predict", "--", "--json", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""


def test_no_arguments_print_the_help(tmp_path: Path) -> None:
    done = program.run(cwd=tmp_path)
    assert "Commands:" in done.stdout + done.stderr
    assert "error" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "command",
    [
        ["verify", "{}"],
        ["verify", "{}", "--device"],
        ["verify", "{}", "--arm64"],
        ["verify", "a.tflite", "{}"],
        ["bundle", "{}"],
        ["inspect", "{}"],
        ["build", "--data", "{}"],
        ["build", "--weights", "{}"],
    ],
    ids=" ".join,
)
def test_a_path_that_does_not_exist_is_a_request_that_is_impossible(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.tflite").write_bytes(tflite.write(graphs.assorted_graph()))
    error = refused(*(word.format("nowhere") for word in command))
    assert error.exit_status == 2
    assert "nowhere" in str(error)
    assert error.hint


@pytest.mark.parametrize("command", [["verify", "a.tflite", "a"], ["verify", "a", "a.tflite"]])
def test_a_folder_in_the_place_of_a_file_is_called_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "a.tflite").write_bytes(tflite.write(graphs.assorted_graph()))
    error = refused(*command)
    assert str(error) == "expected a file, received the folder a"
    assert error.exit_status == 2


@pytest.mark.parametrize("command", [["verify", "a.txt"], ["bundle", "a.txt"]])
def test_a_file_in_the_place_of_a_build_is_a_request_that_is_impossible(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("text")
    assert refused(*command).exit_status == 2


@pytest.mark.parametrize("command", [["verify", "empty.tflite", "a.tflite"], ["inspect"]])
def test_an_empty_file_is_called_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.tflite").touch()
    (tmp_path / "a.tflite").write_bytes(tflite.write(graphs.assorted_graph()))
    error = refused(*command, *([] if len(command) > 1 else ["empty.tflite"]))
    assert str(error) == "empty.tflite is empty"
    assert error.exit_status == 6


def test_a_tflite_that_begins_with_noise_is_not_called_an_onnx(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "noise.tflite").write_bytes(bytes(range(255, 0, -1)) * 9)
    (tmp_path / "a.tflite").write_bytes(tflite.write(graphs.assorted_graph()))
    error = refused("verify", "noise.tflite", "a.tflite")
    assert "noise.tflite: expected a file with the identifier TFL3" in str(error)


def test_a_model_of_two_inputs_is_refused_with_a_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, 8, 8]) for name in "abc"]
    add = helper.make_node("Add", ["a", "b"], ["c"])
    graph = helper.make_graph([add], "two inputs", ends[:2], ends[2:])
    onnx.save(helper.make_model(graph), "two.onnx")
    (tmp_path / "a.tflite").write_bytes(tflite.write(graphs.assorted_graph()))
    error = refused("verify", "a.tflite", "two.onnx")
    assert str(error) == "two.onnx: expected one input, received 2"
    assert "export the model with one input" in str(error.hint)


@pytest.mark.parametrize("out", ["text.txt", "text.txt/deeper"])
def test_a_build_folder_that_is_a_file_is_named_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("mine")
    error = refused("build", "--out", out)
    assert str(error) == f"cannot write {out}: there is a file where a folder should be"
    assert error.hint == "choose another folder, or move that file away"
    assert (tmp_path / "text.txt").read_text() == "mine"


@pytest.mark.parametrize("out", ["/proc/report", "text.txt/report"])
def test_a_report_that_cannot_be_written_is_noticed_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("mine")
    error = refused("verify", "nowhere.tflite", "nowhere.onnx", "--out", out)
    assert error.exit_status == 9
