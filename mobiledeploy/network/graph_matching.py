"""Match the layers of a Keras graph to those of an architecture.

Where the graph computes something else, an error names the first layer that differs.
"""

import dataclasses
from collections.abc import Mapping
from typing import Final

from mobiledeploy.base.errors import RequestError
from mobiledeploy.network.keras_config import WRAPPERS, Constant
from mobiledeploy.network.keras_graph import IntPair, KerasGraph, KerasNode
from mobiledeploy.ops.architecture import INPUT, Architecture, Layer
from mobiledeploy.ops.tensors import Shape
from mobiledeploy.spec.config import SCALINGS, InputRange

HINT: Final = (
    "`mobiledeploy quantize` takes the model with its own layers; `build` takes a whole model "
    "only where it computes the same as this network, and its weights alone (save_weights, "
    "`.weights.h5`) unchecked"
)
_NEAR: Final = 0.01
"""Largest difference from a known input range, as a share of the range: 127.5 instead of 128 does
not matter to a network."""
_SIZE_STEP: Final = 32
"""Step between the image sizes that are tried for equal padding: a multiple of the product
of all strides."""
_LARGEST_SIZE: Final = 512


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PixelScaling:
    """What a model's first layers compute from a pixel: `pixel * scale + offset`.

    Attributes:
        scale: A single factor, or one per channel.
        offset: A single number, or one per channel.
    """

    scale: Constant
    offset: Constant

    @property
    def input_range(self) -> InputRange | None:
        """The input range with this scaling, or None where there is none."""
        count = max(len(self.scale), len(self.offset))
        ends = [
            (offset, 255 * scale + offset)
            for scale, offset in zip(
                _repeated(self.scale, count), _repeated(self.offset, count), strict=True
            )
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


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GraphMatch:
    """Which node of a Keras graph is which layer of an architecture.

    Attributes:
        kernels: The nodes of the trunk's layers with weights, by the architecture's layer name.
        norms: The batch normalisations after them, by the same names.
        pixel_scaling: What is done to pixels before the first layer; None for nothing.
        head: The node that gives the logits, if it is a single layer.
        head_differs: What the graph computes after the trunk that the architecture's head does
            not; empty if they are the same.
    """

    kernels: Mapping[str, KerasNode]
    norms: Mapping[str, KerasNode]
    pixel_scaling: PixelScaling | None
    head: KerasNode | None
    head_differs: str


def match_graph(graph: KerasGraph, architecture: Architecture) -> GraphMatch:
    """Match the trunk layer by layer, and compare the head.

    Args:
        graph: The Keras graph, applied to images of the architecture's size.
        architecture: The architecture that it should compute.

    Raises:
        RequestError: The trunk differs; names the architecture's layer and what differs.
    """
    try:
        return _match_graph(graph, architecture)
    except _PaddingError as error:
        raise RequestError(str(error), hint=_hint_with_size(graph, architecture)) from error


class _PaddingError(RequestError):
    """The padding differs; at another image size it may be equal."""


def _hint_with_size(graph: KerasGraph, architecture: Architecture) -> str:
    """Return a hint with the nearest image size at which the padding is equal, if there is one."""
    size = architecture.input_shape[0]
    for other in sorted(
        range(3 * _SIZE_STEP, _LARGEST_SIZE, _SIZE_STEP), key=lambda s: abs(s - size)
    ):
        shape = (other, other, architecture.input_shape[2])
        try:
            _match_graph(graph, dataclasses.replace(architecture, input_shape=shape))
        except RequestError:
            continue
        return f"with `--image-size {other}` both are the same; {HINT}"
    return HINT


def _match_graph(graph: KerasGraph, architecture: Architecture) -> GraphMatch:
    users = graph.users()
    shapes = architecture.shapes()
    start, scaling = _pixel_scaling(graph, users, architecture)
    tensors = {INPUT: start}
    kernels, norms = {}, {}
    for layer in architecture.layers:
        if layer.op == "add":
            tensors[layer.name] = _find_addition(graph, users, layer, tensors)
        elif layer.op in {"conv", "depthwise"}:
            place, pads = _find_convolution(graph, users, layer, tensors)
            node = kernels[layer.name] = graph.nodes[place]
            _check_kernel(layer, node)
            _check_window(layer, node, pads, shapes)
            following = _only_user(graph, users, place)
            if following is not None and graph.nodes[following].op == "norm":
                norms[layer.name] = graph.nodes[following]
                place = following
                following = _only_user(graph, users, place)
            activation = "none"
            if following is not None and graph.nodes[following].op == "activation":
                place, activation = following, graph.nodes[following].what
            if activation != layer.activation:
                then = "" if following is None else f", then {graph.nodes[following].label}"
                raise RequestError(
                    f"layer `{layer.name}`: expected activation {layer.activation}, received "
                    f"{activation} after {node.label}{then if activation == 'none' else ''}",
                    hint=HINT,
                )
            tensors[layer.name] = place
        else:
            break
    trunk = architecture.logits.inputs[0]
    last = next(layer for layer in architecture.layers if layer.name == trunk).inputs[0]
    head, differs = _head(graph, users, tensors[last], shapes[last][:2])
    return GraphMatch(
        kernels=kernels, norms=norms, pixel_scaling=scaling, head=head, head_differs=differs
    )


def _pixel_scaling(
    graph: KerasGraph, users: tuple[tuple[int, ...], ...], architecture: Architecture
) -> tuple[int, PixelScaling | None]:
    """Return the position of the node before the first convolution, and the pixels' scaling."""
    entries = [place for place, node in enumerate(graph.nodes) if node.op == "input"]
    if len(entries) != 1:
        raise RequestError(f"expected one input, received {len(entries)}", hint=HINT)
    place, scaling = entries[0], None
    while (following := _only_user(graph, users, place)) is not None:
        node = graph.nodes[following]
        if node.op == "affine":
            before = scaling or PixelScaling(scale=(1.0,), offset=(0.0,))
            scaling = _combined(before, node, architecture.input_shape[2])
        elif not (node.op == "resize" and node.kernel == architecture.input_shape[:2]):
            break
        place = following
    return place, scaling


def _combined(before: PixelScaling, node: KerasNode, channels: int) -> PixelScaling:
    lengths = {len(values) for values in (before.scale, before.offset, node.scale, node.offset)}
    if not lengths <= {1, channels}:
        raise RequestError(f"{node.label} does not fit images of {channels} channels", hint=HINT)
    count = max(lengths)
    factors = _repeated(node.scale, count)
    return PixelScaling(
        scale=tuple(a * b for a, b in zip(_repeated(before.scale, count), factors, strict=True)),
        offset=tuple(
            a * b + c
            for a, b, c in zip(
                _repeated(before.offset, count),
                factors,
                _repeated(node.offset, count),
                strict=True,
            )
        ),
    )


def _repeated(values: Constant, count: int) -> Constant:
    return values * count if len(values) == 1 else values


def _only_user(graph: KerasGraph, users: tuple[tuple[int, ...], ...], place: int) -> int | None:
    """Return the only node that takes this one's output, or None."""
    if len(users[place]) != 1 or place in graph.outputs:
        return None
    return users[place][0]


def _find_addition(
    graph: KerasGraph,
    users: tuple[tuple[int, ...], ...],
    layer: Layer,
    tensors: Mapping[str, int],
) -> int:
    wanted = sorted(tensors[name] for name in layer.inputs)
    for place in users[wanted[0]]:
        node = graph.nodes[place]
        if node.op == "add" and sorted(node.inputs) == wanted:
            return place
    ours = " and ".join(graph.nodes[place].label for place in wanted)
    raise _missing(graph, users, layer, f"the sum of {ours}", wanted[-1])


def _find_convolution(
    graph: KerasGraph,
    users: tuple[tuple[int, ...], ...],
    layer: Layer,
    tensors: Mapping[str, int],
) -> tuple[int, list[KerasNode]]:
    """Return the convolution that corresponds to a layer, and the zero padding before it."""
    source = tensors[layer.inputs[0]]
    candidates = []
    for user in users[source]:
        place, pads = user, []
        while graph.nodes[place].op == "pad":
            pads.append(graph.nodes[place])
            following = _only_user(graph, users, place)
            if following is None:
                break
            place = following
        if graph.nodes[place].op == layer.op:
            candidates.append((place, pads))
    if not candidates:
        raise _missing(
            graph, users, layer, f"a {layer.op} after {graph.nodes[source].label}", source
        )
    # Of parallel branches, the one with the layer's kernel size and channels is compared.
    return max(candidates, key=lambda one: _looks_like(layer, graph.nodes[one[0]]))


def _looks_like(layer: Layer, node: KerasNode) -> bool:
    return node.kernel == layer.kernel and node.channels in (0, layer.out_channels)


def _missing(
    graph: KerasGraph, users: tuple[tuple[int, ...], ...], layer: Layer, expected: str, source: int
) -> RequestError:
    nodes = [graph.nodes[place] for place in users[source]]
    received = " and ".join(node.label for node in nodes) or "the output"
    hints = [hint for node in nodes for name, hint in WRAPPERS.items() if name in node.class_name]
    return RequestError(
        f"layer `{layer.name}`: expected {expected}, received {received}",
        hint=hints[0] if hints else HINT,
    )


def _check_kernel(layer: Layer, node: KerasNode) -> None:
    channels = (layer.in_channels, node.channels) if layer.op == "conv" else (layer.in_channels, 1)
    received = (*node.kernel, *channels)
    if received != layer.kernel_shape:
        raise RequestError(
            f"layer `{layer.name}`: expected a kernel of shape {layer.kernel_shape}, received "
            f"`{node.name}` of shape {received}"
        )


def _check_window(
    layer: Layer, node: KerasNode, pads: list[KerasNode], shapes: Mapping[str, Shape]
) -> None:
    """Check that the window covers the same pixels: strides, dilation, zero padding."""
    for what, expected, received in (
        ("strides", layer.strides, node.strides),
        ("dilation", (1, 1), node.dilation),
    ):
        if received != expected:
            raise RequestError(
                f"layer `{layer.name}`: expected {what} {expected}, received {received} in "
                f"{node.label}",
                hint=HINT,
            )
    for axis, (lines, side) in enumerate((("rows", "above"), ("columns", "to the left"))):
        size = shapes[layer.inputs[0]][axis]
        ours = _extent(size, layer.kernel[axis], layer.strides[axis], same=layer.padding == "same")
        put = sum(pad.before[axis] for pad in pads)
        padded = size + put + sum(pad.after[axis] for pad in pads)
        first, count = _extent(padded, node.kernel[axis], node.strides[axis], same=node.same)
        if (first + put, count) != ours:
            names = " and ".join(one.label for one in (*pads, node))
            raise _PaddingError(
                f"layer `{layer.name}`: from {size} {lines}, expected {ours[1]} {lines} with "
                f"{ours[0]} of zeros {side}, received {count} with {first + put} from "
                f"{names}"
            )


def _extent(size: int, kernel: int, stride: int, *, same: bool) -> IntPair:
    """Return the number of zeros before the first input value, and the number of output values.

    Together they determine the position of every window, hence the zeros after the last value.
    """
    if not same:
        return 0, max(0, (size - kernel) // stride + 1)
    count = -(-size // stride)
    return max(0, (count - 1) * stride + kernel - size) // 2, count


def _head(
    graph: KerasGraph, users: tuple[tuple[int, ...], ...], place: int, size: Shape
) -> tuple[KerasNode | None, str]:
    """Return the node that gives the logits, and what differs from an architecture's head.

    That head is a mean over the image, one dense layer, and a softmax or nothing. A pointwise
    convolution counts as a dense layer, before the mean or after it.
    """
    pooled = size == (1, 1)
    logits: KerasNode | None = None
    ended = False
    differs = ""
    while (following := _only_user(graph, users, place)) is not None:
        node, place = graph.nodes[following], following
        fits = False
        match node.op:
            case "flatten":
                fits = pooled
            case "mean":
                fits, pooled = not ended, True
            case "average":
                fits = pooled = _is_global(node, size) if not pooled else node.kernel == (1, 1)
            case "dense" | "conv":
                pointwise = (node.kernel, node.strides) == ((1, 1), (1, 1))
                fits, logits = logits is None and not ended and pointwise, node
            case "softmax":
                fits, ended = pooled and logits is not None and not ended, True
            case _:
                pass
        if not fits and not differs:
            differs = node.label if node.op != "activation" else f"{node.label} {node.what}"
    if not differs and graph.outputs != (place,):
        several = len(graph.outputs) > 1
        differs = (
            f"{len(graph.outputs)} outputs"
            if several
            else f"branches after {graph.nodes[place].label}"
        )
    if not differs and not pooled:
        differs = "no mean over the image"
    return logits, differs


def _is_global(node: KerasNode, size: Shape) -> bool:
    """Whether an average pooling has a single window, which covers the whole image."""
    return all(
        node.kernel[axis] == size[axis]
        and _extent(size[axis], node.kernel[axis], node.strides[axis], same=node.same) == (0, 1)
        for axis in (0, 1)
    )
