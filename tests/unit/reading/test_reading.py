"""Files of both formats, ours and other tools', are read as the same numbers."""

import dataclasses
from typing import Any

import graphs
import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from tflite_editor import TfliteFile

from mobiledeploy import reading
from mobiledeploy.base.errors import ConversionError, CorruptFileError
from mobiledeploy.formats.onnx import parse as parse_onnx
from mobiledeploy.formats.tflite import parse
from mobiledeploy.integer.certify import certify
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.ops.add import Add
from mobiledeploy.ops.conv import Conv
from mobiledeploy.ops.dense import Dense
from mobiledeploy.ops.mean import Mean
from mobiledeploy.reading import INPUT, Reading
from mobiledeploy.spec.config import Head, Io
from mobiledeploy.targets import onnx as onnx_target
from mobiledeploy.targets import tflite as tflite_target


def written(graph: IntegerGraph, io: Io = "int8", head: Head = "softmax") -> tuple[bytes, bytes]:
    return (
        tflite_target.write(graph, io=io, head=head),
        onnx_target.write(graph, certify(graph), io=io, head=head),
    )


def assert_holds(result: Reading, graph: IntegerGraph) -> None:
    """Check that a reading holds every integer of a graph."""
    assert len(result.layers) == len(graph.nodes)
    names = [graph.input.name, *(node.output.name for node in graph.nodes)]
    assert (result.input.scale, result.input.zero_point) == (
        graph.input.scale,
        graph.input.zero_point,
    )
    for node, layer in zip(graph.nodes, result.layers, strict=True):
        assert [names[read.source + 1] for read in layer.reads] == list(node.inputs)
        assert (layer.output.scale, layer.output.zero_point) == (
            node.output.scale,
            node.output.zero_point,
        )
        assert layer.output.shape == node.output.shape
        assert not layer.faults
        if isinstance(node, Conv | Dense):
            assert layer.weights is not None
            np.testing.assert_array_equal(layer.weights.kernel, node.weights.kernel)
            np.testing.assert_array_equal(layer.weights.bias, node.weights.bias)
            np.testing.assert_array_equal(layer.weights.bias_scale, node.weights.bias_scale)
            np.testing.assert_array_equal(layer.weights.kernel_scale, node.weights.kernel_scale)
            assert not layer.weights.kernel_zero.any()
    kinds = {Conv: {"conv", "depthwise"}, Dense: {"dense"}, Add: {"add"}, Mean: {"mean"}}
    for node, layer in zip(graph.nodes, result.layers, strict=True):
        assert layer.kind in kinds.get(type(node), {"softmax"})


@pytest.mark.parametrize("io", ["int8", "uint8", "float32"])
@pytest.mark.parametrize("head", ["softmax", "logits"])
def test_every_integer_of_a_graph_is_read_from_both_files(io: Io, head: Head) -> None:
    graph = graphs.assorted_graph()
    tflite, onnx_file = (
        reading.read_tflite(parse(written(graph, io, head)[0])),
        reading.read_onnx(parse_onnx(written(graph, io, head)[1])),
    )
    nodes = graph.nodes if head == "softmax" else graph.nodes[:-1]
    for result in (tflite, onnx_file):
        assert_holds(result, dataclasses.replace(graph, nodes=nodes))
        assert (result.input.dtype, result.output.dtype) == (io, io)
        assert result.logits is not None
        assert result.logits.kind == "dense"
    assert [layer.pads for layer in tflite.layers] == [layer.pads for layer in onnx_file.layers]
    assert [layer.clamp for layer in tflite.layers] == [layer.clamp for layer in onnx_file.layers]
    assert len({layer.clamp for layer in tflite.layers}) == 3  # nothing, a ReLU, a ReLU6


@pytest.mark.parametrize("stride", [1, 2])
def test_a_stem_over_four_pixels_is_read_as_the_plain_convolution(stride: int) -> None:
    graph = graphs.mobilenet("v2", alpha=0.35, image_size=64, stem_stride=stride)
    tflite, onnx_file = written(graph)
    result = reading.read_onnx(parse_onnx(onnx_file))
    assert ("Reshape" in result.shape_only) == (stride == 2)
    assert_holds(result, graph)
    assert result.layers[0].name == graph.nodes[0].output.name
    assert result.layers[0].pads == reading.read_tflite(parse(tflite)).layers[0].pads


def test_a_convolution_of_one_pixel_is_a_dense_layer_in_both_files() -> None:
    graph = graphs.mobilenet("v1", alpha=0.25, image_size=32, stem_stride=2)
    both = (
        reading.read_tflite(parse(written(graph)[0])),
        reading.read_onnx(parse_onnx(written(graph)[1])),
    )
    for layers in zip(both[0].layers, both[1].layers, strict=True):
        a, b = layers
        assert (a.kind, a.pads, a.window) == (b.kind, b.pads, b.window)
        assert (a.weights is None) == (b.weights is None)
        if a.weights is not None and b.weights is not None:
            np.testing.assert_array_equal(a.weights.kernel, b.weights.kernel)
    assert {layer.kind for layer in both[0].layers[-5:]} == {
        "depthwise",
        "dense",
        "mean",
        "softmax",
    }


