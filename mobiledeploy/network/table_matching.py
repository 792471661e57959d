"""Compare the graph of a whole model with one of our tables, layer by layer."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np

from mobiledeploy.base.errors import ConversionError, RequestError
from mobiledeploy.network.float_graph import (
    INPUT,
    UNSUPPORTED,
    FloatGraph,
    FloatNode,
    rewrite,
)
from mobiledeploy.network.fold import Variables
from mobiledeploy.network.keras_config import WRAPPERS
from mobiledeploy.network.simplify.channel_order import fold_channel_order
from mobiledeploy.network.simplify.passes import simplify
from mobiledeploy.ops import padding
from mobiledeploy.ops.architecture import Activation, Architecture, Layer
from mobiledeploy.ops.tensors import Shape
from mobiledeploy.spec.config import SCALINGS, InputRange

Users: TypeAlias = Mapping[str, tuple[FloatNode, ...]]
Numbers: TypeAlias = tuple[float, ...]

_NEAR: Final = 0.01
"""Largest difference from a known input range, as a share of the range: 127.5 instead of 128 does
not matter to a network."""
_BEFORE_HEAD: Final = frozenset({
    "affine", "conv", "clip", "add", "pad", "maximum", "minimum", "constant",
})  # fmt: skip
"""Operators of which the layers before our head are made, before a graph is simplified."""


class OtherNetworkError(RequestError):
    """A whole model computes something else than one of our tables; the message says what."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PixelScaling:
    """What a model's first layers compute from a pixel: `pixel * scale + offset`.

    Attributes:
        scale: A factor for each channel.
        offset: A number for each channel.
    """

    scale: Numbers
    offset: Numbers

    @property
    def input_range(self) -> InputRange | None:
        """The input range with this scaling, or None where there is none."""
        ends = [
            (offset, 255 * scale + offset)
            for scale, offset in zip(self.scale, self.offset, strict=True)
        ]
        for name, (mean, std) in SCALINGS.items():
            near = _NEAR * 255 / std
            if all(
                abs(low + mean / std) <= near and abs(high - (255 - mean) / std) <= near
                for low, high in ends
            ):
                return name
        return None

    def __str__(self) -> str:
        """Return the formula."""
        scale, offset = (
            f"{values[0]:g}" if len(set(values)) == 1 else str([round(v, 6) for v in values])
            for values in (self.scale, self.offset)
        )
        return f"pixel * {scale} + {offset}".replace("+ -", "- ")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TableMatch:
    """The weights of a graph whose layers before the head are those of a table.

    Attributes:
        trunk: Weights by the table's layer names, batch normalisation folded.
        scaling: What is done to pixels before the first layer; None for nothing.
        head: Weights of the layer that gives the logits, as those of a dense layer; None if there
            is no single one.
        head_name: Its name in the model; empty where there is no layer with weights.
        head_differs: What the graph computes after the trunk that the table's head does not; empty
            if they are the same.
        headless: Whether there are no layers after the trunk but pooling.
    """

    trunk: Mapping[str, Variables]
    scaling: PixelScaling | None
    head: Variables | None
    head_name: str
    head_differs: str
    headless: bool


def match_table(graph: FloatGraph, architecture: Architecture) -> TableMatch:
    """Compare a graph with an architecture, layer by layer.

    Args:
        graph: A model of images of the architecture's size, as it was imported.
        architecture: One of our tables; only the number of classes may differ.

    Raises:
        OtherNetworkError: A layer before the head differs; names the architecture's layer, what is
            expected and what is received.
    """
    if graph.input_shape != architecture.input_shape:
        raise OtherNetworkError(
            f"expected images of shape {architecture.input_shape}, received {graph.input_shape}"
        )
    graph, scaling = _without_scaling(fold_channel_order(graph))
    graph, foreign = _simplified(graph)
    users = graph.users()
    shapes = architecture.shapes()
    tensors = {INPUT: INPUT}
    trunk: dict[str, Variables] = {}
    last = INPUT
    for layer in architecture.layers:
        sources = [tensors[name] for name in layer.inputs]
        if layer.op == "add":
            node = _addition(layer, users, sources, foreign)
        elif layer.op in {"conv", "depthwise"}:
            node = _convolution(layer, users, sources[0], foreign)
            _check(layer, node, shapes[layer.inputs[0]])
            trunk[layer.name] = Variables(
                kernel=node.arrays["kernel"].reshape(layer.kernel_shape), bias=node.arrays["bias"]
            )
        else:
            break
        _check_activation(layer, node, users)
        tensors[layer.name] = last = node.name
    head, differs = _head(graph, users, last, foreign)
    return TableMatch(
        trunk=trunk,
        scaling=scaling,
        head=None if head is None else _as_dense(head),
        head_name="" if head is None else head.name,
        head_differs=differs,
        headless=head is None and foreign is None,
    )


