"""Both files compute the same integers, on every layer, for every type of input and output."""

from collections.abc import Callable
from typing import Any

import graphs
import numpy as np
import numpy.typing as npt
import pytest

from mobiledeploy.formats.onnx import edit as onnx_edit
from mobiledeploy.formats.onnx import parse as parse_onnx
from mobiledeploy.formats.tflite import edit, parse
from mobiledeploy.integer.certify import certify
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.integer.quantise import quantise
from mobiledeploy.ops.architecture import INPUT
from mobiledeploy.ops.tensors import Int8
from mobiledeploy.runtimes import Session, cpu, litert, ort
from mobiledeploy.spec.config import Head, Io
from mobiledeploy.targets import onnx, tflite

GRAPHS: dict[str, Callable[[], IntegerGraph]] = {
    "assorted": graphs.assorted_graph,
    "v1": lambda: graphs.mobilenet("v1", alpha=0.25, image_size=32),
    "v1, stride 2": lambda: graphs.mobilenet("v1", alpha=0.25, image_size=68, stem_stride=2),
    "v2": lambda: graphs.mobilenet("v2", alpha=0.35, image_size=32),
    "v2, stride 2": lambda: graphs.mobilenet("v2", alpha=0.35, image_size=96, stem_stride=2),
    "v2, odd size": lambda: graphs.mobilenet("v2", alpha=0.35, image_size=65, stem_stride=2),
}


SOFTMAX_STEPS = 1 if cpu.this_architecture() == "arm64" else 0
"""By which LiteRT's softmax and ONNX Runtime's may differ for these few classes."""


@pytest.fixture(scope="module", params=GRAPHS)
def graph(request: pytest.FixtureRequest) -> IntegerGraph:
    return GRAPHS[request.param]()


def fed(images: Int8, graph: IntegerGraph, io: Io) -> npt.NDArray[Any]:
    match io:
        case "int8":
            return images
        case "uint8":
            return (images.astype(np.int16) + 128).astype(np.uint8)
        case "float32":
            steps = images.astype(np.float32) - np.float32(graph.input.zero_point)
            return steps * graph.input.scale


def codes(array: npt.NDArray[Any]) -> npt.NDArray[np.int16]:
    """int8 codes in TFLite's layout, whichever format they come from."""
    if array.dtype == np.int8:
        return array.astype(np.int16)
    moved = array.astype(np.int16) - 128
    return moved.transpose(0, 2, 3, 1) if moved.ndim == 4 else moved


@pytest.mark.parametrize("io", ["int8", "uint8", "float32"])
@pytest.mark.parametrize("head", ["softmax", "logits"])
def test_outputs_are_equal(graph: IntegerGraph, io: Io, head: Head) -> None:
    sessions: list[Session] = [
        litert.load(tflite.write(graph, io=io, head=head)),
        ort.load(onnx.write(graph, certify(graph), io=io, head=head)),
    ]
    images = fed(graphs.extremes(graph.input.shape), graph, io)
    first, second = (session.run(images)[0] for session in sessions)
    assert first.dtype == second.dtype == np.dtype(io)
    step = 1 / 256 if io == "float32" else 1
    difference = np.abs(first.astype(np.float64) - second).max()
    assert difference <= (step * SOFTMAX_STEPS if head == "softmax" else 0)
    assert len(np.unique(first, axis=0)) > 4


def test_every_tensor_is_equal(graph: IntegerGraph) -> None:
    names = [node.output.name for node in graph.nodes[:-1]]
    images = graphs.extremes(graph.input.shape, seed=5)
    ours = litert.load(edit.tap(parse(tflite.write(graph)), names)).run(images)
    theirs = ort.load(onnx_edit.tap(parse_onnx(onnx.write(graph, certify(graph))), names)).run(
        images
    )
    for name, mine, other in zip([graph.output.name, *names], ours, theirs, strict=True):
        difference = np.abs(codes(mine) - codes(other)).max()
        assert difference <= (SOFTMAX_STEPS if name == graph.output.name else 0), name


def test_a_batch_gives_the_same_outputs_as_its_images_one_by_one(graph: IntegerGraph) -> None:
    images = graphs.extremes(graph.input.shape, seed=6)
    for session in (
        litert.load(tflite.write(graph)),
        ort.load(onnx.write(graph, certify(graph))),
    ):
        one_by_one = np.concatenate([session.run(image[None])[0] for image in images])
        np.testing.assert_array_equal(session.run(images)[0], one_by_one)


@pytest.mark.parametrize("scale", [1 / 128, 1 / 255, 0.0175])
def test_real_inputs_between_two_codes_are_rounded_alike(scale: float) -> None:
    network, ranges = graphs.random_network(graphs.assorted())
    width = 255 * float(np.float32(scale))
    graph = quantise(network, {**ranges, INPUT: (-width / 3, 2 * width / 3)})
    random = np.random.default_rng(8)
    halves = random.integers(-170, 340, (64, *graph.input.shape)) / 2
    images = (halves * graph.input.scale).astype(np.float32)
    first = litert.load(tflite.write(graph, io="float32", head="logits")).run(images)[0]
    files = onnx.write(graph, certify(graph), io="float32", head="logits")
    np.testing.assert_array_equal(first, ort.load(files).run(images)[0])


def test_onnx_without_optimisation_is_within_a_few_steps(graph: IntegerGraph) -> None:
    images = graphs.extremes(graph.input.shape, seed=7)
    data = onnx.write(graph, certify(graph), head="logits")
    exact = ort.load(data).run(images)[0].astype(int)
    plain = ort.load(data, optimised=False).run(images)[0].astype(int)
    assert np.abs(exact - plain).max() <= 24
