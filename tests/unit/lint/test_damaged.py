"""Files whose numbers make no sense are read, or refused with their name and a hint."""

import json
from pathlib import Path
from typing import Any

import flatbuffers
import onnx
import pytest
from ai_edge_litert import schema_py_generated as schema

from mobiledeploy.errors import CorruptFileError
from mobiledeploy.lint import onnx_check
from mobiledeploy.lint.inspection import inspect_file
from mobiledeploy.lint.report import FileReport


def looked_at(path: Path, data: bytes) -> FileReport:
    path.write_bytes(data)
    return inspect_file(path)


@pytest.mark.parametrize("version", [-1, 0, -(2**31)])
def test_an_operator_version_below_1_is_in_no_table(
    tmp_path: Path, clean_tflite: bytes, version: int
) -> None:
    model: Any = schema.ModelT.InitFromObj(schema.Model.GetRootAs(clean_tflite))
    for code in model.operatorCodes:
        code.version = version
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    found = looked_at(tmp_path / "a.tflite", bytes(builder.Output()))
    assert found.runtime.minimum is None
    assert f"CONV_2D version {version}" in found.runtime.unknown
    assert {"MD304"} <= {finding.rule for finding in found.findings}


@pytest.mark.parametrize("opset", [2**63 - 1, 2**31, 0, -(2**63)])
def test_an_operator_set_that_cannot_be_is_shown_as_it_is(
    tmp_path: Path, clean_onnx: bytes, opset: int
) -> None:
    model = onnx.ModelProto.FromString(clean_onnx)
    model.opset_import[0].version = opset
    found = looked_at(tmp_path / "a.onnx", model.SerializeToString())
    assert found.opsets["ai.onnx"] == opset
    assert {line.version for line in found.operators} == {0}
    assert "MD401" in {finding.rule for finding in found.findings}


@pytest.mark.parametrize("kind", ["STRING", "FLOATS", "INTS", "GRAPH"])
def test_an_attribute_of_another_type_counts_as_absent(
    tmp_path: Path, clean_onnx: bytes, kind: str
) -> None:
    model = onnx.ModelProto.FromString(clean_onnx)
    for node in model.graph.node:
        for attribute in node.attribute:
            attribute.type = onnx.AttributeProto.AttributeType.Value(kind)
    found = looked_at(tmp_path / "a.onnx", model.SerializeToString())
    assert "MD401" in {finding.rule for finding in found.findings}


def test_what_the_checker_throws_in_words_of_its_own_is_a_problem_of_the_file(
    tmp_path: Path, clean_onnx: bytes
) -> None:
    model = onnx.ModelProto.FromString(clean_onnx)
    # A loop with fewer inputs than it must have: `vector::reserve` of a negative length.
    quantiser = next(node for node in model.graph.node if node.op_type == "DequantizeLinear")
    quantiser.op_type = "Loop"
    del quantiser.input[1:]
    path = tmp_path / "a.onnx"
    path.write_bytes(model.SerializeToString())
    assert json.loads(onnx_check.check(str(path)))["problem"]


@pytest.mark.parametrize("name", ["a.tflite", "a.onnx"])
def test_a_damaged_file_is_named_and_there_is_a_hint(tmp_path: Path, name: str) -> None:
    with pytest.raises(CorruptFileError, match=name) as caught:
        looked_at(tmp_path / name, b"x" * 100)
    assert caught.value.hint
