"""A verification parses each file once in its own process."""

from pathlib import Path
from typing import Any

import graphs
import pytest

from mobiledeploy.formats.onnx import protobuf
from mobiledeploy.integer.certify import certify
from mobiledeploy.targets import onnx, tflite
from mobiledeploy.verify import pair
from mobiledeploy.verify.int8 import Options


def test_an_onnx_file_is_parsed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = graphs.assorted_graph()
    (tmp_path / "a.tflite").write_bytes(tflite.write(graph))
    (tmp_path / "b.onnx").write_bytes(onnx.write(graph, certify(graph)))
    sizes = []
    parse = protobuf.message

    def counted(data: bytes) -> Any:
        sizes.append(len(data))
        return parse(data)

    monkeypatch.setattr(protobuf, "message", counted)
    options = Options(level="full")
    report = pair.verify(tmp_path / "a.tflite", tmp_path / "b.onnx", options=options)
    assert report.holds
    assert sizes == [(tmp_path / "b.onnx").stat().st_size]
