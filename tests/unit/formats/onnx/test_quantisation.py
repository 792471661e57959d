"""Where an `.onnx` states the grids of its codes."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from mobiledeploy.formats.onnx import OnnxModel, parse
from mobiledeploy.formats.onnx.quantisation import with_grids

GRIDS: dict[str, Any] = {
    "s1": np.float32(0.1), "z1": np.uint8(3),
    "s2": np.float32(0.2), "z2": np.uint8(4),
    "s3": np.float32(0.3), "z3": np.uint8(5),
}  # fmt: skip


def model(*nodes: Any) -> OnnxModel:
    """From the codes `a` and `b` to the codes `y`, with the grids of all tensors."""
    graph = helper.make_graph(
        list(nodes),
        "codes",
        [helper.make_tensor_value_info(name, TensorProto.UINT8, [1, 4]) for name in "ab"],
        [helper.make_tensor_value_info("y", TensorProto.UINT8, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in GRIDS.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    parsed = parse(helper.make_model(graph, opset_imports=opsets).SerializeToString())
    return dataclasses.replace(parsed, tensors=with_grids(parsed.tensors, parsed.operators))


def grids(opened: OnnxModel) -> dict[str, tuple[float, int]]:
    return {
        tensor.name: (float(tensor.grid.scale[0]), int(tensor.grid.zero_point[0]))
        for tensor in opened.tensors
        if tensor.grid is not None
    }


def near(number: int) -> Any:
    return pytest.approx((number / 10, 2 + number))


def test_each_input_of_a_qlinear_concat_has_a_grid_behind_it() -> None:
    inputs = ["s3", "z3", "a", "s1", "z1", "b", "s2", "z2"]
    node = helper.make_node("QLinearConcat", inputs, ["y"], axis=1, domain="com.microsoft")
    assert grids(model(node)) == {"a": near(1), "b": near(2), "y": near(3)}


def test_a_leaky_relu_of_codes_has_two_grids() -> None:
    node = helper.make_node(
        "QLinearLeakyRelu", ["a", "s1", "z1", "s2", "z2"], ["y"], alpha=0.1, domain="com.microsoft"
    )
    opened = model(node)
    assert grids(opened) == {"a": near(1), "y": near(2)}
    assert [operator.op for operator in opened.operators] == ["QLinearLeakyRelu"]


def test_a_concat_of_codes_leaves_all_of_them_on_one_grid() -> None:
    nodes = (
        helper.make_node("Concat", ["a", "b"], ["joined"], axis=1),
        helper.make_node("MaxPool", ["joined"], ["y"], kernel_shape=[1]),
        helper.make_node("DequantizeLinear", ["y", "s1", "z1"], ["real"]),
    )
    expected = dict.fromkeys(["a", "b", "joined", "y"], near(1))
    assert grids(model(*nodes)) == expected
