"""A Keras graph that computes something else is refused; the error says what differs."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from mobiledeploy.base.errors import RequestError
from mobiledeploy.models import registry
from mobiledeploy.network.graph_matching import GraphMatch, PixelScaling, match_graph
from mobiledeploy.network.keras_graph import KerasGraph, KerasNode
from mobiledeploy.ops.architecture import INPUT, Architecture
from mobiledeploy.spec.config import InputRange

V2 = registry.architecture("v2", alpha=0.35, image_size=96, classes=3)
V1_ODD = registry.architecture("v1", alpha=0.25, image_size=100, classes=3)
Changes = Callable[[list[KerasNode]], None]


def node(op: Any, name: str, *inputs: int, **rest: Any) -> KerasNode:
    return KerasNode(op=op, name=name, class_name=op.title(), path=name, inputs=inputs, **rest)


def rows(architecture: Architecture) -> list[KerasNode]:
    """Return the nodes of a Keras graph that computes the same as an architecture."""
    nodes = [node("input", INPUT)]
    ends = {INPUT: 0}
    for layer in architecture.layers:
        inputs = [ends[name] for name in layer.inputs]
        window = {"kernel": layer.kernel, "strides": layer.strides, "same": True}
        match layer.op:
            case "conv" | "depthwise":
                channels = layer.out_channels if layer.op == "conv" else 0
                nodes.append(node(layer.op, layer.name, *inputs, channels=channels, **window))
                nodes.append(node("norm", f"{layer.name}_bn", len(nodes) - 1))
                if layer.activation != "none":
                    nodes.append(
                        node("activation", f"{layer.name}_relu", len(nodes) - 1, what="relu6")
                    )
            case op:
                nodes.append(node(op, layer.name, *inputs, channels=layer.out_channels))
        ends[layer.name] = len(nodes) - 1
    return nodes


def place(nodes: list[KerasNode], name: str) -> int:
    return next(index for index, one in enumerate(nodes) if one.name == name)


def change(which: str, **fields: Any) -> Changes:
    """Return a change that gives one node other fields."""

    def do(nodes: list[KerasNode]) -> None:
        index = place(nodes, which)
        nodes[index] = dataclasses.replace(nodes[index], **fields)

    return do


def insert(before: str, new: KerasNode) -> Changes:
    """Return a change that inserts a node before another one."""

    def do(nodes: list[KerasNode]) -> None:
        index = place(nodes, before)
        for other, one in enumerate(nodes):
            moved = tuple(source + (source >= index) for source in one.inputs)
            nodes[other] = dataclasses.replace(one, inputs=moved)
        nodes.insert(index, dataclasses.replace(new, inputs=nodes[index].inputs))
        nodes[index + 1] = dataclasses.replace(nodes[index + 1], inputs=(index,))

    return do


def matched(
    *changes: Changes, architecture: Architecture = V2, outputs: tuple[int, ...] | None = None
) -> GraphMatch:
    nodes = rows(architecture)
    for do in changes:
        do(nodes)
    graph = KerasGraph(nodes=tuple(nodes), outputs=outputs or (len(nodes) - 1,))
    return match_graph(graph, architecture)


def add_twice(nodes: list[KerasNode]) -> None:
    """Make a sum take the same tensor twice."""
    change("block_2_add", inputs=(place(nodes, "block_2_project_bn"),) * 2)(nodes)


@pytest.mark.parametrize("arch", registry.NAMES)
@pytest.mark.parametrize("size", [32, 96, 100, 150])
def test_the_same_network_is_matched_layer_by_layer(arch: Any, size: int) -> None:
    alpha = {"v1": 0.25, "v2": 0.35}[arch]
    ours = registry.architecture(arch, alpha=alpha, image_size=size, classes=3)
    match = matched(architecture=ours)
    names = [layer.name for layer in ours.layers if layer.op in {"conv", "depthwise"}]
    assert [(name, one.name) for name, one in match.kernels.items()] == [(n, n) for n in names]
    assert {one.name for one in match.norms.values()} == {f"{name}_bn" for name in names}
    assert match.pixel_scaling is None
    assert match.head_differs == ""
    assert match.head is not None
    assert match.head.name == "logits"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([change("Conv1", strides=(1, 1))], r"`Conv1`: expected strides \(2, 2\), .*\(1, 1\)"),
        ([change("Conv1", same=False)], "`Conv1`: from 96 rows, expected 48 .* received 47"),
        ([change("block_2_depthwise", dilation=(2, 2))], r"expected dilation .* \(2, 2\)"),
        ([change("block_2_expand", channels=9)], r"`block_2_expand`: expected a kernel of shape"),
        ([change("Conv1_relu", what="relu")], "expected activation relu6, received relu after"),
        ([change("Conv1_relu", what="swish")], "received swish"),
        ([change("Conv1_relu", op="other", what="LeakyReLU")], "received none .* `Conv1_relu`"),
        ([change("block_3_project_bn", op="activation", what="relu6")], "activation none, rec"),
        ([change("block_2_add", op="other")], "`block_2_add`: expected the sum of"),
        ([add_twice], "`block_2_add`: expected the sum of"),
        ([insert("Conv1", node("other", "x"))], "`Conv1`: expected a conv after .* `x`"),
        ([insert("Conv1", node("norm", "x"))], "`Conv1`: expected a conv after .* `x`"),
        ([insert("block_4_expand", node("affine", "x"))], "`block_4_expand`: expected a conv"),
        ([insert("Conv1_bn", node("activation", "x", what="relu6"))],
         "`expanded_conv_depthwise`: expected a depthwise .*`Conv1_bn`"),
        ([insert("block_16_depthwise", node("pad", "x", before=(1, 0)))], "`x` .*and"),
        ([insert("Conv1", node("resize", "x", kernel=(64, 64)))], "`x`"),
        ([insert("Conv1", node("affine", "x", scale=(1.0, 2.0)))], "does not fit images of 3"),
        ([lambda nodes: nodes.append(node("input", "second"))], "expected one input, received 2"),
    ],
)  # fmt: skip
def test_an_error_names_the_layer_of_the_trunk_and_what_differs(
    changes: list[Changes], message: str
) -> None:
    with pytest.raises(RequestError, match=message):
        matched(*changes)


def test_the_hint_says_how_to_unwrap_wrapped_layers() -> None:
    def wrap(name: str) -> Changes:
        return change("Conv1", op="other", class_name=name)

    for name, hint in (
        ("PruneLowMagnitude", "strip_pruning"),
        ("QuantizeLayer", "quantize_model"),
    ):
        with pytest.raises(RequestError, match=name) as caught:
            matched(wrap(name))
        assert hint in str(caught.value.hint)


def zero_padded(architecture: Architecture) -> list[Changes]:
    """Return changes by which each stride 2 has Keras's padding of V1: zeros below, then VALID."""
    changes = []
    for layer in architecture.layers:
        if layer.strides == (2, 2) and layer.op == "depthwise":
            pad = node("pad", f"{layer.name}_pad", after=(1, 1))
            changes += [insert(layer.name, pad), change(layer.name, same=False)]
    return changes


