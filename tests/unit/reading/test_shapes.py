"""A reshape of a one-pixel image is not a layer, in any layout."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from mobiledeploy import reading
from mobiledeploy.formats.onnx import parse as parse_onnx


def classifier(*shape: int) -> bytes:
    """A mean, a reshape, and a dense layer as a 1x1 convolution, as in Keras' MobileNet V1."""
    constants = {
        "scale": np.float32(0.1), "zero": np.int8(0), "shape": np.array(shape),
        "kernel": np.ones((4, 3, 1, 1), np.int8), "first": np.array([-1, 3, 1, 1]),
        "vector": np.array([-1, 4]),
    }  # fmt: skip
    grid = ["scale", "zero"]
    nodes = [
        helper.make_node("QuantizeLinear", ["image", *grid], ["a"]),
        helper.make_node("DequantizeLinear", ["a", *grid], ["b"]),
        helper.make_node("GlobalAveragePool", ["b"], ["c"]),
        helper.make_node("QuantizeLinear", ["c", *grid], ["d"]),
        helper.make_node("Reshape", ["d", "shape"], ["e"]),
        helper.make_node("Reshape", ["e", "first"], ["f"]),
        helper.make_node("DequantizeLinear", ["f", *grid], ["g"]),
        helper.make_node("DequantizeLinear", ["kernel", *grid], ["weights"]),
        helper.make_node("Conv", ["g", "weights"], ["h"]),
        helper.make_node("QuantizeLinear", ["h", *grid], ["i"]),
        helper.make_node("Reshape", ["i", "vector"], ["j"]),
        helper.make_node("DequantizeLinear", ["j", *grid], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "one pixel",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 4])],
        [numpy_helper.from_array(np.asarray(values), name) for name, values in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString()
    return data


@pytest.mark.parametrize("shape", [(-1, 3, 1, 1), (1, 3, 1, 1), (-1, 1, 1, 3), (-1, 3)])
def test_a_reshape_of_one_pixel_is_no_layer(shape: tuple[int, ...]) -> None:
    result = reading.read_onnx(parse_onnx(classifier(*shape)))
    assert [layer.kind for layer in result.layers] == ["mean", "dense"]
    assert result.layers[1].output.shape == (4,)
