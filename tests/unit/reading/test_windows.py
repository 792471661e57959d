"""Pools and paddings in other tools' `.onnx` files are read, or said not to be understood."""

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from mobiledeploy import reading
from mobiledeploy.formats.onnx import parse
from mobiledeploy.ops.padding import output_size
from mobiledeploy.ops.pools import _rounded_up
from mobiledeploy.reading import StoredLayer

GRIDS: dict[str, Any] = {"s": np.float32(0.5), "z": np.uint8(100), "t": np.float32(0.25)}


def read(*middle: Any, real: bool = True, **constants: Any) -> tuple[StoredLayer, ...]:
    """The layers of a file whose nodes lead from `x`, real values or codes, to `y`."""
    begin = [helper.make_node("QuantizeLinear", ["image", "s", "z"], ["x" if not real else "xq"])]
    end = [helper.make_node("DequantizeLinear", ["y" if not real else "yq", "s", "z"], ["out"])]
    if real:
        begin.append(helper.make_node("DequantizeLinear", ["xq", "s", "z"], ["x"]))
        end.insert(0, helper.make_node("QuantizeLinear", ["y", "s", "z"], ["yq"]))
    graph = helper.make_graph(
        [*begin, *middle, *end],
        "small",
        [helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, (1, 3, 9, 12))],
        [helper.make_tensor_value_info("out", onnx.TensorProto.FLOAT, None)],
        [
            numpy_helper.from_array(np.asarray(value), name)
            for name, value in (GRIDS | constants).items()
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    return reading.read_onnx(parse(model.SerializeToString())).layers


@pytest.mark.parametrize("real", [True, False])
def test_a_max_pool_is_read_between_pairs_and_on_codes(real: bool) -> None:
    node = helper.make_node(
        "MaxPool", ["x"], ["y"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 0, 1, 2]
    )
    (layer,) = read(node, real=real)
    assert (layer.kind, layer.window, layer.strides) == ("max_pool", (3, 3), (2, 2))
    assert layer.pads == (1, 1, 0, 2)
    assert layer.output.shape == (5, 6, 3)
    assert (layer.output.scale, layer.output.zero_point) == (np.float32(0.5), -28)
    assert not layer.faults


@pytest.mark.parametrize(
    ("size", "pads", "expected"),
    [((9, 12), [0, 0, 0, 0], (0, 0, 0, 1)), ((9, 12), [1, 1, 1, 1], (1, 1, 1, 2))],
)
def test_sizes_that_are_rounded_up_are_padding_at_the_end(
    size: tuple[int, int], pads: list[int], expected: tuple[int, ...]
) -> None:
    node = helper.make_node(
        "MaxPool", ["x"], ["y"], kernel_shape=[3, 3], strides=[2, 2], pads=pads, ceil_mode=1
    )
    (layer,) = read(node)
    assert layer.pads == expected
    sides = output_size(size, (3, 3), (2, 2), (1, 1), expected)
    assert layer.output.shape == (*sides, 3)


@pytest.mark.parametrize("window", [1, 2, 3, 4])
@pytest.mark.parametrize("stride", [1, 2, 3, 5])
def test_rounding_up_gives_onnx_runtime_s_size(window: int, stride: int) -> None:
    import onnxruntime

    for length in (5, 6, 7, 8, 11):
        for before in range(min(window, 2)):
            node = helper.make_node(
                "MaxPool", ["x"], ["y"], kernel_shape=[window], strides=[stride],
                pads=[before, 0], ceil_mode=1,
            )  # fmt: skip
            ends = [
                helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
                for name, shape in (("x", (1, 1, length)), ("y", None))
            ]
            graph = helper.make_graph([node], "g", ends[:1], ends[1:])
            model = helper.make_model(
                graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8
            )
            session = onnxruntime.InferenceSession(model.SerializeToString())
            (pooled,) = session.run(None, {"x": np.zeros((1, 1, length), np.float32)})
            around = _rounded_up(length, window, stride, (before, 0))
            assert (length + sum(around) - window) // stride + 1 == pooled.shape[2]


def test_a_dilated_max_pool_is_not_understood() -> None:
    node = helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[3, 3], dilations=[2, 2])
    assert [layer.kind for layer in read(node)] == ["unknown"]


