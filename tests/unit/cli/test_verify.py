"""`mobiledeploy verify` takes a build folder or two different files."""

from pathlib import Path

import graphs
import pytest
from typer.testing import CliRunner

from mobiledeploy.base.errors import RequestError
from mobiledeploy.cli.main import app
from mobiledeploy.targets import tflite


@pytest.mark.parametrize("second", ["a.tflite", "./a.tflite", "link.tflite"])
def test_the_same_file_twice_is_refused_with_a_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, second: str
) -> None:
    (tmp_path / "a.tflite").write_bytes(tflite.write(graphs.assorted_graph()))
    (tmp_path / "link.tflite").symlink_to("a.tflite")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RequestError, match=r"received a\.tflite twice") as caught:
        CliRunner().invoke(app, ["verify", "a.tflite", second], catch_exceptions=False)
    assert "a copy has to have another path" in str(caught.value.hint)


@pytest.mark.parametrize("files", [["a.tflite"], ["a.tflite", "b.onnx", "c.onnx"]])
def test_one_file_or_three_are_refused_with_the_two_ways_to_call_it(
    tmp_path: Path, files: list[str]
) -> None:
    (tmp_path / "a.tflite").write_bytes(b"")
    paths = [str(tmp_path / name) for name in files]
    with pytest.raises(RequestError, match="expected a build folder or two files") as caught:
        CliRunner().invoke(app, ["verify", *paths], catch_exceptions=False)
    assert "mobiledeploy verify A.tflite B.onnx" in str(caught.value.hint)
