"""An operator that the package does not have needs a module: everybody takes what that says."""

import dataclasses
from typing import Any

import concatenation
import graphs
import numpy as np
import pytest
from concatenation import Concatenation
from known import known

from mobiledeploy import reading
from mobiledeploy.base.errors import ConversionError
from mobiledeploy.compare.diagnosis import report
from mobiledeploy.compare.judge import judge
from mobiledeploy.formats.onnx import parse as parse_onnx
from mobiledeploy.formats.onnx.quantisation import with_grids
from mobiledeploy.formats.tflite import parse as parse_tflite
from mobiledeploy.integer import oracle
from mobiledeploy.integer.certify import certify, exact_ranges
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.integer.quantise import quantise
from mobiledeploy.lint import range_rules
from mobiledeploy.lint.graph import Graph
from mobiledeploy.ops import table
from mobiledeploy.ops.architecture import INPUT, Architecture, Layer
from mobiledeploy.ops.operator import Example
from mobiledeploy.reading import Reading
from mobiledeploy.reading import onnx as onnx_reading
from mobiledeploy.runtimes import FileLayer, litert, litert_xnnpack, ort
from mobiledeploy.targets import onnx, tflite
from mobiledeploy.verify.proof import layer_proofs
from mobiledeploy.verify.report import LayerProof

EXAMPLES = [pytest.param(example, id=example.name) for example in concatenation.examples()]


