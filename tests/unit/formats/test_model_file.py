"""A model file is recognised by its bytes, parsed once, and named if it is damaged."""

from pathlib import Path

import graphs
import pytest

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.formats import model_file
from mobiledeploy.integer import tflite_reader
from mobiledeploy.integer.certify import certify
from mobiledeploy.integer.graph import digest
from mobiledeploy.lint import inspection
from mobiledeploy.targets import onnx, tflite

GRAPH = graphs.assorted_graph()


def test_the_format_follows_from_the_bytes_not_the_file_name(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(tflite.write(GRAPH))
    file = model_file.read(tmp_path / "a.onnx")
    assert file.format == "tflite"
    assert digest(tflite_reader.read(file.tflite)) == digest(GRAPH)
    other = model_file.of_bytes("b", onnx.write(GRAPH, certify(GRAPH)))
    assert other.format == "onnx"
    with pytest.raises(TypeError, match=r"b is not a \.tflite"):
        _ = other.tflite


def test_a_damaged_tflite_is_refused_on_opening_with_its_name() -> None:
    data = tflite.write(GRAPH)
    with pytest.raises(CorruptFileError, match=r"^mine: expected bytes"):
        model_file.of_bytes("mine", data[: len(data) // 2])


@pytest.mark.parametrize(
    ("name", "shown"), [("a\nholds: b.tflite", r"a\nholds: b.tflite"), ("a\udcff", r"a\udcff")]
)
def test_a_name_is_one_line_of_text(tmp_path: Path, name: str, shown: str) -> None:
    (tmp_path / name).write_bytes(tflite.write(GRAPH))
    for file in (model_file.read(tmp_path / name), model_file.of_bytes(name, tflite.write(GRAPH))):
        assert file.name == shown
    inspected = inspection.inspect_file(tmp_path / name)
    assert inspected.file == f"{tmp_path}/{shown}"
