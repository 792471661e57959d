"""A finished int8 file in the other format computes the same codes."""

import dataclasses
import json
from pathlib import Path
from typing import Any, get_args

import comparing
import converting
import graphs
import jsonschema
import numpy as np
import numpy.typing as npt
import pytest
from typer.testing import CliRunner

from mobiledeploy import reading
from mobiledeploy.base import codec
from mobiledeploy.base.errors import ConversionError, RequestError
from mobiledeploy.cli import convert as command
from mobiledeploy.cli.main import app
from mobiledeploy.formats import model_file
from mobiledeploy.formats.model import Format
from mobiledeploy.formats.onnx import parse
from mobiledeploy.formats.tflite import parse as parsed
from mobiledeploy.integer import tflite_reader
from mobiledeploy.integer.certify import certify
from mobiledeploy.integer.graph import IntegerGraph, head_of
from mobiledeploy.ops import conv, table
from mobiledeploy.ops.capabilities import Sampled
from mobiledeploy.ops.conv import Conv
from mobiledeploy.ops.mul import Mul
from mobiledeploy.ops.node import Node, WeightedNode
from mobiledeploy.ops.operator import Example, Operator
from mobiledeploy.ops.tensors import QTensor
from mobiledeploy.pipeline import convert
from mobiledeploy.runtimes import litert, ort
from mobiledeploy.targets import onnx, tflite

SCHEMAS = Path(__file__).parents[3] / "docs" / "schemas"
EXAMPLES = [
    pytest.param(operator, example, id=f"{operator.LAYERS[0]}: {example.name}")
    for operator in table.OPERATORS
    for example in operator.examples()
]


def converted(data: bytes, wanted: Format, **options: Any) -> convert.Converted:
    return convert.to_format(model_file.of_bytes("a file", data), wanted, **options)


def written(graph: IntegerGraph, kind: Format) -> bytes:
    head = head_of(graph)
    if kind == "tflite":
        return tflite.write(graph, head=head)
    return onnx.write(graph, certify(graph), head=head)


def run(kind: Format, data: bytes, images: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    session = litert.load(data) if kind == "tflite" else ort.load(data)
    if session.input.shape != images.shape[1:]:
        images = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    # Files of the quantiser take one image at a time.
    return np.concatenate([session.run(images[i : i + 1])[0] for i in range(len(images))]).astype(
        np.float64
    )


def test_a_build_s_tflite_becomes_its_onnx_byte_for_byte() -> None:
    graph = graphs.assorted_graph()
    result = converted(written(graph, "tflite"), "onnx")
    assert result.data == written(graph, "onnx")
    assert result.io == "int8"


@pytest.mark.parametrize("io", ["int8", "uint8", "float32"])
def test_a_build_s_onnx_becomes_its_tflite_with_every_number_kept(io: Any) -> None:
    graph = graphs.assorted_graph()
    data = onnx.write(graph, certify(graph), io=io, head=head_of(graph))
    result = converted(data, "tflite")
    assert result.io == io
    back = tflite_reader.read_file(result.data)
    assert [tensor.shape for tensor in back.tensors().values()] == [
        tensor.shape for tensor in graph.tensors().values()
    ]
    for mine, other in zip(graph.nodes, back.nodes, strict=True):
        grids = [(node.output.scale, node.output.zero_point) for node in (mine, other)]
        assert grids[0] == grids[1]
        if isinstance(mine, WeightedNode) and isinstance(other, WeightedNode):
            for field in ("kernel", "kernel_scale", "bias"):
                np.testing.assert_array_equal(
                    getattr(mine.weights, field), getattr(other.weights, field)
                )


@pytest.mark.parametrize(("operator", "example"), EXAMPLES)
@pytest.mark.parametrize("kind", [pytest.param("tflite", marks=pytest.mark.slow), "onnx"])
def test_every_operator_keeps_its_codes(
    operator: Operator[Any], example: Example, kind: Format
) -> None:
    graph = graphs.around(example.node, example.inputs)
    other: Format = "onnx" if kind == "tflite" else "tflite"
    data = written(graph, kind)
    result = converted(data, other)
    images = np.random.default_rng(3).integers(-128, 128, (24, *graph.input.shape), np.int8)
    before, after = run(kind, data, images), run(other, result.data, images)
    module: object = operator
    within = module.WITHIN if isinstance(module, Sampled) else 0
    assert np.abs(before.reshape(after.shape) - after).max() <= within


OPTIONS = [
    ("residual", "QDQ", {"per_channel": True, "activation_type": "QUInt8"}),
    ("gated", "QOperator", {"activation_type": "QUInt8"}),
    ("joined", "QDQ", {"activation_type": "QUInt8", "reduce_range": True}),
    ("hard", "QDQ", {"activation_type": "QUInt8"}),
]


@pytest.mark.parametrize(("kind", "form", "options"), OPTIONS)
def test_a_file_of_onnx_runtime_s_quantiser_keeps_its_codes(
    kind: str, form: str, options: dict[str, Any], tmp_path: Path
) -> None:
    source = converting.quantised(kind, tmp_path, form, **options)
    same_logits(source.read_bytes(), "tflite")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "form"),
    [(kind, form) for kind in converting.KINDS for form in ("QDQ", "QOperator")
     if (kind, form) != ("hard", "QOperator")],  # the quantiser leaves it in floats
)  # fmt: skip
@pytest.mark.parametrize("types", [("QUInt8", "QInt8"), ("QUInt8", "QUInt8")])
@pytest.mark.parametrize("more", [{}, {"per_channel": True}, {"reduce_range": True}])
def test_every_option_of_the_quantiser_keeps_codes_both_ways(
    kind: str, form: str, types: tuple[str, str], more: dict[str, Any], tmp_path: Path
) -> None:
    activations, weights = types
    source = converting.quantised(
        kind, tmp_path, form, activation_type=activations, weight_type=weights, **more
    )
    result = same_logits(source.read_bytes(), "tflite")
    same_logits(result.data, "onnx")


