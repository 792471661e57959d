"""Functions of one code: every runtime gives the same code for each of the 256 codes."""

import dataclasses
from typing import Any

import gates
import graphs
import numpy as np
import onnx as onnx_package
import pytest

from mobiledeploy import reading
from mobiledeploy.base.errors import ConversionError, RequestError
from mobiledeploy.compare.diagnosis import report
from mobiledeploy.compare.judge import judge
from mobiledeploy.formats.onnx import edit as onnx_edit
from mobiledeploy.formats.onnx import parse as parse_onnx
from mobiledeploy.formats.tflite import edit as tflite_edit
from mobiledeploy.formats.tflite import parse as parse_tflite
from mobiledeploy.integer import oracle, tflite_reader
from mobiledeploy.integer.certify import certify, exact_ranges
from mobiledeploy.integer.graph import IntegerGraph, digest, head_of, with_head
from mobiledeploy.integer.quantise import quantise
from mobiledeploy.ops import clamp, elu, exp, gelu, hard_sigmoid, leaky_relu, logistic, prelu, tanh
from mobiledeploy.ops.architecture import INPUT, Architecture
from mobiledeploy.ops.certificate import Certificate
from mobiledeploy.ops.operator import Operator
from mobiledeploy.ops.ranges import Ranges
from mobiledeploy.ops.tensors import Int8, QTensor
from mobiledeploy.runtimes import litert, litert_xnnpack, ort, ort_optimised
from mobiledeploy.spec.config import Io
from mobiledeploy.targets import onnx, tflite

GRIDS = 24
OPTIONS: list[tuple[Operator[Any], dict[str, Any]]] = [
    (logistic.OPERATOR, {}),
    (tanh.OPERATOR, {}),
    (hard_sigmoid, {}),
    (elu.OPERATOR, {}),
    (exp.OPERATOR, {}),
    (gelu.OPERATOR, {"approximate": False}),
    (gelu.OPERATOR, {"approximate": True}),
    (leaky_relu.OPERATOR, {"alpha": 0.25}),
    (leaky_relu.OPERATOR, {"alpha": -1.5}),
    (prelu, {"alpha": (77,), "alpha_scale": 0.00390625, "alpha_zero_point": 0}),
    (clamp, {"activation": "relu"}),
    (clamp, {"activation": "relu6"}),
]
EVERY = pytest.mark.parametrize(
    ("operator", "options"),
    OPTIONS,
    ids=lambda each: each.LAYERS[0] if hasattr(each, "LAYERS") else str(each),
)
FIXED = {
    logistic.Logistic: (logistic.SCALE, logistic.ZERO_POINT),
    tanh.Tanh: (tanh.SCALE, tanh.ZERO_POINT),
    hard_sigmoid.NODE: (hard_sigmoid.SCALE, hard_sigmoid.ZERO_POINT),
}


def every_code() -> Int8:
    return np.arange(-128, 128).reshape(1, 16, 16, 1).astype(np.int8)


def graph_of(operator: Operator[Any], options: dict[str, Any], *grids: Any) -> IntegerGraph:
    source, out = (
        QTensor(name=name, shape=(16, 16, 1), scale=np.float32(scale), zero_point=zero)
        for name, (scale, zero) in zip(("image", "result"), grids, strict=True)
    )
    return graphs.around(operator.NODE(input="image", output=out, **options), (source,))


def random_graphs(operator: Operator[Any], options: dict[str, Any]) -> list[IntegerGraph]:
    random = np.random.default_rng(23)
    made = []
    for number in range(GRIDS):
        scale = np.float32(10 ** random.uniform(-2.6, -0.4))
        zero = int(random.integers(-128, 128))
        other = (
            np.float32(scale * 10 ** random.uniform(-0.6, 0.6)),
            int(random.integers(-128, 128)),
        )
        if operator is clamp and number % 2:
            other = scale, zero
        out = FIXED.get(operator.NODE, other)
        made.append(graph_of(operator, options, (scale, zero), out))
    return made