def test_a_padding_layer_counts_as_padding() -> None:
    """At even sizes Keras's padding of V1 equals SAME, at odd sizes it does not."""
    even = dataclasses.replace(V1_ODD, input_shape=(96, 96, 3))
    assert matched(*zero_padded(even), architecture=even).head_differs == ""
    with pytest.raises(
        RequestError, match="`conv_dw_4`: from 25 rows, expected 13 rows with 1 of zeros"
    ) as caught:
        matched(*zero_padded(V1_ODD), architecture=V1_ODD)
    assert str(caught.value.hint).startswith("with `--image-size 96` both are the same")


@pytest.mark.parametrize(
    ("changes", "differs"),
    [
        ([change("predictions", op="flatten")], ""),
        ([change("global_average_pooling2d", op="average", kernel=(3, 3), strides=(3, 3))], ""),
        ([change("global_average_pooling2d", op="average", kernel=(2, 2), strides=(2, 2))],
         "`global_average_pooling2d`"),
        ([change("global_average_pooling2d", op="other")], "`global_average_pooling2d`"),
        ([change("global_average_pooling2d", op="flatten")], "`global_average_pooling2d`"),
        ([change("predictions", op="activation", what="sigmoid")], "sigmoid"),
        ([insert("logits", node("other", "x"))], "`x`"),
        ([insert("logits", node("dense", "x"))], "`logits`"),
        ([insert("predictions", node("affine", "x", scale=(0.5,)))], "`x`"),
        ([insert("predictions", node("softmax", "x"))], "`predictions`"),
    ],
)  # fmt: skip
def test_the_difference_of_the_head_is_stated(changes: list[Changes], differs: str) -> None:
    received = matched(*changes).head_differs
    assert differs in received
    assert bool(received) == bool(differs)


def test_a_pointwise_convolution_before_the_mean_is_a_dense_layer_after_it() -> None:
    swap = [
        change("global_average_pooling2d", op="conv", name="first", channels=3),
        change("logits", op="mean"),
    ]
    match = matched(*swap)
    assert match.head_differs == ""
    assert match.head is not None
    assert match.head.name == "first"


def test_a_model_with_several_outputs_has_another_head() -> None:
    nodes = rows(V2)
    last = len(nodes) - 1
    assert matched(outputs=(last, last - 1)).head_differs == "2 outputs"


@pytest.mark.parametrize(
    ("scale", "offset", "expected"),
    [
        ((1 / 255,), (0.0,), "0..1"),
        ((1 / 127.5,), (-1.0,), "-1..1"),
        ((1 / 128,), (-1.0,), "-1..1"),
        ((1 / 127.5,) * 3, (-1.0,), "-1..1"),
        ((1.0,), (0.0, 0.0, 0.0), "0..255"),
        ((1 / 127.5,), (0.0,), None),
        ((1 / 255,), (-0.5,), None),
        ((1 / 127.5, 1 / 127.5, 1 / 255), (-1.0,), None),
        ((-1 / 127.5,), (1.0,), None),
        ((float("nan"),), (0.0,), None),
    ],
)
def test_a_pixel_scaling_is_a_known_input_range_or_none(
    scale: Any, offset: Any, expected: InputRange | None
) -> None:
    assert PixelScaling(scale=scale, offset=offset).input_range == expected


def test_successive_pixel_scalings_are_combined() -> None:
    halved = insert("Conv1", node("affine", "a", scale=(1 / 255,)))
    doubled = insert("Conv1", node("affine", "b", scale=(2.0,) * 3, offset=(-1.0,)))
    same_size = insert("Conv1", node("resize", "c", kernel=(96, 96)))
    scaling = matched(halved, doubled, same_size).pixel_scaling
    assert scaling is not None
    assert scaling.input_range == "-1..1"
    assert str(PixelScaling(scale=(0.5,), offset=(-0.5,))) == "pixel * 0.5 - 0.5"
