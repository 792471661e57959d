"""A graph that computes something else than a table is refused; the error says what differs."""

import dataclasses
from collections.abc import Callable
from typing import Any

import graphs
import numpy as np
import pytest

from mobiledeploy.models import registry
from mobiledeploy.network.float_graph import INPUT, UNSUPPORTED, FloatGraph, FloatNode
from mobiledeploy.network.simplify.from_network import from_network
from mobiledeploy.network.table_matching import (
    OtherNetworkError,
    PixelScaling,
    TableMatch,
    activation_of,
    kernel_shapes,
    match_table,
)
from mobiledeploy.ops.architecture import Architecture
from mobiledeploy.spec.config import InputRange

V2 = registry.architecture("v2", alpha=0.35, image_size=96, classes=3)
V1_ODD = registry.architecture("v1", alpha=0.25, image_size=100, classes=3)
Nodes = list[FloatNode]
Change = Callable[[Nodes], None]


def imported(architecture: Architecture) -> FloatGraph:
    """Return the graph of an architecture as an importer gives it: activations are clips."""
    graph = from_network(graphs.random_network(architecture)[0])
    nodes: Nodes = []
    names = {INPUT: INPUT}
    for node in graph.nodes:
        inputs = tuple(names[name] for name in node.inputs)
        nodes.append(dataclasses.replace(node, inputs=inputs, activation="none"))
        names[node.name] = node.name
        if node.activation != "none":
            bounds = {"low": 0.0, "high": 6.0 if node.activation == "relu6" else np.inf}
            names[node.name] = f"{node.name}_relu"
            nodes.append(new("clip", names[node.name], node.name, **bounds))
    return dataclasses.replace(graph, nodes=tuple(nodes), output=names[graph.output])


def new(op: str, name: str, *inputs: str, arrays: Any = None, **attributes: Any) -> FloatNode:
    return FloatNode(
        name=name, op=op, inputs=inputs, attributes=attributes, arrays=arrays or {}, kind=op
    )


def affine(name: str, scale: Any, offset: Any = 0.0, channels: int = 3) -> FloatNode:
    arrays = {
        key: np.broadcast_to(np.float32(value), (channels,)).copy()
        for key, value in (("scale", scale), ("offset", offset))
    }
    return new("affine", name, "", arrays=arrays)


def place(nodes: Nodes, name: str) -> int:
    return next(index for index, one in enumerate(nodes) if one.name == name)


def change(which: str, *, inputs: tuple[str, ...] = (), **attributes: Any) -> Change:
    """Return a change that gives one node other inputs or attributes."""

    def do(nodes: Nodes) -> None:
        index = place(nodes, which)
        node = nodes[index]
        nodes[index] = dataclasses.replace(
            node, inputs=inputs or node.inputs, attributes={**node.attributes, **attributes}
        )

    return do


def replace(which: str, op: str, **attributes: Any) -> Change:
    """Return a change that puts another operator in the place of a node."""

    def do(nodes: Nodes) -> None:
        index = place(nodes, which)
        nodes[index] = new(op, which, *nodes[index].inputs, **attributes)

    return do


def insert(before: str, node: FloatNode) -> Change:
    """Return a change that inserts a node before another one."""

    def do(nodes: Nodes) -> None:
        index = place(nodes, before)
        nodes.insert(index, dataclasses.replace(node, inputs=nodes[index].inputs[:1]))
        rest = nodes[index + 1].inputs[1:]
        nodes[index + 1] = dataclasses.replace(nodes[index + 1], inputs=(node.name, *rest))

    return do


def matched(*changes: Change, architecture: Architecture = V2) -> TableMatch:
    graph = imported(architecture)
    nodes = list(graph.nodes)
    for do in changes:
        do(nodes)
    return match_table(dataclasses.replace(graph, nodes=tuple(nodes)), architecture)


@pytest.mark.parametrize("arch", registry.NAMES)
@pytest.mark.parametrize("size", [32, 100])
def test_the_same_network_is_matched_layer_by_layer(arch: Any, size: int) -> None:
    alpha = {"v1": 0.25, "v2": 0.35}[arch]
    ours = registry.architecture(arch, alpha=alpha, image_size=size, classes=3)
    match = matched(architecture=ours)
    weights = graphs.random_network(ours)[0].weights
    names = [layer.name for layer in ours.layers if layer.op in {"conv", "depthwise"}]
    assert list(match.trunk) == names
    for name in names:
        np.testing.assert_array_equal(match.trunk[name].kernel, weights[name].kernel)
    assert match.scaling is None
    assert (match.head_name, match.head_differs, match.headless) == ("logits", "", False)
    assert match.head is not None
    np.testing.assert_array_equal(match.head.kernel, weights["logits"].kernel)


