"""The NumPy oracle computes what LiteRT computes with XNNPACK, tensor for tensor."""

from collections.abc import Callable

import graphs
import numpy as np
import pytest

from mobiledeploy.base.errors import ConversionError, RequestError
from mobiledeploy.formats.tflite import edit, parse
from mobiledeploy.integer import oracle
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.ops import dense, products
from mobiledeploy.ops.dense import Dense
from mobiledeploy.ops.tensors import QTensor
from mobiledeploy.ops.weights import QWeights
from mobiledeploy.runtimes import cpu, litert
from mobiledeploy.spec.config import ALPHAS, Arch
from mobiledeploy.targets import tflite

GRAPHS: dict[str, Callable[[], IntegerGraph]] = {
    "assorted": graphs.assorted_graph,
    "v1": lambda: graphs.mobilenet("v1", alpha=0.25, image_size=24),
    "v2": lambda: graphs.mobilenet("v2", alpha=0.35, image_size=24),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_every_tensor_of_the_oracle_equals_litert_s(name: str) -> None:
    graph = GRAPHS[name]()
    images = graphs.extremes(graph.input.shape)
    expected = oracle.run(graph, images, kernels=cpu.this_architecture())
    names = [node.output.name for node in graph.nodes[:-1]]
    session = litert.load(edit.tap(parse(tflite.write(graph)), names))
    assert session.output_names == (graph.output.name, *names)
    for tensor, codes in zip(session.output_names, session.run(images), strict=True):
        np.testing.assert_array_equal(codes, expected[tensor], err_msg=tensor)
    assert len(np.unique(expected[graph.logits.name], axis=0)) == len(images)


@pytest.mark.parametrize(
    ("arch", "alpha"), [(arch, alpha) for arch in ALPHAS for alpha in ALPHAS[arch]]
)
def test_the_oracle_s_logits_equal_litert_s_for_every_width(arch: Arch, alpha: float) -> None:
    graph = graphs.mobilenet(arch, alpha=alpha, image_size=32)
    images = graphs.extremes(graph.input.shape)
    kept = [graph.logits.name, graph.output.name]
    expected = oracle.run(graph, images, keep=kept, threads=2, kernels=cpu.this_architecture())
    scores, logits = litert.load(edit.tap(parse(tflite.write(graph)))).run(images)
    np.testing.assert_array_equal(logits, expected[graph.logits.name])
    np.testing.assert_array_equal(scores, expected[graph.output.name])
    assert len(np.unique(logits, axis=0)) >= len(images) - 1


def wide_dense(inputs: int, bias: int, multiplier: float = 2**-17) -> IntegerGraph:
    """Kernels of the greatest weights: on the greatest inputs sums are far beyond 2**24."""
    random = np.random.default_rng(0)
    kernel = np.full((64, inputs), 127, np.int8)
    kernel[:, ::7] -= random.integers(0, 2, (64, kernel[:, ::7].shape[1])).astype(np.int8)
    scale = np.full(1, multiplier, np.float32)
    one = QTensor(name="vector", shape=(inputs,), scale=np.float32(1), zero_point=-128)
    node = Dense(
        input="vector",
        output=QTensor(name="out", shape=(64,), scale=np.float32(1), zero_point=-128),
        weights=QWeights(
            kernel=kernel,
            kernel_scale=scale,
            bias=(bias + np.arange(64) - 32).astype(np.int32),
            bias_scale=scale,
        ),
    )
    return IntegerGraph(name="wide", input=one, nodes=(node,))


@pytest.mark.parametrize(("inputs", "multiplier"), [(600, 2**-17), (1280, 2**-18)])
def test_sums_too_large_for_exact_float32_are_rounded_as_the_kernel_does(
    inputs: int, multiplier: float
) -> None:
    graph = wide_dense(inputs, 5, multiplier)
    (node,) = graph.nodes
    assert isinstance(node, dense.Dense)
    images = np.full((3, inputs), 127, np.int8)
    images[1:] -= np.random.default_rng(1).integers(0, 3, (2, inputs)).astype(np.int8)
    sums = dense.accumulators(node, graph.input, images)
    exact = (images.astype(np.int64) + 128) @ node.weights.kernel.T.astype(np.int64)
    np.testing.assert_array_equal(sums, exact + node.weights.bias)
    assert (sums > products.EXACT).any()
    assert (sums.astype(np.float32) != sums).any()
    assert sums.max() <= products.largest(node.weights, 0, graph.input)
    received = litert.load(tflite.write(graph, head="logits")).run(images)[0]
    np.testing.assert_array_equal(received, oracle.run(graph, images)["out"])


def test_sums_that_exceed_int32_in_output_codes_are_refused() -> None:
    # XNNPACK's kernels for x86 wrap around there: 127 instead of -128.
    wide_dense(600, -64, 100)
    with pytest.raises(ConversionError, match=r"below 2147483392 output steps, received 2\.3"):
        wide_dense(600, -64, 120)


def test_streamed_images_equal_a_batch() -> None:
    graph = graphs.assorted_graph()
    images = graphs.extremes(graph.input.shape)
    everything = oracle.run(graph, images)
    rows = list(oracle.stream(graph, images, keep=["sum", "scores"], threads=3))
    assert [set(row) for row in rows] == [{"sum", "scores"}] * len(images)
    for i, row in enumerate(rows):
        for name, codes in row.items():
            np.testing.assert_array_equal(codes[0], everything[name][i])


@pytest.mark.parametrize("threads", [1, 3])
def test_outputs_do_not_depend_on_how_many_images_are_computed_together(
    monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    graph = GRAPHS["v2"]()
    images = graphs.extremes(graph.input.shape).repeat(3, axis=0)[:21]
    together = oracle.run(graph, images, threads=threads)
    monkeypatch.setattr(oracle, "ELEMENTS_AT_ONCE", 1)
    in_groups = oracle.run(graph, images, threads=threads)
    assert together.keys() == in_groups.keys()
    for name, codes in together.items():
        assert codes.shape == (21, *graph.tensors()[name].shape)
        np.testing.assert_array_equal(codes, in_groups[name], err_msg=name)


def test_a_stream_keeps_only_a_few_images_in_memory() -> None:
    graph = graphs.assorted_graph()
    images = graphs.extremes(graph.input.shape)
    endless = np.broadcast_to(images[:1], (10**9, *graph.input.shape))
    rows = oracle.stream(graph, endless, keep=["scores"], threads=2)
    assert next(rows)["scores"].shape == (1, 5)


def test_layers_run_one_by_one_equal_the_whole_graph() -> None:
    graph = graphs.assorted_graph()
    values = oracle.run(graph, graphs.extremes(graph.input.shape))
    grids = graph.tensors()
    for node in graph.nodes:
        names = node.inputs
        codes = oracle.layer(node, [grids[n] for n in names], [values[n] for n in names])
        np.testing.assert_array_equal(codes, values[node.output.name])


def test_a_layer_refuses_inputs_of_another_shape() -> None:
    graph = graphs.assorted_graph()
    with pytest.raises(
        RequestError, match=r"`stem`: expected int8 of shape \('batch', 13, 10, 3\)"
    ):
        oracle.layer(graph.nodes[0], [graph.input], [np.zeros((1, 10, 13, 3), np.int8)])


def test_keeping_an_unknown_tensor_is_refused() -> None:
    graph = graphs.assorted_graph()
    images = graphs.extremes(graph.input.shape)
    with pytest.raises(RequestError, match="no tensor 'nothing'"):
        oracle.run(graph, images, keep=["nothing"])
    none = oracle.run(graph, images[:0], keep=["wide"])
    assert {name: codes.shape for name, codes in none.items()} == {
        "wide": (0, *graph.tensors()["wide"].shape)
    }


def test_activations_that_the_scale_does_not_imply_are_applied() -> None:
    graph = graphs.assorted_graph()
    values = oracle.run(graph, graphs.extremes(graph.input.shape))
    zero_points = {name: tensor.zero_point for name, tensor in graph.tensors().items()}
    for name in ("spread", "shrink"):
        assert values[name].min() == zero_points[name] > -128
    assert values["shrink"].max() < 127


def test_images_of_another_shape_are_refused() -> None:
    graph = graphs.assorted_graph()
    with pytest.raises(RequestError, match=r"\(batch, 13, 10, 3\)"):
        oracle.run(graph, np.zeros((1, 10, 13, 3), np.int8))
    with pytest.raises(RequestError, match="uint8"):
        oracle.run(graph, np.zeros((1, 13, 10, 3), np.uint8))
