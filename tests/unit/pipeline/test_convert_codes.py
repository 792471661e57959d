"""Operators of any finished `.tflite` give the same codes in an `.onnx`, on any grids."""

import itertools
from typing import Any

import converting
import numpy as np
import numpy.typing as npt
import pytest
from tflite_editor import TfliteFile

from mobiledeploy.base.errors import ConversionError, CorruptFileError
from mobiledeploy.formats import model_file
from mobiledeploy.formats.onnx import parse
from mobiledeploy.pipeline import convert
from mobiledeploy.reading import read_onnx
from mobiledeploy.runtimes import litert, ort
from mobiledeploy.runtimes.child import Children

Codes = npt.NDArray[Any]
POOL = {"StrideW": 1, "StrideH": 1, "Padding": 0}
TYPES = (np.uint8, np.int8)


def as_onnx(data: bytes) -> convert.Converted:
    return convert.to_format(model_file.of_bytes("a file", data), "onnx")


def images(dtype: type[np.integer[Any]], shape: tuple[int, ...]) -> Codes:
    """All codes, noise, and images whose windows have sums next to each other."""
    random = np.random.default_rng(8)
    codes = random.integers(0, 256, (6, *shape))
    codes[0] = np.resize(np.arange(256), shape[:2])[..., None]
    for row in range(2, 6):
        flat = random.integers(0, 256, (1, 1, shape[2]))
        codes[row] = np.clip(flat + random.integers(-4, 5, shape), 0, 255)
    if dtype == np.int8:
        codes -= 128
    return codes.astype(dtype)


def same_codes(
    data: bytes, dtype: type[np.integer[Any]], *, varied: bool = True
) -> convert.Converted:
    """Check that both runtimes give the same codes for all codes; return the conversion."""
    result = as_onnx(data)
    session, other = litert.load(data), ort.load(result.data)
    batch = images(dtype, session.input.shape)
    before = np.concatenate([session.run(batch[i : i + 1])[0] for i in range(len(batch))])
    after = np.concatenate([other.run(batch[i : i + 1])[0] for i in range(len(batch))])
    np.testing.assert_array_equal(before, after)
    assert not varied or len(np.unique(before)) > 1
    return result


def random_grids(count: int, seed: int) -> list[tuple[converting.Grid, converting.Grid]]:
    random = np.random.default_rng(seed)
    return [
        (
            (float(random.uniform(0.01, 0.2)), int(random.integers(-128, 128))),
            (float(random.uniform(0.01, 0.2)), int(random.integers(-128, 128))),
        )
        for _ in range(count)
    ]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(
    ("operator", "out"),
    [("LOGISTIC", (1 / 256, -128)), ("TANH", (1 / 128, 0)), ("HARD_SWISH", ())],
)
def test_a_function_of_each_code(
    dtype: type[np.integer[Any]], operator: str, out: tuple[float, int] | tuple[()]
) -> None:
    options = "HardSwishOptions" if operator == "HARD_SWISH" else ""
    for first, second in random_grids(3, 1):
        data = converting.of_one_operator(operator, dtype, (first, out or second), options=options)
        same_codes(data, dtype)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(
    ("window", "padding"), [((3, 3), 0), ((2, 2), 0), ((4, 2), 1), ((16, 16), 1), ((5, 16), 1)]
)
def test_an_average_pool_rounds_halves_as_its_type_does(
    dtype: type[np.integer[Any]], window: tuple[int, int], padding: int
) -> None:
    height, width = window
    out = (16, 16, 3) if padding == 0 else (17 - height, 17 - width, 3)
    data = converting.of_one_operator(
        "AVERAGE_POOL_2D",
        dtype,
        ((0.043, -9), (0.043, -9)),
        out=out,
        options="Pool2DOptions",
        FilterHeight=height,
        FilterWidth=width,
        StrideH=1,
        StrideW=1,
        Padding=padding,
    )
    result = same_codes(data, dtype)
    (pool, *_) = read_onnx(parse(result.data)).layers
    assert pool.kind in {"average_pool", "mean"}
    assert not pool.faults
    if dtype == np.int8:  # of uint8 no node states the grid of the input
        assert (pool.output.scale, pool.output.zero_point) == (np.float32(0.043), -9)


