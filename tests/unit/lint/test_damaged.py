"""Files with nonsensical numbers are read, or refused with their name and a hint."""

import json
import struct
import time
import zipfile
from pathlib import Path

import onnx
import pytest
from graphs import assorted_graph
from tflite_editor import TfliteFile

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.formats.onnx import checker
from mobiledeploy.formats.onnx import edit as onnx_edit
from mobiledeploy.formats.onnx import parse as parse_onnx
from mobiledeploy.lint.inspection import inspect_file
from mobiledeploy.lint.report import FileReport
from mobiledeploy.targets import tflite


def looked_at(path: Path, data: bytes) -> FileReport:
    path.write_bytes(data)
    return inspect_file(path)


@pytest.mark.parametrize("version", [-1, 0, -(2**31)])
def test_an_operator_version_below_1_is_reported_as_unknown(
    tmp_path: Path, clean_tflite: bytes, version: int
) -> None:
    file = TfliteFile(clean_tflite)
    for code in file.model.operatorCodes:
        code.version = version
    report = looked_at(tmp_path / "a.tflite", file.bytes())
    assert report.runtime.minimum is None
    assert f"CONV_2D version {version}" in report.runtime.unknown
    assert {"MD304"} <= {finding.rule for finding in report.findings}


@pytest.mark.parametrize("opset", [2**63 - 1, 2**31, 0, -(2**63)])
def test_an_impossible_operator_set_is_shown_unchanged(
    tmp_path: Path, clean_onnx: bytes, opset: int
) -> None:
    model = onnx.ModelProto.FromString(clean_onnx)
    model.opset_import[0].version = opset
    report = looked_at(tmp_path / "a.onnx", model.SerializeToString())
    assert report.opsets["ai.onnx"] == opset
    assert {line.version for line in report.operators} == {0}
    assert "MD401" in {finding.rule for finding in report.findings}


@pytest.mark.parametrize("kind", ["STRING", "FLOATS", "INTS", "GRAPH"])
def test_an_attribute_of_the_wrong_type_counts_as_absent(
    tmp_path: Path, clean_onnx: bytes, kind: str
) -> None:
    model = onnx.ModelProto.FromString(clean_onnx)
    for node in model.graph.node:
        for attribute in node.attribute:
            attribute.type = onnx.AttributeProto.AttributeType.Value(kind)
    read = parse_onnx(model.SerializeToString()).operators
    assert any(operator.attributes for operator in read) == (kind != "GRAPH")
    assert all(node.number(name, -7) == -7 for node in read for name in node.attributes)
    report = looked_at(tmp_path / "a.onnx", model.SerializeToString())
    assert "MD401" in {finding.rule for finding in report.findings}


def test_any_exception_of_onnx_checker_becomes_a_finding_about_the_file(
    tmp_path: Path, clean_onnx: bytes
) -> None:
    model = onnx.ModelProto.FromString(clean_onnx)
    # A loop with fewer inputs than it must have: `vector::reserve` of a negative length.
    quantiser = next(node for node in model.graph.node if node.op_type == "DequantizeLinear")
    quantiser.op_type = "Loop"
    del quantiser.input[1:]
    path = tmp_path / "a.onnx"
    path.write_bytes(model.SerializeToString())
    assert json.loads(checker.check(str(path)))["problem"]
    with pytest.raises(CorruptFileError, match="does not fit together"):
        onnx_edit.tap(parse_onnx(model.SerializeToString()))


@pytest.mark.parametrize("name", ["a.tflite", "a.onnx"])
def test_the_error_for_a_damaged_file_names_it_and_gives_a_hint(tmp_path: Path, name: str) -> None:
    with pytest.raises(CorruptFileError, match=name) as caught:
        looked_at(tmp_path / name, b"x" * 100)
    assert caught.value.hint


def test_an_input_behind_a_converter_without_output_has_no_bounds(tmp_path: Path) -> None:
    data = tflite.write(assorted_graph(), io="float32")
    file = TfliteFile(data)
    first = file.graph.operators[0]
    assert file.builtin(first) == "QUANTIZE"
    for outputs in ([], [-1]):
        first.outputs = outputs
        report = looked_at(tmp_path / "a.tflite", file.bytes())
        assert (report.inputs[0].low, report.inputs[0].high) == (None, None)


def test_a_constant_of_seventy_dimensions_is_refused(tmp_path: Path, clean_onnx: bytes) -> None:
    model = onnx.ModelProto.FromString(clean_onnx)
    model.graph.initializer[0].dims[:] = [1] * 70
    with pytest.raises(CorruptFileError, match="not a possible shape"):
        looked_at(tmp_path / "a.onnx", model.SerializeToString())


@pytest.mark.parametrize(
    ("dims", "message"), [([7], "expected 7 bytes"), ([2**40], "expected at most")]
)
def test_external_bytes_of_the_wrong_size_are_never_read(
    tmp_path: Path, clean_onnx: bytes, dims: list[int], message: str
) -> None:
    with (tmp_path / "weights.bin").open("wb") as file:
        file.truncate(2**40)  # a hole: it takes no room on the disk
    model = onnx.ModelProto.FromString(clean_onnx)
    constant = model.graph.initializer[0]
    constant.ClearField("raw_data")
    constant.data_type, constant.dims[:] = onnx.TensorProto.INT8, dims
    constant.data_location = onnx.TensorProto.EXTERNAL
    constant.external_data.add(key="location", value="weights.bin")
    with pytest.raises(CorruptFileError, match=message):
        looked_at(tmp_path / "a.onnx", model.SerializeToString())


def test_recursive_functions_become_a_finding_about_the_file(
    tmp_path: Path, clean_onnx: bytes
) -> None:
    model = onnx.ModelProto.FromString(clean_onnx)
    model.functions.add(
        name="F", domain="own", input=["a"], output=["b"],
        node=[onnx.helper.make_node("F", ["a"], ["b"], domain="own")],
        opset_import=[onnx.helper.make_opsetid("own", 1)],
    )  # fmt: skip
    model.opset_import.append(onnx.helper.make_opsetid("own", 1))
    model.graph.node[0].op_type, model.graph.node[0].domain = "F", "own"
    path = tmp_path / "a.onnx"
    path.write_bytes(model.SerializeToString())
    assert json.loads(checker.check(str(path)))["problem"]


def test_a_small_file_of_a_million_parts_is_refused_quickly(
    tmp_path: Path, clean_onnx: bytes
) -> None:
    model = onnx.ModelProto.FromString(clean_onnx)
    model.graph.node[0].input.extend(["x"] * 2**20)
    with pytest.raises(CorruptFileError, match="so many parts"):
        looked_at(tmp_path / "a.onnx", model.SerializeToString())


def test_an_appended_archive_of_a_million_files_is_not_read(
    tmp_path: Path, clean_tflite: bytes
) -> None:
    entry = struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 0, 0, 33, 0, 0, 0, 1, *[0] * 6) + b"x"
    names = entry * 200_000
    tail = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, len(names), 0, 0)
    begun = time.process_time()
    report = looked_at(tmp_path / "a.tflite", clean_tflite + names + tail)
    assert "files" not in report.metadata
    assert time.process_time() - begun < 1
    path = tmp_path / "b.tflite"
    path.write_bytes(clean_tflite)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("labels.txt", "cat\n")
    assert inspect_file(path).metadata["files"] == "labels.txt"
