"""Operators that copy codes, in a network: on one grid, equal in both runtimes, mutants seen."""

import functools
from collections.abc import Callable
from typing import Any

import graphs
import numpy as np
import pytest
from onnx import helper, load_from_string, numpy_helper

from mobiledeploy import reading
from mobiledeploy.compare.diagnosis import report
from mobiledeploy.compare.judge import judge
from mobiledeploy.formats.onnx import parse as parse_onnx
from mobiledeploy.formats.tflite import parse as parse_tflite
from mobiledeploy.integer import oracle, tflite_reader
from mobiledeploy.integer.certify import certify, exact_ranges
from mobiledeploy.integer.graph import IntegerGraph, digest
from mobiledeploy.integer.quantise import quantise
from mobiledeploy.ops import add
from mobiledeploy.ops.architecture import INPUT, Architecture, Layer
from mobiledeploy.ops.capabilities import Certified, SeveralForms
from mobiledeploy.ops.sum_operator import SumOperator
from mobiledeploy.runtimes import litert, ort, ort_unoptimised
from mobiledeploy.targets import onnx, tflite


def layer(
    name: str, op: str, inputs: tuple[str, ...], channels: tuple[int, int], **more: Any
) -> Layer:
    before, after = channels
    fields = {
        key: more.pop(key)
        for key in ("kernel", "strides", "padding", "activation")
        if op in {"conv", "depthwise", "dense"} and key in more
    }
    return Layer(
        name=name,
        op=op,
        inputs=inputs,
        in_channels=before,
        out_channels=after,
        parameters=more,
        **fields,
    )


def moving() -> Architecture:
    """Halves of channels, a shuffle, dense blocks, crops, steps, a resize, a flattened image."""
    return Architecture(
        name="moving",
        input_shape=(24, 24, 3),
        layers=(
            layer("stem", "conv", (INPUT,), (3, 8), kernel=(3, 3), strides=(2, 2)),
            layer("low", "strided_slice", ("stem",), (8, 4), begin=(0, 0, 0), end=(12, 12, 4)),
            layer("high", "strided_slice", ("stem",), (8, 4), begin=(0, 0, 4), end=(12, 12, 8)),
            layer("branch", "conv", ("high",), (4, 4), activation="relu"),
            layer("joined", "concatenation", ("low", "branch"), (4, 8)),
            layer("five", "reshape", ("joined",), (8, 4), shape=(12, 12, 2, 4)),
            layer("turned", "transpose", ("five",), (4, 2), perm=(0, 1, 3, 2)),
            layer("shuffled", "reshape", ("turned",), (2, 8), shape=(12, 12, 8)),
            layer("mix", "conv", ("shuffled",), (8, 8)),
            layer("sum", "add", ("mix", "shuffled"), (8, 8)),
            layer("block", "concatenation", ("sum", "shuffled"), (8, 16)),
            layer("more", "conv", ("block",), (16, 4), activation="relu6"),
            layer("blocks", "concatenation", ("block", "more"), (16, 20)),
            layer(
                "crop", "strided_slice", ("blocks",), (20, 20), begin=(1, 1, 0), end=(12, 12, 20)
            ),
            layer(
                "even", "strided_slice", ("blocks",), (20, 10),
                begin=(0, 0, 0), end=(11, 11, 20), strides=(1, 1, 2),
            ),
            layer(
                "odd", "strided_slice", ("blocks",), (20, 10),
                begin=(1, 1, 1), end=(12, 12, 20), strides=(1, 1, 2),
            ),
            layer("both", "concatenation", ("even", "odd"), (10, 20)),
            layer("total", "add", ("crop", "both"), (20, 20)),
            layer("six", "concatenation", ("total", *("crop", "both") * 2, "odd"), (20, 110)),
            layer("side", "transpose", ("six",), (110, 110), perm=(1, 0, 2)),
            layer("last", "conv", ("side",), (110, 4), kernel=(3, 3), strides=(3, 3)),
            layer("other", "conv", ("last",), (4, 4)),
            layer("most", "maximum", ("last", "other"), (4, 4)),
            layer("least", "minimum", ("last", "most"), (4, 4)),
            layer("difference", "sub", ("most", "other"), (4, 4)),
            layer("wide", "resize_nearest", ("difference",), (4, 4), size=(8, 8)),
            layer(
                "wider", "resize_nearest", ("least",), (4, 4), size=(8, 8), centres="half_pixel"
            ),
            layer("ends", "concatenation", ("wide", "wider"), (4, 8)),
            layer("flat", "reshape", ("ends",), (8, 512), shape=(512,)),
            layer("logits", "dense", ("flat",), (512, 10)),
        ),
    )  # fmt: skip


