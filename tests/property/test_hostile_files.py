"""Whatever the bytes, reading them gives a result or one of our errors, in little time."""

import contextlib
import dataclasses
import functools

import graphs
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mobiledeploy import reading
from mobiledeploy.base.errors import MobileDeployError
from mobiledeploy.formats.onnx import edit as onnx_edit
from mobiledeploy.formats.onnx import parse as parse_onnx
from mobiledeploy.formats.tflite import edit, parse
from mobiledeploy.integer import tflite_reader
from mobiledeploy.integer.certify import certify
from mobiledeploy.integer.graph import IntegerGraph, digest
from mobiledeploy.ops.conv import Conv
from mobiledeploy.ops.dense import Dense
from mobiledeploy.ops.node import Node
from mobiledeploy.spec.config import Io
from mobiledeploy.targets import onnx, tflite


@functools.cache
def file() -> bytes:
    return tflite.write(graphs.assorted_graph(), io="float32")


mutations = st.lists(
    st.tuples(st.integers(0, len(file()) - 4), st.binary(min_size=1, max_size=4)),
    min_size=1,
    max_size=6,
)


@settings(max_examples=600)
@given(mutations)
def test_mutated_bytes_give_a_graph_or_our_error(changes: list[tuple[int, bytes]]) -> None:
    data = bytearray(file())
    for place, new in changes:
        data[place : place + len(new)] = new
    with contextlib.suppress(MobileDeployError):
        model = parse(bytes(data))
        for look in (tflite_reader.read, reading.read_tflite, edit.tap):
            with contextlib.suppress(MobileDeployError):
                look(model)


@functools.cache
def onnx_file() -> bytes:
    graph = graphs.assorted_graph()
    return onnx.write(graph, certify(graph))


@settings(max_examples=200)
@given(mutations)
def test_a_mutated_onnx_file_is_tapped_or_gives_our_error(
    changes: list[tuple[int, bytes]],
) -> None:
    data = bytearray(onnx_file())
    for place, new in changes:
        data[place % len(data) : place % len(data) + len(new)] = new
    with contextlib.suppress(MobileDeployError):
        onnx_edit.tap(parse_onnx(bytes(data)))


@settings(max_examples=200)
@given(st.binary(max_size=400))
def test_random_bytes_behind_the_identifier_give_our_error(tail: bytes) -> None:
    try:
        tflite_reader.read_file(b"\x10\0\0\0TFL3" + tail)
    except MobileDeployError:
        return
    raise AssertionError(tail)


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["int8", "uint8", "float32"]))
def test_any_graph_that_is_written_is_read(seed: int, io: Io) -> None:
    graph = shaken(graphs.assorted_graph(seed=seed % 4), seed)
    read = tflite_reader.read_file(tflite.write(graph, io=io))
    assert digest(read) == digest(graph)
    assert read.tensors() == graph.tensors()


def shaken(graph: IntegerGraph, seed: int) -> IntegerGraph:
    """The graph with other integers, of full range."""
    random = np.random.default_rng(seed)

    def shake(node: Node) -> Node:
        if not isinstance(node, Conv | Dense):
            return node
        kernel, bias = node.weights.kernel.shape, node.weights.bias.shape
        weights = dataclasses.replace(
            node.weights,
            kernel=random.integers(-127, 128, kernel).astype(np.int8),
            bias=random.integers(-(2**30), 2**30, bias).astype(np.int32),
        )
        return dataclasses.replace(node, weights=weights)

    return dataclasses.replace(graph, nodes=tuple(map(shake, graph.nodes)))
