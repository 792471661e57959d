"""A layer that was cut out of a file gives the codes that it gives in the whole file."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import graphs
import numpy as np
import pytest
from float_onnx import quantised_by_ort
from hypothesis import given, settings
from hypothesis import strategies as st
from known import image_shape
from tflite_editor import TfliteFile

from mobiledeploy.base.errors import ConversionError, CorruptFileError
from mobiledeploy.formats import model_file
from mobiledeploy.formats.onnx import edit as onnx_edit
from mobiledeploy.formats.onnx import parse as parse_onnx
from mobiledeploy.formats.tflite import edit, parse
from mobiledeploy.integer.certify import certify
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.runtimes import litert_xnnpack, ort
from mobiledeploy.runtimes.child import Children
from mobiledeploy.spec.config import Io
from mobiledeploy.targets import onnx, tflite
from mobiledeploy.verify.layers import layer_outputs, single_layer
from mobiledeploy.verify.layers.layer_outputs import LayerOutputs
from mobiledeploy.verify.layers.single_layer import LayerCutter
from mobiledeploy.verify.outputs import image_sets
from mobiledeploy.verify.outputs.opened_file import HERE, OpenFile, open_file

IOS: tuple[Io, ...] = ("int8", "uint8", "float32")


def opened(data: bytes, ending: str) -> OpenFile:
    return open_file(model_file.of_bytes(f"a.{ending}", data), HERE)


def pair(graph: IntegerGraph, **options: Any) -> tuple[OpenFile, OpenFile]:
    return (
        opened(tflite.write(graph, **options), "tflite"),
        opened(onnx.write(graph, certify(graph), **options), "onnx"),
    )


def outputs_of(one: OpenFile) -> LayerOutputs:
    layers = range(len(one.reading.layers))
    return layer_outputs.give_out_layers((one, one), (layers, layers), threads=1)[0]


def assert_same(one: OpenFile, *, images: int = 12) -> LayerCutter:
    """Check that every layer, cut out, gives the same codes as in the whole file."""
    run = outputs_of(one)
    cutter = single_layer.cutter(run)
    codes = run.run(
        image_sets.synthetic_extremes(image_shape(one.reading.input.shape)).pixels(29 - images, 29)
    )
    assert len(run.place) == len(one.reading.layers)
    for index, layer in enumerate(one.reading.layers):
        alone = cutter.cut(index).run(codes)
        np.testing.assert_array_equal(alone, codes[index], err_msg=layer.name)
    assert len(np.unique(codes[one.reading.output_of], axis=0)) > 3
    return cutter


@given(seed=st.integers(0, 2**32 - 1), io=st.sampled_from(IOS))
@settings(max_examples=6)
def test_every_layer_of_any_weights_is_cut_out_of_both_files(seed: int, io: Io) -> None:
    for one in pair(graphs.assorted_graph(seed=seed), io=io):
        assert_same(one)


@pytest.mark.parametrize(("arch", "alpha"), [("v1", 0.25), ("v2", 0.35)])
@pytest.mark.parametrize("stem_stride", [1, 2])
def test_every_layer_of_both_networks_is_cut_out_of_both_files(
    arch: Any, alpha: float, stem_stride: int
) -> None:
    graph = graphs.mobilenet(arch, alpha=alpha, image_size=32, stem_stride=stem_stride)
    for one in pair(graph):
        assert_same(one)


def foreign(form: str, activations: str, folder: Path, **extra: bool) -> OpenFile:
    """What ONNX Runtime's quantiser makes of a network."""
    from onnxruntime.quantization import QuantFormat, QuantType

    network, _ = graphs.random_network(graphs.assorted())
    data = quantised_by_ort(
        network,
        folder,
        quant_format=QuantFormat[form],
        activation_type=QuantType[activations],
        weight_type=QuantType.QInt8,
        per_channel=form == "QDQ",
        extra_options=extra,
    )
    return opened(data, "onnx")


@pytest.mark.parametrize("form", ["QDQ", "QOperator"])
@pytest.mark.parametrize("activations", ["QInt8", "QUInt8"])
def test_every_layer_is_cut_out_of_what_another_tool_wrote(
    form: str, activations: str, tmp_path: Path
) -> None:
    assert_same(foreign(form, activations, tmp_path))


def test_a_layer_is_cut_out_whose_input_is_quantised_once_for_each_reader(tmp_path: Path) -> None:
    one = foreign("QDQ", "QInt8", tmp_path, DedicatedQDQPair=True)
    nodes = one.file.onnx.proto.graph.node
    quantised = Counter(node.input[0] for node in nodes if node.op_type == "QuantizeLinear")
    assert max(quantised.values()) == 2
    assert_same(one)


MOVES = {"Clip", "DequantizeLinear", "Flatten", "QuantizeLinear", "Reshape", "Transpose"}
"""Operators that only move or clip codes: ONNX Runtime adds them anywhere."""


def computed(model: bytes, folder: Path, *, count: int = 1) -> Counter[str]:
    """The operators with which ONNX Runtime computes a model."""
    path = folder / "optimised.onnx"
    ort.load(model, inputs=count, save=path)
    nodes = parse_onnx(path.read_bytes()).proto.graph.node
    return Counter(node.op_type for node in nodes if node.op_type not in MOVES)


