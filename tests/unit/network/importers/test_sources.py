from pathlib import Path

import pytest

from mobiledeploy.base.errors import RequestError
from mobiledeploy.formats.tflite.writer import TfliteWriter
from mobiledeploy.network.importers import sources

EXPORTS = Path(__file__).parent / "exports"


def test_files_are_recognised_by_content_not_by_name(tmp_path: Path) -> None:
    writer = TfliteWriter()
    source, output = (writer.activation(name, "float32", (1, 4, 4, 3)) for name in "xy")
    writer.operator("RELU", 1, [source], output)
    data = writer.finish(
        description="", min_runtime="1.5.0", inputs={"x": source}, outputs={"y": output}
    )
    (tmp_path / "a.onnx").write_bytes(data)
    assert sources.read(tmp_path / "a.onnx").source == "tflite"
    (tmp_path / "b.tflite").write_bytes((EXPORTS / "vgg.onnx").read_bytes())
    assert sources.read(tmp_path / "b.tflite").source == "onnx"


def test_a_file_of_another_kind_is_called_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(b"\x80\x02}q\x01.")
    with pytest.raises(RequestError, match="Python pickle"):
        sources.read(path)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="there is no file"):
        sources.read(tmp_path / "none.onnx")