ONE_GRID = (
    {"stem", "low", "high", "branch", "joined", "five", "turned", "shuffled", "sum", "block"}
    | {"more", "blocks", "crop", "even", "odd", "both", "total", "six", "side"},
    {"last", "other", "most", "least", "wider", "difference", "wide", "ends", "flat"},
)


@functools.cache
def graph(seed: int = 0) -> IntegerGraph:
    network, ranges = graphs.random_network(moving(), seed=seed)
    return quantise(network, ranges)


@functools.cache
def files(seed: int = 0) -> tuple[bytes, bytes]:
    made = graph(seed)
    return tflite.write(made, head="logits"), onnx.write(made, certify(made), head="logits")


def test_all_that_is_copied_into_one_tensor_is_on_one_grid() -> None:
    tensors = graph().tensors()
    for names in ONE_GRID:
        grids = {(tensors[name].scale, tensors[name].zero_point) for name in names}
        assert len(grids) == 1
    operators = [operator.builtin for operator in parse_tflite(files()[0]).operators]
    assert "QUANTIZE" not in operators


@pytest.mark.parametrize("seed", range(4))
def test_ranges_that_were_settled_stay(seed: int) -> None:
    network, ranges = graphs.random_network(moving(), seed=seed)
    exact = exact_ranges(network, ranges)
    assert exact_ranges(network, exact) == exact


@pytest.mark.parametrize("seed", range(3))
def test_every_tensor_is_equal_in_both_runtimes(seed: int) -> None:
    made, (one, two) = graph(seed), files(seed)
    images = graphs.extremes(made.input.shape, seed=seed)
    expected = oracle.run(made, images)
    for session in (litert.load(one), ort.load(two), ort_unoptimised.load(two)):
        np.testing.assert_array_equal(session.run(images)[0], expected[made.output.name])
    # Inner tensors: every node at the end of a graph of its own.
    for place in range(len(made.nodes) - 1):
        part = IntegerGraph(name="part", input=made.input, nodes=made.nodes[: place + 1])
        certificates = certify(part)
        received = ort.load(onnx.write(part, certificates, head="logits")).run(images)[0]
        np.testing.assert_array_equal(received, expected[part.output.name])
        received = litert.load(tflite.write(part, head="logits")).run(images)[0]
        np.testing.assert_array_equal(received, expected[part.output.name])


def test_the_files_are_read_as_one_network() -> None:
    one, two = files()
    assert digest(tflite_reader.read_file(one)) == digest(graph())
    judgement = judge(reading.read_tflite(parse_tflite(one)), reading.read_onnx(parse_onnx(two)))
    assert report(judgement).same
    assert not [problem for layer in judgement.layers for problem in layer.differences]


def constant(model: Any, name: str, change: Callable[[Any], Any]) -> None:
    (tensor,) = (each for each in model.graph.initializer if each.name == name)
    values = change(numpy_helper.to_array(tensor).copy())
    tensor.CopyFrom(numpy_helper.from_array(values, name))


def attribute(model: Any, output: str, name: str, value: Any) -> None:
    (node,) = (each for each in model.graph.node if output in each.output)
    kept = [each for each in node.attribute if each.name != name]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute(name, value)])


def kind(model: Any, output: str, op: str) -> None:
    (node,) = (each for each in model.graph.node if output in each.output)
    node.op_type = op


def swapped(model: Any, output: str) -> None:
    (node,) = (each for each in model.graph.node if output in each.output)
    node.input[0], node.input[1] = node.input[1], node.input[0]


def perm(model: Any) -> None:
    (node,) = (each for each in model.graph.node if "turned" in each.output)
    node.attribute[0].ints[:] = [0, 2, 1, 4, 3]


def begin_later(model: Any) -> None:
    for what in ("starts", "ends"):
        constant(model, f"low/{what}", lambda values: values + 1)


