"""What holds for every operator in the table: its module is all that a file needs."""

import dataclasses
from typing import Any

import graphs
import numpy as np
import pytest

from mobiledeploy import reading
from mobiledeploy.base.errors import ConversionError, RequestError
from mobiledeploy.formats.onnx import parse as parse_onnx
from mobiledeploy.formats.tflite import parse as parse_tflite
from mobiledeploy.integer import float_reference, oracle, tflite_reader
from mobiledeploy.integer.certify import certify
from mobiledeploy.integer.graph import IntegerGraph, digest
from mobiledeploy.ops import table
from mobiledeploy.ops.architecture import INPUT, Architecture, Layer
from mobiledeploy.ops.capabilities import Certified, Sampled, SpecialCase
from mobiledeploy.ops.node import WeightedNode
from mobiledeploy.ops.operator import Example, Kernel, Operator
from mobiledeploy.ops.tensors import Int8, QTensor
from mobiledeploy.runtimes import cpu, litert, ort
from mobiledeploy.spec.config import Head
from mobiledeploy.targets import onnx, tflite
from mobiledeploy.training import tensorflow_graph as training_graph

EXAMPLES = [
    pytest.param(operator, example, id=f"{operator.LAYERS[0]}: {example.name}")
    for operator in table.OPERATORS
    for example in operator.examples()
]
every_example = pytest.mark.parametrize(("operator", "example"), EXAMPLES)


def graph_of(example: Example) -> IntegerGraph:
    return graphs.around(example.node, example.inputs)


def write_tflite(graph: IntegerGraph) -> bytes:
    return tflite.write(graph, head="softmax" if graph.logits != graph.output else "logits")


def write_onnx(graph: IntegerGraph) -> bytes:
    head: Head = "softmax" if graph.logits != graph.output else "logits"
    return onnx.write(graph, certify(graph), head=head)


def images_of(graph: IntegerGraph) -> Int8:
    random = np.random.default_rng(5)
    images = random.integers(-128, 128, (40, *graph.input.shape))
    images[0], images[1] = -128, 127
    images[2:6] = np.clip(np.rint(random.normal(0, 9, (4, *graph.input.shape))), -128, 127)
    return images.astype(np.int8)


@every_example
def test_a_tflite_reads_back_as_the_graph_that_was_written(
    operator: Operator[Any], example: Example
) -> None:
    graph = graph_of(example)
    back = tflite_reader.read_file(write_tflite(graph))
    assert digest(back) == digest(graph)
    assert type(back.nodes[-1]) is operator.NODE
    assert back.nodes[-1].inputs == graph.nodes[-1].inputs


@every_example
def test_both_runtimes_give_the_oracle_s_codes(operator: Operator[Any], example: Example) -> None:
    graph = graph_of(example)
    images = images_of(graph)
    kept = graph.output.name
    expected = oracle.run(graph, images, keep=[kept], kernels=cpu.this_architecture())[kept]
    received = litert.load(write_tflite(graph)).run(images)[0]
    np.testing.assert_array_equal(received, expected)
    other = ort.load(write_onnx(graph)).run(images)[0]
    # TFLite's softmax is within a step of everybody else's: design, "What to promise".
    module: object = operator
    tolerance = module.WITHIN if isinstance(module, Sampled) else 0
    assert np.abs(other.astype(int) - expected.astype(int)).max() <= tolerance
    assert len(np.unique(expected)) > 5


@every_example
def test_every_case_is_certified_where_there_is_a_certificate(
    operator: Operator[Any], example: Example
) -> None:
    graph = graph_of(example)
    certificates = certify(graph)
    if not isinstance(operator, Certified):
        assert graph.output.name not in certificates
        return
    node, inputs = example.node, example.inputs
    assert certificates[node.output.name].differing_after == 0
    cases = operator.all_cases(node, inputs)
    assert certificates[node.output.name].cases == cases[0].size
    kernels = operator.litert_cases(node, inputs, cases)
    for codes in kernels:
        np.testing.assert_array_equal(codes, kernels[0])


