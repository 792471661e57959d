"""Each pass computes the same as before, on any graph, and leaves what its docstring says."""

import math
from collections.abc import Callable
from typing import Any

import float_graph_reference
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.network.float_graph import INPUT, FloatArray, FloatGraph, FloatNode
from mobiledeploy.network.simplify.affine import fold_affine
from mobiledeploy.network.simplify.channel_order import fold_channel_order
from mobiledeploy.network.simplify.clips import merge_clips
from mobiledeploy.network.simplify.constant_operands import fold_constant_operands
from mobiledeploy.network.simplify.global_pools import recognise_global_pools
from mobiledeploy.network.simplify.hard_activations import recognise_hard_activations
from mobiledeploy.network.simplify.input_scaling import PIXELS, take_input_scaling
from mobiledeploy.network.simplify.other_activations import write_other_activations
from mobiledeploy.network.simplify.pads import fold_pads
from mobiledeploy.network.simplify.passes import PASSES, simplify
from mobiledeploy.network.simplify.reshapes import remove_reshapes
from mobiledeploy.network.simplify.to_network import to_network
from mobiledeploy.network.simplify.unused import remove_unused

NO_PADS = (0, 0, 0, 0)


class Builder:
    """Adds nodes to a graph, numbered, with random weights."""

    def __init__(self, shape: tuple[int, ...] = (6, 5, 4), seed: int = 0) -> None:
        self.shape, self.nodes = shape, list[FloatNode]()
        self._random = np.random.default_rng(seed)

    def f32(self, *shape: int) -> FloatArray:
        return self._random.standard_normal(shape).astype(np.float32)

    def add(
        self,
        op: str,
        *inputs: str,
        arrays: dict[str, FloatArray] | None = None,
        **attributes: Any,
    ) -> str:
        name = f"{op}_{len(self.nodes)}"
        self.nodes.append(
            FloatNode(name=name, op=op, inputs=inputs, attributes=attributes, arrays=arrays or {})
        )
        return name

    def shape_of(self, name: str) -> tuple[int, ...]:
        return self.graph(name).shapes()[name]

    def affine(self, source: str) -> str:
        channels = self.shape_of(source)[-1]
        return self.add(
            "affine", source, arrays={"scale": self.f32(channels), "offset": self.f32(channels)}
        )

    def uniform(self, source: str, scale: float, offset: float) -> str:
        channels = self.shape_of(source)[-1]
        arrays = {
            "scale": np.full(channels, scale, np.float32),
            "offset": np.full(channels, offset, np.float32),
        }
        return self.add("affine", source, arrays=arrays)

    def conv(
        self, source: str, out: int, window: tuple[int, int] = (1, 1), *,
        groups: int = 1, pads: tuple[int, ...] = NO_PADS, strides: tuple[int, int] = (1, 1),
    ) -> str:  # fmt: skip
        channels = self.shape_of(source)[-1]
        arrays = {"kernel": self.f32(*window, channels // groups, out), "bias": self.f32(out)}
        return self.add(
            "conv", source, arrays=arrays, strides=strides, dilations=(1, 1), groups=groups,
            pads=pads,
        )  # fmt: skip

    def dense(self, source: str, out: int) -> str:
        channels = self.shape_of(source)[-1]
        return self.add(
            "dense", source, arrays={"kernel": self.f32(channels, out), "bias": self.f32(out)}
        )

    def constant(self, value: FloatArray) -> str:
        return self.add("constant", arrays={"value": value})

    def graph(self, output: str = "") -> FloatGraph:
        return FloatGraph(
            name="net", input_shape=self.shape, nodes=tuple(self.nodes),
            output=output or (self.nodes[-1].name if self.nodes else INPUT),
        )  # fmt: skip


@st.composite
def graphs(draw: st.DrawFn) -> FloatGraph:
    """Graphs of images with every pattern that passes look for."""
    b = Builder(seed=draw(st.integers(0, 2**32 - 1)))
    images = [INPUT]
    for _ in range(draw(st.integers(1, 9))):
        x = draw(st.sampled_from(images[-3:]))
        channels, steps = b.shape_of(x)[-1], st.integers(0, 1)
        match draw(st.sampled_from([
            "affine", "conv", "depthwise", "grouped", "clip", "hard", "pad", "max", "average",
            "binary", "constant", "dense", "uniform", "elu", "sigmoid",
        ])):  # fmt: skip
            case "affine":
                x = b.affine(x)
            case "uniform":
                x = b.uniform(x, 1 / 6, draw(st.sampled_from([0.0, 0.5, 3.0])))
            case "conv":
                pads = draw(st.sampled_from([NO_PADS, (1, 0, 0, 1)]))
                x = b.conv(x, draw(st.integers(1, 5)), pads=pads)
            case "depthwise":
                x = b.conv(x, channels * draw(st.integers(1, 2)), groups=channels)
            case "grouped" if channels % 2 == 0:
                x = b.conv(x, 4, groups=2)
            case "clip":
                low = draw(st.sampled_from([-math.inf, -1.0, 0.0]))
                x = b.add("clip", x, low=low, high=draw(st.sampled_from([1.0, 6.0, math.inf])))
            case "elu":
                x = b.add("elu", x, alpha=draw(st.sampled_from([0.5, 1.0, 1.67326])))
            case "sigmoid":
                x = b.add("hard_sigmoid", x, alpha=draw(st.sampled_from([0.2, 1 / 6])), beta=0.5)
            case "hard":
                y = b.add("clip", b.uniform(x, 1, 3), low=0.0, high=6.0)
                match draw(st.integers(0, 3)):
                    case 0:
                        x = b.uniform(y, 1 / 6, 0)
                    case 1:
                        x = b.uniform(b.add("mul", x, y), 1 / 6, 0)
                    case 2:
                        x = b.add("mul", b.uniform(y, 1 / 6, 0), x)
                    case _:
                        x = b.add("clip", b.uniform(x, 0.2, 0.5), low=0.0, high=1.0)
            case "pad":
                value = draw(st.sampled_from([0.0, 0.0, -1.5]))
                sides = tuple(draw(steps) for _ in range(4))
                x = b.add("pad", x, pads=sides, value=value)
            case "max":
                x = b.add("max_pool", x, window=(2, 2), strides=(1, 1), pads=(1, 0, 1, 0))
            case "average":
                pads = draw(st.sampled_from([NO_PADS, (1, 0, 1, 0)]))
                x = b.add(
                    "average_pool", x, window=(2, 2), strides=(1, 1), pads=pads,
                    count_pads=draw(st.booleans()),
                )  # fmt: skip
            case "binary":
                y = draw(st.sampled_from(images))
                if b.shape_of(y) == b.shape_of(x):
                    x = b.add(draw(st.sampled_from(["add", "sub", "mul", "maximum"])), x, y)
            case "constant":
                shape = draw(st.sampled_from([(1, 1, channels), (channels,), (1,), (1, 1, 1)]))
                operands = [x, b.constant(b.f32(*shape))]
                if len(shape) < 3:
                    operands[1] = b.constant(b.f32(1, 1, *shape))
                if draw(st.booleans()):
                    operands.reverse()
                op = draw(st.sampled_from(["add", "sub", "mul", "maximum", "minimum"]))
                x = b.add(op, *operands)
            case "dense":
                x = b.dense(x, 3)
            case _:
                pass
        if min(b.shape_of(x)) < 1:
            break
        images.append(x)
    x = images[-1]
    end = draw(st.sampled_from(["image", "mean", "pool", "reshape"]))
    if end == "mean":
        x = b.add("mean", x, keep_dims=False)
    elif end in ("pool", "reshape"):
        x = b.add(
            "average_pool", x, window=b.shape_of(x)[:2], strides=(1, 1), pads=NO_PADS,
            count_pads=False,
        )  # fmt: skip
        if end == "reshape":
            x = b.add("tanh", b.conv(x, 3))
            x = b.add("reshape", x, shape=(1, 3))
            x = b.add("reshape", x, shape=(3,))
            x = b.dense(x, 2)
    return b.graph(x)


def assert_same(before: FloatGraph, after: FloatGraph) -> None:
    images = np.random.default_rng(1).standard_normal((2, *before.input_shape)) * 2
    expected = float_graph_reference.output(before, images)
    received = float_graph_reference.output(after, images)
    scale = max(
        float(np.abs(value).max()) for value in float_graph_reference.run(before, images).values()
    )
    np.testing.assert_allclose(received, expected, rtol=1e-5, atol=1e-5 * max(scale, 1))


@pytest.mark.parametrize("change", dict.fromkeys(PASSES), ids=lambda change: change.__name__)
@settings(max_examples=60)
@given(graph=graphs())
def test_a_pass_computes_the_same(
    change: Callable[[FloatGraph], FloatGraph], graph: FloatGraph
) -> None:
    graph = remove_unused(graph)
    assert_same(graph, change(graph))


@settings(max_examples=150)
@given(graph=graphs())
def test_all_passes_together_compute_the_same_and_leave_no_affine(graph: FloatGraph) -> None:
    simplified = simplify(graph).graph
    assert_same(graph, simplified)
    assert "affine" not in ops(simplified)
    assert simplified.needed() >= {node.name for node in simplified.nodes}


def ops(graph: FloatGraph) -> list[str]:
    return [node.op for node in graph.nodes]


def test_batch_norm_folds_into_the_layer_before_and_into_unpadded_layers_behind() -> None:
    b = Builder()
    x = b.affine(b.conv(INPUT, 4, pads=(1, 1, 1, 1), window=(3, 3)))
    x = b.affine(b.add("clip", x, low=0.0, high=6.0))
    y, z = b.conv(x, 2), b.conv(x, 2)
    b.affine(b.add("add", y, z))
    folded = fold_affine(b.graph())
    assert ops(folded) == ["conv", "clip", "conv", "conv", "add", "conv"]
    assert folded.nodes[-1].attributes["groups"] == 2
    assert_same(b.graph(), folded)


def test_an_offset_before_padding_stays_a_layer() -> None:
    b = Builder()
    x = b.affine(b.add("tanh", INPUT))
    b.conv(x, 2, pads=(1, 1, 1, 1), window=(3, 3))
    assert ops(fold_affine(b.graph())) == ["tanh", "conv", "conv"]


def test_an_affine_that_is_the_output_is_kept_under_its_name() -> None:
    b = Builder()
    x = b.conv(INPUT, 2)
    b.affine(x)
    b.add("add", x, x)
    graph = b.graph("affine_1")
    assert_same(graph, fold_affine(graph))


@pytest.mark.parametrize(
    ("low", "high", "left"),
    [
        (0.0, 6.0, ["clip"]),
        (0.0, math.inf, ["clip"]),
        (-1.0, 1.0, ["affine", "clip", "affine"]),
        (0.0, 20.0, ["affine", "clip", "affine"]),
        (-math.inf, 1.5, ["affine", "clip", "affine"]),
        (0.25, math.inf, ["affine", "clip", "affine"]),
        (2.0, 2.0, ["clip"]),
        (-math.inf, math.inf, ["clip"]),
    ],
)
def test_a_clip_of_other_bounds_is_a_relu_between_two_affines(
    low: float, high: float, left: list[str]
) -> None:
    b = Builder()
    b.add("clip", INPUT, low=low, high=high)
    graph = write_other_activations(b.graph())
    assert ops(graph) == left
    assert_same(b.graph(), graph)


@pytest.mark.parametrize(
    ("alpha", "left"),
    [
        (1.0, ["elu"]),
        (1.67326, ["elu", "clip", "affine", "sub", "affine"]),
        (0.5, ["elu", "clip", "affine", "add", "affine"]),
        (-0.5, ["elu"]),
    ],
)
def test_an_elu_with_a_factor_is_one_without_it_and_a_relu(alpha: float, left: list[str]) -> None:
    b = Builder()
    b.add("elu", INPUT, alpha=alpha)
    graph = write_other_activations(b.graph())
    assert ops(graph) == left
    assert_same(b.graph(), graph)


@pytest.mark.parametrize(
    ("size", "left"), [(9, ["dense"]), (2049, ["reshape", "conv", "reshape"])]
)
def test_a_factor_of_a_long_vector_is_no_matrix(size: int, left: list[str]) -> None:
    b = Builder((size,))
    b.affine(INPUT)
    graph = b.graph()
    folded = fold_affine(graph)
    assert ops(folded) == left
    assert_same(graph, folded)


def test_scores_at_each_place_of_an_image_are_refused_by_name() -> None:
    b = Builder()
    b.add("softmax", INPUT)
    with pytest.raises(ConversionError, match=r"`softmax_0`.* received .* 6 x 5 places"):
        to_network(b.graph(), PIXELS)


def test_hard_swish_is_found_in_each_form() -> None:
    for form in range(3):
        b = Builder()
        y = b.add("clip", b.uniform(INPUT, 1, 3), low=0.0, high=6.0)
        match form:
            case 0:
                b.uniform(b.add("mul", INPUT, y), 1 / 6, 0)
            case 1:
                b.add("mul", b.uniform(y, 1 / 6, 0), INPUT)
            case _:
                b.add("mul", INPUT, b.add("hard_sigmoid", INPUT, alpha=1 / 6, beta=0.5))
                b.nodes = b.nodes[2:]
        assert ops(recognise_hard_activations(b.graph())) == ["hard_swish"], form


def test_a_gate_of_another_tensor_is_no_hard_swish() -> None:
    b = Builder()
    gate = b.add("hard_sigmoid", b.add("tanh", INPUT), alpha=1 / 6, beta=0.5)
    b.add("mul", INPUT, gate)
    assert ops(recognise_hard_activations(b.graph())) == ["tanh", "hard_sigmoid", "mul"]


def test_zeros_around_a_maximum_are_folded_behind_a_relu_only() -> None:
    for low, expected in ((0.0, ["clip", "max_pool"]), (-1.0, ["clip", "pad", "max_pool"])):
        b = Builder()
        x = b.add("clip", INPUT, low=low, high=math.inf)
        x = b.add("pad", x, pads=(1, 1, 1, 1), value=0.0)
        b.add("max_pool", x, window=(3, 3), strides=(2, 2), pads=NO_PADS)
        assert ops(fold_pads(b.graph())) == expected
        assert_same(b.graph(), fold_pads(b.graph()))


def test_the_head_of_mobilenet_v1_becomes_a_mean_and_a_dense_layer() -> None:
    """Keras: a mean that keeps its axes, a 1 x 1 convolution, a reshape, a softmax."""
    b = Builder()
    x = b.add("average_pool", INPUT, window=(6, 5), strides=(1, 1), pads=NO_PADS, count_pads=False)
    x = b.add("clip", b.conv(x, 7), low=0.0, high=math.inf)
    b.add("softmax", b.add("reshape", b.conv(x, 3), shape=(3,)))
    simplified = remove_reshapes(recognise_global_pools(b.graph()))
    assert ops(simplified) == ["mean", "dense", "clip", "dense", "softmax"]
    assert_same(b.graph(), simplified)


def test_a_pixel_that_no_mean_gives_is_reshaped_behind_its_convolutions() -> None:
    """Keras's MobileNet V1 of 32 px, whose last image has one pixel."""
    b = Builder()
    x = b.conv(INPUT, 6, window=(6, 5), groups=2)
    x = b.add("clip", b.affine(b.conv(b.affine(x), 7)), low=0.0, high=6.0)
    b.add("reshape", b.add("softmax", b.conv(x, 3)), shape=(3,))
    simplified = simplify(b.graph()).graph
    assert ops(simplified) == ["conv", "conv", "conv", "reshape", "softmax"]
    assert_same(b.graph(), simplified)


@pytest.mark.parametrize("order", [(2, 1, 0, 3), (0, 1, 2, 3)])
def test_channels_of_the_input_in_another_order_are_the_first_kernels(
    order: tuple[int, ...],
) -> None:
    b = Builder()
    parts = [
        b.add("slice", INPUT, begin=(0, 0, i), end=(6, 5, i + 1), strides=(1, 1, 1)) for i in order
    ]
    x = b.add("pad", b.affine(b.add("concat", *parts)), pads=(1, 1, 1, 1), value=0.5)
    b.conv(x, 3, window=(3, 3))
    folded = fold_channel_order(b.graph())
    assert ops(folded) == ["affine", "pad", "conv"]
    assert_same(b.graph(), folded)


def test_channels_in_another_order_that_something_else_reads_are_kept() -> None:
    b = Builder()
    parts = [
        b.add("slice", INPUT, begin=(0, 0, i), end=(6, 5, i + 1), strides=(1, 1, 1))
        for i in (3, 2, 1, 0)
    ]
    b.add("mean", b.add("concat", *parts), keep_dims=False)
    assert ops(fold_channel_order(b.graph())) == ops(b.graph())


def test_clips_without_bounds_are_removed() -> None:
    b = Builder()
    b.add("clip", b.add("clip", INPUT, low=0.0, high=math.inf), low=-math.inf, high=math.inf)
    assert ops(merge_clips(b.graph())) == ["clip"]


def test_constants_that_vary_over_the_image_are_kept() -> None:
    b = Builder()
    b.add("add", INPUT, b.constant(b.f32(6, 5, 4)))
    assert ops(fold_constant_operands(b.graph())) == ["constant", "add"]


@pytest.mark.parametrize(
    ("scale", "offset", "scaling", "left"),
    [
        (1 / 255, 0.0, (0.0, 255.0), []),
        (1 / 255, -0.5, (128.0, 255.0), []),
        (1 / 127.5, -1.0, (128.0, 127.5), []),
        (1.0, 0.0, (0.0, 1.0), []),
        (1.0, -300.0, (255.0, 1.0), ["affine"]),
        (-1.0, 255.0, (0.0, 1.0), ["affine"]),
    ],
)
def test_the_scaling_of_pixels_is_taken_from_the_graph(
    scale: float, offset: float, scaling: tuple[float, float], left: list[str]
) -> None:
    b = Builder()
    b.conv(b.uniform(INPUT, scale, offset), 3, window=(3, 3), pads=(1, 1, 1, 1))
    taken = take_input_scaling(b.graph())
    assert taken.scaling == pytest.approx(scaling)
    assert ops(taken.graph) == [*left, "conv"]
    mean, std = taken.scaling
    pixels = np.random.default_rng(0).integers(0, 256, (2, 6, 5, 4))
    expected = float_graph_reference.output(b.graph(), pixels)
    received = float_graph_reference.output(taken.graph, (pixels - mean) / std)
    inside = (slice(None), slice(1, -1), slice(1, -1))
    np.testing.assert_allclose(received[inside], expected[inside], rtol=1e-4, atol=1e-3)
    if not taken.border:
        np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-3)
    assert abs(taken.border) <= 0.5001


def test_a_scaling_per_channel_stays_in_the_graph() -> None:
    b = Builder()
    b.conv(b.affine(INPUT), 3)
    taken = take_input_scaling(b.graph())
    assert taken.scaling == (0, 1)
    assert ops(taken.graph) == ["affine", "conv"]