def activation_of(graph: FloatGraph) -> Activation:
    """Return relu6, as in the papers, unless the graph has ReLUs and no ReLU6."""
    highs = {node.attributes["high"] for node in graph.nodes if node.op == "clip"}
    return "relu" if np.inf in highs and 6 not in highs else "relu6"


def kernel_shapes(graph: FloatGraph) -> list[Shape]:
    """Return the shapes of the kernels of all convolutions, in Keras's order, in running order."""
    shapes: list[Shape] = []
    for node in graph.nodes:
        if node.op == "conv":
            high, wide, inner, out = node.arrays["kernel"].shape
            groups = node.attributes["groups"]
            shapes.append((high, wide, inner, out) if groups == 1 else (high, wide, groups, inner))
    return shapes


def scaling_of(graph: FloatGraph) -> PixelScaling | None:
    """Return what a model's first layers compute from a pixel; None for nothing."""
    return _without_scaling(fold_channel_order(graph))[1]


def _without_scaling(graph: FloatGraph) -> tuple[FloatGraph, PixelScaling | None]:
    """Return a graph without the factors and offsets that it begins with, and these."""
    channels = graph.input_shape[-1]
    scale, offset = np.ones(channels), np.zeros(channels)
    scaled = False
    while True:
        readers = graph.users()[INPUT]
        first = readers[0] if len(readers) == 1 else None
        if first is None or first.op != "affine" or first.name == graph.output:
            break
        factor = first.arrays["scale"].astype(np.float64)
        scale, offset = scale * factor, offset * factor + first.arrays["offset"]
        graph, scaled = rewrite(graph, {first.name: ()}, {first.name: INPUT}), True
    if not scaled:
        return graph, None
    return graph, PixelScaling(scale=tuple(scale.tolist()), offset=tuple(offset.tolist()))


def _simplified(graph: FloatGraph) -> tuple[FloatGraph, FloatNode | None]:
    """Return a simplified graph; where that fails, of the part before the head.

    Returns:
        The graph, and what cannot be simplified behind that part; None if it is the whole graph.
    """
    try:
        return simplify(graph).graph, None
    except ConversionError:
        first = next((node for node in graph.nodes if node.op not in _BEFORE_HEAD), None)
        if first is None:
            raise
        if first.inputs[:1] in {(), (INPUT,)}:
            raise OtherNetworkError(
                f"expected a convolution of the input, received {first.label}",
                hint=_hint_of(first),
            ) from None
        part = simplify(dataclasses.replace(graph, output=first.inputs[0])).graph
        return part, next((node for node in graph.nodes if node.op == UNSUPPORTED), first)


def _hint_of(node: FloatNode) -> str | None:
    return next((hint for part, hint in WRAPPERS.items() if part in node.kind), None)


def _convolution(layer: Layer, users: Users, source: str, foreign: FloatNode | None) -> FloatNode:
    """Return the node that corresponds to a convolution.

    Of parallel branches it is the one with the layer's kernel.
    """
    nodes = [node for node in users[source] if node.op == "conv"]
    if not nodes:
        after = "the input" if source == INPUT else f"`{source}`"
        raise _missing(layer, f"a {layer.op} after {after}", users[source], foreign)
    return max(nodes, key=lambda node: node.arrays["kernel"].shape == _kernel_shape(layer))


def _addition(
    layer: Layer, users: Users, sources: Sequence[str], foreign: FloatNode | None
) -> FloatNode:
    for node in users[sources[0]]:
        if node.op == "add" and sorted(node.inputs) == sorted(sources):
            return node
    expected = "the sum of " + " and ".join(f"`{name}`" for name in sources)
    raise _missing(layer, expected, users[sources[-1]], foreign)


