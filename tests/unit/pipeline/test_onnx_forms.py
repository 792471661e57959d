"""What an `.onnx` of another tool computes between two grids has a form with the same codes."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import helper, numpy_helper

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.formats import model_file
from mobiledeploy.pipeline import convert
from mobiledeploy.runtimes import litert, ort

CHANNELS, SIDE = 4, 12
SHAPE: Final = (1, CHANNELS, SIDE, SIDE)
RANDOM = np.random.default_rng(5)
BY_CHANNEL = RANDOM.uniform(0.5, 1.5, (CHANNELS, 1, 1)).astype(np.float32)
VECTOR = RANDOM.uniform(0.5, 1.5, CHANNELS).astype(np.float32)


class Graph:
    """An `.onnx` of quantise/dequantise pairs while its nodes are added."""

    def __init__(self, dtype: str = "uint8", *, constants: bool = False) -> None:
        self.nodes: list[Any] = []
        self.values: list[Any] = []
        self._dtype, self._constants = np.dtype(dtype), constants

    def number(self, values: npt.ArrayLike, dtype: npt.DTypeLike = np.float32) -> str:
        """Add a constant: an initialiser, or a Constant node."""
        name = f"c{len(self.nodes)}_{len(self.values)}"
        tensor = numpy_helper.from_array(np.asarray(values, dtype), name)
        if self._constants:
            self.nodes.append(helper.make_node("Constant", [], [name], value=tensor))
        else:
            self.values.append(tensor)
        return name

    def node(self, kind: str, inputs: Sequence[str], **attributes: Any) -> str:
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def codes(self, real: str, scale: float, zero: int = 0) -> str:
        code = zero + 128 * (self._dtype == np.uint8)
        grid = [self.number(scale), self.number(code, self._dtype)]
        return self.node("QuantizeLinear", [real, *grid])

    def real(self, codes: str, scale: float, zero: int = 0) -> str:
        code = zero + 128 * (self._dtype == np.uint8)
        grid = [self.number(scale), self.number(code, self._dtype)]
        return self.node("DequantizeLinear", [codes, *grid])

    def pair(self, real: str, scale: float, zero: int = 0) -> str:
        return self.real(self.codes(real, scale, zero), scale, zero)

    def finish(self, output: str) -> bytes:
        self.nodes[-1].output[0] = "y"
        graph = helper.make_graph(
            self.nodes,
            "graph",
            [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, SHAPE)],
            [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)],
            self.values,
        )
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
        model = helper.make_model(graph, ir_version=8, opset_imports=opsets)
        data: bytes = model.SerializeToString()
        return data


def whole(graph: Graph, real: str) -> bytes:
    """Return a file that ends in the mean of each channel."""
    mean = graph.pair(graph.node("GlobalAveragePool", [real]), 0.0071, 3)
    return graph.finish(graph.node("Flatten", [mean]))


def layer(graph: Graph, kind: str, real: str) -> str:
    """Add nodes that compute each element alone; return what they give."""
    match kind:
        case "divided":
            return graph.node("Div", [real, graph.number(BY_CHANNEL)])
        case "subtracted from":
            return graph.node("Sub", [graph.number(BY_CHANNEL), real])
        case "normalised":
            numbers = [graph.number(VECTOR * factor) for factor in (1, 0.3, -0.2, 0.8)]
            return graph.node("BatchNormalization", [real, *numbers])
        case "prelu":
            return graph.node("PRelu", [real, graph.number(BY_CHANNEL * 0.2)])
        case "mish":
            soft = graph.node("Tanh", [graph.node("Softplus", [real])])
            return graph.node("Mul", [real, graph.pair(soft, 0.008)])
        case _:
            return graph.node("Max", [real, graph.node("Neg", [real])])


def same_codes(data: bytes, **options: Any) -> convert.Converted:
    """Convert a file, and compare both in their runtimes on noise."""
    result = convert.to_format(model_file.of_bytes("a file", data), "tflite", **options)
    images = np.random.default_rng(2).uniform(-1.1, 1.1, (16, *SHAPE[1:])).astype(np.float32)
    before = ort.load(data).run(images)[0]
    after = litert.load(result.data).run(images.transpose(0, 2, 3, 1))[0]
    np.testing.assert_array_equal(before.ravel(), after.ravel())
    assert len(np.unique(before)) > 10
    return result


def others(result: convert.Converted) -> list[convert.ConvertedOperator]:
    """What became of all operators but the mean at the end."""
    return [each for each in result.operators if each.operator != "GlobalAveragePool"]


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
@pytest.mark.parametrize(
    ("kind", "operator", "form"),
    [
        ("divided", "Div", "convolution"),
        ("subtracted from", "Sub", "convolution"),
        ("normalised", "BatchNormalization", "convolution"),
        ("prelu", "PRelu", "table"),
        ("mish", "Softplus", "table"),
        ("absolute", "Neg", "table"),
    ],
)
def test_nodes_that_compute_each_element_alone_keep_their_codes(
    kind: str, operator: str, form: str, dtype: str
) -> None:
    graph = Graph(dtype)
    real = layer(graph, kind, graph.pair("x", 1 / 120, -4))
    result = same_codes(whole(graph, graph.pair(real, 0.0173, 11)))
    (other, *_) = others(result)
    assert (other.operator, other.form) == (operator, form)


def test_a_bias_behind_a_matrix_product_keeps_its_codes() -> None:
    graph = Graph()
    scale, zero = graph.number(0.01), graph.number(128, np.uint8)
    mean = graph.node("GlobalAveragePool", [graph.pair("x", 1 / 120)])
    codes = graph.node("Flatten", [graph.codes(mean, 0.003)])
    weights = graph.number(RANDOM.integers(-127, 128, (CHANNELS, 5)), np.int8)
    inputs = [codes, graph.number(0.003), zero, weights, scale, graph.number(0, np.int8)]
    product = graph.node("QLinearMatMul", [*inputs, scale, zero])
    bias = graph.number(RANDOM.integers(0, 255, 5), np.uint8)
    operands = [product, scale, zero, bias, graph.number(0.0013), zero]
    total = graph.node(
        "QLinearAdd", [*operands, graph.number(0.011), zero], domain="com.microsoft"
    )
    result = same_codes(graph.finish(graph.real(total, 0.011)))
    assert "QLinearAdd" in {each.operator for each in result.operators}
    assert litert.load(result.data).outputs[0].shape == (5,)


def test_a_channel_shuffle_keeps_its_codes() -> None:
    graph = Graph()
    real = graph.pair("x", 1 / 120)
    for shape, perm in (((1, 2, 2, SIDE, SIDE), (0, 2, 1, 3, 4)), (SHAPE, None)):
        real = graph.node("Reshape", [real, graph.number(shape, np.int64)])
        real = graph.pair(real, 1 / 120)
        if perm:
            real = graph.pair(graph.node("Transpose", [real], perm=perm), 1 / 120)
    assert not others(same_codes(whole(graph, real)))


def test_a_move_to_another_grid_keeps_its_codes() -> None:
    graph = Graph()
    bounds = [graph.number([at], np.int64) for at in (1, 3, 1)]
    real = graph.node("Slice", [graph.pair("x", 1 / 120), *bounds])
    (other,) = others(same_codes(whole(graph, graph.pair(real, 0.0093, 7))))
    assert (other.operator, other.form) == ("Slice", "table")


def test_an_empty_padding_is_nothing() -> None:
    graph = Graph()
    real = graph.node("Pad", [graph.pair("x", 1 / 120), graph.number([0] * 8, np.int64)])
    assert not others(same_codes(whole(graph, real)))


def averaged(scale: float, window: int, **attributes: Any) -> bytes:
    graph = Graph()
    real = graph.pair("x", 1 / 120, 5)
    pooled = graph.node("AveragePool", [real], kernel_shape=[window] * 2, **attributes)
    return whole(graph, graph.pair(pooled, scale, 2))


@pytest.mark.parametrize("more", [{}, {"pads": [1] * 4, "count_include_pad": 1}])
def test_an_average_pool_without_halves_is_exact(more: dict[str, Any]) -> None:
    pools = others(same_codes(averaged(0.00512, 3, **more)))
    assert [each.form for each in pools] == ["convolution"]


def test_an_average_pool_with_halves_says_how_many() -> None:
    data = averaged(1 / 120, 2)
    with pytest.raises(ConversionError, match=r"[\d,]+ of 1,021 sums are so close to a half"):
        convert.to_format(model_file.of_bytes("a file", data), "tflite")
    result = convert.to_format(model_file.of_bytes("a file", data), "tflite", allow_inexact=True)
    assert [each.form for each in others(result)] == ["inexact"]


@pytest.mark.parametrize("constants", [False, True])
def test_weights_that_are_quantised_and_clipped_as_the_file_runs_are_read(constants: bool) -> None:
    graph = Graph(constants=constants)
    weights, scale = RANDOM.normal(0, 0.3, (6, CHANNELS, 3, 3)), np.full(6, 0.004)
    grid = [graph.number(scale), graph.number(np.zeros(6), np.int8)]
    codes = graph.node("QuantizeLinear", [graph.number(weights), *grid], axis=0)
    narrow = [graph.number(bound, np.int8) for bound in (-127, 127)]
    kernel = graph.node("DequantizeLinear", [graph.node("Clip", [codes, *narrow]), *grid], axis=0)
    bias = graph.number(RANDOM.normal(0, 0.1, 6))
    real = graph.node("Conv", [graph.pair("x", 1 / 120), kernel, bias])
    result = same_codes(whole(graph, graph.pair(real, 0.02)))
    assert "quantised bias" in {each.form for each in result.operators}


def test_a_relu_that_is_not_quantised_stays_on_its_grid() -> None:
    graph = Graph()
    real = graph.node("Relu", [graph.pair("x", 1 / 120)])
    pooled = graph.node("MaxPool", [real], kernel_shape=[2, 2], strides=[2, 2])
    same_codes(whole(graph, graph.pair(pooled, 1 / 120)))


def test_a_float_bias_behind_a_flatten_is_only_close() -> None:
    graph = Graph()
    mean = graph.pair(graph.node("GlobalAveragePool", [graph.pair("x", 1 / 120)]), 0.003)
    grid = [graph.number(0.004), graph.number(0, np.int8)]
    matrix = graph.number(RANDOM.integers(-127, 128, (5, CHANNELS)), np.int8)
    kernel = graph.node("DequantizeLinear", [matrix, *grid])
    inputs = [graph.node("Flatten", [mean]), kernel, graph.number(RANDOM.normal(0, 0.1, 5))]
    data = graph.finish(graph.pair(graph.node("Gemm", inputs, transB=1), 0.011))
    file = model_file.of_bytes("a file", data)
    with pytest.raises(ConversionError, match="its bias is float32") as caught:
        convert.to_format(file, "tflite")
    assert "--allow-inexact" in str(caught.value.hint)
    (gemm,) = others(convert.to_format(file, "tflite", allow_inexact=True))
    assert (gemm.operator, gemm.form, gemm.lsb) == ("Gemm", "inexact", 1)


def test_a_layer_that_is_not_quantised_is_refused_with_what_to_do() -> None:
    graph = Graph()
    first = graph.pair(graph.node("GlobalAveragePool", [graph.pair("x", 1 / 120)]), 0.003)
    grid = [graph.number(0.004), graph.number(0, np.int8)]
    matrix = graph.number(RANDOM.integers(-127, 128, (5, CHANNELS)), np.int8)
    kernel = graph.node("DequantizeLinear", [matrix, *grid])
    inputs = [graph.pair(graph.node("Flatten", [first]), 0.003), kernel]
    data = graph.finish(graph.node("Gemm", inputs, transB=1))
    with pytest.raises(ConversionError, match="holds float32, not codes") as caught:
        convert.to_format(model_file.of_bytes("a file", data), "tflite")
    assert "QuantizeLinear has to follow" in str(caught.value.hint)


def test_an_input_that_is_normalised_in_floats_is_refused_with_what_to_do() -> None:
    graph = Graph()
    real = graph.node("Sub", ["x", graph.number(BY_CHANNEL)])
    data = whole(graph, graph.pair(real, 0.01))
    with pytest.raises(ConversionError, match="input `x`") as caught:
        convert.to_format(model_file.of_bytes("a file", data), "tflite")
    assert "normalise the input" in str(caught.value.hint)


def test_bounds_that_the_file_computes_are_refused_with_what_folds_them() -> None:
    graph = Graph()
    real = graph.pair("x", 1 / 120)
    size = graph.node("Gather", [graph.node("Shape", [real]), graph.number(1, np.int64)])
    end = graph.node("Unsqueeze", [size, graph.number([0], np.int64)])
    bounds = [graph.number([1], np.int64), end, graph.number([1], np.int64)]
    data = whole(graph, graph.pair(graph.node("Slice", [real, *bounds]), 1 / 120))
    with pytest.raises(ConversionError, match="Slice of a tensor") as caught:
        convert.to_format(model_file.of_bytes("a file", data), "tflite")
    assert "quant_pre_process" in str(caught.value.hint)


def test_a_padding_by_reflection_is_refused_by_its_mode() -> None:
    graph = Graph()
    around = graph.number([0, 0, 1, 1, 0, 0, 1, 1], np.int64)
    real = graph.node("Pad", [graph.pair("x", 1 / 120), around], mode="reflect")
    with pytest.raises(ConversionError, match="in mode `reflect`") as caught:
        convert.to_format(
            model_file.of_bytes("a file", whole(graph, graph.pair(real, 1 / 120))), "tflite"
        )
    assert "leave the others out" in str(caught.value.hint)
