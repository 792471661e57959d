"""Operators that copy codes are read in the forms of other tools, between pairs too."""

from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from mobiledeploy import reading
from mobiledeploy.formats.onnx import parse
from mobiledeploy.reading import Reading, StoredLayer

GRID = ("s", "z")
CONSTANTS = {
    "s": np.float32(0.5),
    "z": np.uint8(7),
    "t": np.float32(0.25),
    "axes": np.array([2, 3]),
    "ones": np.array([1, 1]),
    "ends": np.array([2**31, -1]),
    "parts": np.array([1, 3]),
    "five": np.array([-1, 8, 6, 2, 2]),
    "image": np.array([-1, 8, 6, 4]),
    "flat": np.array([-1, 192]),
    "sizes": np.array([1, 4, 16, 12]),
    "doubled": np.array([1, 1, 2, 2], np.float32),
}


def read(*nodes: Any, output: str = "out", nhwc: bool = False) -> Reading:
    """An image of 8 x 6 pixels and 4 channels, quantised, then the nodes."""
    shape = ["batch", 8, 6, 4] if nhwc else ["batch", 4, 8, 6]
    graph = helper.make_graph(
        [helper.make_node("QuantizeLinear", ["x", *GRID], ["xq"]), *nodes],
        "copies",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(v), name) for name, v in CONSTANTS.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return reading.read_onnx(parse(model.SerializeToString()))


def pair(name: str, grid: tuple[str, str] = GRID) -> list[Any]:
    return [helper.make_node("DequantizeLinear", [f"{name}q", *grid], [f"{name}d"])]


def closed(name: str, grid: tuple[str, str] = GRID) -> list[Any]:
    return [
        helper.make_node("QuantizeLinear", [name, *grid], [f"{name}q"]),
        helper.make_node("DequantizeLinear", [f"{name}q", *grid], ["out"]),
    ]


def between_pairs(*nodes: Any) -> StoredLayer:
    """The layer of nodes from `xd` to `y`, between quantise/dequantise pairs."""
    (layer,) = read(*pair("x"), *nodes, *closed("y")).layers
    assert layer.faults == ()
    assert [layer.reads[0].scale, layer.output.scale] == [0.5, 0.5]
    assert (layer.reads[0].zero_point, layer.output.zero_point) == (-121, -121)
    return layer


def test_a_slice_between_pairs_is_read() -> None:
    layer = between_pairs(helper.make_node("Slice", ["xd", "ones", "ends", "axes"], ["y"]))
    assert layer.kind == "strided_slice"
    assert dict(layer.parameters) == {
        "begin": (1, 1, 0),
        "sizes": (7, 4, 4),
        "strides": (1, 1, 1),
    }
    assert layer.output.shape == (7, 4, 4)


def test_the_parts_of_a_split_are_slices() -> None:
    split = helper.make_node("Split", ["xd", "parts"], ["a", "b"], axis=1)
    join = helper.make_node("Concat", ["b", "a"], ["y"], axis=1)
    layers = read(*pair("x"), split, join, *closed("y")).layers
    assert [layer.kind for layer in layers] == ["strided_slice"] * 2 + ["concatenation"]
    assert [layer.parameter("begin") for layer in layers[:2]] == [(0, 0, 0), (0, 0, 1)]
    assert [layer.output.shape[-1] for layer in layers] == [1, 3, 4]
    assert [read.source for read in layers[2].reads] == [1, 0]


def test_a_split_in_halves_needs_no_sizes() -> None:
    split = helper.make_node("Split", ["xq"], ["a", "b"], axis=-1)
    end = helper.make_node("DequantizeLinear", ["b", *GRID], ["out"])
    (layer,) = read(split, end).layers
    assert layer.parameter("begin") == (0, 3, 0)
    assert layer.parameter("sizes") == (8, 3, 4)


@pytest.mark.parametrize("place", [2, 3])
def test_a_resize_by_sizes_or_by_factors_is_read(place: int) -> None:
    inputs = ["xd", "", "doubled"] if place == 2 else ["xd", "", "", "sizes"]
    layer = between_pairs(
        helper.make_node(
            "Resize", inputs, ["y"],
            coordinate_transformation_mode="asymmetric", nearest_mode="floor",
        )
    )  # fmt: skip
    assert dict(layer.parameters) == {"centres": "asymmetric", "size": (16, 12)}


def test_a_resize_that_takes_other_pixels_is_unknown() -> None:
    node = helper.make_node(
        "Resize", ["xd", "", "doubled"], ["y"],
        coordinate_transformation_mode="asymmetric", nearest_mode="ceil",
    )  # fmt: skip
    (layer,) = read(*pair("x"), node, *closed("y")).layers
    assert layer.kind == "unknown"


@pytest.mark.parametrize("op", ["Max", "Min"])
def test_the_larger_of_two_is_read(op: str) -> None:
    layer = between_pairs(helper.make_node(op, ["xd", "xd"], ["y"]))
    assert layer.kind == {"Max": "maximum", "Min": "minimum"}[op]


def test_a_difference_is_read() -> None:
    node = helper.make_node("Sub", ["xd", "xd"], ["y"])
    (layer,) = read(*pair("x"), node, *closed("y", ("t", "z"))).layers
    assert [layer.kind, layer.op, layer.output.scale] == ["sub", "Sub", 0.25]


def test_a_join_of_two_grids_keeps_both() -> None:
    nodes = [
        *pair("x"),
        helper.make_node("DequantizeLinear", ["xq", "t", "z"], ["other"]),
        helper.make_node("Concat", ["xd", "other"], ["y"], axis=1),
    ]
    (layer,) = read(*nodes, *closed("y")).layers
    assert layer.kind == "concatenation"
    assert len({read.scale for read in layer.reads}) == 2


def test_what_is_copied_to_another_grid_does_not_keep_its_grid() -> None:
    node = helper.make_node("Slice", ["xd", "ones", "ends", "axes"], ["y"])
    (layer,) = read(*pair("x"), node, *closed("y", ("t", "z"))).layers
    assert [layer.reads[0].scale, layer.output.scale] == [0.5, 0.25]


def test_a_shuffle_of_channels_is_three_layers() -> None:
    nodes = [
        helper.make_node("Reshape", ["xq", "five"], ["a"]),
        helper.make_node("Transpose", ["a"], ["b"], perm=[0, 1, 2, 4, 3]),
        helper.make_node("Reshape", ["b", "image"], ["c"]),
        helper.make_node("DequantizeLinear", ["c", *GRID], ["out"]),
    ]
    layers = read(*nodes, nhwc=True).layers
    assert [layer.kind for layer in layers] == ["reshape", "transpose", "reshape"]
    assert [layer.output.shape for layer in layers] == [(8, 6, 2, 2)] * 2 + [(8, 6, 4)]
    assert layers[1].parameter("perm") == (0, 1, 3, 2)


@pytest.mark.parametrize("nhwc", [True, False])
def test_an_image_that_is_flattened_for_another_reader_is_a_layer(nhwc: bool) -> None:
    nodes = [
        helper.make_node("Reshape", ["xq", "flat"], ["a"]),
        helper.make_node("DequantizeLinear", ["a", *GRID], ["out"]),
    ]
    layers = read(*nodes, nhwc=nhwc).layers
    # Channels first, the elements stand in another order than TFLite's.
    assert [layer.kind for layer in layers] == (["reshape"] if nhwc else [])