def test_normalisation_is_folded() -> None:
    match = matched(insert("Conv1_relu", affine("norm", 2.0, 1.0, channels=16)))
    weights = graphs.random_network(V2)[0].weights["Conv1"]
    np.testing.assert_array_equal(match.trunk["Conv1"].kernel, 2 * weights.kernel)
    bias = match.trunk["Conv1"].bias
    assert bias is not None
    np.testing.assert_allclose(bias, 2 * weights.bias + 1, rtol=1e-6)


EXTRA = new(UNSUPPORTED, "x", "", reason="it is code")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([change("Conv1", pads=(1, 0, 1, 0))], r"zeros .* \(0, 1, 0, 1\), received \(1, 0, 1, "),
        ([change("block_2_depthwise", dilations=(2, 2), pads=(2, 2, 2, 2))], "dilations"),
        ([change("Conv1_relu", high=np.inf)], "expected activation relu6, received relu after"),
        ([replace("Conv1_relu", "leaky_relu", alpha=0.1)], "received none after .*leaky_relu"),
        ([replace("block_2_add", "mul")], "`block_2_add`: expected the sum of"),
        ([change("block_2_add", inputs=("block_2_project",) * 2)], "expected the sum of"),
        ([insert("Conv1", new("leaky_relu", "x", alpha=0.1))], "a conv after the input, .*`x`"),
        ([insert("Conv1", EXTRA)], "expected a convolution of the input, .* `x`"),
        ([insert("block_4_expand", EXTRA)], "`block_4_expand`: expected a conv"),
        ([insert("block_16_depthwise", new("tanh", "x"))], "expected a depthwise after"),
    ],
)  # fmt: skip
def test_an_error_names_the_layer_of_the_trunk_and_what_differs(
    changes: list[Change], message: str
) -> None:
    with pytest.raises(OtherNetworkError, match=message):
        matched(*changes)


@pytest.mark.parametrize(
    ("theirs", "message"),
    [
        ({"stem_stride": 2}, r"`conv1`: expected strides \(1, 1\), received \(2, 2\)"),
        ({"alpha": 0.5}, r"`conv1`: expected a kernel of shape \(3, 3, 3, 8\), .* 16\)"),
    ],
)
def test_strides_and_kernels_are_compared(theirs: dict[str, Any], message: str) -> None:
    ours: dict[str, Any] = {"alpha": 0.25, "image_size": 32, "classes": 3, "stem_stride": 1}
    other = registry.architecture("v1", **{**ours, **theirs})
    with pytest.raises(OtherNetworkError, match=message):
        match_table(imported(other), registry.architecture("v1", **ours))


def test_images_of_another_shape_are_refused() -> None:
    with pytest.raises(OtherNetworkError, match="expected images of shape"):
        match_table(imported(V1_ODD), V2)


def test_the_hint_says_how_to_unwrap_wrapped_layers() -> None:
    for kind, hint in (
        ("PruneLowMagnitude", "strip_pruning"),
        ("QuantizeLayer", "quantize_model"),
    ):
        wrapper = dataclasses.replace(EXTRA, kind=kind)
        with pytest.raises(OtherNetworkError, match=kind) as caught:
            matched(insert("Conv1", wrapper))
        assert hint in str(caught.value.hint)


def zero_padded(architecture: Architecture) -> list[Change]:
    """Return changes by which each stride 2 has Keras's padding of V1: zeros below, then VALID."""
    changes = []
    for layer in architecture.layers:
        if layer.strides == (2, 2) and layer.op == "depthwise":
            pad = new("pad", f"{layer.name}_pad", pads=(0, 1, 0, 1), value=0.0)
            changes += [insert(layer.name, pad), change(layer.name, pads=(0, 0, 0, 0))]
    return changes