def written(graph: IntegerGraph, io: Io = "int8") -> tuple[bytes, bytes]:
    head = head_of(graph)
    return (
        tflite.write(graph, io=io, head=head),
        onnx.write(graph, certify(graph), io=io, head=head),
    )


@EVERY
def test_every_code_is_what_the_arithmetic_says_in_all_runtimes(
    operator: Operator[Any], options: dict[str, Any]
) -> None:
    for graph in random_graphs(operator, options):
        expected = oracle.run(graph, every_code())[graph.output.name]
        one, two = written(graph)
        for run in (
            litert.load(one).run,
            ort.load(two).run,
            ort.load(two, optimised=False).run,
        ):
            np.testing.assert_array_equal(run(every_code())[0], expected)


@pytest.mark.parametrize("operator", [logistic.OPERATOR, tanh.OPERATOR], ids=["logistic", "tanh"])
def test_the_float_form_is_computed_as_the_arithmetic_says(operator: Any) -> None:
    tables = 0
    for graph in random_graphs(operator, {}) + random_graphs(operator, {})[::-1]:
        node, inputs = graph.nodes[-1], [graph.input]
        proof = certify(graph)["result"]
        tables += proof.table
        own = Certificate(
            name="result",
            scales=(graph.input.scale,),
            cases=0,
            differing_before=0,
            differing_after=0,
        )
        data = onnx.write(graph, {"result": own}, head=head_of(graph))
        received = ort.load(data).run(every_code())[0].ravel()
        cases = operator.all_cases(node, inputs)
        assert any(
            np.array_equal(received, each) for each in operator.ort_cases(node, inputs, cases)
        )
        assert abs(float(proof.scales[0]) / float(graph.input.scale) - 1) < 3e-6
    assert tables <= 4


@pytest.mark.parametrize(
    ("operator", "xnnpack"),
    [
        (logistic.OPERATOR, True),
        (tanh.OPERATOR, True),
        (elu.OPERATOR, True),
        (exp.OPERATOR, False),
        (gelu.OPERATOR, False),
    ],
)
def test_which_kernels_litert_chooses(operator: Operator[Any], xnnpack: bool) -> None:
    example = next(iter(operator.examples()))
    data = tflite.write(
        graphs.around(example.node, example.inputs),
        head="softmax" if operator is logistic.OPERATOR else "logits",
    )
    assert bool(litert_xnnpack.delegated(data)) == xnnpack
    assert next(iter(operator.TFLITE.values())).litert_own != xnnpack


def test_a_clamp_on_one_grid_is_xnnpack_s_and_a_clip_of_codes() -> None:
    graph = graph_of(clamp, {"activation": "relu6"}, (0.05, -20), (0.05, -20))
    one, two = written(graph)
    assert litert_xnnpack.delegated(one) == {"result"}
    assert [op.builtin for op in parse_tflite(one).operators] == ["MAX_POOL_2D"]
    kinds = {node.op_type for node in onnx_package.load_from_string(two).graph.node}
    assert "Clip" in kinds
    assert "GatherElements" not in kinds


def test_leaky_relu_outside_of_xnnpack_s_scales_is_tflite_s_and_has_no_certificate() -> None:
    for alpha, scales in ((0.001, (0.04, 0.03)), (0.3, (0.04, 5.1)), (-1.5, (0.04, 0.0003))):
        node = {"alpha": float(np.float32(alpha))}
        graph = graph_of(leaky_relu.OPERATOR, node, (scales[0], 3), (scales[1], -5))
        data = tflite.write(graph, head="logits")
        assert not litert_xnnpack.delegated(data)
        expected = oracle.run(graph, every_code())["result"]
        np.testing.assert_array_equal(litert.load(data).run(every_code())[0], expected)
        with pytest.raises(ConversionError, match="not for XNNPACK"):
            certify(graph)


