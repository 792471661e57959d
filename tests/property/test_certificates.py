"""Any grids at all: certified additions and means are the same in both runtimes, or refused."""

import dataclasses
from typing import Any

import converting
import graphs
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.formats import model_file
from mobiledeploy.integer.certify import certify, exact_ranges
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.integer.quantise import quantise
from mobiledeploy.ops import mean
from mobiledeploy.ops.architecture import INPUT
from mobiledeploy.ops.mean import Mean
from mobiledeploy.ops.tensors import Int8
from mobiledeploy.pipeline import convert
from mobiledeploy.runtimes import litert, ort
from mobiledeploy.targets import onnx, tflite

codes = st.integers(-128, 127)
scales = st.floats(-12, 3).map(lambda exponent: np.float32(2**exponent))


def assert_same(graph: IntegerGraph, images: Int8) -> None:
    try:
        certificates = certify(graph)
    except ConversionError:
        assume(False)
    first = litert.load(tflite.write(graph, head="logits")).run(images)[0]
    second = ort.load(onnx.write(graph, certificates, head="logits")).run(images)[0]
    assert np.array_equal(first.ravel(), second.ravel())


@settings(max_examples=60)
@given(scales, scales, scales, codes, codes, codes)
def test_certified_additions_are_the_same_for_every_pair(
    a: np.float32, b: np.float32, scale: np.float32, left: int, right: int, zero: int
) -> None:
    assert_same(graphs.addition((a, b, scale), (left, right, zero)), graphs.all_pairs())


@settings(max_examples=60)
@given(scales, scales, codes, codes, st.integers(1, 8), st.integers(1, 8))
def test_certified_means_are_the_same_for_every_sum(
    source: np.float32, scale: np.float32, left: int, right: int, height: int, width: int
) -> None:
    graph = graphs.mean((height, width), (source, scale), (left, right))
    assert_same(graph, graphs.all_sums((height, width)))


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(scales, scales, codes, codes, st.integers(1, 8), st.integers(1, 8))
def test_means_on_any_grids_give_litert_s_codes_of_x86(
    source: np.float32, scale: np.float32, left: int, right: int, height: int, width: int
) -> None:
    graph = graphs.mean((height, width), (source, scale), (left, right))
    node, images = graph.nodes[0], graphs.all_sums((height, width))
    assert isinstance(node, Mean)
    proof = mean.certify_x86(node, [graph.input])
    # Also by the form that is exact on all grids, where scales would do.
    for integers in {proof.integers, True}:
        certificate = dataclasses.replace(proof, integers=integers)
        file = onnx.write(graph, {node.output.name: certificate}, head="logits")
        received = ort.load(file).run(images)[0]
        (expected, *_) = mean.litert_cases(node, [graph.input], mean.cases_of(node, [], [images]))
        assert np.array_equal(received.reshape(expected.shape), expected)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([np.uint8, np.int8]),
    st.sampled_from([("ADD", "AddOptions"), ("SUB", "SubOptions"), ("MUL", "MulOptions")]),
    st.tuples(scales, codes),
    st.tuples(scales, codes),
    st.tuples(scales, codes, codes),
)
def test_an_operand_that_is_a_constant_may_be_on_any_grid(
    dtype: type[np.integer[Any]],
    operator: tuple[str, str],
    source: tuple[np.float32, int],
    out: tuple[np.float32, int],
    constant: tuple[np.float32, int, int],
) -> None:
    step, zero, code = constant
    data = converting.of_one_operator(
        operator[0],
        dtype,
        ((float(source[0]), source[1]), (float(out[0]), out[1])),
        constant=(np.array(code), (float(step), zero)),
        options=operator[1],
        shape=(16, 16, 1),
    )
    try:
        result = convert.to_format(model_file.of_bytes("a file", data), "onnx")
    except ConversionError:
        assume(False)
    batch = np.arange(256).reshape(1, 16, 16, 1) - 128 * (dtype == np.int8)
    expected = litert.load(data).run(batch.astype(dtype))[0]
    assert np.array_equal(ort.load(result.data).run(batch.astype(dtype))[0], expected)


intervals = st.tuples(st.floats(-20, 4), st.floats(0, 1), st.sampled_from([-1, 0, 1])).map(
    lambda drawn: {
        -1: (-(2.0 ** drawn[0]), 0.0),
        0: (-(2.0 ** drawn[0]) * drawn[1], 2.0 ** drawn[0]),
        1: (0.0, 2.0 ** drawn[0]),
    }[drawn[2]]
)


@settings(max_examples=60)
@given(st.data(), st.integers(0, 3))
def test_any_ranges_can_be_quantised_certified_and_run(data: st.DataObject, seed: int) -> None:
    network, ranges = graphs.random_network(graphs.assorted(), seed=seed)
    drawn = {name: data.draw(intervals, name) for name in ranges if name != INPUT}
    exact = exact_ranges(network, {**ranges, **drawn})
    assert exact_ranges(network, exact) == exact
    graph = quantise(network, exact)
    assert_same(graph, graphs.extremes(graph.input.shape, seed=seed))
