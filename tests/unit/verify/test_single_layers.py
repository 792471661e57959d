"""Run alone, only the layer with a fault differs; end to end, later layers differ too."""

import dataclasses
import functools
from pathlib import Path
from typing import Any

import graphs
import numpy as np
import pytest
from float_onnx import quantised_by_ort
from known import image_shape

from mobiledeploy import reading
from mobiledeploy.base.errors import ConversionError
from mobiledeploy.compare.align import align
from mobiledeploy.formats import model_file
from mobiledeploy.formats.tflite import parse
from mobiledeploy.integer.certify import certify
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.ops import conv, dense, mean
from mobiledeploy.ops.conv import Conv
from mobiledeploy.ops.dense import Dense
from mobiledeploy.ops.each_pair import pairs_of_shapes
from mobiledeploy.ops.node import Node
from mobiledeploy.ops.weights import QWeights
from mobiledeploy.reading import StoredLayer
from mobiledeploy.targets import onnx, tflite
from mobiledeploy.verify import int8_pair
from mobiledeploy.verify.layers import extremes, layer_outputs
from mobiledeploy.verify.layers.single_layer import (
    SingleLayerDifference,
    SingleLayers,
    Whole,
    open_single_layers,
)
from mobiledeploy.verify.outputs import image_sets
from mobiledeploy.verify.outputs.int8_files import Options
from mobiledeploy.verify.outputs.opened_file import HERE, OpenFile, open_file
from mobiledeploy.verify.report import LayerRow, RunCheck

GRAPH = graphs.assorted_graph()


def two_files(first: IntegerGraph, second: IntegerGraph) -> tuple[OpenFile, OpenFile]:
    return written(tflite.write(first), onnx.write(second, certify(second)))


def written(first: bytes, second: bytes) -> tuple[OpenFile, OpenFile]:
    return (
        open_file(model_file.of_bytes("a.tflite", first), HERE),
        open_file(model_file.of_bytes("b.onnx", second), HERE),
    )


def changed(graph: IntegerGraph, name: str, change: Any) -> IntegerGraph:
    def altered(node: Node) -> Node:
        if node.output.name != name or not isinstance(node, Conv | Dense):
            return node
        return dataclasses.replace(node, weights=change(node.weights))

    return dataclasses.replace(graph, nodes=tuple(map(altered, graph.nodes)))


def more_bias(weights: QWeights) -> QWeights:
    return dataclasses.replace(weights, bias=weights.bias + 600)


def other_weights(weights: QWeights) -> QWeights:
    return dataclasses.replace(weights, kernel=-weights.kernel)


def rows(pair: tuple[OpenFile, OpenFile]) -> dict[str, LayerRow]:
    images = image_sets.natural(image_shape(pair[0].reading.input.shape), images=8)
    report, _ = int8_pair.prove(pair, [images], Options(only_main=True, layers=True))
    return {row.layer: row for row in report.layers}


@pytest.mark.parametrize("fault", [more_bias, other_weights])
@pytest.mark.parametrize("name", ["stem", "narrow", "wide", "logits"])
@pytest.mark.parametrize("faulty", [0, 1])
def test_a_fault_shows_on_its_own_in_its_layer_only(fault: Any, name: str, faulty: int) -> None:
    wrong = changed(GRAPH, name, fault)
    by_layer = rows(two_files(*((GRAPH, wrong) if faulty else (wrong, GRAPH))))
    alone = {layer for layer, row in by_layer.items() if row.alone_max_lsb}
    assert alone == {name}
    assert all((row.alone_differing or 0) > 0 for row in by_layer.values() if row.layer in alone)
    assert {row.alone_max_lsb is None for row in by_layer.values()} == {False}
    names = list(by_layer)
    behind = names[names.index(name) + 1 :]
    snowball = {layer for layer, row in by_layer.items() if row.max_lsb}
    assert name in snowball
    assert snowball <= {name, *behind}
    assert not behind or snowball & set(behind)