def _missing(
    layer: Layer, expected: str, readers: Sequence[FloatNode], foreign: FloatNode | None
) -> OtherNetworkError:
    nodes = readers or ((foreign,) if foreign else ())
    received = " and ".join(node.label for node in nodes) or "the output"
    hints = [hint for node in nodes if (hint := _hint_of(node))]
    return _differs(layer, expected, received, hint=hints[0] if hints else None)


def _differs(
    layer: Layer, expected: str, received: str, *, hint: str | None = None
) -> OtherNetworkError:
    return OtherNetworkError(
        f"layer `{layer.name}`: expected {expected}, received {received}", hint=hint
    )


def _kernel_shape(layer: Layer) -> Shape:
    """Return the shape of a layer's kernel as nodes hold it."""
    high, wide, *_ = layer.kernel_shape
    inner = 1 if layer.op == "depthwise" else layer.in_channels
    return high, wide, inner, layer.out_channels


def _check(layer: Layer, node: FloatNode, size: Shape) -> None:
    """Check that a convolution has a layer's kernel, groups, strides, dilations and padding."""
    pads = padding.pads(size[:2], layer.kernel, layer.strides, layer.padding)
    expected: dict[str, Any] = {
        "a kernel of shape": _kernel_shape(layer),
        "groups": layer.in_channels if layer.op == "depthwise" else 1,
        "strides": layer.strides,
        "dilations": (1, 1),
        "zeros above, below, left and right": (*pads[0], *pads[1]),
    }
    received = (
        node.arrays["kernel"].shape,
        *(node.attributes[name] for name in ("groups", "strides", "dilations", "pads")),
    )
    for (what, ours), theirs in zip(expected.items(), received, strict=True):
        if theirs != ours:
            raise _differs(layer, f"{what} {ours}", f"{theirs} in {node.label}")


def _check_activation(layer: Layer, node: FloatNode, users: Users) -> None:
    if node.activation == layer.activation:
        return
    readers = users[node.name]
    more = "" if node.activation != "none" or not readers else f", then {readers[0].label}"
    raise _differs(
        layer,
        f"activation {layer.activation}",
        f"{node.activation} after {node.label}{more}",
    )


def _head(
    graph: FloatGraph, users: Users, place: str, foreign: FloatNode | None
) -> tuple[FloatNode | None, str]:
    """Return the node that gives the logits, and what differs from a table's head.

    That head is a mean over the image, one dense layer, and a softmax or nothing. A pointwise
    convolution counts as a dense layer, before the mean or after it.
    """
    pooled = graph.shapes()[place][:2] == (1, 1)
    logits: FloatNode | None = None
    ended = False
    differs = ""
    while len(users[place]) == 1 and place != graph.output:
        (node,) = users[place]
        place = node.name
        fits = False
        match node.op:
            case "reshape":
                fits = pooled
            case "mean":
                fits, pooled = not ended, True
            case "dense" | "conv":
                fits = logits is None and not ended and _is_pointwise(node)
                logits = node
            case "softmax":
                fits, ended = pooled and logits is not None and not ended, True
            case _:
                pass
        if not fits and not differs:
            differs = node.label
    if not differs and foreign is not None:
        differs = foreign.label
    if not differs and place != graph.output:
        differs = f"branches after `{place}`"
    if not differs and not pooled:
        differs = "no mean over the image"
    return logits, differs


def _is_pointwise(node: FloatNode) -> bool:
    if node.op == "dense":
        return node.activation == "none"
    attributes = node.attributes
    return (
        node.activation == "none"
        and node.arrays["kernel"].shape[:2] == attributes["strides"] == (1, 1)
        and attributes["groups"] == 1
        and not any(attributes["pads"])
    )


def _as_dense(node: FloatNode) -> Variables | None:
    kernel = node.arrays["kernel"]
    if kernel.size != np.prod(kernel.shape[-2:]):
        return None
    return Variables(kernel=kernel.reshape(kernel.shape[-2:]), bias=node.arrays["bias"])
