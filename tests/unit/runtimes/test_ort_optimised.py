"""Which kernels ONNX Runtime chooses with all optimisations."""

from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from mobiledeploy.runtimes import IN_FLOATS, FileLayer, ort_optimised


def product(*, output: bool) -> bytes:
    """A square between quantise/dequantise pairs, given out as real numbers too or not."""
    values: dict[str, Any] = {"s": np.float32(0.1), "z": np.uint8(3)}
    nodes = [
        helper.make_node("DequantizeLinear", ["a", "s", "z"], ["x"]),
        helper.make_node("DequantizeLinear", ["a", "s", "z"], ["y"]),
        helper.make_node("Mul", ["x", "y"], ["real"]),
        helper.make_node("QuantizeLinear", ["real", "s", "z"], ["product"]),
    ]
    outputs = [helper.make_tensor_value_info("product", TensorProto.UINT8, [1, 4])]
    if output:
        outputs.append(helper.make_tensor_value_info("real", TensorProto.FLOAT, [1, 4]))
    graph = helper.make_graph(
        nodes,
        "product",
        [helper.make_tensor_value_info("a", TensorProto.UINT8, [1, 4])],
        outputs,
        [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()],
    )
    opsets = [helper.make_opsetid("", 17)]
    data: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()
    return data


@pytest.mark.parametrize(("output", "count"), [(False, 0), (True, 1)])
def test_a_product_that_is_not_fused_is_computed_in_float32(output: bool, count: int) -> None:
    layer = FileLayer(name="product", operator="QLinearMul", kind="mul", weights="")
    (reasons,) = ort_optimised.kernel_reasons(product(output=output), [layer])
    assert reasons == (IN_FLOATS,) * count


def test_our_own_product_is_run_as_it_stands_in_the_file() -> None:
    layer = FileLayer(name="product", operator="Mul", kind="mul", weights="")
    assert ort_optimised.kernel_reasons(product(output=True), [layer]) == [()]
