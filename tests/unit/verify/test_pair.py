"""Any two files are compared; a fault is found and its layer named."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import graphs
import numpy as np
import pytest
from known import image_shape, known
from onnx import helper, load_from_string

from mobiledeploy.base.errors import ParityError
from mobiledeploy.compare import align
from mobiledeploy.formats import model_file
from mobiledeploy.integer.certify import certify
from mobiledeploy.integer.graph import IntegerGraph, with_head
from mobiledeploy.ops.conv import Conv
from mobiledeploy.ops.dense import Dense
from mobiledeploy.ops.node import Node
from mobiledeploy.ops.weights import QWeights
from mobiledeploy.reading import StoredLayer
from mobiledeploy.spec.config import Head, Io
from mobiledeploy.targets import onnx, tflite
from mobiledeploy.verify import int8_pair
from mobiledeploy.verify.outputs import image_sets
from mobiledeploy.verify.outputs.int8_files import Options
from mobiledeploy.verify.outputs.opened_file import HERE, OpenFile, open_file
from mobiledeploy.verify.report import VerifyReport

GRAPH = graphs.assorted_graph()
SHAPE = image_shape(GRAPH.input.shape)


def opened(name: str, data: bytes) -> OpenFile:
    return open_file(model_file.of_bytes(name, data), HERE)


def as_tflite(graph: IntegerGraph = GRAPH, **options: Any) -> OpenFile:
    return opened("a.tflite", tflite.write(graph, **options))


def as_onnx(graph: IntegerGraph = GRAPH, **options: Any) -> OpenFile:
    return opened("b.onnx", onnx.write(graph, certify(graph), **options))


def proof(one: OpenFile, two: OpenFile, **options: Any) -> VerifyReport:
    sets = image_sets.natural(SHAPE, images=20), image_sets.synthetic_extremes(SHAPE)
    return int8_pair.prove((one, two), sets, Options(threads=2, **options))[0]


def changed(name: str, change: Callable[[QWeights], QWeights]) -> IntegerGraph:
    """The graph with the weights of one layer changed."""

    def altered(node: Node) -> Node:
        if node.output.name != name or not isinstance(node, Conv | Dense):
            return node
        return dataclasses.replace(node, weights=change(node.weights))

    return dataclasses.replace(GRAPH, nodes=tuple(map(altered, GRAPH.nodes)))


@pytest.mark.parametrize("turned", [False, True])
def test_a_verification_aligns_the_layers_of_two_files_once(
    monkeypatch: pytest.MonkeyPatch, *, turned: bool
) -> None:
    fit, calls = align._fit, 0

    def counted(a: StoredLayer, b: StoredLayer) -> float:
        nonlocal calls
        calls += 1
        return fit(a, b)

    monkeypatch.setattr(align, "_fit", counted)
    one, two = (as_onnx(), as_tflite()) if turned else (as_tflite(), as_onnx())
    report = proof(one, two, level="full", layers=True)
    assert report.holds
    assert known(report.certificate).holds
    assert report.layers
    assert calls == len(one.reading.layers) * len(two.reading.layers)


def test_every_runtime_takes_part_and_the_exact_ones_are_equal() -> None:
    report = proof(as_tflite(), as_onnx())
    assert report.holds
    assert report.same_grid
    assert known(report.structure).same
    assert len(report.proven) == 2
    names = [row.name for row in report.participants]
    assert names == [
        "LiteRT XNNPACK", "ORT optimised", "NumPy oracle", "LiteRT builtin", "LiteRT reference",
        "ORT unoptimised",
    ]  # fmt: skip
    assert len(report.matrix) == 15
    exact = {row.name for row in report.participants if row.exact}
    pairs = [pair for pair in report.matrix if {pair.first, pair.second} <= exact]
    assert [pair.exact_logits for pair in pairs] == [49, 49, 49]
    assert [facts.distinct > 5 for facts in report.inputs] == [True, True]


@pytest.mark.parametrize("first", ["int8", "uint8", "float32"])
@pytest.mark.parametrize("second", ["int8", "float32"])
@pytest.mark.parametrize("head", ["softmax", "logits"])
def test_files_of_different_types_are_compared_in_codes(first: Io, second: Io, head: Head) -> None:
    graph = with_head(GRAPH, head)
    report = proof(
        as_tflite(graph, io=first, head=head),
        as_onnx(graph, io=second, head=head),
        only_main=True,
    )
    assert report.holds, report.failures
    assert (report.matrix[0].max_scores_lsb is None) == (head == "logits")


def test_two_files_of_one_format_are_distinguished_by_name() -> None:
    report = proof(as_tflite(), opened("c.tflite", tflite.write(GRAPH, io="uint8")))
    assert report.holds
    assert report.same_grid is None
    assert report.participants[1].name == "LiteRT XNNPACK of c.tflite"


FAULTS = {
    "a bias": lambda weights: dataclasses.replace(weights, bias=weights.bias + 600),
    "weights": lambda weights: dataclasses.replace(weights, kernel=-weights.kernel),
    "a scale": lambda weights: dataclasses.replace(
        weights,
        kernel_scale=weights.kernel_scale * np.float32(1.25),
        bias_scale=weights.bias_scale * np.float32(1.25),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("layer", ["stem", "narrow", "wide", "logits"])
@pytest.mark.parametrize("faulty", ["a.tflite", "b.onnx"])
def test_a_fault_is_found_and_its_layer_named(fault: str, layer: str, faulty: str) -> None:
    other = changed(layer, FAULTS[fault])
    report = proof(
        as_tflite(other if faulty == "a.tflite" else GRAPH),
        as_onnx(other if faulty == "b.onnx" else GRAPH),
        only_main=True,
    )
    assert not report.holds
    divergence = known(report.divergence)
    assert (divergence.layer, divergence.other) == (layer, layer)
    assert divergence.blamed == ""  # both runtimes compute what their files say
    assert layer in divergence.cause
    assert divergence.image
    assert divergence.histogram
    assert divergence.channels[0].max_lsb == max(abs(step) for step, _ in divergence.histogram)
    rows = {row.layer: row for row in report.layers}
    assert rows[layer].max_lsb > 0
    assert {(row.first_error, row.second_error) for row in report.layers} == {(0, 0)}


@pytest.mark.parametrize(
    ("locate", "logits", "searched"),
    [("differing", True, True), ("never", True, False), ("differing", False, False)],
)
def test_the_layer_is_searched_when_it_is_asked_for(
    locate: Any, logits: bool, searched: bool
) -> None:
    def bump(weights: QWeights) -> QWeights:
        bias = weights.bias.copy()
        bias[3] += 4000 if logits else 1
        return dataclasses.replace(weights, bias=bias)

    both = as_tflite(), as_onnx(changed("wide", bump))
    options = Options(only_main=True, locate=locate)
    report, _ = int8_pair.prove(both, [image_sets.natural(SHAPE, images=2)], options)
    assert not report.holds
    assert (report.divergence is not None) == searched


def test_the_worst_images_of_all_sets_are_searched_first() -> None:
    sets = image_sets.natural(SHAPE, images=20), image_sets.synthetic_extremes(SHAPE)
    other = changed("wide", FAULTS["a bias"])
    report = int8_pair.prove((as_tflite(), as_onnx(other)), sets, Options(only_main=True))[0]
    names, pixels = int8_pair._suspects(sets, report.comparisons)
    worst = [comparison.worst for comparison in report.comparisons]
    assert list(names[:2]) == worst
    assert len(names) == len(set(names)) == len(pixels) > 10
    for images in sets:
        assert {images.names[0], images.names[-1]} <= set(names)


def test_inputs_with_equal_codes_on_different_grids_show_no_difference_of_codes() -> None:
    image = dataclasses.replace(GRAPH.input, zero_point=GRAPH.input.zero_point - 1)
    other = dataclasses.replace(GRAPH, input=image)
    report = proof(as_tflite(), opened("b.tflite", tflite.write(other)), only_main=True)
    divergence = known(report.divergence)
    assert (divergence.layer, divergence.position) == (GRAPH.input.name, 0)
    assert "same codes in both files, which stand for other values" in divergence.cause
    assert divergence.histogram == ()
    assert divergence.channels == ()


def test_a_fault_that_no_image_shows_is_found_in_the_integers() -> None:
    def bump(weights: QWeights) -> QWeights:
        bias = weights.bias.copy()
        bias[3] += 1
        return dataclasses.replace(weights, bias=bias)

    both = as_tflite(), as_onnx(changed("wide", bump))
    report, _ = int8_pair.prove(
        both, [image_sets.natural(SHAPE, images=2)], Options(only_main=True)
    )
    assert not report.holds
    assert known(report.divergence).layer == "wide"
    assert "bias" in known(report.divergence).cause


def test_an_operator_inserted_before_the_codes_is_named_at_its_position() -> None:
    model = load_from_string(onnx.write(GRAPH, certify(GRAPH)))
    wide = next(node for node in model.graph.node if list(node.output) == ["wide"])
    place = list(model.graph.node).index(wide)
    model.graph.node.insert(place, helper.make_node("Abs", [wide.input[0]], ["turned"]))
    model.graph.node[place + 1].input[0] = "turned"
    report = proof(as_tflite(), opened("b.onnx", model.SerializeToString()), only_main=True)
    assert not report.holds
    assert "wide" in (known(report.divergence).layer, known(report.divergence).other)


def test_an_oracle_that_disagrees_fails_the_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    from mobiledeploy.integer import oracle

    compute = oracle._compute

    def wrong(node: Node, grids: Any, sources: Any, softmax: Any) -> np.ndarray:
        codes = compute(node, grids, sources, softmax)
        return codes if node.output.name != "narrow" else codes ^ np.int8(1)

    monkeypatch.setattr(oracle, "_compute", wrong)
    report = proof(as_tflite(), as_onnx())
    assert not report.holds
    assert "differs from the NumPy oracle" in report.failures[0]


def test_files_with_different_input_sizes_are_refused() -> None:
    from mobiledeploy.verify.pair import _claims

    other = graphs.mobilenet("v1", alpha=0.25, image_size=32)
    with pytest.raises(ParityError, match=r"b\.onnx takes 32 x 32 x 3 and knows 10 classes"):
        _claims((as_tflite(), as_onnx(other)))


def test_slow_runtimes_run_images_that_faster_ones_run_too() -> None:
    from mobiledeploy.verify.outputs.runners import open_runners

    both = as_tflite(), as_onnx()
    runners = [
        dataclasses.replace(runner, most=most)
        for runner, most in zip(
            open_runners(both, only_main=False, level="quick", threads=1),
            (None, None, 10, 40, 10, 400),
            strict=True,
        )
    ]
    taken = [runner.chosen(300) for runner in runners]
    assert [int(rows.sum()) for rows in taken] == [300, 300, 10, 40, 10, 300]
    assert not (taken[2] & ~taken[3]).any()
    assert np.ptp(np.flatnonzero(taken[3])) > 200


def test_files_can_be_read_from_paths(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(tflite.write(GRAPH))
    assert model_file.read(path).format == "tflite"
