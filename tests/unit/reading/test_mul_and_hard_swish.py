"""Products and hard swishes in other tools' forms are read, or reported with a fault."""

from typing import Any

import graphs
import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from tflite_editor import TfliteFile

from mobiledeploy import reading
from mobiledeploy.formats.onnx import parse as parse_onnx
from mobiledeploy.formats.tflite import parse as parse_tflite
from mobiledeploy.integer.certify import certify
from mobiledeploy.ops import hard_swish, mul
from mobiledeploy.ops.operator import Example, Operator
from mobiledeploy.reading import FULL, INPUT, LayerInput, StoredLayer, StoredTensor
from mobiledeploy.targets import onnx as onnx_target
from mobiledeploy.targets import tflite as tflite_target

GRIDS: dict[str, Any] = {
    "s": np.float32(0.5), "z": np.uint8(128), "t": np.float32(0.25), "y": np.uint8(3),
    "u": np.float32(0.75), "w": np.uint8(9), "one": np.float32(1),
}  # fmt: skip
BEGIN = (
    helper.make_node("QuantizeLinear", ["x", "s", "z"], ["xq"]),
    helper.make_node("DequantizeLinear", ["xq", "s", "z"], ["xd"]),
    helper.make_node("MaxPool", ["xd"], ["m"], kernel_shape=[1, 1]),
    helper.make_node("QuantizeLinear", ["m", "t", "y"], ["mq"]),
    helper.make_node("DequantizeLinear", ["mq", "t", "y"], ["md"]),
)
"""Two activations with different scales: `xq` and `mq` are codes, `xd` and `md` reals."""


def ends(codes: str) -> tuple[Any, ...]:
    return (helper.make_node("DequantizeLinear", [codes, "u", "w"], ["out"]),)


