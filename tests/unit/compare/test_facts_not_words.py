"""Conclusions about two files rest on numbers; the names of layers do not matter."""

import dataclasses
from collections.abc import Callable

import comparing
import graphs
import numpy as np
import pytest

from mobiledeploy import reading
from mobiledeploy.base import codec
from mobiledeploy.compare.difference import Difference, StructureReport
from mobiledeploy.formats.tflite import parse
from mobiledeploy.reading import Reading, StoredLayer
from mobiledeploy.targets import tflite

OURS = reading.read_tflite(parse(tflite.write(graphs.assorted_graph())))
PROSE = " in floats, some units in the last place, expected otherwise"
"""A name with the words of our own messages."""


def renamed(original: Reading) -> Reading:
    return dataclasses.replace(
        original,
        layers=tuple(
            dataclasses.replace(
                layer,
                name=layer.name + PROSE,
                output=dataclasses.replace(layer.output, name=layer.output.name + PROSE),
            )
            for layer in original.layers
        ),
    )


def each(change: Callable[[StoredLayer], StoredLayer]) -> Reading:
    return dataclasses.replace(OURS, layers=tuple(map(change, OURS.layers)))


def one(change: Callable[[StoredLayer], StoredLayer]) -> Reading:
    first, *rest = OURS.layers
    return dataclasses.replace(OURS, layers=(change(first), *rest))


def reads_doubled(layer: StoredLayer) -> StoredLayer:
    reads = tuple(
        dataclasses.replace(read, scale=None if read.scale is None else read.scale * np.float32(2))
        for read in layer.reads
    )
    return dataclasses.replace(layer, reads=reads)


def rounded(layer: StoredLayer) -> StoredLayer:
    assert layer.output.scale is not None
    scale = np.nextafter(layer.output.scale, np.float32(np.inf))
    return dataclasses.replace(layer, output=dataclasses.replace(layer.output, scale=scale))


def in_floats(layer: StoredLayer) -> StoredLayer:
    output = dataclasses.replace(layer.output, scale=None, zero_point=None)
    return dataclasses.replace(layer, output=output)


def one_weight_off(layer: StoredLayer) -> StoredLayer:
    assert layer.weights is not None
    kernel = layer.weights.kernel.copy()
    kernel.flat[0] ^= 1
    return dataclasses.replace(layer, weights=dataclasses.replace(layer.weights, kernel=kernel))


def biases_off(layer: StoredLayer) -> StoredLayer:
    assert layer.weights is not None
    weights = dataclasses.replace(layer.weights, bias=layer.weights.bias + 4000)
    return dataclasses.replace(layer, weights=weights)


CASES = pytest.mark.parametrize(
    "theirs",
    [each(reads_doubled), each(rounded), each(in_floats), one(one_weight_off), one(biases_off)],
    ids=["reads doubled", "scales rounded", "in floats", "one weight", "biases"],
)


@CASES
def test_names_decide_nothing(theirs: Reading) -> None:
    plain = comparing.compare(OURS, theirs)
    named = comparing.compare(renamed(OURS), renamed(theirs))
    assert plain.cause
    assert named.cause.replace(PROSE, "") == plain.cause
    assert facts(named) == facts(plain)


def facts(report: StructureReport) -> list[object]:
    return [
        (d.position, d.field, d.change, d.nearly, d.lsb, d.equivalent) for d in report.differences
    ]


def first(theirs: Reading) -> Difference:
    difference = comparing.compare(OURS, theirs).first
    assert difference is not None
    return difference


def test_each_kind_of_grid_change_is_recorded() -> None:
    layer, float_first = each(in_floats), comparing.compare(each(in_floats), OURS).first
    assert first(layer).change == "second in floats"
    assert float_first is not None
    assert float_first.change == "first in floats"
    changes = {
        difference.change
        for difference in comparing.compare(OURS, each(rounded)).differences
        if difference.field == "scale"
    }
    assert changes == {"last place"}


@CASES
def test_no_file_of_a_pair_is_called_the_expected_one(theirs: Reading) -> None:
    for difference in comparing.compare(OURS, theirs).differences:
        assert "expected" not in difference.detail
    weight = first(one(one_weight_off))
    both = f"is {weight.expected} in the first file, {weight.received} in the second"
    assert both in weight.detail


@CASES
def test_a_cause_is_its_clauses(theirs: Reading) -> None:
    report = comparing.compare(OURS, theirs)
    assert report.cause == "; ".join(report.reason.clauses)
    assert report.cause.startswith(report.reason.headline)


@CASES
def test_facts_are_not_in_the_json(theirs: Reading) -> None:
    report = comparing.compare(OURS, theirs)
    document = codec.dump(report)
    assert "reason" not in document
    assert not {"change", "nearly"} & document["differences"][0].keys()
    assert codec.load(StructureReport, document, where="x.json") == report