MUTANTS: dict[str, tuple[str, Callable[[Any], object]]] = {
    "slice begins later": (
        "low", begin_later
    ),
    "slice of other steps": ("even", lambda m: constant(m, "even/steps", lambda v: v * 0 + 1)),
    "slice of another axis": (
        "crop", lambda m: constant(m, "crop/starts", lambda v: v[::-1] * np.array([1, 0]))
    ),
    "parts in another order": ("both", lambda m: swapped(m, "both")),
    "axes in another order": ("turned", perm),
    "another shape": (
        "five", lambda m: constant(m, "five/shape", lambda v: v[[0, 1, 2, 4, 3]])
    ),
    "smaller instead of larger": ("most", lambda m: kind(m, "most", "Min")),
    "larger instead of smaller": ("least", lambda m: kind(m, "least", "Max")),
    "pixels elsewhere": (
        "wider", lambda m: attribute(m, "wider", "coordinate_transformation_mode", "align_corners")
    ),
    "minuend and subtrahend": ("difference", lambda m: swapped(m, writer(m, "difference"))),
}  # fmt: skip


def writer(model: Any, output: str) -> str:
    """The tensor that a QuantizeLinear reads."""
    (node,) = (each for each in model.graph.node if output in each.output)
    return str(node.input[0])


@pytest.mark.parametrize("fault", MUTANTS)
def test_another_option_is_seen_and_the_layer_is_named(fault: str) -> None:
    named, change = MUTANTS[fault]
    one, two = files()
    model = load_from_string(two)
    change(model)
    changed = reading.read_onnx(parse_onnx(model.SerializeToString()))
    judgement = judge(reading.read_tflite(parse_tflite(one)), changed)
    assert not report(judgement).same
    first = next(
        layer
        for layer in judgement.layers
        if layer.differences or layer.verdict is None or not layer.verdict.equal
    )
    # A layer of another kind has no counterpart.
    places = zip(judgement.readings, (first.first, first.second), strict=True)
    names = {file.layers[place].name for file, place in places if place is not None}
    assert names == {named}


def test_a_sum_whose_operands_no_scales_mend_is_computed_in_integers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    architecture = Architecture(
        name="halves",
        input_shape=(8, 8, 3),
        layers=(
            layer("a", "conv", (INPUT,), (3, 6)),
            layer("b", "conv", (INPUT,), (3, 6)),
            layer("sum", "add", ("a", "b"), (6, 6)),
            layer("again", "concatenation", ("sum", "a"), (6, 12)),
            layer("pool", "mean", ("again",), (12, 12)),
            layer("logits", "dense", ("pool",), (12, 5)),
        ),
    )
    network, ranges = graphs.random_network(architecture)
    ranges = {**ranges, "a": (-4.0, 3.96875), "b": (-2.0, 1.984375), "sum": (-4.0, 3.96875)}
    module: object = add.OPERATOR
    assert isinstance(module, Certified)
    assert isinstance(module, SeveralForms)
    widened = exact_ranges(network, ranges)
    assert widened["sum"] != ranges["sum"]
    assert widened["again"] == widened["sum"] == widened["a"]
    # As in a file that is finished, no range can be widened.
    monkeypatch.setattr(SumOperator, "certify_fast", SumOperator.certify)
    made = quantise(network, {**ranges, "again": (-4.0, 3.96875)})
    certificates = certify(made)
    assert certificates["sum"].integers
    one, two = tflite.write(made, head="logits"), onnx.write(made, certificates, head="logits")
    judgement = judge(reading.read_tflite(parse_tflite(one)), reading.read_onnx(parse_onnx(two)))
    assert report(judgement).same
    images = graphs.extremes(made.input.shape)
    expected = oracle.run(made, images)[made.output.name]
    for session in (litert.load(one), ort.load(two), ort_unoptimised.load(two)):
        np.testing.assert_array_equal(session.run(images)[0], expected)
    for change in ("shift", "factor", "constant", "bound"):
        model = load_from_string(two)
        shift = next(node for node in model.graph.node if node.op_type == "BitShift")
        by_output = {node.output[0]: node for node in model.graph.node}
        clip = by_output[by_output[shift.input[0]].input[0]]
        total = by_output[clip.input[0]]
        name = {
            "shift": shift.input[1],
            "bound": clip.input[2],
            "factor": by_output[total.input[0]].input[1],
            "constant": by_output[total.input[1]].input[1],
        }[change]
        constant(model, name, lambda v: v + v.dtype.type(1))
        changed = reading.read_onnx(parse_onnx(model.SerializeToString()))
        judgement = judge(reading.read_tflite(parse_tflite(one)), changed)
        assert not report(judgement).same, change
