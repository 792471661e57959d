"""The report's inputs, outputs, counts, runtime and metadata, next to its findings."""

import dataclasses
import re
from pathlib import Path

import flatbuffers
import graphs
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from tflite_editor import TfliteFile

from mobiledeploy.base.errors import CorruptFileError, RequestError
from mobiledeploy.integer.certify import certify
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.lint import required_runtime
from mobiledeploy.lint.inspection import inspect, inspect_file
from mobiledeploy.lint.report import FileReport
from mobiledeploy.lint.tflite_versions import OPERATOR_VERSIONS, TYPE_VERSIONS
from mobiledeploy.network.cost import cost
from mobiledeploy.spec.config import Io
from mobiledeploy.targets import onnx, tflite

pytestmark = pytest.mark.usefixtures("without_children")


def written(folder: Path, graph: IntegerGraph, io: Io = "int8") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "model.tflite").write_bytes(tflite.write(graph, io=io))
    (folder / "model.onnx").write_bytes(onnx.write(graph, certify(graph), io=io))
    return folder


@pytest.fixture
def reports(tmp_path: Path, graph: IntegerGraph) -> tuple[FileReport, ...]:
    return inspect(written(tmp_path, graph)).files


def test_both_files_have_the_same_inputs_and_outputs(reports: tuple[FileReport, ...]) -> None:
    first, second = reports
    assert (first.format, second.format) == ("tflite", "onnx")
    (image,) = first.inputs
    assert (image.dtype, image.shape, image.layout) == ("int8", (1, 13, 10, 3), "NHWC")
    assert (image.scale, image.zero_point) == (1 / 128, 0)
    assert (image.low, image.high) == (-1.0, 127 / 128)
    assert second.inputs == (dataclasses.replace(image, shape=("batch", 13, 10, 3)),)
    (scores,) = first.outputs
    assert (scores.name, scores.scale, scores.zero_point) == ("scores", 1 / 256, -128)
    assert (scores.low, scores.high) == (0.0, 255 / 256)


@pytest.mark.parametrize("ending", ["tflite", "onnx"])
def test_a_float_input_that_is_quantised_at_once_has_a_range(
    tmp_path: Path, graph: IntegerGraph, ending: str
) -> None:
    report = inspect_file(written(tmp_path, graph, io="float32") / f"model.{ending}")
    (image,), (scores,) = report.inputs, report.outputs
    assert (image.dtype, image.scale, image.low) == ("float32", None, -1.0)
    assert image.high == pytest.approx(127 / 128)
    assert (scores.low, scores.high) == (0.0, 255 / 256)


def test_files_of_a_build_are_compared(tmp_path: Path, graph: IntegerGraph) -> None:
    folder = written(tmp_path, graph)
    assert all(line.same for line in inspect(folder).across)
    (folder / "model.onnx").write_bytes(onnx.write(graph, certify(graph), io="uint8"))
    differ = [line.what for line in inspect(folder).across if not line.same]
    assert differ == ["input", "output"]
    (folder / "model.onnx").unlink()
    assert inspect(folder).across == ()


def test_macs_equal_those_of_the_cost_command(reports: tuple[FileReport, ...]) -> None:
    assert [report.macs for report in reports] == [cost(graphs.assorted()).macs] * 2


def test_operators_are_counted_with_their_versions(reports: tuple[FileReport, ...]) -> None:
    operators = {(line.kind, line.version): line.count for line in reports[0].operators}
    assert operators == {
        ("CONV_2D", 3): 3,
        ("DEPTHWISE_CONV_2D", 3): 2,
        ("ADD", 2): 1,
        ("MEAN", 2): 1,
        ("FULLY_CONNECTED", 4): 1,
        ("SOFTMAX", 2): 1,
    }
    assert {line.kind for line in reports[1].operators} >= {"Conv", "Gemm", "QuantizeLinear"}


def test_the_minimum_runtime_is_reported_with_reasons(reports: tuple[FileReport, ...]) -> None:
    ours, other = (report.runtime for report in reports)
    assert (ours.name, ours.minimum, ours.claimed) == ("TFLite", "1.14", "1.14.0")
    assert "1.14: CONV_2D version 3" in ours.reasons
    assert (other.name, other.minimum) == ("ONNX Runtime", "1.12")
    assert other.reasons == ("1.12: operator set 17",)


