"""CONCATENATION: one grid for all that is joined, through chains of operators that copy."""

import dataclasses
from typing import Any

import graphs
import pytest
from known import known

from mobiledeploy import reading
from mobiledeploy.compare.diagnosis import report
from mobiledeploy.compare.judge import judge
from mobiledeploy.formats.onnx import parse as parse_onnx
from mobiledeploy.formats.onnx.quantisation import with_grids
from mobiledeploy.formats.tflite import parse as parse_tflite
from mobiledeploy.integer.certify import certify, exact_ranges
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.integer.quantise import quantise
from mobiledeploy.lint import range_rules
from mobiledeploy.lint.graph import Graph
from mobiledeploy.ops import concatenation
from mobiledeploy.ops.architecture import INPUT, Architecture, Layer
from mobiledeploy.ops.operator import Example
from mobiledeploy.reading import Reading
from mobiledeploy.targets import onnx, tflite
from mobiledeploy.verify.proof import layer_proofs
from mobiledeploy.verify.report import LayerProof

EXAMPLES = [pytest.param(example, id=example.name) for example in concatenation.examples()]


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


@pytest.mark.parametrize("example", EXAMPLES)
def test_lint_sees_all_inputs_in_both_files(example: Example) -> None:
    one, two = files(graph_of(example))
    model = parse_onnx(two)
    model = dataclasses.replace(model, tensors=with_grids(model.tensors, model.operators))
    for file in (parse_tflite(one), model):
        layer = Graph.of(file).layers[-1]
        assert layer.module is concatenation
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