@pytest.mark.parametrize(
    ("dtype", "grids"),
    [(np.int8, ((0.1908, -65), (0.0481, -49))), (np.uint8, ((0.1598, -36), (0.0926, 28)))],
)
def test_a_mean_that_no_scale_mends_is_written_in_xnnpack_s_arithmetic(
    dtype: type[np.integer[Any]], grids: tuple[converting.Grid, converting.Grid]
) -> None:
    data = converting.of_one_operator(
        "MEAN",
        dtype,
        grids,
        shape=(20, 20, 3),
        out=(1, 1, 3),
        options="ReducerOptions",
        KeepDims=True,
    )
    result = same_codes(data, dtype)
    assert "integers" in {each.form for each in result.operators}
    (mean, *_) = read_onnx(parse(result.data)).layers
    assert (mean.kind, mean.faults) == ("mean", ())


OPERATORS = {
    "ADD": "AddOptions",
    "SUB": "SubOptions",
    "MUL": "MulOptions",
}


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("beyond", [False, True])
def test_one_operand_may_be_a_constant(
    dtype: type[np.integer[Any]], operator: str, *, beyond: bool
) -> None:
    """Also on scales beyond those that XNNPACK takes."""
    step = 1e-6 if beyond else 0.031
    random = np.random.default_rng(3)
    for grids, size in zip(random_grids(3, 2), ((), (3,), (1, 1, 1, 3)), strict=True):
        constant = random.integers(-128, 128, size), (step, int(random.integers(-128, 128)))
        data = converting.of_one_operator(
            operator, dtype, grids, constant=constant, options=OPERATORS[operator]
        )
        result = same_codes(data, dtype, varied=not beyond)
        forms = {each.form for each in result.operators}
        # A table for each channel is a depthwise convolution where one gives all codes.
        assert forms == {"table"} or (size and forms == {"convolution"})


def test_results_beyond_16_bits_are_refused() -> None:
    constant = np.array(100), (1.0, 0)
    data = converting.of_one_operator(
        "ADD", np.uint8, ((1.0, 0), (0.001, 0)), constant=constant, options="AddOptions"
    )
    with pytest.raises(ConversionError, match="results leave 16 bits"):
        as_onnx(data)


@pytest.mark.parametrize("io", ["int8", "uint8", "float32"])
def test_a_table_of_the_input_leaves_its_grid_stated(io: Any) -> None:
    constant = np.array(5), (0.031, 4)
    data = converting.of_one_operator(
        "MUL", np.uint8, ((0.043, -9), (0.07, 3)), constant=constant, options="MulOptions"
    )
    result = convert.to_format(model_file.of_bytes("a file", data), "onnx", io=io)
    stated = read_onnx(parse(result.data)).input
    assert (stated.scale, stated.zero_point) == (np.float32(0.043), -9)


def test_arithmetic_on_shapes_is_left_out() -> None:
    data = converting.with_computed_shape()
    result = as_onnx(data)
    codes = np.random.default_rng(2).integers(-128, 128, (1, 4, 4, 3)).astype(np.int8)
    expected = litert.load(data).run(codes)[0]
    received = ort.load(result.data).run(codes)[0]
    np.testing.assert_array_equal(received.reshape(expected.shape), expected)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("operator", ["MAXIMUM", "MINIMUM"])
def test_a_bound_may_be_a_constant(dtype: type[np.integer[Any]], operator: str) -> None:
    grid = (0.05, 12)
    constant = np.array([-20, 3, 60]), grid
    data = converting.of_one_operator(
        operator, dtype, (grid, grid), constant=constant, options="MaximumMinimumOptions"
    )
    same_codes(data, dtype)