def model(*nodes: Any, dtype: int = onnx.TensorProto.FLOAT, **constants: Any) -> bytes:
    """An ONNX file from the image `x` to `out`."""
    values = GRIDS | constants
    graph = helper.make_graph(
        list(nodes),
        "small",
        [helper.make_tensor_value_info("x", dtype, (1, 3, 8, 8))],
        [helper.make_tensor_value_info("out", onnx.TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    data: bytes = helper.make_model(graph, opset_imports=opsets).SerializeToString()
    return data


def read(*nodes: Any, **constants: Any) -> tuple[StoredLayer, ...]:
    """The layers of an ONNX file from the float image `x` to `out`."""
    return reading.read_onnx(parse_onnx(model(*nodes, **constants))).layers


def grids(layer: StoredLayer) -> list[tuple[float, int]]:
    tensors: list[LayerInput | StoredTensor] = [*layer.reads, layer.output]
    return [(float(each.scale or 0), each.zero_point or 0) for each in tensors]


def example(operator: Operator[Any], name: str) -> Example:
    return next(each for each in operator.examples() if each.name == name)


def ours(operator: Any, name: str) -> tuple[bytes, bytes]:
    """The files that we write for an operator's example."""
    graph = graphs.around(example(operator, name).node, example(operator, name).inputs)
    return (
        tflite_target.write(graph, head="logits"),
        onnx_target.write(graph, certify(graph), head="logits"),
    )


@pytest.mark.parametrize("activation", [None, "Relu"])
def test_a_qdq_mul_is_read(activation: str | None) -> None:
    product = [helper.make_node("Mul", ["xd", "md"], ["p"])]
    if activation is not None:
        product = [
            helper.make_node("Mul", ["xd", "md"], ["q"]),
            helper.make_node(activation, ["q"], ["p"]),
        ]
    quantised = helper.make_node("QuantizeLinear", ["p", "u", "w"], ["pq"])
    *_, layer = read(*BEGIN, *product, quantised, *ends("pq"))
    assert (layer.kind, layer.name, layer.faults) == ("mul", "pq", ())
    assert [each.source for each in layer.reads] == [INPUT, 0]
    assert grids(layer) == [(0.5, 0), (0.25, -125), (0.75, -119)]
    assert layer.clamp == (FULL if activation is None else (-119, 127))
    # This is what ONNX Runtime runs for it: it rounds otherwise than the form that we write.
    assert layer.op == mul.QLINEAR


def test_a_qlinear_mul_is_read() -> None:
    node = helper.make_node(
        "QLinearMul",
        ["xq", "s", "z", "mq", "t", "y", "u", "w"],
        ["pq"],
        domain="com.microsoft",
    )
    *_, layer = read(*BEGIN, node, *ends("pq"))
    assert (layer.kind, layer.op, layer.faults) == ("mul", mul.QLINEAR, ())
    assert grids(layer) == [(0.5, 0), (0.25, -125), (0.75, -119)]


def test_a_mul_of_shapes_that_do_not_broadcast_has_a_fault() -> None:
    product = helper.make_node("Mul", ["turned", "md"], ["p"])
    turned = helper.make_node("Transpose", ["xd"], ["turned"], perm=[0, 1, 3, 2])
    quantised = helper.make_node("QuantizeLinear", ["p", "u", "w"], ["pq"])
    *_, layer = read(*BEGIN, turned, product, quantised, *ends("pq"))
    assert [(layer.kind, fault.field) for fault in layer.faults] == [("mul", "axis")]


def test_a_mul_by_a_constant_number_is_not_read_as_a_mul_of_activations() -> None:
    scaled = helper.make_node("Mul", ["md", "t"], ["p"])
    quantised = helper.make_node("QuantizeLinear", ["p", "u", "w"], ["pq"])
    layers = read(*BEGIN, scaled, quantised, *ends("pq"))
    assert [layer.kind for layer in layers] == ["max_pool", "quantize"]
    assert layers[1].reads[0].scale == np.float32(0.0625)


def product_of_codes(ratio: Any, *, scale: str = "one") -> tuple[StoredLayer, ...]:
    return read(
        *BEGIN,
        helper.make_node("DequantizeLinear", ["xq", "one", "z"], ["a"]),
        helper.make_node("DequantizeLinear", ["mq", "one", "y"], ["b"]),
        helper.make_node("Mul", ["a", "b"], ["p"]),
        helper.make_node("Mul", ["p", "ratio"], ["q"]),
        helper.make_node("QuantizeLinear", ["q", scale, "w"], ["pq"]),
        *ends("pq"),
        ratio=ratio,
    )


def test_an_integer_mul_takes_its_scales_from_the_neighbouring_nodes() -> None:
    *_, layer = product_of_codes(mul.multiplier(GRIDS["s"], GRIDS["t"], GRIDS["u"]))
    assert (layer.kind, layer.op, layer.faults) == ("mul", "Mul", ())
    assert grids(layer) == [(0.5, 0), (0.25, -125), (0.75, -119)]


def test_a_mul_of_an_int8_input_does_not_give_the_input_a_scale() -> None:
    nodes = [
        helper.make_node("DequantizeLinear", ["x", "one", "z"], ["a"]),
        helper.make_node("DequantizeLinear", ["x", "s", "z"], ["xd"]),
        *BEGIN[2:4],
        helper.make_node("DequantizeLinear", ["mq", "one", "y"], ["b"]),
        helper.make_node("Mul", ["a", "b"], ["p"]),
        helper.make_node("Mul", ["p", "ratio"], ["q"]),
        helper.make_node("QuantizeLinear", ["q", "one", "w"], ["pq"]),
        *ends("pq"),
    ]
    ratio = mul.multiplier(GRIDS["s"], GRIDS["t"], GRIDS["u"])
    file = model(*nodes, dtype=onnx.TensorProto.UINT8, ratio=ratio)
    whole = reading.read_onnx(parse_onnx(file))
    assert whole.input.scale == GRIDS["s"]
    assert grids(whole.layers[-1]) == [(0.5, 0), (0.25, -125), (0.75, -119)]


def test_a_multiplier_that_the_stated_scales_do_not_give_is_kept() -> None:
    ratio = np.float32(0.171)
    *_, layer = product_of_codes(ratio)
    assert (layer.multiplier, layer.faults) == (ratio, ())
    # Which of the scales is wrong is not known.
    assert (layer.output.scale, layer.output.unstated) == (None, True)
    assert grids(layer) == [(0.5, 0), (0.25, -125), (0, -119)]
    assert mul.multiplier_of(layer) == ratio
    assert mul.multiplier_of(mul.by_multiplier(layer)) == ratio


@pytest.mark.parametrize("ratio", [0, np.nan, np.inf, -1.0, 1e-45])
def test_a_multiplier_that_no_scale_can_give_is_a_fault(ratio: float) -> None:
    *_, layer = product_of_codes(np.float32(ratio))
    assert [fault.field for fault in layer.faults] == ["form"]


def test_a_mul_of_codes_with_another_step_is_a_fault() -> None:
    *_, layer = product_of_codes(np.float32(0.2), scale="t")
    assert [fault.field for fault in layer.faults] == ["form"]


def test_a_hard_swish_is_read_for_every_type_of_codes() -> None:
    int8 = {"s": np.float32(0.5), "z": np.int8(3), "u": np.float32(0.25), "w": np.int8(-9)}
    *_, layer = read(
        *BEGIN[:2],
        helper.make_node("HardSwish", ["xd"], ["h"]),
        helper.make_node("QuantizeLinear", ["h", "u", "w"], ["hq"]),
        *ends("hq"),
        **int8,
    )
    assert (layer.kind, layer.op, layer.name) == ("hard_swish", "HardSwish", "hq")
    assert grids(layer) == [(0.5, 3), (0.25, -9)]
    assert not layer.faults


def table(codes: str, entries: Any, *, row: bool = True) -> tuple[Any, ...]:
    cast = helper.make_node("Cast", [codes], ["places"], to=onnx.TensorProto.INT32)
    if not row:
        return (cast, helper.make_node("Gather", ["entries", "places"], ["pq"]), *ends("pq"))
    return (
        cast,
        helper.make_node("Reshape", ["places", "flat"], ["row"]),
        helper.make_node("GatherElements", ["entries", "row"], ["looked"]),
        helper.make_node("Reshape", ["looked", "shape"], ["pq"]),
        *ends("pq"),
    )


@pytest.mark.parametrize("row", [True, False])
@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
def test_a_table_of_all_codes_is_read_in_the_order_of_codes(dtype: Any, row: bool) -> None:
    codes = np.arange(-128, 128)
    entries = np.minimum(codes + 5, 127)  # of each code, from -128 on
    if dtype == np.int8:
        stored = np.roll(entries, 128).astype(np.int8)  # places below 0 count from the end
        grid: dict[str, Any] = {"z": np.int8(0), "w": np.int8(9)}
    else:
        stored, grid = (entries + 128).astype(np.uint8), {}
    *_, layer = read(
        BEGIN[0],
        *table("xq", stored, row=row),
        entries=stored,
        flat=np.array([-1]),
        shape=np.array([1, 3, 8, 8]),
        **grid,
    )
    assert (layer.kind, layer.name) == ("table", "pq")
    np.testing.assert_array_equal(layer.table, entries)
    assert layer.output.shape == (8, 8, 3)
    assert grids(layer) == [(0.5, 0), (0.75, 9 if dtype == np.int8 else -119)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"entries": np.zeros(255, np.uint8)},
        {"entries": np.zeros(256, np.float32)},
        {"shape": np.array([1, 8, 8, 3])},
        {"flat": np.array([1, -1])},
    ],
)
def test_a_table_that_does_not_hold_all_codes_is_unknown(wrong: dict[str, Any]) -> None:
    right = {
        "entries": np.zeros(256, np.uint8),
        "flat": np.array([-1]),
        "shape": np.array([1, 3, 8, 8]),
    }
    layers = read(BEGIN[0], *table("xq", None), **(right | wrong))
    assert layers[-1].kind == "unknown"


def test_codes_that_are_only_cast_are_unknown() -> None:
    layers = read(BEGIN[0], helper.make_node("Cast", ["xq"], ["out"], to=onnx.TensorProto.INT32))
    assert [(layer.kind, layer.op) for layer in layers] == [("unknown", "Cast")]


def test_a_clip_of_looked_up_codes_is_part_of_the_table() -> None:
    *nodes, end = table("xq", None)
    nodes[-1].output[0] = "looked up"
    clip = helper.make_node("Clip", ["looked up", "low", "high"], ["pq"])
    *_, layer = read(
        BEGIN[0],
        *nodes,
        clip,
        end,
        entries=np.arange(256, dtype=np.uint8),
        flat=np.array([-1]),
        shape=np.array([1, 3, 8, 8]),
        low=np.uint8(20),
        high=np.uint8(200),
    )
    assert layer.table is not None
    assert (layer.kind, layer.table.min(), layer.table.max()) == ("table", -108, 72)


def test_our_table_holds_litert_s_hard_swish_values() -> None:
    node = example(hard_swish, "by a table").node
    assert isinstance(node, hard_swish.HardSwish)
    (layer,) = reading.read_onnx(parse_onnx(ours(hard_swish, "by a table")[1])).layers
    codes = np.arange(-128, 128)
    inputs = example(hard_swish, "by a table").inputs
    (expected,) = hard_swish.litert_cases(node, inputs, (codes,))
    np.testing.assert_array_equal(layer.table, expected)


def test_a_fused_activation_of_a_tflite_mul_is_read_as_its_clamp() -> None:
    file = TfliteFile(ours(mul, "one shape")[0])
    file.graph.operators[-1].builtinOptions.fusedActivationFunction = 1
    *_, layer = reading.read_tflite(parse_tflite(file.bytes())).layers
    assert (layer.kind, layer.clamp) == ("mul", (-20, 127))


def test_a_mul_by_a_constant_is_not_read_as_a_mul_of_two_activations() -> None:
    file = TfliteFile(ours(mul, "one shape")[0])
    operator = file.graph.operators[-1]
    operator.inputs = [operator.inputs[0], file.add_constant("k", np.ones((1, 5, 4, 3), np.int8))]
    *_, layer = reading.read_tflite(parse_tflite(file.bytes())).layers
    assert (layer.kind, layer.op) == ("unknown", "MUL")


@pytest.mark.parametrize(("operator", "name"), [(mul, "channels"), (hard_swish, "wide")])
def test_a_stated_shape_that_the_operator_does_not_compute_is_a_fault(
    operator: Any, name: str
) -> None:
    file = TfliteFile(ours(operator, name)[0])
    tensor = file.output(len(file.graph.operators) - 1)
    tensor.shape = tensor.shape * np.array([1, 2, 1, 1], np.int32)
    *_, layer = reading.read_tflite(parse_tflite(file.bytes())).layers
    assert [(layer.op, fault.field) for fault in layer.faults] == [
        (next(iter(operator.TFLITE)), "output_shape")
    ]