def test_a_padding_operator_is_cut_out_with_its_convolution(tmp_path: Path) -> None:
    file = TfliteFile(tflite.write(graphs.assorted_graph()))
    reader = file.writer("wide")
    source, grown = file.graph.tensors[reader.inputs[0]], np.array([0, 1, 1, 0], np.int32)
    amounts = np.array([[0, 0], [1, 0], [0, 1], [0, 0]], np.int32)
    padded = file.add_tensor(source.name.decode(), "padded", source.shape + grown)
    file.add_operator(
        file.graph.operators.index(reader),
        "PAD",
        [reader.inputs[0], file.add_constant("amounts", amounts)],
        [padded],
    )
    reader.inputs[0] = padded
    # The convolution's outputs grow with its inputs.
    file.tensor("wide").shape = file.tensor("wide").shape + grown
    one = opened(file.bytes(), "tflite")
    (place,) = [i for i, layer in enumerate(one.reading.layers) if layer.name == "wide"]
    assert one.reading.layers[place].pads == (1, 0, 0, 1)
    cutter = assert_same(one)
    # XNNPACK takes both, as in the whole file.
    assert litert_xnnpack.delegated(cutter.cut(place).model) == {"padded", "wide"}


def test_xnnpack_takes_of_each_cut_out_what_it_takes_of_the_whole_file(tmp_path: Path) -> None:
    one = pair(graphs.assorted_graph())[0]
    cutter = single_layer.cutter(outputs_of(one))
    delegated = [
        litert_xnnpack.delegated(cutter.cut(index).model)
        for index in range(len(one.reading.layers))
    ]
    assert set().union(*delegated) == litert_xnnpack.delegated(one.file.data)
    assert delegated == [{layer.name} for layer in one.reading.layers[:-1]] + [set()]


@pytest.mark.parametrize("form", ["ours", "QDQ", "QOperator"])
def test_onnx_runtime_has_the_kernels_of_the_whole_file_for_the_cut_outs(
    form: str, tmp_path: Path
) -> None:
    one = pair(graphs.assorted_graph())[1] if form == "ours" else foreign(form, "QUInt8", tmp_path)
    cutter = single_layer.cutter(outputs_of(one))
    parts = [cutter.cut(index) for index in range(len(one.reading.layers))]
    kernels = [computed(part.model, tmp_path, count=len(part.inputs)) for part in parts]
    assert sum(kernels, Counter()) == computed(one.file.data, tmp_path)
    assert [set(kernel) for kernel in kernels[:4]] == [{"QLinearConv"}] * 3 + [{"QLinearAdd"}]
    if form == "ours":
        assert set().union(*kernels[4:]) == {
            "QLinearConv", "QLinearGlobalAveragePool", "QGemm", "QLinearSoftmax",
        }  # fmt: skip


def test_a_cut_out_holds_its_own_constants_only() -> None:
    for one in pair(graphs.mobilenet("v2", alpha=0.35, image_size=32)):
        cutter = single_layer.cutter(outputs_of(one))
        sizes = [len(cutter.cut(index).model) for index in range(len(one.reading.layers))]
        assert sum(sizes) < 1.5 * one.file.size
        weights = [x.weights for x in one.reading.layers]
        least = [0 if one is None else one.kernel.size for one in weights]
        assert all(size > kernel for size, kernel in zip(sizes, least, strict=True))


@pytest.mark.parametrize("name", [b"wide", b""])
def test_a_layer_that_shares_its_name_with_another_tensor_is_cut_out(name: bytes) -> None:
    file = TfliteFile(tflite.write(graphs.assorted_graph()))
    for tensor in file.graph.tensors:
        tensor.name = name if tensor.name in {b"narrow", b"wide", b"sum"} else tensor.name
    assert_same(opened(file.bytes(), "tflite"))


def test_a_part_that_needs_more_than_its_inputs_is_refused() -> None:
    first, second = pair(graphs.assorted_graph())
    file = parse(first.file.data)
    model = parse_onnx(second.file.data)
    part: Callable[[], object]
    starts = [onnx_edit.Start(name="stem", dtype="int8", sizes=(8, 7, 5))]
    for refused, part in (
        (
            "`sum` does not depend on `logits`",
            lambda: edit.cut(file, ["stem", "logits"], "sum"),
        ),
        ("`narrow` also depends on `input`", lambda: edit.cut(file, ["sum"], "narrow")),
        ("expected one tensor `nowhere`", lambda: edit.cut(file, ["stem"], "nowhere")),
        ("nothing between `stem` and itself", lambda: edit.cut(file, ["stem"], "stem")),
        ("`nowhere` also depends on `nowhere`", lambda: onnx_edit.cut(model, starts, "nowhere")),
        ("nothing between `stem` and itself", lambda: onnx_edit.cut(model, starts, "stem")),
    ):
        with pytest.raises(ConversionError, match=refused):
            part()


def test_a_file_that_is_cut_off_is_a_clear_error() -> None:
    first, second = (
        single_layer.cutter(outputs_of(one)).cut(0) for one in pair(graphs.assorted_graph())
    )
    batch = np.zeros((1, 13, 10, 3), np.int8)
    with Children() as children:
        for cut in (first, second):
            runtime = cut.opened.primary
            for length in (0, 40, len(cut.model) // 2, len(cut.model) - 40):
                with pytest.raises(CorruptFileError):
                    children.once(runtime, cut.model[:length], [batch], name="a layer")
            assert children.once(runtime, cut.model, [batch])[0].shape[0] == 1
    for read, cut in ((parse, first), (parse_onnx, second)):
        with pytest.raises(CorruptFileError):
            read(cut.model[: len(cut.model) // 2])


def test_codes_of_another_shape_are_refused() -> None:
    for one in pair(graphs.assorted_graph()):
        cut = single_layer.cutter(outputs_of(one)).cut(0)
        with pytest.raises(ConversionError, match="expected codes for"):
            cut.run({-1: np.zeros((1, 13, 11, 3), np.int16)})
        with pytest.raises(ConversionError, match="has no codes"):
            cut.run({})