def test_a_constant_of_another_shape_is_named() -> None:
    constant = np.zeros((1, 16, 16, 3), np.int8), (0.03, 0)
    data = converting.of_one_operator(
        "ADD", np.int8, ((0.05, 3), (0.07, 4)), constant=constant, options="AddOptions"
    )
    with pytest.raises(ConversionError, match="expected one code, or one a channel") as caught:
        as_onnx(data)
    assert "mobiledeploy quantize" in str(caught.value.hint)


def test_uint8_parts_on_several_grids_are_joined() -> None:
    for seed in range(3):
        same_codes(converting.joined_uint8(seed), np.uint8)


@pytest.mark.parametrize(("before", "after"), [*itertools.permutations(TYPES)])
def test_codes_of_another_type_and_grid(
    before: type[np.integer[Any]], after: type[np.integer[Any]]
) -> None:
    for first, second in random_grids(4, 6):
        data = converting.of_another_type(before, after, first, second)
        result = as_onnx(data)
        batch = np.arange(256).reshape(1, 16, 16, 1) - 128 * (before == np.int8)
        expected = litert.load(data).run(batch.astype(before))[0]
        received = ort.load(result.data).run(batch.astype(before))[0]
        assert received.dtype == after
        np.testing.assert_array_equal(received, expected)


def test_an_input_that_is_no_image_keeps_its_shape() -> None:
    data = converting.legacy_uint8()
    result = as_onnx(data)
    assert ort.load(result.data).input.shape == (13, 13, 3)
    pixel = converting.of_one_operator(
        "LOGISTIC", np.int8, ((0.05, 3), (1 / 256, -128)), shape=(1, 1, 640)
    )
    result = as_onnx(pixel)
    assert ort.load(result.data).input.shape == (1, 1, 640)
    assert read_onnx(parse(result.data)).input.axes == "NHWC"


def test_an_axis_that_a_bias_has_not_is_corrected() -> None:
    file = TfliteFile(converting.legacy_uint8())
    names = ["stem/bias", "deep/bias"]
    for name in names:
        file.grid(name).quantizedDimension = 3
    result = as_onnx(file.bytes())
    assert [each.form for each in result.operators].count("corrected axis") == len(names)
    assert result.loadable is not None
    mended = TfliteFile(result.loadable)
    assert {mended.grid(name).quantizedDimension for name in names} == {0}
    with pytest.raises(CorruptFileError, match="quantized_dimension"):
        litert.load(file.bytes())
    litert.load(result.loadable)


def test_custom_operators_are_named_with_what_to_do() -> None:
    file = TfliteFile(converting.legacy_uint8())
    code = file.model.operatorCodes[file.writer("sum").opcodeIndex]
    code.builtinCode, code.deprecatedBuiltinCode = 32, 32
    code.customCode = "edgetpu-custom-op"
    with pytest.raises(
        ConversionError, match="`edgetpu-custom-op` is a custom operator"
    ) as caught:
        as_onnx(file.bytes())
    assert "before it was compiled" in str(caught.value.hint)


def test_operators_without_a_form_are_named_with_where_they_are_listed() -> None:
    data = converting.of_one_operator("COS", np.int8, ((0.05, 3), (0.05, 3)))
    with pytest.raises(ConversionError, match="COS cannot be converted") as caught:
        as_onnx(data)
    assert "docs/convert.md" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("border", "cut", "out"),
    [
        ([[2, 3], [3, 5]], [[0, 1], [0, 2]], (9, 13)),
        ([[0, 1], [0, 2]], [[0, 1], [0, 2]], (5, 7)),
        ([[1, 2], [2, 0]], [[1, 0], [1, 0]], (7, 8)),
    ],
    ids=["same", "valid", "cut off above"],
)
@pytest.mark.parametrize("depthwise", [False, True])
def test_a_convolution_of_a_batch_of_pixels_apart_becomes_a_dilated_one(
    border: list[list[int]], cut: list[list[int]], out: tuple[int, int], depthwise: bool
) -> None:
    data = converting.dilated(border, cut, out, depthwise=depthwise)
    result = same_codes(data, np.int8)
    (layer,) = read_onnx(parse(result.data)).layers
    assert layer.dilations == (2, 3)
    assert result.operators == ()