def same_logits(data: bytes, wanted: Format) -> convert.Converted:
    """Convert a file of float32 images, and compare both files' logits on noise."""
    result = converted(data, wanted)
    images = np.random.default_rng(2).uniform(-1, 1, (40, 12, 12, 3)).astype(np.float32)
    first: Format = "onnx" if wanted == "tflite" else "tflite"
    before, after = run(first, data, images), run(wanted, result.data, images)
    np.testing.assert_array_equal(before, after)
    assert len(np.unique(before)) > 10
    return result


def test_values_between_two_codes_become_the_same_codes(tmp_path: Path) -> None:
    source = converting.quantised("hard", tmp_path, "QDQ", activation_type="QUInt8").read_bytes()
    there = converted(source, "tflite").data
    back = converted(there, "onnx").data
    scale = np.float32(reading.read_onnx(parse(source)).input.scale)
    random = np.random.default_rng(6)
    steps = random.integers(-100, 100, (60, 12, 12, 3)).astype(np.float32) + np.float32(0.5)
    near = random.integers(-2, 3, steps.shape).astype(np.int32)
    images = ((steps * scale).view(np.int32) + near).view(np.float32)
    expected = run("onnx", source, images)
    np.testing.assert_array_equal(run("tflite", there, images), expected)
    np.testing.assert_array_equal(run("onnx", back, images), expected)


def test_float_biases_become_the_integers_of_onnx_runtime(tmp_path: Path) -> None:
    source = converting.quantised("gated", tmp_path, "QDQ", activation_type="QUInt8")
    result = same_logits(converting.with_float_biases(source.read_bytes()), "tflite")
    forms = [each.form for each in result.operators]
    assert forms.count("quantised bias") == 4


def test_the_command_has_words_for_every_form() -> None:
    assert set(command._BECAME) == set(get_args(convert.Form))
    schema = json.loads((SCHEMAS / "convert.schema.json").read_text())
    listed = schema["$defs"]["operator"]["properties"]["form"]["enum"]
    assert sorted(listed) == sorted(command._BECAME)


def test_weights_of_nine_bits_become_a_sum_of_two_kernels(tmp_path: Path) -> None:
    source = converting.quantised(
        "residual", tmp_path, "QDQ", activation_type="QUInt8", weight_type="QUInt8"
    )
    result = same_logits(source.read_bytes(), "tflite")
    assert "copied channels" in {each.form for each in result.operators}