def test_a_stem_whose_two_kernel_copies_differ_names_the_channel() -> None:
    model = onnx.load_from_string(
        written(graphs.mobilenet("v1", alpha=0.25, image_size=32, stem_stride=2))[1]
    )
    kernel = next(c for c in model.graph.initializer if c.name.endswith("/kernel"))
    values = numpy_helper.to_array(kernel).copy()
    values[8 + 3, 0, 0, 0] += 1  # of the second copy of 8 channels
    kernel.CopyFrom(numpy_helper.from_array(values, kernel.name))
    stem = reading.read_onnx(parse_onnx(model.SerializeToString())).layers[0]
    assert [(fault.field, fault.channels) for fault in stem.faults] == [("weights", (3,))]


def small(*nodes: Any, constants: dict[str, Any], shape: tuple[int, ...] = (1, 3, 8, 8)) -> bytes:
    """An ONNX model from `x` (float32) to `y`."""
    graph = helper.make_graph(
        list(nodes),
        "small",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()],
    )
    data: bytes = helper.make_model(graph).SerializeToString()
    return data


def convolution(**attributes: Any) -> bytes:
    """A model with a separate Pad node, float QDQ and asymmetric uint8 weights."""
    constants = {
        "s": np.float32(0.5),
        "z": np.uint8(128),
        "w": np.full((4, 3, 3, 3), 130, np.uint8),
        "ws": np.float32(0.25),
        "wz": np.uint8(129),
        "b": np.arange(4, dtype=np.int32),
        "bs": np.float32(0.125),
        "pads": np.array([0, 0, 1, 0, 0, 0, 2, 1]),
        "six": np.float32(6),
        "zero": np.float32(0),
    }
    return small(
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", "s", "z"], ["xd"]),
        helper.make_node("Pad", ["xd", "pads"], ["p"]),
        helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["wd"]),
        helper.make_node("DequantizeLinear", ["b", "bs"], ["bd"]),
        helper.make_node("Conv", ["p", "wd", "bd"], ["c"], **attributes),
        helper.make_node("Clip", ["c", "zero", "six"], ["r"]),
        helper.make_node("QuantizeLinear", ["r", "s", "z"], ["rq"]),
        helper.make_node("DequantizeLinear", ["rq", "s", "z"], ["y"]),
        constants=constants,
    )


def test_paddings_clips_and_uint8_weights_are_read_into_the_common_form() -> None:
    result = reading.read_onnx(parse_onnx(convolution(strides=[2, 2])))
    (layer,) = result.layers
    assert (layer.kind, layer.strides, layer.pads) == ("conv", (2, 2), (1, 2, 0, 1))
    assert layer.clamp == (0, 12)
    assert layer.weights is not None
    assert layer.weights.kernel.shape == (4, 3, 3, 3)
    assert set(layer.weights.kernel.ravel().tolist()) == {2}
    assert layer.weights.kernel_zero.tolist() == [1]
    assert layer.weights.bias.tolist() == [0, 1, 2, 3]
    assert layer.output.shape == (5, 4, 4)
    assert result.input.dtype == "float32"
    assert result.input.zero_point == 0