def test_a_fault_deep_in_a_network_does_not_affect_later_layers_run_alone() -> None:
    graph = graphs.mobilenet("v2", alpha=0.35, image_size=32)
    place = 20
    while not isinstance(graph.nodes[place], Conv):
        place += 1
    name = graph.nodes[place].output.name
    by_layer = rows(two_files(graph, changed(graph, name, other_weights)))
    assert {layer for layer, row in by_layer.items() if row.alone_max_lsb} == {name}
    assert sum(row.max_lsb > 0 for row in by_layer.values()) > 20


@pytest.mark.parametrize("ending", ["tflite", "onnx"])
def test_two_files_of_one_format_are_compared_layer_by_layer_too(ending: str) -> None:
    pair = [
        one
        for graph in (GRAPH, changed(GRAPH, "narrow", more_bias))
        for one in two_files(graph, graph)
        if one.file.format == ending
    ]
    by_layer = rows((pair[0], pair[1]))
    assert {layer for layer, row in by_layer.items() if row.alone_max_lsb} == {"narrow"}


def test_files_on_other_grids_are_compared_layer_by_layer_too(tmp_path: Path) -> None:
    network, _ = graphs.random_network(graphs.assorted())
    second = quantised_by_ort(network, tmp_path)
    by_layer = rows(written(tflite.write(GRAPH), second))
    assert len(by_layer) == 9
    assert all(row.alone_max_lsb is not None for row in by_layer.values())
    # Each layer only requantises its input: a smaller error than all layers' together.
    alone = sum(row.alone_differing or 0 for row in by_layer.values())
    assert 0 < alone < sum(row.differing for row in by_layer.values())


def test_layers_on_one_pixel_are_judged_too() -> None:
    graph = graphs.mobilenet("v1", alpha=0.25, image_size=32, stem_stride=2)
    pair = two_files(graph, graph)
    assert {layer.output.shape for layer in pair[0].reading.layers[-4:-2]} == {(256,)}
    judged = {
        (row.first_error, row.second_error, row.alone_max_lsb) for row in rows(pair).values()
    }
    assert judged == {(0, 0, 0)}


@pytest.mark.parametrize("file", [0, 1])
def test_a_cut_out_that_computes_other_codes_than_the_whole_file_is_not_used(file: int) -> None:
    single_layers, whole = opened(two_files(GRAPH, GRAPH))
    difference = SingleLayerDifference()
    difference.add(single_layers, (2, 2), whole)
    assert (difference.largest, difference.share) == (0, 0.0)
    # As if another kernel had run the layer in the whole file.
    codes = whole[file][2]
    codes[0, 0, 0, 0] ^= 1
    with pytest.raises(ConversionError, match="`narrow`, cut out, gives other codes"):
        single_layers.run((2, 2), whole[0], whole)
    difference = SingleLayerDifference()
    difference.add(single_layers, (2, 2), whole)
    assert (difference.largest, difference.share) == (None, None)


def checks(pair: tuple[OpenFile, OpenFile]) -> dict[str, RunCheck]:
    single_layers, whole = opened(pair)
    run = functools.partial(single_layers.run, whole=whole)
    pairs = [(i, j) for j, i in single_layers.alignment.matched.items()]
    results = extremes.each_layer(single_layers, pairs, run, progress=lambda _: None)
    return {check.name.split()[1].strip(","): check for check in results}


def opened(pair: tuple[OpenFile, OpenFile]) -> tuple[SingleLayers, Whole]:
    first, second = (range(len(one.reading.layers)) for one in pair)
    runs = layer_outputs.give_out_layers(pair, (first, second), threads=1)
    pixels = image_sets.synthetic_extremes(image_shape(GRAPH.input.shape)).pixels(20, 22)
    alignment = align(pair[0].reading, pair[1].reading)
    return open_single_layers(runs, alignment), (runs[0].run(pixels), runs[1].run(pixels))


def test_extreme_codes_show_nothing_where_files_are_equal() -> None:
    by_operator = checks(two_files(GRAPH, GRAPH))
    assert [check.holds for check in by_operator.values()] == [True] * 3
    assert by_operator["addition"].cases == 65536
    height, width, _ = GRAPH.tensors()["wide"].shape
    assert by_operator["mean"].cases == 255 * height * width + 1
    assert "7 layers" not in by_operator["convolution"].statement
    assert "6 layers" in by_operator["convolution"].statement
    assert "LiteRT" in by_operator["convolution"].statement
    assert "ONNX Runtime" in by_operator["convolution"].statement