def depthwise_ones() -> list[Example]:
    """Depthwise convolutions whose rows are copied: dilated across only, and of a single row."""
    given = next(each for each in conv.examples() if each.name == "depthwise (3, 3) same")
    node: Any = given.node
    (source,), (_, width, channels) = given.inputs, given.inputs[0].shape
    tensors = [
        [
            dataclasses.replace(each, shape=(height, width, channels))
            for each in (source, node.output)
        ]
        for height in (source.shape[0], 1)
    ]
    return [
        Example(
            name=name,
            node=dataclasses.replace(node, output=output, strides=(1, 1), dilations=(1, across)),
            inputs=(image,),
        )
        for name, across, (image, output) in zip(
            ("dilated across", "of one row"), (2, 1), tensors, strict=True
        )
    ]


@pytest.mark.parametrize(
    "example",
    [pytest.param(each, id=each.name) for each in (*conv.examples(), *depthwise_ones())],
)
def test_every_convolution_keeps_its_codes_with_weights_of_nine_bits(example: Example) -> None:
    node: Any = example.node
    zeros = np.full(node.weights.kernel_scale.shape, 60, np.int32)
    wide = dataclasses.replace(node.weights, kernel_zero=zeros)
    graph = graphs.around(dataclasses.replace(node, weights=wide), example.inputs)
    data = written(graph, "onnx")
    result = converted(data, "tflite")
    assert [each.form for each in result.operators] == ["copied channels"]
    images = np.random.default_rng(3).integers(-128, 128, (24, *graph.input.shape), np.int8)
    before, after = run("onnx", data, images), run("tflite", result.data, images)
    np.testing.assert_array_equal(before.reshape(after.shape), after)
    read = reading.read_tflite(parsed(result.data))
    assert comparing.compare(reading.read_onnx(parse(data)), read).same
    # A depthwise one stays one for each channel: others take ten times as long.
    kernels = [layer for layer in read.layers if layer.weights]
    if node.depthwise and node.dilations[0] == 1:
        assert [layer.kind for layer in kernels] == ["depthwise"]


