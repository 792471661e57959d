"""A comparison finds what differs, names the layer, and marks what cannot change an output."""

import dataclasses
from collections.abc import Callable
from typing import Any

import comparing
import graphs
import numpy as np
import pytest

from mobiledeploy import reading
from mobiledeploy.base import codec
from mobiledeploy.compare.difference import StructureReport
from mobiledeploy.formats.onnx import parse as parse_onnx
from mobiledeploy.formats.tflite import parse
from mobiledeploy.integer.certify import certify
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.reading import Reading, StoredLayer
from mobiledeploy.targets import onnx, tflite


@pytest.fixture(scope="module")
def graph() -> IntegerGraph:
    return graphs.mobilenet("v2", alpha=0.35, image_size=32)


@pytest.fixture(scope="module")
def pair(graph: IntegerGraph) -> tuple[Reading, Reading]:
    """The two files of one graph."""
    return (
        reading.read_tflite(parse(tflite.write(graph))),
        reading.read_onnx(parse_onnx(onnx.write(graph, certify(graph)))),
    )


def changed(
    original: Reading, index: int, change: Callable[[StoredLayer], StoredLayer]
) -> Reading:
    layers = list(original.layers)
    layers[index] = change(layers[index])
    return dataclasses.replace(original, layers=tuple(layers))


def with_weights(**fields: Any) -> Callable[[StoredLayer], StoredLayer]:
    """A change of a layer's weights; each field a function of the old value."""

    def change(layer: StoredLayer) -> StoredLayer:
        assert layer.weights is not None
        new = {name: make(getattr(layer.weights, name)) for name, make in fields.items()}
        return dataclasses.replace(layer, weights=dataclasses.replace(layer.weights, **new))

    return change


def first_of_kind(file: Reading, kind: str) -> int:
    return next(i for i, layer in enumerate(file.layers) if layer.kind == kind)


def test_our_two_files_differ_only_where_additions_were_certified(
    pair: tuple[Reading, Reading], graph: IntegerGraph
) -> None:
    report = comparing.compare(*pair)
    assert report.same
    assert report.first is None
    assert report.cause == ""
    assert report.matched == report.layers == report.other_layers == len(graph.nodes)
    moved = {name for name, certificate in certify(graph).items() if certificate.differing_before}
    assert moved
    assert {difference.layer for difference in report.differences} == moved
    for difference in report.differences:
        assert difference.field == "read scale"
        assert difference.equivalent
        assert difference.method == "all 65,536 pairs of codes"


def test_additions_with_uncertified_scales_are_found_to_round_differently(
    pair: tuple[Reading, Reading], graph: IntegerGraph
) -> None:
    uncertified = {
        name: dataclasses.replace(
            certificate,
            scales=tuple(
                graph.tensors()[source].scale
                for node in graph.nodes
                if node.output.name == name
                for source in node.inputs
            ),
        )
        for name, certificate in certify(graph).items()
    }
    report = comparing.compare(
        pair[0], reading.read_onnx(parse_onnx(onnx.write(graph, uncertified)))
    )
    assert not report.same
    for difference in report.differences:
        assert (difference.field, difference.kind, difference.lsb) == ("rounding", "add", 1)
        assert (
            f"{certify(graph)[difference.layer].differing_before} of all 65,536"
            in difference.detail
        )


def test_a_report_is_json(pair: tuple[Reading, Reading]) -> None:
    report = comparing.compare(pair[0], changed(pair[1], 3, with_weights(bias=lambda b: b + 1)))
    text = codec.to_json(report)
    assert codec.from_json(StructureReport, text, where="report") == report


def test_a_bias_is_named_with_its_channel_and_its_effect(pair: tuple[Reading, Reading]) -> None:
    def more(bias: Any) -> Any:
        bias = bias.copy()
        bias[5] += 64
        return bias

    report = comparing.compare(pair[0], changed(pair[1], 4, with_weights(bias=more)))
    assert report.first is not None
    assert (report.first.position, report.first.field) == (4, "bias")
    assert report.first.channels == (5,)
    assert report.first.lsb
    assert "by +64 in channel 5" in report.cause
    assert pair[0].layers[4].name in report.cause


