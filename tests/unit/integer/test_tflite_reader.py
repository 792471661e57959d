"""A `.tflite` is read as the graph it holds, or refused with what was wrong."""

import dataclasses
from typing import Any

import graphs
import numpy as np
import pytest

from mobiledeploy.base.errors import ConversionError, CorruptFileError
from mobiledeploy.formats.tflite.writer import TfliteWriter
from mobiledeploy.integer import tflite_reader
from mobiledeploy.integer.graph import IntegerGraph, digest, with_head
from mobiledeploy.ops.conv import Conv
from mobiledeploy.ops.dense import Dense
from mobiledeploy.ops.mean import Mean
from mobiledeploy.runtimes import litert
from mobiledeploy.spec.config import Io
from mobiledeploy.targets import tflite

IOS: tuple[Io, ...] = ("int8", "uint8", "float32")


@pytest.fixture(scope="module")
def graph() -> IntegerGraph:
    return graphs.assorted_graph()


@pytest.mark.parametrize("io", IOS)
def test_a_written_graph_is_read_back_equal(graph: IntegerGraph, io: Io) -> None:
    read = tflite_reader.read_file(tflite.write(graph, io=io))
    assert digest(read) == digest(graph)
    assert read.tensors() == graph.tensors()
    assert read.name == graph.name
    assert tflite.write(read, io=io) == tflite.write(graph, io=io)


def test_a_graph_that_ends_in_logits_is_read(graph: IntegerGraph) -> None:
    read = tflite_reader.read_file(tflite.write(graph, head="logits"))
    assert digest(read) == digest(with_head(graph, "logits"))


def test_a_dense_layer_with_a_scale_per_channel_is_read(graph: IntegerGraph) -> None:
    dense = graph.nodes[-2]
    assert isinstance(dense, Dense)
    scales = np.linspace(0.5, 1, 5, dtype=np.float32)
    weights = dataclasses.replace(
        dense.weights,
        kernel_scale=dense.weights.kernel_scale * scales,
        bias_scale=dense.weights.bias_scale * scales,
    )
    nodes = (*graph.nodes[:-2], dataclasses.replace(dense, weights=weights), graph.nodes[-1])
    per_channel = dataclasses.replace(graph, nodes=nodes)
    assert digest(tflite_reader.read_file(tflite.write(per_channel))) == digest(per_channel)


class Written:
    """A small file, built by hand: an image of 3 x 3 x 4 and what is done to it."""

    def __init__(self, **image: Any) -> None:
        self.model = TfliteWriter()
        self.image = self.activation("image", (1, 3, 3, 4), **image)

    def activation(self, name: str, shape: tuple[int, ...], **changes: Any) -> int:
        grid = {"dtype": np.int8, "scale": np.float32(0.1), "zero_point": -128, **changes}
        dtype = grid.pop("dtype")
        return self.model.activation(name, dtype, shape, **grid)

    def convolution(self, *, kernel: Any = None, scale: Any = None, **options: Any) -> bytes:
        kernel = np.ones((2, 1, 1, 4), np.int8) if kernel is None else kernel
        scale = np.full(2, 0.1, np.float32) if scale is None else scale
        weights = self.model.constant("kernel", kernel, scale=scale)
        bias = self.model.constant("bias", np.zeros(2, np.int32), scale=scale * np.float32(0.1))
        output = self.activation("output", (1, 3, 3, 2))
        self.model.operator(
            "CONV_2D", 3, [self.image, weights, bias], output, "Conv2DOptions",
            **{"StrideW": 1, "StrideH": 1, **options},
        )  # fmt: skip
        return self.finish(output)

    def pooling(self, *, shape: tuple[int, ...] = (1, 1, 1, 4), **window: int) -> bytes:
        pooled = self.activation("pooled", shape)
        options = {"FilterWidth": 3, "FilterHeight": 3, "StrideW": 3, "StrideH": 3, **window}
        self.model.operator(
            "AVERAGE_POOL_2D", 2, [self.image], pooled, "Pool2DOptions", Padding=1, **options
        )
        flat = self.activation("flat", (1, 4))
        target = self.model.constant("shape", np.array([1, 4], np.int32))
        self.model.operator("RESHAPE", 1, [pooled, target], flat, "ReshapeOptions")
        return self.finish(flat)

    def finish(self, output: int) -> bytes:
        return self.model.finish(
            description="",
            min_runtime="1.14.0",
            inputs={"input": self.image},
            outputs={"output": output},
        )


def test_a_file_built_by_hand_is_read() -> None:
    graph = tflite_reader.read_file(Written().convolution())
    assert [node.output.name for node in graph.nodes] == ["output"]


def test_global_average_pooling_over_nine_positions_is_a_mean() -> None:
    data = Written().pooling()
    graph = tflite_reader.read_file(data)
    assert isinstance(graph.nodes[0], Mean)
    assert graph.output.shape == (4,)
    images = graphs.extremes((3, 3, 4))
    np.testing.assert_array_equal(
        litert.load(data).run(images)[0],
        litert.load(tflite.write(graph, head="logits")).run(images)[0],
    )


def test_a_pixel_that_a_window_gives_stays_an_image_up_to_the_reshape() -> None:
    data = Written().pooling(FilterWidth=2)
    graph = tflite_reader.read_file(data)
    assert [type(node).__name__ for node in graph.nodes] == ["AveragePool", "Reshape"]
    images = graphs.extremes((3, 3, 4))
    np.testing.assert_array_equal(
        litert.load(data).run(images)[0],
        litert.load(tflite.write(graph, head="logits")).run(images)[0],
    )