def uint8_weights() -> IntegerGraph:
    """A graph whose kernels have a zero point, as those of an `.onnx` of uint8 weights."""
    graph = graphs.assorted_graph()
    nodes = list[Node]()
    for node in graph.nodes:
        if not isinstance(node, Conv):
            nodes.append(node)
            continue
        weights = dataclasses.replace(
            node.weights,
            kernel=(node.weights.kernel // 2).astype(np.int8),
            kernel_zero=np.full(node.weights.kernel_scale.shape, 7, np.int32),
        )
        nodes.append(dataclasses.replace(node, weights=weights))
    return dataclasses.replace(graph, nodes=tuple(nodes))


def test_weights_that_fit_without_their_zero_point_are_shifted() -> None:
    graph = uint8_weights()
    result = converted(written(graph, "onnx"), "tflite")
    assert {each.form for each in result.operators} == {"shifted weights"}
    images = graphs.extremes(graph.input.shape)
    scores = run("tflite", result.data, images)
    assert np.abs(scores - run("onnx", written(graph, "onnx"), images)).max() <= 1


@pytest.mark.slow
@pytest.mark.tensorflow
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore:Statistics for quantized inputs were expected")
@pytest.mark.parametrize("kind", ["residual", "gated", "joined"])
def test_a_file_of_tensorflow_s_converter_keeps_its_codes_both_ways(
    tmp_path: Path, kind: str
) -> None:
    data = converting.by_tensorflow(kind)
    (tmp_path / "a.tflite").write_bytes(data)
    assert convert.convert(tmp_path / "a.tflite", tmp_path / "b.onnx").failures == ()
    there = converted(data, "onnx").data
    back = converted(there, "tflite").data
    images = np.random.default_rng(4).integers(-128, 128, (60, 12, 12, 3), np.int8)
    expected = run("tflite", data, images)
    assert len(np.unique(expected)) > 10
    np.testing.assert_array_equal(run("onnx", there, images), expected)
    np.testing.assert_array_equal(run("tflite", back, images), expected)


@pytest.mark.parametrize("ratio", [0.37, 0.5, 1.0625, 2.0, 3.3])
def test_codes_on_another_grid_are_those_of_the_kernel(ratio: float) -> None:
    data = converting.requantised(ratio)
    result = converted(data, "onnx")
    assert [each.form for each in result.operators] == ["table"]
    codes = np.arange(-128, 128, dtype=np.int8).reshape(1, 16, 16, 1)
    expected = run("tflite", data, codes)
    np.testing.assert_array_equal(run("onnx", result.data, codes), expected)


def test_a_legacy_uint8_file_keeps_its_codes() -> None:
    data = converting.legacy_uint8()
    result = converted(data, "onnx")
    assert result.io == "uint8"
    images = np.random.default_rng(4).integers(0, 256, (60, 13, 13, 3), np.uint8)
    before, after = run("tflite", data, images), run("onnx", result.data, images)
    np.testing.assert_array_equal(before, after)
    assert len(np.unique(before)) > 10


def test_a_legacy_uint8_file_becomes_one_of_int8() -> None:
    data = converting.legacy_uint8()
    result = converted(data, "tflite", io="int8")
    assert "copied channels" in {each.form for each in result.operators}
    images = np.random.default_rng(4).integers(0, 256, (60, 13, 13, 3), np.uint8)
    moved = (images.astype(np.int16) - 128).astype(np.int8)
    before, after = run("tflite", data, images), run("tflite", result.data, moved)
    np.testing.assert_array_equal(before, after + 128)


def test_a_product_that_arm64_rounds_otherwise_is_exact_here_and_said() -> None:
    a, b, out = (
        QTensor(name=name, shape=(6, 6, 3), scale=np.float32(scale), zero_point=zero)
        for name, scale, zero in (("a", 0.04, 3), ("b", 1 / 256, -128), ("product", 0.04, 5))
    )
    graph = graphs.around(Mul(inputs=("a", "b"), output=out), (a, b))
    result = converted(written(graph, "tflite"), "onnx")
    (said,) = result.operators
    assert (said.operator, said.form, said.differing) == ("MUL", "operator", 0)
    assert said.by_cpu > 0
    images = np.random.default_rng(3).integers(-128, 128, (60, *graph.input.shape), np.int8)
    expected = run("tflite", written(graph, "tflite"), images)
    np.testing.assert_array_equal(run("onnx", result.data, images), expected)


def dead_channel() -> IntegerGraph:
    """A channel without weights, and with the lowest bias, as ai-edge-quantizer writes them."""
    graph = graphs.assorted_graph()
    node: Any = graph.nodes[2]
    kernel, bias = node.weights.kernel.copy(), node.weights.bias.copy()
    scale, bias_scale = node.weights.kernel_scale.copy(), node.weights.bias_scale.copy()
    kernel[1], bias[1] = 0, -(2**31)
    scale[1] = bias_scale[1] = 1e-12
    bias_scale[1] = graph.tensors()[node.input].scale * scale[1]
    weights = dataclasses.replace(
        node.weights, kernel=kernel, bias=bias, kernel_scale=scale, bias_scale=bias_scale
    )
    nodes = list(graph.nodes)
    nodes[2] = dataclasses.replace(node, weights=weights)
    return dataclasses.replace(graph, nodes=tuple(nodes))


@pytest.mark.parametrize("kind", ["tflite", "onnx"])
def test_the_lowest_bias_of_a_dead_channel_is_taken(kind: Format) -> None:
    graph = dead_channel()
    other: Format = "onnx" if kind == "tflite" else "tflite"
    data = written(graph, kind)
    result = converted(data, other)
    images = graphs.extremes(graph.input.shape)
    assert np.abs(run(kind, data, images) - run(other, result.data, images)).max() <= 1


def test_sums_that_leave_int32_wrap_around_in_both_runtimes() -> None:
    graph = dead_channel()
    node: Any = graph.nodes[2]
    kernel, bias = node.weights.kernel.copy(), node.weights.bias.copy()
    source = graph.tensors()[node.input]
    scale, bias_scale = node.weights.kernel_scale.copy(), node.weights.bias_scale.copy()
    scale[1] = 60 * node.output.scale / source.scale / 2.0**31
    bias_scale[1] = source.scale * scale[1]
    images = graphs.extremes(graph.input.shape)
    scores = []
    for kernel[1], bias[1] in ((0, 2**31 - 1), (100, 2**31 - 1)):
        weights = dataclasses.replace(
            node.weights,
            kernel=kernel.copy(),
            bias=bias.copy(),
            kernel_scale=scale,
            bias_scale=bias_scale,
        )
        nodes = list(graph.nodes)
        nodes[2] = dataclasses.replace(node, weights=weights)
        data = written(dataclasses.replace(graph, nodes=tuple(nodes)), "tflite")
        scores.append(run("tflite", data, images))
        after = run("onnx", converted(data, "onnx").data, images)
        assert np.abs(scores[-1] - after).max() <= 1
    assert np.abs(scores[1] - scores[0]).max() > 2


@pytest.mark.parametrize(("io", "out"), [("uint8", "float32"), ("float32", "int8")])
def test_input_and_output_keep_their_types(io: Any, out: Any) -> None:
    graph = graphs.assorted_graph()
    data = tflite.write(graph, io=io, out=out, head=head_of(graph))
    result = converted(data, "onnx")
    session = ort.load(result.data)
    assert (session.input.dtype, session.outputs[0].dtype) == (np.dtype(io), np.dtype(out))
    back = litert.load(converted(result.data, "tflite").data)
    assert (back.input.dtype, back.outputs[0].dtype) == (np.dtype(io), np.dtype(out))


@pytest.mark.parametrize("kind", ["tflite", "onnx"])
def test_a_file_of_the_same_format_may_have_other_inputs_and_outputs(kind: Format) -> None:
    data = written(graphs.assorted_graph(), kind)
    result = converted(data, kind, io="uint8")
    shape = graphs.assorted_graph().input.shape
    images = np.random.default_rng(3).integers(-128, 128, (4, *shape))
    before = run(kind, data, images.astype(np.int8))
    after = run(kind, result.data, (images + 128).astype(np.uint8))
    np.testing.assert_array_equal(before + 128, after)


def test_everything_that_has_no_form_is_named_at_once(tmp_path: Path) -> None:
    import onnx as library

    source = converting.quantised("gated", tmp_path, "QDQ", activation_type="QUInt8")
    model = library.load(source)
    for node in model.graph.node:
        if node.op_type == "Sigmoid":
            node.op_type = "Sin"
    with pytest.raises(ConversionError, match="because of 2 places") as caught:
        converted(model.SerializeToString(), "tflite")
    assert str(caught.value).count("Sin cannot be converted") == 2
    assert "operator " in str(caught.value)


def test_what_is_off_by_a_step_is_written_if_it_may_be(tmp_path: Path) -> None:
    source = converting.quantised("averaged", tmp_path, "QDQ", activation_type="QUInt8")
    data = source.read_bytes()
    with pytest.raises(ConversionError, match="adds the window up in float32") as caught:
        converted(data, "tflite")
    assert "--allow-inexact" in str(caught.value.hint)
    result = converted(data, "tflite", allow_inexact=True)
    (inexact,) = (each for each in result.operators if each.form == "inexact")
    assert (inexact.operator, inexact.lsb) == ("AveragePool", 1)


def test_a_float_file_is_refused_with_what_makes_it_int8() -> None:
    model = converting.float_model("residual")
    with pytest.raises(ConversionError, match="computes with floats") as caught:
        converted(model.SerializeToString(), "tflite")
    assert "mobiledeploy quantize" in str(caught.value.hint)


def test_the_command_writes_the_file_and_its_json_follows_the_schema(tmp_path: Path) -> None:
    graph = graphs.assorted_graph()
    source, target = tmp_path / "a.tflite", tmp_path / "b.onnx"
    source.write_bytes(written(graph, "tflite"))
    arguments = ["convert", str(source), "-o", str(target), "--samples", "2", "--json", "-q"]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert document["exact"]
    assert document["equal_images"] == document["images"] > 0
    assert target.read_bytes() == written(graph, "onnx")
    for part, name in ((document, "convert"), (document["verification"], "verify")):
        schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
        jsonschema.Draft202012Validator(schema).validate(part)
    assert codec.load(convert.ConvertReport, document, where="stdout").exact


def test_a_missing_source_is_refused_with_what_to_name(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="there is no file") as caught:
        convert.convert(tmp_path / "no.tflite", tmp_path / "b.onnx")
    assert "a finished .tflite, or a quantised .onnx" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("name", "said"), [("b.tfl", "ends in .tflite or .onnx"), ("a.tflite", "is the file")]
)
def test_a_name_that_cannot_be_written_is_refused_before_the_work(
    tmp_path: Path, name: str, said: str
) -> None:
    source = tmp_path / "a.tflite"
    source.write_bytes(b"")
    with pytest.raises(RequestError, match=said):
        convert.convert(source, tmp_path / name)