def dead(layer: StoredLayer) -> StoredLayer:
    """Channel 2 never leaves the lowest code."""

    def low(bias: Any) -> Any:
        bias = bias.copy()
        bias[2] = -(2**30)
        return bias

    return with_weights(bias=low)(layer)


def test_weights_on_a_dead_channel_change_nothing(pair: tuple[Reading, Reading]) -> None:
    a, b = (changed(original, 3, dead) for original in pair)

    def other(kernel: Any) -> Any:
        kernel = kernel.copy()
        kernel[..., 2] += 1
        return kernel

    report = comparing.compare(a, changed(b, 4, with_weights(kernel=other)))
    # The depthwise convolution reads only real 0 in this channel.
    (difference,) = (difference for difference in report.differences if difference.position == 4)
    assert difference.field == "weights"
    assert difference.equivalent
    assert "every sum" in difference.method
    assert report.same
    # A weight of a channel that is not dead does change codes.
    assert not comparing.compare(pair[0], changed(pair[1], 4, with_weights(kernel=other))).same


@pytest.mark.parametrize(
    ("field", "words", "change"),
    [
        ("kernel order", "transposed", lambda k: k.swapaxes(1, 2)),
        ("kernel order", "upside down", lambda k: k[:, ::-1]),
        ("kernel order", "180 degrees", lambda k: k[:, ::-1, ::-1]),
        ("channel order", "BGR instead of RGB", lambda k: k[..., ::-1]),
        ("channels swapped", "channels 0 and 1", lambda k: k[[1, 0, *range(2, len(k))]]),
        ("weights", "the other sign", lambda k: -k),
    ],
)
def test_a_change_to_a_kernel_is_described_in_words(
    pair: tuple[Reading, Reading], field: str, words: str, change: Callable[[Any], Any]
) -> None:
    report = comparing.compare(pair[0], changed(pair[1], 0, with_weights(kernel=change)))
    assert report.first is not None
    assert (report.first.position, report.first.field) == (0, field)
    assert words in report.cause


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ((0,), ""),
        ((0, 4), "1 further layer differs in"),
        ((0, 4, 6), "2 further layers differ in"),
    ],
)
def test_further_layers_are_counted_with_the_verb_of_one_or_many(
    pair: tuple[Reading, Reading], layers: tuple[int, ...], words: str
) -> None:
    theirs = pair[1]
    for layer in layers:
        theirs = changed(theirs, layer, with_weights(bias=lambda b: b + 4000))
    cause = comparing.compare(pair[0], theirs).cause
    assert words in cause
    assert ("further" in cause) == bool(words)


def test_a_layer_is_called_by_its_operators_name_in_the_first_file(
    pair: tuple[Reading, Reading],
) -> None:
    for first, second in (pair, pair[::-1]):
        change = with_weights(bias=lambda b: b + 4000)
        for layer in (0, first_of_kind(first, "dense")):
            report = comparing.compare(first, changed(second, layer, change))
            assert f"({first.layers[layer].op})" in report.cause


def test_weights_of_one_channel_are_not_called_those_of_channels(
    pair: tuple[Reading, Reading],
) -> None:
    def other(kernel: Any) -> Any:
        kernel = kernel.copy()
        kernel[3] ^= 1
        return kernel

    report = comparing.compare(pair[0], changed(pair[1], 0, with_weights(kernel=other)))
    assert "differ in channel 3, by up to 1" in report.cause


def test_classes_in_another_order_are_recognised(pair: tuple[Reading, Reading]) -> None:
    dense = first_of_kind(pair[0], "dense")
    order = np.roll(np.arange(10), 1)
    change = with_weights(kernel=lambda k: k[order], bias=lambda b: b[order])
    report = comparing.compare(pair[0], changed(pair[1], dense, change))
    assert report.first is not None
    assert report.first.field == "label order"