def test_an_activation_with_its_own_qdq_pair_is_folded_into_the_layer_before() -> None:
    grid = ["s", "z"]
    data = small(
        helper.make_node("QuantizeLinear", ["x", *grid], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", *grid], ["xd"]),
        helper.make_node("GlobalAveragePool", ["xd"], ["m"]),
        helper.make_node("QuantizeLinear", ["m", *grid], ["mq"]),
        helper.make_node("DequantizeLinear", ["mq", *grid], ["md"]),
        helper.make_node("Relu", ["md"], ["r"]),
        helper.make_node("QuantizeLinear", ["r", *grid], ["rq"]),
        helper.make_node("DequantizeLinear", ["rq", *grid], ["y"]),
        constants={"s": np.float32(0.5), "z": np.int8(3)},
    )
    (layer,) = reading.read_onnx(parse_onnx(data)).layers
    assert (layer.kind, layer.name, layer.clamp) == ("mean", "rq", (3, 127))


@pytest.mark.parametrize("value", [None, 1])
def test_a_padding_operator_of_a_tflite_is_folded_into_the_convolution(value: int | None) -> None:
    data = written(graphs.assorted_graph())[0]
    file = TfliteFile(data)
    # `shrink`, a depthwise convolution without padding, gets one by an operator before it.
    place = 4
    reader = file.graph.operators[place]
    source = file.graph.tensors[reader.inputs[0]]
    padded = file.add_tensor(source.name.decode(), "padded", source.shape + np.array([0, 3, 2, 0]))
    amounts = np.array([[0, 0], [1, 2], [2, 0], [0, 0]], np.int32)
    inputs = [reader.inputs[0], file.add_constant("amounts", amounts)]
    zero = int(source.quantization.zeroPoint[0])
    if value is not None:
        inputs.append(file.add_constant("value", np.array([zero + value], np.int8)))
    reader.inputs[0] = padded
    file.add_operator(place, "PAD" if value is None else "PADV2", inputs, [padded])
    result = reading.read_tflite(parse(file.bytes()))
    kinds = [layer.kind for layer in result.layers]
    if value is None:
        assert kinds == [layer.kind for layer in reading.read_tflite(parse(data)).layers]
        assert result.layers[place].pads == (1, 2, 2, 0)
        assert result.layers[place].reads[0].source == place - 1
    else:
        # What is not real 0 is no padding of a convolution.
        assert kinds[place] == "pad"
        assert result.layers[place].parameter("code") == zero + value


@pytest.mark.parametrize("clamped", [False, True])
def test_paddings_in_a_row_are_folded_unless_codes_are_clipped_between(clamped: bool) -> None:
    data = written(graphs.assorted_graph())[0]
    file = TfliteFile(data)
    place = 4
    reader = file.graph.operators[place]
    source = file.graph.tensors[reader.inputs[0]]
    source.quantization.zeroPoint[0] = 0  # so that a ReLU clips codes
    name, read = source.name.decode(), reader.inputs[0]
    shape = source.shape
    amounts = file.add_constant("amounts", np.array([[0, 0], [1, 2], [2, 0], [0, 0]], np.int32))
    for number, kind in enumerate(["PAD", "RELU"] if clamped else ["PAD", "PAD"]):
        shape = shape + np.array([0, 3, 2, 0]) * (kind == "PAD")
        made = file.add_tensor(name, f"made {number}", shape)
        file.add_operator(place + number, kind, [read, amounts][: 1 + (kind == "PAD")], [made])
        read = made
    reader.inputs[0] = read
    result = reading.read_tflite(parse(file.bytes()))
    *before, layer = result.layers[: place + 1 + clamped]
    assert [each.kind for each in before].count("pad") == clamped
    assert layer.pads == ((0, 0, 0, 0) if clamped else (2, 4, 4, 0))


def test_auto_pad_is_read_as_numbers() -> None:
    (layer,) = reading.read_onnx(
        parse_onnx(convolution(auto_pad="SAME_LOWER", strides=[2, 2]))
    ).layers
    # For 11 rows and 9 columns SAME pads 2 more each, on top of the Pad node.
    assert layer.pads == (1 + 1, 2 + 1, 0 + 1, 1 + 1)


def test_an_operator_that_is_not_understood_is_named_and_the_rest_is_read() -> None:
    data = small(
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", "s", "z"], ["xd"]),
        helper.make_node("Softsign", ["xd"], ["h"]),
        helper.make_node("QuantizeLinear", ["h", "s", "z"], ["hq"]),
        helper.make_node("DequantizeLinear", ["hq", "s", "z"], ["y"]),
        constants={"s": np.float32(0.5), "z": np.int8(3)},
    )
    (layer,) = reading.read_onnx(parse_onnx(data)).layers
    assert (layer.kind, layer.op, layer.name) == ("unknown", "Softsign", "hq")
    assert (layer.output.scale, layer.output.zero_point) == (np.float32(0.5), 3)
    assert layer.reads[0].source == INPUT


def test_weights_of_the_wrong_size_are_reported_as_damage() -> None:
    model = onnx.load_from_string(convolution())
    kernel = next(c for c in model.graph.initializer if c.name == "w")
    kernel.raw_data = kernel.raw_data[:-1]
    with pytest.raises(CorruptFileError, match=r"expected 108 bytes .* received 107"):
        reading.read_onnx(parse_onnx(model.SerializeToString()))


def test_bytes_that_are_not_a_model_are_refused() -> None:
    for data in (b"", b"no model", bytes(100)):
        with pytest.raises(CorruptFileError):
            reading.read_onnx(parse_onnx(data))
        with pytest.raises(CorruptFileError):
            reading.read_tflite(parse(data))


def test_a_file_with_two_inputs_is_refused_by_the_readers() -> None:
    model = onnx.load_from_string(convolution())
    model.graph.input.append(helper.make_tensor_value_info("k", onnx.TensorProto.FLOAT, [1]))
    with pytest.raises(ConversionError, match="one input, received 2"):
        reading.read_onnx(parse_onnx(model.SerializeToString()))