def test_extreme_codes_name_the_layer_with_the_fault() -> None:
    by_operator = checks(two_files(GRAPH, changed(GRAPH, "narrow", more_bias)))
    assert [check.holds for check in by_operator.values()] == [True, True, False]
    assert [reason.split(":")[0] for reason in by_operator["convolution"].reasons] == ["`narrow`"]


def test_an_addition_that_differs_on_few_pairs_is_found_by_running_all_of_them() -> None:
    certificates = dict(certify(GRAPH))
    scales = tuple(scale * np.float32(1.0001) for scale in certificates["sum"].scales)
    certificates["sum"] = dataclasses.replace(certificates["sum"], scales=scales)
    pair = written(tflite.write(GRAPH), onnx.write(GRAPH, certificates))
    check = checks(pair)["addition"]
    assert not check.holds
    (reason,) = check.reasons
    assert reason.startswith("`sum`: ")
    count, _, rest = reason.removeprefix("`sum`: ").partition(" of ")
    assert 0 < int(count) < 1000
    assert rest.endswith("codes differ between the two files")


def test_all_pairs_are_covered_for_every_shape() -> None:
    for shape in ((2, 3, 5), (300, 300, 1), (7,)):
        a, b = pairs_of_shapes((shape, shape))
        assert a.shape == b.shape
        assert a.shape[1:] == shape
        seen = set((a.astype(int) * 256 + b).ravel().tolist())
        assert len(seen) == 65536


def layer_of(name: str) -> StoredLayer:
    layers = reading.read_tflite(parse(tflite.write(GRAPH))).layers
    return next(layer for layer in layers if layer.name == name)


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 5, 7), (9, 4, 64)])
def test_all_sums_are_covered_or_evenly_spread_ones_with_both_ends(
    shape: tuple[int, int, int],
) -> None:
    (images,), count = mean.trials(layer_of("pool"), [shape])
    assert images.shape[1:] == shape
    sums = images.astype(int).sum(axis=(1, 2)).ravel()
    positions = shape[0] * shape[1]
    assert sums.min() == -128 * positions
    assert sums.max() == 127 * positions
    assert len(set(sums.tolist())) == count == min(255 * positions + 1, 64 * shape[2])


@pytest.mark.parametrize("name", ["narrow", "logits", "wide", "spread"])
def test_the_largest_sums_are_reached(name: str) -> None:
    pair = two_files(GRAPH, GRAPH)
    layers = {layer.name: layer for layer in pair[0].reading.layers}
    layer: StoredLayer = layers[name]
    assert layer.weights is not None
    source = pair[0].reading.layers[layer.reads[0].source].output
    (codes,), _ = (dense if layer.kind == "dense" else conv).trials(layer, [source.shape])
    node = next(node for node in GRAPH.nodes if node.output.name == name)
    assert isinstance(node, Conv | Dense)
    kernel, zero = layer.weights.kernel.astype(np.int64), layer.reads[0].zero_point
    assert zero is not None
    channel_axis = 3 if layer.kind == "depthwise" else 0
    others = tuple(axis for axis in range(kernel.ndim) if axis != channel_axis)
    highest = np.maximum(kernel * (127 - zero), kernel * (-128 - zero)).sum(axis=others)
    lowest = np.minimum(kernel * (127 - zero), kernel * (-128 - zero)).sum(axis=others)
    sums = accumulators(node, codes, zero)
    assert sums.max() == highest.max()
    assert sums.min() == lowest.min()


def accumulators(node: Conv | Dense, codes: np.ndarray, zero: int) -> Any:
    """Sums without bias, computed plainly."""
    kernel, values = node.weights.kernel.astype(np.int64), codes.astype(np.int64) - zero
    if isinstance(node, Dense):
        return values @ kernel.T
    high, wide = kernel.shape[1:3]
    windows = np.lib.stride_tricks.sliding_window_view(values, (high, wide), axis=(1, 2))
    if node.depthwise:
        return np.einsum("nyxchw,hwc->nyxc", windows, kernel[0])
    return np.einsum("nyxchw,ohwc->nyxo", windows, kernel)