def test_a_padding_layer_counts_as_padding() -> None:
    """At even sizes Keras's padding of V1 equals SAME, at odd sizes it does not."""
    even = registry.architecture("v1", alpha=0.25, image_size=96, classes=3)
    assert matched(*zero_padded(even), architecture=even).head_differs == ""
    with pytest.raises(OtherNetworkError, match="`conv_dw_4`: expected zeros above"):
        matched(*zero_padded(V1_ODD), architecture=V1_ODD)


POOL = "global_average_pooling2d"
DENSE = {"kernel": np.eye(1280, dtype=np.float32), "bias": np.zeros(1280, np.float32)}


@pytest.mark.parametrize(
    ("changes", "differs"),
    [
        ([replace(POOL, "reduce_max", keep_dims=False)], f"`{POOL}`"),
        ([replace("predictions", "logistic")], "`predictions` (logistic)"),
        ([insert("logits", EXTRA)], "`x`"),
        ([insert("logits", new("dense", "x", arrays=DENSE))], "`logits`"),
        ([insert("predictions", new("softmax", "x"))], "`predictions`"),
        ([insert("predictions", new("leaky_relu", "x", alpha=0.5))], "`x`"),
    ],
)  # fmt: skip
def test_the_difference_of_the_head_is_stated(changes: list[Change], differs: str) -> None:
    match = matched(*changes)
    assert differs in match.head_differs
    assert len(match.trunk) == 52
    assert not match.headless


def test_a_trunk_without_a_head_is_headless() -> None:
    graph = imported(V2)
    for end in (POOL, "out_relu", "Conv_1_relu"):
        if graph.node(end) is not None:
            cut = dataclasses.replace(graph, output=end)
            assert match_table(cut, V2).headless


def test_a_pointwise_convolution_before_the_mean_is_a_dense_layer_after_it() -> None:
    graph = imported(V2)
    nodes = list(graph.nodes)
    pool, dense = nodes[place(nodes, POOL)], nodes[place(nodes, "logits")]
    conv = new(
        "conv", "first", *pool.inputs, strides=(1, 1), dilations=(1, 1), groups=1,
        pads=(0, 0, 0, 0),
        arrays={**dense.arrays, "kernel": dense.arrays["kernel"][np.newaxis, np.newaxis]},
    )  # fmt: skip
    nodes[place(nodes, POOL)] = conv
    nodes[place(nodes, "logits")] = dataclasses.replace(pool, name="logits", inputs=("first",))
    match = match_table(dataclasses.replace(graph, nodes=tuple(nodes)), V2)
    assert (match.head_name, match.head_differs) == ("first", "")
    assert match.head is not None
    np.testing.assert_array_equal(match.head.kernel, dense.arrays["kernel"])


@pytest.mark.parametrize(
    ("scale", "offset", "expected"),
    [
        ((1 / 255,), (0.0,), "0..1"),
        ((1 / 127.5,), (-1.0,), "-1..1"),
        ((1 / 128,), (-1.0,), "-1..1"),
        ((1 / 127.5,) * 3, (-1.0,) * 3, "-1..1"),
        ((1.0,) * 3, (0.0, 0.0, 0.0), "0..255"),
        ((1 / 127.5,), (0.0,), None),
        ((1 / 255,), (-0.5,), None),
        ((1 / 127.5, 1 / 127.5, 1 / 255), (-1.0,) * 3, None),
        ((-1 / 127.5,), (1.0,), None),
        ((float("nan"),), (0.0,), None),
    ],
)
def test_a_pixel_scaling_is_a_known_input_range_or_none(
    scale: Any, offset: Any, expected: InputRange | None
) -> None:
    assert PixelScaling(scale=scale, offset=offset).input_range == expected


def test_successive_pixel_scalings_are_combined() -> None:
    match = matched(
        insert("Conv1", affine("a", 1 / 255)), insert("Conv1", affine("b", 2.0, (-1.0,) * 3))
    )
    assert match.scaling is not None
    assert match.scaling.input_range == "-1..1"
    assert str(PixelScaling(scale=(0.5,), offset=(-0.5,))) == "pixel * 0.5 - 0.5"


def test_activation_and_kernels_of_a_graph() -> None:
    graph = imported(V2)
    assert activation_of(graph) == "relu6"
    relu = registry.architecture("v2", alpha=0.35, image_size=96, classes=3, activation="relu")
    assert activation_of(imported(relu)) == "relu"
    trunk = [layer.kernel_shape for layer in V2.layers if layer.op in {"conv", "depthwise"}]
    assert kernel_shapes(graph) == trunk