@pytest.mark.parametrize(
    ("cut", "out", "back"),
    [([[1, 0], [1, 0]], (4, 6), (2, 3)), ([[0, 1], [0, 1]], (8, 7), (3, 2))],
    ids=["more is cut off than was added", "another block"],
)
def test_other_batches_of_pixels_are_refused_by_name(
    cut: list[list[int]], out: tuple[int, int], back: tuple[int, int]
) -> None:
    data = converting.dilated([[0, 1], [0, 2]], cut, out, back=back)
    with pytest.raises(ConversionError, match=r"0, SPACE_TO_BATCH_ND .*\n.*2, BATCH_TO_SPACE_ND"):
        as_onnx(data)


@pytest.mark.parametrize(
    ("operators", "form"),
    [
        (["ELU"], "ELU"),
        (["NEG"], "NEG"),
        (["PRELU"], "PRELU"),
        (["ADD", "ABS", "SQRT", "TANH", "MUL"], "ADD"),
        ([], "DEQUANTIZE"),
    ],
)
def test_float_operators_of_one_element_become_a_table_that_litert_computes(
    operators: list[str], form: str
) -> None:
    result = same_codes(converting.float_parts(operators, out=(0.031, 5)), np.int8)
    (table,) = result.operators
    assert (table.operator, table.form, table.layer) == (form, "table", "result")
    layers = read_onnx(parse(result.data)).layers
    assert [layer.kind for layer in layers] == ["max_pool", "table", "max_pool"]


def test_operators_of_floats_that_only_move_values_move_codes() -> None:
    result = same_codes(converting.float_parts([], moved=True), np.int8)
    assert result.operators == ()
    layers = read_onnx(parse(result.data)).layers
    assert [layer.kind for layer in layers] == ["max_pool", "reduce_max", "dense"]
    result = same_codes(converting.float_parts([], moved=True, out=(0.03, 9)), np.int8)
    assert [each.form for each in result.operators] == ["table"]


def test_an_int8_operator_that_no_reader_knows_becomes_a_table() -> None:
    grids = (0.043, -9), (0.021, -100)
    data = converting.of_one_operator("ABS", np.int8, grids, options="AbsOptions")
    (table,) = same_codes(data, np.int8).operators
    assert (table.operator, table.form) == ("ABS", "table")


def test_a_function_of_two_tensors_is_no_table_of_one() -> None:
    file = TfliteFile(converting.float_parts(["ELU", "MUL"]))
    image, product = file.index("image"), file.writer("1/MUL")
    other = file.add_tensor("real", "another image")
    file.add_operator(0, "DEQUANTIZE", [image], [other], version=2)
    product.inputs = np.array([product.inputs[0], other], np.int32)
    with pytest.raises(ConversionError, match="2, DEQUANTIZE"):
        as_onnx(file.bytes())


def test_what_a_layer_is_refused_for_that_reads_a_refused_one_is_no_place_of_its_own() -> None:
    file = TfliteFile(converting.float_parts([], moved=True))
    file.insert("TILE", "result", file.add_constant("times", np.array([1, 2], np.int32)))
    with pytest.raises(ConversionError, match=r"because of 1 place:\n.*TILE cannot be converted"):
        as_onnx(file.bytes())


def test_operators_that_give_one_code_several_results_are_no_table(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = converting.float_parts(["ELU"])
    random = np.random.default_rng(0)

    def once(_: Children, runtime: object, model: bytes, batches: list[Codes]) -> tuple[Codes]:
        del runtime, model
        return (random.integers(-128, 128, batches[0].shape).astype(np.int8),)

    monkeypatch.setattr(Children, "once", once)
    with pytest.raises(ConversionError, match="DEQUANTIZE"):
        as_onnx(data)