@pytest.mark.parametrize(
    ("counted", "kinds"), [(0, ["average_pool"]), (1, ["pad", "average_pool"])]
)
def test_an_average_pool_that_counts_its_padding_is_not_taken_for_one_that_does_not(
    counted: int, kinds: list[str]
) -> None:
    node = helper.make_node(
        "AveragePool", ["x"], ["y"], kernel_shape=[3, 3], pads=[1] * 4, count_include_pad=counted
    )
    assert [layer.kind for layer in read(node)] == kinds


@pytest.mark.parametrize("real", [True, False])
def test_the_largest_of_an_image_is_read(real: bool) -> None:
    (layer,) = read(helper.make_node("GlobalMaxPool", ["x"], ["y"]), real=real)
    assert (layer.kind, layer.window, layer.output.shape) == ("reduce_max", (9, 12), (3,))
    reduced = helper.make_node("ReduceMax", ["x"], ["y"], axes=[-1, -2], keepdims=0)
    (layer,) = read(reduced, real=real)
    assert (layer.kind, layer.window, layer.output.shape) == ("reduce_max", (9, 12), (3,))
    rows = helper.make_node("ReduceMax", ["x"], ["y"], axes=[2], keepdims=1)
    assert [layer.kind for layer in read(rows, real=real)] == ["unknown"]


@pytest.mark.parametrize(
    ("real", "value", "code"),
    [
        (True, np.float32(0), -28),
        (True, np.float32(10), -8),
        (False, np.uint8(100), -28),
        (False, np.uint8(0), -128),
    ],
)
def test_a_padding_has_a_code(real: bool, value: Any, code: int) -> None:
    pads = np.array([0, 0, 1, 2, 0, 0, 3, 0])
    node = helper.make_node("Pad", ["x", "pads", "value"], ["y"])
    (layer,) = read(node, real=real, pads=pads, value=value)
    assert (layer.kind, layer.pads) == ("pad", (1, 3, 2, 0))
    assert layer.parameter("code") == code
    assert layer.output.shape == (13, 14, 3)


def test_codes_are_padded_with_their_lowest_unless_the_file_says_otherwise() -> None:
    pads = np.array([0, 0, 1, 1, 0, 0, 1, 1])
    (layer,) = read(helper.make_node("Pad", ["x", "pads"], ["y"]), real=False, pads=pads)
    assert layer.parameter("code") == -128


@pytest.mark.parametrize(("value", "folded"), [(np.uint8(0), True), (np.uint8(100), False)])
def test_a_max_pool_takes_over_a_padding_with_the_lowest_code(value: Any, folded: bool) -> None:
    pads = np.array([0, 0, 1, 1, 0, 0, 1, 1])
    nodes = (
        helper.make_node("Pad", ["x", "pads", "value"], ["p"]),
        helper.make_node("MaxPool", ["p"], ["y"], kernel_shape=[3, 3], strides=[2, 2]),
    )
    layers = read(*nodes, real=False, pads=pads, value=value)
    assert [layer.kind for layer in layers] == ["max_pool"] if folded else ["pad", "max_pool"]
    assert layers[-1].pads == ((1, 1, 1, 1) if folded else (0, 0, 0, 0))


def test_a_pad_of_channels_is_not_understood() -> None:
    pads = np.array([0, 1, 0, 0, 0, 1, 0, 0])
    node = helper.make_node("Pad", ["x", "pads"], ["y"])
    assert [layer.kind for layer in read(node, pads=pads)] == ["unknown"]