def test_ranges_for_which_xnnpack_does_not_take_a_leaky_relu_are_widened() -> None:
    architecture = Architecture(
        name="one",
        input_shape=(16, 16, 1),
        layers=(
            gates.layer("image", "conv", INPUT, ins=1, outs=1),
            gates.layer(
                "result", "leaky_relu", "image", ins=1, outs=1, parameters={"alpha": 0.001}
            ),
        ),
    )
    network, ranges = graphs.random_network(architecture)
    ranges = {**ranges, "image": (-1.0, 1.0), "result": (-1.0, 1.0)}
    wider = exact_ranges(network, ranges)
    assert wider["image"][1] > 1
    assert exact_ranges(network, wider) == wider
    data = tflite.write(quantise(network, ranges), head="logits")
    assert "result" in litert_xnnpack.delegated(data)


@pytest.mark.parametrize(
    ("op", "parameters", "words"),
    [
        ("gelu", {}, "expects approximate"),
        ("leaky_relu", {"alpha": 0.0}, "expects an alpha that is not 0"),
        ("leaky_relu", {"alpha": float("nan")}, "expects an alpha that is not 0"),
        ("prelu", {"alpha": (0.5, 0.25)}, "expects 8 finite numbers as alpha, received 2"),
        ("tanh", {"alpha": 1.0}, "expects no parameters, received alpha"),
        ("mean", {"keepdims": True}, "has the parameter keep_dims, received keepdims"),
    ],
)
def test_parameters_are_checked(op: str, parameters: dict[str, Any], words: str) -> None:
    with pytest.raises(RequestError, match=words):
        Architecture(
            name="one",
            input_shape=(4, 4, 8),
            layers=(gates.layer("odd", op, INPUT, parameters=parameters),),
        )


def test_a_hard_sigmoid_of_a_vector_is_refused() -> None:
    with pytest.raises(RequestError, match="expects an image, if only of one pixel"):
        Architecture(
            name="one",
            input_shape=(8,),
            layers=(gates.layer("odd", "hard_sigmoid", INPUT),),
        )


POSITIVE: Ranges = {
    "exp": (0.0, 8.0),
    "gelu": (-0.2, 5.0),
    "curve": (-0.2, 5.0),
    "elu": (-1.0, 5.0),
}


def networks(seed: int) -> list[IntegerGraph]:
    made = []
    for architecture, more in (
        (gates.swish_and_gate(), {}),
        (gates.swish_and_gate("hard_sigmoid"), {}),
        (gates.separate_activations(), {}),
        (gates.functions_of_one_code(), POSITIVE),
        (gates.labels(5), {}),
    ):
        network, ranges = graphs.random_network(architecture, seed=seed)
        made.append(quantise(network, {**ranges, **more}))
    return made


@pytest.mark.parametrize("seed", range(3))
def test_networks_give_the_same_codes_and_are_read_as_written(seed: int) -> None:
    random = np.random.default_rng(seed)
    for graph in networks(seed):
        images = random.integers(-128, 128, (200, *graph.input.shape)).astype(np.int8)
        images[:2] = np.array([-128, 127])[:, None, None, None]
        one, two = written(graph)
        assert digest(tflite_reader.read_file(one)) == digest(graph)
        expected = oracle.run(graph, images, keep=[graph.output.name])[graph.output.name]
        np.testing.assert_array_equal(litert.load(one).run(images)[0], expected)
        np.testing.assert_array_equal(ort.load(two).run(images)[0], expected)
        first = reading.read_tflite(parse_tflite(one))
        second = reading.read_onnx(parse_onnx(two))
        compared = report(judge(first, second))
        assert compared.same, compared.cause


def test_onnx_runtime_chooses_the_kernels_that_are_proven() -> None:
    (graph, *_) = networks(0)
    kinds = [op for op, _ in ort_optimised.kernels(written(graph)[1])]
    assert kinds.count("QLinearSigmoid") == 3
    assert kinds.count("QLinearGlobalAveragePool") == 2
    assert kinds.count("QLinearConv") == 4
    assert "Sigmoid" not in kinds