def test_the_version_tables_are_sorted() -> None:
    assert set(OPERATOR_VERSIONS) <= set(vars(schema.BuiltinOperator))
    for kind, by_type in TYPE_VERSIONS.items():
        assert set(by_type.values()) <= set(OPERATOR_VERSIONS[kind])
    for versions in OPERATOR_VERSIONS.values():
        assert all(re.fullmatch(r"\d+\.\d+(\.\d+)?", release) for release in versions.values())
        assert list(versions) == sorted(versions)
    releases = [required_runtime.parse(row[0]) for row in required_runtime.OPSETS]
    assert releases == sorted(releases)
    for column in (1, 2):
        numbers = [row[column] for row in required_runtime.OPSETS]
        assert numbers == sorted(numbers)


def test_mediapipe_metadata_and_appended_files_are_shown(
    tmp_path: Path, clean_tflite: bytes
) -> None:
    import zipfile

    file, entry = TfliteFile(clean_tflite), schema.MetadataT()
    entry.name = b"TFLITE_METADATA"
    entry.buffer = file.add_buffer(np.frombuffer(mediapipe_metadata(), np.uint8))
    file.model.metadata.append(entry)
    path = tmp_path / "model.tflite"
    path.write_bytes(file.bytes())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("labels.txt", "cat\ndog\n")
    report = inspect_file(path)
    assert report.metadata == {
        "min_runtime_version": "1.14.0",
        "name": "pets",
        "input 0": "image; mean 127.5; std 128",
        "files": "labels.txt",
    }
    assert [finding.rule for finding in report.findings] == ["MD509"]
    assert report.labels == ("cat", "dog")
    assert report.described is not None
    assert report.described.name == "pets"
    assert report.mediapipe == ("input type",)


def mediapipe_metadata() -> bytes:
    """A `ModelMetadata` of one input with its normalisation, table by table."""
    builder = flatbuffers.Builder(256)
    numbers = [builder.CreateNumpyVector(np.array([n], np.float32)) for n in (127.5, 128)]
    name, image = builder.CreateString("pets"), builder.CreateString("image")

    def table(slots: int, **fields: int) -> int:
        builder.StartObject(slots)
        for slot, offset in fields.items():
            builder.PrependUOffsetTRelativeSlot(int(slot[1:]), offset, 0)
        end: int = builder.EndObject()
        return end

    def vector(offset: int) -> int:
        builder.StartVector(4, 1, 4)
        builder.PrependUOffsetTRelative(offset)
        end: int = builder.EndVector()
        return end

    options = table(2, s0=numbers[0], s1=numbers[1])
    builder.StartObject(2)
    builder.PrependUint8Slot(0, 1, 0)
    builder.PrependUOffsetTRelativeSlot(1, options, 0)
    units = vector(builder.EndObject())
    tensors = vector(table(7, s0=image, s4=units))
    model = table(8, s0=name, s3=vector(table(5, s2=tensors)))
    builder.Finish(model, file_identifier=b"M001")
    return bytes(builder.Output())


def test_a_file_that_is_not_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="there is no file"):
        inspect(tmp_path / "model.tflite")
    with pytest.raises(RequestError, match="expected a file, received the folder"):
        inspect(tmp_path)
    for name in ("model.tflite", "model.onnx"):
        (tmp_path / name).write_bytes(b"no model at all")
        with pytest.raises(CorruptFileError, match=re.escape(str(tmp_path / name))):
            inspect_file(tmp_path / name)


def test_a_tiny_input_factor_leaves_the_range_without_bounds(
    tmp_path: Path, graph: IntegerGraph
) -> None:
    import onnx as onnx_library

    model = onnx_library.load_from_string(onnx.write(graph, certify(graph), io="float32"))
    factor = onnx_library.numpy_helper.from_array(np.float64(5e-324), "factor")
    model.graph.initializer.append(factor)
    first = model.graph.node[0]
    product = onnx_library.helper.make_node("Mul", [first.input[0], "factor"], ["product"])
    first.input[0] = "product"
    model.graph.node.insert(0, product)
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    (image,) = inspect_file(path).inputs
    assert (image.low, image.high) == (None, None)