@every_example
def test_the_arithmetic_of_cases_is_that_of_tensors(
    operator: Operator[Any], example: Example
) -> None:
    if not isinstance(operator, Certified):
        pytest.skip("not certified")
    random = np.random.default_rng(6)
    node, inputs = example.node, example.inputs
    codes = [random.integers(-128, 128, (3, *each.shape)).astype(np.int8) for each in inputs]
    cases = operator.cases_of(node, inputs, codes)
    by_kernel = operator.litert_cases(node, inputs, cases)
    shape = (3, *node.output.shape)
    kernels: tuple[Kernel, ...] = ("x86", "arm64")
    for kernel in kernels:
        module: Operator[Any] = operator
        computed = module.litert_codes(node, inputs, codes, kernel=kernel)
        assert computed.shape == shape
        assert any(np.array_equal(computed, each) for each in by_kernel)
    by_ort = operator.ort_cases(node, inputs, cases)
    assert by_ort
    for each in by_ort:
        assert each.shape == shape
        assert each.min() >= -128
        assert each.max() <= 127


@every_example
def test_real_values_are_those_of_the_codes_but_for_rounding(
    operator: Operator[Any], example: Example
) -> None:
    node, random = example.node, np.random.default_rng(7)
    codes = [
        random.integers(-128, 128, (6, *each.shape)).astype(np.int8) for each in example.inputs
    ]
    real = [
        (each.astype(np.float32) - np.float32(grid.zero_point)) * grid.scale
        for each, grid in zip(codes, example.inputs, strict=True)
    ]
    weights = node.weights.real(node.channel_axis) if isinstance(node, WeightedNode) else None
    exact = operator.float_values(node, real, weights)
    received = operator.litert_codes(node, example.inputs, codes, kernel="x86")
    out = node.output
    steps = np.clip(exact / out.scale + out.zero_point, -128, 127)
    assert np.abs(received - steps).max() < 1.2


@every_example
def test_the_digest_depends_on_every_option_and_number(
    operator: Operator[Any], example: Example
) -> None:
    del operator
    graph = graph_of(example)
    last: Any = graph.nodes[-1]
    moved = dataclasses.replace(last.output, name="moved")
    nodes = (*graph.nodes[:-1], dataclasses.replace(last, output=moved))
    renamed = dataclasses.replace(graph, nodes=nodes)
    assert digest(renamed) == digest(graph)
    if graph.logits == graph.output:
        other = dataclasses.replace(last.output, zero_point=last.output.zero_point ^ 1)
        nodes = (*graph.nodes[:-1], dataclasses.replace(last, output=other))
        try:
            moved_grid = dataclasses.replace(graph, nodes=nodes)
        except ConversionError:
            moved_grid = None  # of an operator that keeps its input's grid
        assert moved_grid is None or digest(moved_grid) != digest(graph)
    if isinstance(example.node, WeightedNode):
        weights = dataclasses.replace(last.weights, bias=last.weights.bias + np.int32(1))
        nodes = (*graph.nodes[:-1], dataclasses.replace(last, weights=weights))
        assert digest(dataclasses.replace(graph, nodes=nodes)) != digest(graph)


def test_digests_of_all_examples_differ() -> None:
    digests = [
        digest(graph_of(example)) for each in table.OPERATORS for example in each.examples()
    ]
    assert len(set(digests)) == len(digests)


@every_example
def test_a_node_s_layer_has_the_node_s_shape_and_quantises_to_its_kind(
    operator: Operator[Any], example: Example
) -> None:
    node, inputs = example.node, example.inputs
    layer = operator.float_layer(node, inputs)
    assert layer.op in operator.LAYERS
    assert layer.operator is operator
    assert layer.inputs == node.inputs
    assert operator.output_shape(layer, [each.shape for each in inputs]) == node.output.shape
    assert layer.has_weights == isinstance(node, WeightedNode)
    work = operator.work(layer, [each.shape for each in inputs])
    assert (work.macs > 0) == layer.has_weights


@every_example
def test_a_node_refuses_another_output_shape(operator: Operator[Any], example: Example) -> None:
    del operator
    out = example.node.output
    other = dataclasses.replace(out, shape=(*out.shape[:-1], out.shape[-1] + 1))
    wrong = dataclasses.replace(example.node, output=other)  # type: ignore[type-var]
    with pytest.raises(ConversionError, match=f"`{out.name}`"):
        wrong.check(example.inputs)


