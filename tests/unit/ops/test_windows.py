"""Paddings, convolutions and pools: what their options mean, and in which kernels they run."""

import dataclasses
import math
from typing import Any

import graphs
import numpy as np
import pytest

from mobiledeploy.base.errors import ConversionError, RequestError
from mobiledeploy.formats import tflite as tflite_format
from mobiledeploy.integer import oracle, tflite_reader
from mobiledeploy.integer.certify import certify
from mobiledeploy.integer.graph import IntegerGraph, digest
from mobiledeploy.ops import average_pool, conv, max_pool, mean, padding
from mobiledeploy.ops.architecture import INPUT, Architecture, Layer
from mobiledeploy.ops.average_pool import AveragePool
from mobiledeploy.ops.conv import Conv
from mobiledeploy.ops.mean import Mean
from mobiledeploy.ops.operator import Example
from mobiledeploy.ops.tensors import QTensor
from mobiledeploy.runtimes import litert, ort, ort_optimised
from mobiledeploy.targets import onnx, tflite
from mobiledeploy.verify.outputs.model_input import image_shape

PAIRS = [(1, 1), (2, 3), (3, 2), (5, 5)]


def files(graph: IntegerGraph) -> tuple[bytes, bytes]:
    return tflite.write(graph, head="logits"), onnx.write(graph, certify(graph), head="logits")


def example(operator: Any, name: str) -> Example:
    examples: list[Example] = list(operator.examples())
    return next(each for each in examples if each.name == name)


def graph_of(operator: Any, name: str) -> IntegerGraph:
    one = example(operator, name)
    return graphs.around(one.node, one.inputs)


def kernels(data: bytes) -> set[str]:
    return {kind for kind, _ in ort_optimised.kernels(data)}


@pytest.mark.parametrize("window", PAIRS)
@pytest.mark.parametrize("strides", PAIRS)
@pytest.mark.parametrize("dilations", PAIRS[:3])
def test_same_gives_a_position_for_each_step_and_numbers_give_it_again(
    window: tuple[int, int], strides: tuple[int, int], dilations: tuple[int, int]
) -> None:
    size = (17, 12)
    sides = padding.sides_after(size, window, strides, "same", dilations)
    assert sides == tuple(math.ceil(a / b) for a, b in zip(size, strides, strict=True))
    vertical, horizontal = padding.pads(size, window, strides, "same", dilations)
    numbers = (*vertical, *horizontal)
    assert padding.sides_after(size, window, strides, numbers, dilations) == sides
    assert padding.padding_from(size, window, strides, numbers, dilations) == "same"
    more = (numbers[0] + 1, *numbers[1:])
    assert padding.padding_from(size, window, strides, more, dilations) == more


def test_a_depthwise_convolution_of_one_channel_is_a_full_one() -> None:
    layer = Layer(
        name="c", op="depthwise", inputs=(INPUT,), in_channels=1, out_channels=6, kernel=(3, 3)
    )
    architecture = Architecture(name="grey", input_shape=(9, 7, 1), layers=(layer,))
    network, ranges = graphs.random_network(architecture)
    from mobiledeploy.integer.quantise import quantise

    graph = quantise(network, ranges)
    (node,) = graph.nodes
    assert isinstance(node, Conv)
    assert not node.depthwise
    assert digest(tflite_reader.read_file(files(graph)[0])) == digest(graph)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"parameters": {"groups": 4}}, "4 groups do not fit 6"),
        ({"parameters": {"groups": 6}}, "a group for each of 6 channels"),
        ({"padding": (0, -1, 0, 0)}, "no padding below 0"),
        ({"parameters": {"dilations": (9, 9)}, "padding": "valid"}, "does not fit"),
    ],
)
def test_a_convolution_that_makes_no_sense_is_refused(more: Any, message: str) -> None:
    layer = Layer(
        name="c", op="conv", inputs=(INPUT,), in_channels=6, out_channels=12, kernel=(3, 3), **more
    )
    with pytest.raises(RequestError, match=message):
        Architecture(name="odd", input_shape=(9, 7, 6), layers=(layer,))


def test_several_outputs_a_channel_cost_what_they_compute() -> None:
    one = example(conv, "two outputs a channel")
    layer = conv.float_layer(one.node, one.inputs)  # type: ignore[arg-type]
    assert conv.kernel_shape(layer) == (3, 3, 5, 2)
    assert conv.work(layer, [one.inputs[0].shape]).macs == 3 * 3 * 10 * 4 * 3


