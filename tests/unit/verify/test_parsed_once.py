"""One verification parses each file once: all its parts share the result."""

from collections import Counter
from pathlib import Path
from typing import Any

import graphs
import pytest

from mobiledeploy.formats.onnx import protobuf
from mobiledeploy.formats.tflite import IDENTIFIER, flatbuffer
from mobiledeploy.formats.tflite.flatbuffer import Table
from mobiledeploy.integer.certify import certify
from mobiledeploy.report import int8_graph
from mobiledeploy.targets import onnx, tflite
from mobiledeploy.verify import pair
from mobiledeploy.verify.outputs.int8_files import Options

GRAPH = graphs.assorted_graph()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Counter[bytes]:
    """How often the bytes of a file were opened in this process, by the bytes."""
    count: Counter[bytes] = Counter()
    root, message = flatbuffer.root, protobuf.message

    def counted(data: bytes, identifier: bytes) -> Table:
        count[data] += identifier == IDENTIFIER
        return root(data, identifier)

    def counted_message(data: bytes) -> Any:
        count[data] += 1
        return message(data)

    monkeypatch.setattr(flatbuffer, "root", counted)
    monkeypatch.setattr(protobuf, "message", counted_message)
    return count


@pytest.mark.parametrize("second", ["b.tflite", "b.onnx"])
def test_a_pair_is_verified_and_reported_with_each_file_parsed_once(
    tmp_path: Path, opened: Counter[bytes], second: str
) -> None:
    files = {"a.tflite": tflite.write(GRAPH)}
    files["b.tflite"] = tflite.write(GRAPH, io="uint8")
    files["b.onnx"] = onnx.write(GRAPH, certify(GRAPH))
    for name in ("a.tflite", second):
        (tmp_path / name).write_bytes(files[name])
    observed = pair.observe(
        tmp_path / "a.tflite",
        tmp_path / second,
        samples=8,
        options=Options(level="full", layers=True, keep=True, threads=1),
    )
    assert observed.report.holds
    part = int8_graph.report_on_graph(observed, None, threads=1, progress=lambda _: None)
    assert part.activations is not None
    assert opened == {files["a.tflite"]: 1, files[second]: 1}