@pytest.fixture(autouse=True)
def row(monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator's row in the table."""
    forms = {**concatenation.TFLITE, **concatenation.ONNX}
    monkeypatch.setitem(table._BY_LAYER, "concatenation", concatenation)
    monkeypatch.setitem(table._BY_NODE, Concatenation, concatenation)
    monkeypatch.setitem(table._BY_TFLITE, "CONCATENATION", concatenation)
    for name, form in forms.items():
        monkeypatch.setitem(table._BY_FORM, name, concatenation)
        monkeypatch.setitem(table._FORMS, name, form)
    monkeypatch.setitem(onnx_reading._READERS, "Concat", (concatenation.ONNX["Concat"].read,))


def network() -> IntegerGraph:
    """Joins a product, whose grid an `.onnx` does not state, a table, and a convolution."""

    def layer(name: str, op: str, inputs: tuple[str, ...], *channels: int, **more: Any) -> Layer:
        before, after = channels
        return Layer(
            name=name, op=op, inputs=inputs, in_channels=before, out_channels=after, **more
        )

    architecture = Architecture(
        name="joins",
        input_shape=(12, 12, 3),
        layers=(
            layer("stem", "conv", (INPUT,), 3, 8, kernel=(3, 3), strides=(2, 2)),
            layer("gate", "hard_swish", ("stem",), 8, 8),
            layer("product", "mul", ("gate", "stem"), 8, 8),
            layer("side", "conv", ("product",), 8, 4, activation="relu6"),
            layer("joined", "concatenation", ("product", "side", "gate"), 8, 20),
            layer("again", "concatenation", ("joined", "joined"), 20, 40),
            layer("mixed", "conv", ("again",), 40, 8, kernel=(3, 3)),
            layer("mean", "mean", ("mixed",), 8, 8),
            layer("logits", "dense", ("mean",), 8, 5),
        ),
    )
    random, ranges = graphs.random_network(architecture)
    return quantise(random, exact_ranges(random, ranges))


def files(graph: IntegerGraph) -> tuple[bytes, bytes]:
    return tflite.write(graph, head="logits"), onnx.write(graph, certify(graph), head="logits")


def readings(graph: IntegerGraph) -> tuple[Reading, Reading]:
    one, two = files(graph)
    return reading.read_tflite(parse_tflite(one)), reading.read_onnx(parse_onnx(two))


def graph_of(example: Example) -> IntegerGraph:
    return graphs.around(example.node, example.inputs)


def proofs(first: Reading, second: Reading) -> list[LayerProof]:
    def nothing_is_run(*_: object) -> Any:
        raise AssertionError

    judgement = judge(first, second)
    return [*layer_proofs.prove(judgement, [()] * len(judgement.layers), nothing_is_run)]


@pytest.mark.parametrize("example", EXAMPLES)
def test_both_runtimes_give_the_oracle_s_codes(example: Example) -> None:
    graph = graph_of(example)
    random = np.random.default_rng(0)
    images = random.integers(-128, 128, (5, *graph.input.shape)).astype(np.int8)
    expected = oracle.run(graph, images)[graph.output.name]
    one, two = files(graph)
    np.testing.assert_array_equal(litert.load(one).run(images)[0], expected)
    np.testing.assert_array_equal(ort.load(two).run(images)[0], expected)


@pytest.mark.parametrize("example", EXAMPLES)
def test_it_is_proven_because_it_only_moves_codes(example: Example) -> None:
    first, second = readings(graph_of(example))
    proof = proofs(first, second)[-1]
    assert (proof.status, proof.method) == ("proven", "structure")
    assert "channels one after the other" in proof.statement


def test_grids_that_an_onnx_does_not_state_are_found_through_moved_codes() -> None:
    first, second = readings(network())
    grids = [
        [(layer.output.scale, layer.output.zero_point) for layer in file.layers]
        for file in (first, second)
    ]
    assert grids[0] == grids[1]
    assert report(judge(first, second)).same
    assert {proof.status for proof in proofs(first, second)} == {"proven"}


def test_inputs_in_another_order_are_another_function() -> None:
    first, second = readings(network())
    place = next(i for i, layer in enumerate(second.layers) if layer.name == "joined")
    turned = dataclasses.replace(second.layers[place], reads=second.layers[place].reads[::-1])
    layers = (*second.layers[:place], turned, *second.layers[place + 1 :])
    other = dataclasses.replace(second, layers=layers)
    assert not report(judge(first, other)).same
    assert proofs(first, other)[place].status == "not proven"


@pytest.mark.parametrize("file", [0, 1])
def test_codes_that_are_put_on_another_grid_are_not_only_moved(file: int) -> None:
    both = list(readings(graph_of(next(concatenation.examples()))))
    layer = both[file].layers[-1]
    output = dataclasses.replace(layer.output, scale=np.float32(0.5))
    layers = (*both[file].layers[:-1], dataclasses.replace(layer, output=output))
    both[file] = dataclasses.replace(both[file], layers=layers)
    proof = proofs(both[0], both[1])[-1]
    assert proof.status == "not proven"
    assert any("another grid than it writes" in reason for reason in proof.reasons)


def test_a_parameter_that_differs_is_named_and_makes_another_function() -> None:
    first, second = readings(graph_of(next(concatenation.examples())))
    both = [
        dataclasses.replace(
            file,
            layers=(
                *file.layers[:-1],
                dataclasses.replace(file.layers[-1], parameters=(("slope", slope),)),
            ),
        )
        for file, slope in ((first, 0.25), (second, 0.5))
    ]
    judgement = judge(both[0], both[1])
    assert not known(judgement.layers[-1].verdict).equal
    differences = judgement.layers[-1].differences
    assert [(each.field, each.detail) for each in differences] == [
        ("parameter", "its slope is 0.25 in the first file, 0.5 in the second")
    ]
    assert proofs(both[0], both[1])[-1].status == "not proven"
    assert both[0].layers[-1].parameter("slope") == 0.25
    with pytest.raises(ConversionError, match="it has no axis"):
        both[0].layers[-1].parameter("axis")


def test_either_of_litert_s_kernels_may_run_what_only_moves_codes() -> None:
    example = next(concatenation.examples())
    data = files(graph_of(example))[0]
    layer = FileLayer(
        name=example.node.output.name,
        operator="CONCATENATION",
        kind="concatenation",
        weights="",
    )
    named_otherwise = dataclasses.replace(layer, name="no tensor of the file")
    assert litert_xnnpack.kernel_reasons(data, [layer, named_otherwise]) == [(), ()]


@pytest.mark.parametrize("example", EXAMPLES)
def test_lint_sees_all_inputs_in_both_files(example: Example) -> None:
    one, two = files(graph_of(example))
    model = parse_onnx(two)
    model = dataclasses.replace(model, tensors=with_grids(model.tensors, model.operators))
    for file in (parse_tflite(one), model):
        layer = Graph.of(file).layers[-1]
        assert vars(layer.module)["__name__"] == "concatenation"
        assert layer.integer
        assert len(layer.sources) == len(example.inputs)


def test_lint_finds_an_input_on_another_grid() -> None:
    model = parse_tflite(files(graph_of(next(concatenation.examples())))[0])
    assert not [*range_rules._changed_grid(Graph.of(model))]
    last = model.operators[-1].inputs[-1]
    grid = known(model.tensors[last].grid)
    tensors = list(model.tensors)
    tensors[last] = dataclasses.replace(
        tensors[last], grid=dataclasses.replace(grid, scale=2 * grid.scale)
    )
    moved = dataclasses.replace(model, tensors=tuple(tensors))
    assert [*range_rules._changed_grid(Graph.of(moved))]