def test_a_scale_changed_in_a_tensor_is_named_where_it_is_written(
    pair: tuple[Reading, Reading],
) -> None:
    scale = pair[1].layers[7].output.scale
    assert scale is not None
    other = scale * np.float32(1.5)

    def output(layer: StoredLayer) -> StoredLayer:
        return dataclasses.replace(layer, output=dataclasses.replace(layer.output, scale=other))

    def read(layer: StoredLayer) -> StoredLayer:
        return dataclasses.replace(
            layer, reads=tuple(dataclasses.replace(r, scale=other) for r in layer.reads)
        )

    both = changed(changed(pair[1], 7, output), 8, read)
    report = comparing.compare(pair[0], both)
    assert report.first is not None
    assert (report.first.position, report.first.field) == (7, "scale")
    assert "1.5 times" in report.cause
    only_read = comparing.compare(pair[0], changed(pair[1], 8, read))
    assert only_read.first is not None
    assert (only_read.first.position, only_read.first.field) == (8, "read scale")


def test_layers_that_only_one_file_has_do_not_shift_the_others(
    pair: tuple[Reading, Reading],
) -> None:
    add = first_of_kind(pair[1], "add")
    layers = tuple(
        dataclasses.replace(
            layer,
            reads=tuple(
                dataclasses.replace(r, source=r.source - (r.source >= add)) for r in layer.reads
            ),
        )
        for i, layer in enumerate(pair[1].layers)
        if i != add
    )
    other = dataclasses.replace(pair[1], layers=layers, output_of=len(layers) - 1)
    report = comparing.compare(pair[0], other)
    assert report.first is not None
    assert (report.first.position, report.first.field) == (add, "missing layer")
    assert report.matched == len(layers)
    # Later layers are not blamed, except the joint itself and scales that follow from it.
    assert {
        difference.position for difference in report.differences if not difference.equivalent
    } <= {
        add,
        add + 1,
        next(i for i in range(add + 1, len(layers)) if pair[0].layers[i].kind == "add"),
    }


def test_an_image_normalised_differently_is_named_at_the_input(
    pair: tuple[Reading, Reading],
) -> None:
    halved = dataclasses.replace(pair[1].input, scale=np.float32(1 / 256), zero_point=-128)
    report = comparing.compare(pair[0], dataclasses.replace(pair[1], input=halved))
    assert report.first is not None
    assert (report.first.position, report.first.field) == (-1, "input grid")
    assert "-1..0.992 and 0..0.996" in report.cause


def test_files_of_other_graphs_are_reported_as_quantised_separately(
    pair: tuple[Reading, Reading],
) -> None:
    other = graphs.mobilenet("v2", alpha=0.35, image_size=32, seed=1)
    report = comparing.compare(pair[0], reading.read_tflite(parse(tflite.write(other))))
    assert not report.same
    assert "quantised separately" in report.cause
    assert report.matched == report.layers


@pytest.mark.parametrize(
    ("kind", "op"), [("add", "Sub"), ("mean", "ReduceMax"), ("softmax", "Sigmoid")]
)
def test_a_layer_that_computes_something_else_is_named_with_both_operators(
    pair: tuple[Reading, Reading], kind: str, op: str
) -> None:
    index = first_of_kind(pair[1], kind)
    other = changed(
        pair[1], index, lambda layer: dataclasses.replace(layer, kind="unknown", op=op)
    )
    report = comparing.compare(pair[0], other)
    first = report.first
    assert first is not None
    assert (first.position, first.field, first.received) == (index, "operator", op)
    assert (first.layer, first.kind) == (pair[0].layers[index].name, kind)
    assert report.cause.startswith("a layer computes something else")


def test_a_softmax_that_is_clipped_is_another_function(pair: tuple[Reading, Reading]) -> None:
    last = len(pair[1].layers) - 1
    other = changed(pair[1], last, lambda layer: dataclasses.replace(layer, clamp=(-128, 64)))
    first = comparing.compare(pair[0], other).first
    assert first is not None
    assert (first.position, first.field) == (last, "activation")