REFUSED = {
    "float32": (lambda: Written(dtype=np.float32, scale=None).convolution(), "int8 activation"),
    "uint8": (lambda: Written(dtype=np.uint8).convolution(), "int8 activation"),
    "dilation 0": (lambda: Written().convolution(DilationHFactor=0), "positive strides and dil"),
    "stride 0": (lambda: Written().convolution(StrideH=0), "positive strides"),
    "tanh": (lambda: Written().convolution(FusedActivationFunction=4), "at most a ReLU"),
    "float kernel": (
        lambda: Written().convolution(kernel=np.ones((2, 1, 1, 4), np.float32)),
        "expected int8 constants",
    ),
    "few channels": (
        lambda: Written().convolution(kernel=np.ones((2, 1, 1, 3), np.int8)),
        "kernel shape",
    ),
    "weight -128": (
        lambda: Written().convolution(kernel=np.full((2, 1, 1, 4), -128, np.int8)),
        "symmetric int8 weights",
    ),
    "wide scale": (
        lambda: Written().convolution(scale=np.full(2, 1e3, np.float32)),
        "an accumulator step below 256",
    ),
    "not pooled": (lambda: Written().pooling(shape=(1, 1, 2, 4)), "a window over the whole"),
}


@pytest.mark.parametrize(("build", "message"), REFUSED.values(), ids=REFUSED)
def test_operators_that_no_node_can_represent_are_refused(build: Any, message: str) -> None:
    with pytest.raises(ConversionError, match=message):
        tflite_reader.read_file(build())


def test_a_1x1_convolution_of_a_pooled_vector_is_a_dense_layer() -> None:
    written = Written()
    pooled = written.activation("pooled", (1, 1, 1, 4), scale=np.float32(0.07))
    axes = written.model.constant("axes", np.array([1, 2], np.int32))
    written.model.operator(
        "MEAN", 2, [written.image, axes], pooled, "ReducerOptions", KeepDims=True
    )
    scale = np.array([0.01, 0.02, 0.03], np.float32)
    kernel = np.arange(-6, 6, dtype=np.int8).reshape(3, 1, 1, 4)
    constants = [
        written.model.constant("kernel", kernel, scale=scale),
        written.model.constant(
            "bias", np.array([5, -7, 9], np.int32), scale=scale * np.float32(0.07)
        ),
    ]
    wide = written.activation("wide", (1, 1, 1, 3))
    written.model.operator(
        "CONV_2D", 3, [pooled, *constants], wide, "Conv2DOptions", StrideW=1, StrideH=1
    )
    flat = written.activation("flat", (1, 3))
    target = written.model.constant("shape", np.array([1, 3], np.int32))
    written.model.operator("RESHAPE", 1, [wide, target], flat, "ReshapeOptions")
    data = written.finish(flat)
    graph = tflite_reader.read_file(data)
    assert [type(node).__name__ for node in graph.nodes] == ["Mean", "Dense"]
    images = graphs.extremes((3, 3, 4))
    np.testing.assert_array_equal(
        litert.load(data).run(images)[0],
        litert.load(tflite.write(graph, head="logits")).run(images)[0],
    )


def test_a_per_tensor_convolution_is_read_with_a_scale_for_each_channel() -> None:
    data = Written().convolution(scale=np.full(1, 0.1, np.float32))
    graph = tflite_reader.read_file(data)
    (first, *_) = graph.nodes
    assert isinstance(first, Conv)
    assert first.weights.kernel_scale.shape == (2,)
    images = graphs.extremes((3, 3, 4))
    np.testing.assert_array_equal(
        litert.load(data).run(images)[0],
        litert.load(tflite.write(graph, head="logits")).run(images)[0],
    )


def test_a_refusal_names_operator_and_tensor() -> None:
    with pytest.raises(ConversionError, match="CONV_2D that writes tensor 3: expected"):
        tflite_reader.read_file(Written().convolution(DilationHFactor=0))


def test_an_unknown_operator_is_refused() -> None:
    written = Written()
    output = written.activation("output", (1, 3, 3, 4))
    written.model.operator("FLOOR", 1, [written.image], output)
    with pytest.raises(ConversionError, match="operator number 8 of the schema"):
        tflite_reader.read_file(written.finish(output))


def test_a_uint8_input_with_another_scale_is_refused(graph: IntegerGraph) -> None:
    written = Written(dtype=np.uint8, zero_point=3)
    inner = written.activation("inner", (1, 3, 3, 4), scale=np.float32(0.2))
    written.model.operator("QUANTIZE", 1, [written.image], inner, "QuantizeOptions")
    with pytest.raises(ConversionError, match="the int8 codes plus 128"):
        tflite_reader.read_file(written.finish(inner))


def test_names_are_made_unique() -> None:
    written = Written()
    a, b = (written.activation("twin", (1, 3, 3, 4)) for _ in "ab")
    written.model.operator("ADD", 2, [written.image, written.image], a, "AddOptions")
    written.model.operator("ADD", 2, [written.image, a], b, "AddOptions")
    graph = tflite_reader.read_file(written.finish(b))
    assert [node.output.name for node in graph.nodes] == ["twin", "twin#2"]


@pytest.mark.parametrize(
    "data", [b"", b"TFL3", b"\0\0\0\0TFL3", b"\x08\0\0\0TFL2" + bytes(64), b"PK\3\4" + bytes(99)]
)
def test_bytes_of_neither_format_are_refused(data: bytes) -> None:
    with pytest.raises(CorruptFileError):
        tflite_reader.read_file(data)


def test_a_file_cut_off_anywhere_is_refused(graph: IntegerGraph) -> None:
    data = tflite.write(graph)
    for length in range(0, len(data), 97):
        with pytest.raises((CorruptFileError, ConversionError)):
            tflite_reader.read_file(data[:length])