def test_a_convolution_of_groups_has_the_version_that_knows_them() -> None:
    graph = graph_of(conv, "three groups")
    model = tflite_format.parse(files(graph)[0])
    assert [operator.version for operator in model.operators] == [6]
    assert model.min_runtime == "2.9.0"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("2x2 valid", ["MAX_POOL_2D"]),
        ("3x3 same", ["MAX_POOL_2D"]),
        ("padded by numbers", ["PADV2", "MAX_POOL_2D"]),
        ("padded behind a ReLU", ["PAD", "MAX_POOL_2D"]),
    ],
)
def test_a_max_pool_is_padded_by_xnnpack_where_real_zero_is_the_lowest_code(
    name: str, expected: list[str]
) -> None:
    one, two = files(graph_of(max_pool, name))
    assert [each.builtin for each in tflite_format.parse(one).operators] == expected
    assert "MaxPool" in kernels(two) or "NhwcMaxPool" in kernels(two)


@pytest.mark.parametrize(
    ("name", "expected"), [("3x3 valid", "QLinearConv"), ("3x3 same", "AveragePool")]
)
def test_an_average_pool_is_not_run_by_onnx_runtime_s_slow_kernel(
    name: str, expected: str
) -> None:
    chosen = kernels(files(graph_of(average_pool, name))[1])
    assert expected in chosen
    assert "QLinearAveragePool" not in chosen


@pytest.mark.parametrize("positions", [1, 2, 3, 4, 9, 16, 49, 64, 196, 256, 1000])
def test_onnx_runtime_rounds_every_mean_as_tflite_does(positions: int) -> None:
    sums = np.arange(-128 * positions, 127 * positions + 1)
    expected = mean.tflite_average_pool(sums, positions)
    exact = np.sign(sums) * np.floor(np.abs(sums) / positions + 0.5)
    np.testing.assert_array_equal(expected, exact)
    np.testing.assert_array_equal(mean.ort_convolution(sums, positions), expected)
    for inverse in (False, True):
        means = average_pool.ort_average_pool(
            sums, np.full_like(sums, positions), positions, inverse=inverse
        )
        np.testing.assert_array_equal(means, expected)


def whole_image(size: tuple[int, int]) -> IntegerGraph:
    source = QTensor(name="image", shape=(*size, 3), scale=np.float32(0.031), zero_point=-17)
    layer = Layer(
        name="pool", op="average_pool", inputs=("image",), in_channels=3, out_channels=3,
        kernel=size, padding="valid",
    )  # fmt: skip
    output = dataclasses.replace(source, name="pool", shape=(3,))
    return IntegerGraph(
        name="whole", input=source, nodes=(average_pool.quantise(layer, [], output, None),)
    )


def test_a_pool_of_a_whole_image_is_a_mean_where_no_half_can_differ() -> None:
    odd, even = whole_image((5, 7)), whole_image((8, 6))
    assert isinstance(odd.nodes[0], Mean)
    assert isinstance(even.nodes[0], AveragePool)
    random = np.random.default_rng(0)
    for graph in (odd, even):
        one, two = files(graph)
        assert digest(tflite_reader.read_file(one)) == digest(graph)
        shape = (60, *graph.input.shape)
        images = np.clip(np.rint(random.normal(0, 2, shape)), -128, 127).astype(np.int8)
        expected = oracle.run(graph, images)["pool"]
        np.testing.assert_array_equal(litert.load(one).run(images)[0], expected)
        np.testing.assert_array_equal(ort.load(two).run(images)[0], expected)


def test_an_average_pool_counts_no_padding() -> None:
    layer = Layer(
        name="p", op="average_pool", inputs=(INPUT,), in_channels=3, out_channels=3,
        kernel=(3, 3), padding=(1, 1, 1, 1),
    )  # fmt: skip
    with pytest.raises(RequestError, match="expected SAME or VALID") as raised:
        Architecture(name="odd", input_shape=(9, 7, 3), layers=(layer,))
    assert "a layer `pad`" in str(raised.value.hint)


def test_a_max_pool_has_no_window_in_the_padding_only() -> None:
    layer = Layer(
        name="p", op="max_pool", inputs=(INPUT,), in_channels=3, out_channels=3,
        kernel=(2, 2), padding=(2, 0, 0, 0),
    )  # fmt: skip
    with pytest.raises(RequestError, match="a padding smaller than the window"):
        Architecture(name="odd", input_shape=(9, 7, 3), layers=(layer,))
    one = example(max_pool, "2x2 valid")
    node = dataclasses.replace(one.node, padding=(0, 2, 0, 0))  # type: ignore[type-var]
    with pytest.raises(ConversionError, match="a padding smaller than the window"):
        node.check(one.inputs)


def test_a_vector_takes_the_pixels_of_a_square_image() -> None:
    from mobiledeploy.runtimes import TensorInfo

    info = TensorInfo(name="x", dtype=np.dtype(np.int8), shape=(640,))
    assert image_shape(info) == (26, 26, 1)