def changed(graph: IntegerGraph, name: str, **options: Any) -> IntegerGraph:
    nodes: list[Any] = [*graph.nodes]
    (place,) = (i for i, node in enumerate(nodes) if node.output.name == name)
    nodes[place] = dataclasses.replace(nodes[place], **options)
    return dataclasses.replace(graph, nodes=tuple(nodes))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("leaky", {"alpha": 0.125}),
        ("slopes", {"alpha": (21, -8, 0, 25, 100, 1, 17, 59)}),
        ("slopes", {"alpha_scale": 0.02}),
        ("slopes", {"alpha_zero_point": 1}),
        ("gelu", {"approximate": True}),
        ("curve", {"approximate": False}),
        ("relu", {"activation": "relu6"}),
        ("relu6", {"activation": "relu"}),
    ],
)
@pytest.mark.parametrize("formats", ["tflite", "both"])
def test_another_option_is_found_and_the_layer_named(
    name: str, options: dict[str, Any], formats: str
) -> None:
    graph = next(each for each in networks(1) if name in {node.output.name for node in each.nodes})
    other = changed(graph, name, **options)
    if oracle_differs(graph, other, name):
        first = reading.read_tflite(parse_tflite(written(graph)[0]))
        second = (
            reading.read_tflite(parse_tflite(written(other)[0]))
            if formats == "tflite"
            else reading.read_onnx(parse_onnx(written(other)[1]))
        )
        compared = report(judge(first, second))
        assert not compared.same
        assert f"`{name}`" in compared.cause


def oracle_differs(graph: IntegerGraph, other: IntegerGraph, name: str) -> bool:
    random = np.random.default_rng(3)
    images = random.integers(-128, 128, (50, *graph.input.shape)).astype(np.int8)
    return not np.array_equal(
        oracle.run(graph, images, keep=[name])[name], oracle.run(other, images, keep=[name])[name]
    )


def test_a_sigmoid_at_the_end_is_a_head() -> None:
    network, ranges = graphs.random_network(gates.labels(5))
    assert network.architecture.logits.name == "logits"
    graph = quantise(network, ranges)
    assert (head_of(graph), graph.logits.name) == ("softmax", "logits")
    bare = with_head(graph, "logits")
    assert bare.output.name == "logits"
    assert head_of(bare) == "logits"
    with pytest.raises(RequestError, match="ends in a softmax or a sigmoid"):
        with_head(bare, "softmax")


@pytest.mark.parametrize("io", ["int8", "uint8", "float32"])
def test_the_logits_of_a_sigmoid_at_the_end_are_tapped_and_those_of_gates_are_not(io: Io) -> None:
    network, ranges = graphs.random_network(gates.labels(5))
    one, two = written(quantise(network, ranges), io)
    assert tflite_edit.tap_recipe(parse_tflite(one)).outputs == ("logits",)
    assert onnx_edit.tap_recipe(parse_onnx(two)).outputs == ("logits",)
    for file in (
        reading.read_tflite(parse_tflite(one)),
        reading.read_onnx(parse_onnx(two)),
    ):
        assert file.scores == "sigmoid"
        assert file.logits is not None
        assert file.logits.name == "logits"
    gated = written(networks(0)[0], io)
    assert tflite_edit.tap_recipe(parse_tflite(gated[0])).outputs == ()
    assert onnx_edit.tap_recipe(parse_onnx(gated[1])).outputs == ()


def test_a_sigmoid_at_the_end_that_is_a_table_is_a_head_too() -> None:
    network, ranges = graphs.random_network(gates.labels(5))
    graph = quantise(network, ranges)
    proofs = certify(graph)
    proofs["scores"] = dataclasses.replace(proofs["scores"], table=True)
    file = reading.read_onnx(parse_onnx(onnx.write(graph, proofs)))
    assert (file.layers[-1].kind, file.scores) == ("table", "sigmoid")
