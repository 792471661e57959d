"""A tapped copy has further outputs and computes what the file computes."""

from typing import Any

import graphs
import numpy as np
import pytest

from mobiledeploy.base.errors import ConversionError, CorruptFileError
from mobiledeploy.formats.edit import Recipe
from mobiledeploy.formats.onnx import edit as onnx_edit
from mobiledeploy.formats.onnx import parse as parse_onnx
from mobiledeploy.formats.tflite import edit, parse
from mobiledeploy.integer import tflite_reader
from mobiledeploy.integer.certify import certify
from mobiledeploy.integer.graph import IntegerGraph, same_function, with_head
from mobiledeploy.runtimes import litert, ort
from mobiledeploy.spec.config import Io
from mobiledeploy.spec.contract import Tap
from mobiledeploy.targets import onnx, tflite

IOS: tuple[Io, ...] = ("int8", "uint8", "float32")


@pytest.fixture(scope="module")
def graph() -> IntegerGraph:
    return graphs.assorted_graph()


def tap_tflite(data: bytes, *tensors: Any) -> bytes:
    return edit.tap(parse(data), *tensors)


def tap_onnx(data: bytes, *tensors: Any) -> bytes:
    return onnx_edit.tap(parse_onnx(data), *tensors)


def files(graph: IntegerGraph, **options: Any) -> tuple[tuple[bytes, Any, Any], ...]:
    return (
        (tflite.write(graph, **options), tap_tflite, litert.load),
        (onnx.write(graph, certify(graph), **options), tap_onnx, ort.load),
    )


@pytest.mark.parametrize("io", IOS)
def test_a_tapped_copy_gives_the_same_scores_then_the_logits(graph: IntegerGraph, io: Io) -> None:
    for data, tapped, load in files(graph, io=io):
        plain, opened = load(data), load(tapped(data))
        assert opened.output_names == (graph.output.name, "logits")
        images = graphs.extremes(graph.input.shape).astype(io)
        scores, logits = opened.run(images)
        np.testing.assert_array_equal(scores, plain.run(images)[0])
        assert logits.dtype in {np.dtype(np.int8), np.dtype(np.uint8)}
        assert len(np.unique(logits, axis=0)) > 3


def test_tapping_the_logits_of_a_file_without_a_softmax_changes_nothing(
    graph: IntegerGraph,
) -> None:
    logits = with_head(graph, "logits")
    for data, tapped, _ in files(logits, head="logits"):
        assert tapped(data) == data


def test_a_tapped_tflite_differs_only_in_its_list_of_outputs(graph: IntegerGraph) -> None:
    data = tflite.write(graph)
    copy = edit.tap(parse(data))
    changed = [place for place in range(len(data)) if data[place] != copy[place]]
    assert max(changed) - min(changed) < 4
    assert len(copy) - len(data) < 20
    with pytest.raises(ConversionError, match="2"):
        tflite_reader.read_file(copy)


def test_a_copy_with_no_further_outputs_is_still_readable(graph: IntegerGraph) -> None:
    assert same_function(tflite_reader.read_file(edit.tap(parse(tflite.write(graph)), [])), graph)


def test_tapping_an_unknown_tensor_is_refused_with_its_name(graph: IntegerGraph) -> None:
    for data, tapped, _ in files(graph):
        with pytest.raises(ConversionError, match="`nowhere`"):
            tapped(data, ["nowhere"])


@pytest.mark.parametrize("tapped", [tap_tflite, tap_onnx])
def test_bytes_of_neither_format_are_refused(tapped: Any) -> None:
    with pytest.raises(CorruptFileError):
        tapped(b"neither the one nor the other")


def as_an_app_does(data: bytes, carried: Tap) -> bytes:
    """Make the copy from what `contract.json` carries, as android_demo/library does."""
    copy = bytearray(data) + bytes.fromhex(carried.append)
    if carried.patch:
        new = bytes.fromhex(carried.patch.bytes)
        copy[carried.patch.offset : carried.patch.offset + len(new)] = new
    return bytes(copy)


@pytest.mark.parametrize("io", IOS)
def test_an_app_can_make_the_tapped_copies_from_the_contract(graph: IntegerGraph, io: Io) -> None:
    tflite_file, onnx_file = (data for data, _, _ in files(graph, io=io))
    carried = (
        (tflite_file, edit.tap_recipe(parse(tflite_file)).tap("model.tflite"), tap_tflite),
        (onnx_file, onnx_edit.tap_recipe(parse_onnx(onnx_file)).tap("model.onnx"), tap_onnx),
    )
    for data, recipe, tapped in carried:
        assert recipe.output == "logits"
        assert as_an_app_does(data, recipe) == tapped(data)
        assert len(recipe.append) // 2 < 100


@pytest.mark.parametrize("io", IOS)
def test_bytes_appended_to_an_onnx_file_equal_a_rewritten_file(
    graph: IntegerGraph, io: Io
) -> None:
    """The rewritten file is made by the onnx package: parse, extend the outputs, write."""
    from onnx import ModelProto, shape_inference

    data = onnx.write(graph, certify(graph), io=io)
    model = ModelProto.FromString(data)
    described = shape_inference.infer_shapes(model).graph.value_info
    model.graph.output.extend(info for info in described if info.name == "logits")
    appended = onnx_edit.tap(parse_onnx(data))
    assert appended.startswith(data)
    assert ModelProto.FromString(appended) == model
    images = graphs.extremes(graph.input.shape).astype(io)
    anew = ort.load(model.SerializeToString()).run(images)
    assert len(anew) == 2
    for first, second in zip(ort.load(appended).run(images), anew, strict=True):
        np.testing.assert_array_equal(first, second)


def test_a_contract_refuses_a_tap_of_several_tensors(graph: IntegerGraph) -> None:
    data = tflite.write(graph)
    names = [graph.nodes[0].output.name, "logits"]
    with pytest.raises(ConversionError, match=r"model\.tflite: expected one softmax"):
        edit.tap_recipe(parse(data), names).tap("model.tflite")
    with pytest.raises(ConversionError, match="received 0"):
        Recipe().tap("model.onnx")