def test_names_lead_to_one_operator() -> None:
    all_names = [name for operator in table.OPERATORS for name in operator.LAYERS]
    assert len(set(all_names)) == len(all_names)
    for operator in table.OPERATORS:
        for name, form in operator.TFLITE.items():
            # The pool of a whole image is a mean.
            assert table.of_tflite(name) is operator or name == "AVERAGE_POOL_2D"
            assert table.form_of(name) == form
    assert len({operator.NODE for operator in table.OPERATORS}) == len(table.OPERATORS)


def test_what_is_unknown_is_refused_by_name() -> None:
    layer = Layer(name="odd", op="fold", inputs=(INPUT,), in_channels=3, out_channels=3)
    with pytest.raises(RequestError, match="layer `odd`: there is no operator `fold`"):
        table.of_layer(layer)
    with pytest.raises(RequestError, match="layer `odd`: there is no operator `fold`"):
        Architecture(name="odd", input_shape=(2, 2, 3), layers=(layer,))
    with pytest.raises(ConversionError, match="LSTM is no operator of an integer graph"):
        table.of_tflite("LSTM")

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Other:
        inputs: tuple[str, ...]
        output: QTensor

    image = QTensor(name="image", shape=(3,), scale=np.float32(1), zero_point=0)
    node: Any = Other(inputs=("image",), output=dataclasses.replace(image, name="odd"))
    with pytest.raises(ConversionError, match="`odd`: Other is no operator"):
        IntegerGraph(name="odd", input=image, nodes=(node,))


def test_an_operator_without_a_tensorflow_function_can_be_quantised_but_not_trained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    layer = Layer(name="sum", op="add", inputs=("a", "b"), in_channels=3, out_channels=3)
    monkeypatch.setattr(
        training_graph,
        "TENSORFLOW_OPERATORS",
        {"conv": training_graph.TENSORFLOW_OPERATORS["conv"]},
    )
    with pytest.raises(RequestError, match="layer `sum`: `add` cannot be trained, only conv"):
        training_graph.tensorflow_operator(layer)


@every_example
def test_the_float_reference_runs_whole_graphs(operator: Operator[Any], example: Example) -> None:
    del operator
    graph = graph_of(example)
    image = np.zeros((1, *graph.input.shape), np.float32)
    values = float_reference.run(graph, image, float_reference.dequantised(graph))
    assert {name: value.shape[1:] for name, value in values.items()} == {
        name: tensor.shape for name, tensor in graph.tensors().items()
    }


@every_example
def test_the_files_of_both_formats_read_as_the_layer_that_was_written(
    operator: Operator[Any], example: Example
) -> None:
    graph = graph_of(example)
    first = reading.read_tflite(parse_tflite(write_tflite(graph)))
    second = reading.read_onnx(parse_onnx(write_onnx(graph)))
    node, inputs = example.node, example.inputs
    for file in (first, second):
        assert len(file.layers) == len(graph.nodes)
        layer = file.layers[-1]
        assert not [fault for layer in file.layers for fault in layer.faults]
        assert (layer.output.scale, layer.output.zero_point) == (
            node.output.scale,
            node.output.zero_point,
        )
        assert layer.output.shape in {node.output.shape, node.output.shape[-1:]}
        for read, source in zip(layer.reads, inputs, strict=True):
            # A certificate moves scales in the `.onnx` by a few units in the last place.
            assert read.scale == pytest.approx(source.scale, rel=5e-6)
            assert read.zero_point == source.zero_point
    module: object = operator
    special = isinstance(module, SpecialCase) and first.layers[-1].op in module.SPECIAL_IN_TFLITE
    assert special or first.layers[-1].kind in operator.LAYERS
    mine, other = first.layers[-1], second.layers[-1]
    if other.table is None:
        for option in ("kind", "window", "strides", "pads", "groups", "clamp", "beta"):
            assert getattr(mine, option) == getattr(other, option)
        assert mine.parameters == other.parameters
    else:
        assert isinstance(operator, Certified)
        (expected,) = operator.litert_cases(node, inputs, operator.all_cases(node, inputs))
        assert other.kind == "table"
        np.testing.assert_array_equal(other.table.ravel(), expected)
