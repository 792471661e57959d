"""The error for a `.tflite` whose padding contradicts a stated shape names the layer and both."""

from collections.abc import Callable
from pathlib import Path

import graphs
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from known import known
from tflite_editor import TfliteFile

from mobiledeploy import reading
from mobiledeploy.base.errors import ConversionError, CorruptFileError
from mobiledeploy.formats.tflite import parse
from mobiledeploy.integer import tflite_reader
from mobiledeploy.integer.certify import certify
from mobiledeploy.lint import inspection
from mobiledeploy.targets import onnx, tflite
from mobiledeploy.verify import pair
from mobiledeploy.verify.outputs import opened_file

GRAPH = graphs.assorted_graph()
STEM, SPREAD, SUM, SHRINK = 0, 1, 3, 4


def edited(change: Callable[[schema.SubGraphT], None]) -> bytes:
    file = TfliteFile(tflite.write(GRAPH))
    change(file.graph)
    return file.bytes()


def padded(layer: int) -> bytes:
    """The file with the other padding in a layer, and all stated shapes unchanged."""

    def change(graph: schema.SubGraphT) -> None:
        options = graph.operators[layer].builtinOptions
        options.padding = 1 - options.padding

    return edited(change)


WORDS = {
    STEM: "CONV_2D `stem` with padding VALID makes 6 x 4 x 8 of 13 x 10 x 3",
    SPREAD: "DEPTHWISE_CONV_2D `spread` with padding VALID makes 5 x 3 x 8 of 7 x 5 x 8",
}


@pytest.mark.parametrize(("layer", "words"), WORDS.items())
@pytest.mark.parametrize("first", [False, True])
def test_the_operator_its_padding_and_both_shapes_are_named(
    layer: int, words: str, first: bool, tmp_path: Path
) -> None:
    paths = tmp_path / "ours.tflite", tmp_path / "theirs.onnx"
    paths[0].write_bytes(padded(layer))
    paths[1].write_bytes(onnx.write(GRAPH, certify(GRAPH)))
    with pytest.raises(CorruptFileError) as caught:
        pair.verify(*(paths if first else paths[::-1]), samples=2)
    assert str(caught.value).startswith(f"ours.tflite contradicts itself: {words}, but ")
    assert "the file states 7 x 5 x 8" in str(caught.value)
    assert "damaged" not in f"{caught.value} {caught.value.hint}"


def test_a_file_that_runs_despite_its_contradiction_is_compared_as_usual(tmp_path: Path) -> None:
    paths = tmp_path / "ours.tflite", tmp_path / "theirs.onnx"
    paths[0].write_bytes(padded(SHRINK))
    paths[1].write_bytes(onnx.write(GRAPH, certify(GRAPH)))
    report = pair.verify(*paths, samples=2)
    assert not report.holds
    assert "the padding was moved: in layer 5 `shrink`" in known(report.structure).cause


def test_a_changed_stated_shape_is_reported_without_a_padding() -> None:
    def change(graph: schema.SubGraphT) -> None:
        tensor = graph.tensors[graph.operators[SUM].outputs[0]]
        tensor.shape = np.array([1, 9, 5, 8], np.int32)

    error = opened_file.refusal_explained(
        "a.tflite", reading.read_tflite(parse(edited(change))), CorruptFileError("no")
    )
    assert str(error) == (
        "a.tflite contradicts itself: ADD `sum` makes 7 x 5 x 8 of 7 x 5 x 8, but the file states "
        "9 x 5 x 8; no"
    )


def test_a_valid_file_is_not_said_to_contradict_itself() -> None:
    layers = reading.read_tflite(parse(tflite.write(GRAPH)))
    assert opened_file.refusal_explained("a.tflite", layers, CorruptFileError("no")) is None


def test_the_reader_of_integer_graphs_names_the_padding_as_well() -> None:
    with pytest.raises(
        ConversionError,
        match=r"`stem`: expected output shape, with padding VALID, \(6, 4, 8\), received \(7, 5",
    ):
        tflite_reader.read_file(padded(STEM))


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("scale", float("nan"), "scale nan, expected finite scales above 0 (MD107: "),
        ("scale", -1.0, "scale -1.0, expected finite scales above 0 (MD107: "),
        ("zeroPoint", 300, "zero point 300, expected -128..127 for int8 (MD108: "),
    ],
)
def test_an_impossible_scale_or_zero_point_is_named_with_its_tensor_as_inspect_does(
    field: str, value: float, words: str, tmp_path: Path
) -> None:
    file = TfliteFile(tflite.write(GRAPH))
    setattr(file.grid("narrow"), field, [value])
    paths = tmp_path / "ours.tflite", tmp_path / "theirs.onnx"
    paths[0].write_bytes(file.bytes())
    paths[1].write_bytes(onnx.write(GRAPH, certify(GRAPH)))
    with pytest.raises(CorruptFileError) as caught:
        pair.verify(*paths, samples=2)
    said = str(caught.value)
    assert said.startswith(f"ours.tflite: tensor `narrow`: {words}")
    assert said.endswith("; LiteRT XNNPACK does not load it")
    assert "`mobiledeploy inspect` names every such tensor" in str(caught.value.hint)
    (finding, *_) = inspection.inspect_file(paths[0]).findings
    assert f"({finding.rule}: {finding.title})" in said
