"""Pair the layers that a Keras file states with ours, or say where the file computes otherwise."""

import dataclasses
from collections.abc import Mapping
from typing import Final

from mobiledeploy.base.errors import RequestError
from mobiledeploy.network.keras_config import Constant
from mobiledeploy.network.keras_graph import Graph, Node, Pair
from mobiledeploy.ops.architecture import INPUT, Architecture, Layer
from mobiledeploy.ops.tensors import Shape
from mobiledeploy.spec.config import SCALINGS, InputRange

HINT: Final = (
    "a whole model is taken only where it computes what this network computes; the weights "
    "alone (save_weights, `.weights.h5`) can be trained on from, and are not checked"
)
_WRAPPERS: Final = {
    "PruneLowMagnitude": "take the pruning off before saving: "
    "`tensorflow_model_optimization.sparsity.keras.strip_pruning(model)`",
    "QuantizeLayer": "save the float model, before `quantize_model`: build quantises it itself",
}
_NEAR: Final = 0.01
"""Share of a range by which a layer's may differ: 127.5 for 128 is the same to a network."""
_STEP: Final = 32
"""Sizes at which to look for one where both are the same: multiples of all strides together."""
_LARGEST: Final = 512


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Scaled:
    """What a file's first layers make of a pixel: `pixel * scale + offset`.

    Attributes:
        scale: One factor, or one a channel.
        offset: One, or one a channel.
    """

    scale: Constant
    offset: Constant

    @property
    def input_range(self) -> InputRange | None:
        """Which of the ranges that we know it is, or None."""
        count = max(len(self.scale), len(self.offset))
        ends = [
            (offset, 255 * scale + offset)
            for scale, offset in zip(
                _spread(self.scale, count), _spread(self.offset, count), strict=True
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
        """Return it as a formula."""
        scale, offset = (
            f"{values[0]:g}" if len(set(values)) == 1 else str([round(v, 6) for v in values])
            for values in (self.scale, self.offset)
        )
        return f"pixel * {scale} + {offset}".replace("+ -", "- ")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """Which of the file's layers is which of ours.

    Attributes:
        kernels: By the name of our layer, the trunk's alone.
        norms: The batch normalisations that follow them, where one does.
        scaled: What is done to pixels before the first of them; None for nothing.
        head: The file's layer that gives the logits, if it is one layer.
        head_differs: What the file computes between trunk and output that our head does not;
            empty if they are the same.
    """

    kernels: Mapping[str, Node]
    norms: Mapping[str, Node]
    scaled: Scaled | None
    head: Node | None
    head_differs: str


def pair(graph: Graph, architecture: Architecture) -> Paired:
    """Pair the trunk layer by layer, and compare the head.

    Args:
        graph: What the file states. It is taken as being given images of our size.
        architecture: Ours.

    Raises:
        RequestError: The trunk is another one; names our layer and what differs.
    """
    try:
        return _pair(graph, architecture)
    except _PaddingError as error:
        raise RequestError(str(error), hint=_other_size(graph, architecture)) from error


class _PaddingError(RequestError):
    """Both pad otherwise, which at another size they may not."""


def _other_size(graph: Graph, architecture: Architecture) -> str:
    """Say at which size both are the same, the nearest first."""
    size = architecture.input_shape[0]
    for other in sorted(range(3 * _STEP, _LARGEST, _STEP), key=lambda s: abs(s - size)):
        shape = (other, other, architecture.input_shape[2])
        try:
            _pair(graph, dataclasses.replace(architecture, input_shape=shape))
        except RequestError:
            continue
        return f"at `--image-size {other}` both are the same; {HINT}"
    return HINT


def _pair(graph: Graph, architecture: Architecture) -> Paired:
    users = graph.users()
    shapes = architecture.shapes()
    start, scaled = _entrance(graph, users, architecture)
    tensors = {INPUT: start}
    kernels, norms = {}, {}
    for layer in architecture.layers:
        if layer.op == "add":
            tensors[layer.name] = _addition(graph, users, layer, tensors)
        elif layer.op in {"conv", "depthwise"}:
            place, pads = _convolution(graph, users, layer, tensors)
            node = kernels[layer.name] = graph.nodes[place]
            _check_kernel(layer, node)
            _check_window(layer, node, pads, shapes)
            following = _next(graph, users, place)
            if following is not None and graph.nodes[following].op == "norm":
                norms[layer.name] = graph.nodes[following]
                place = following
                following = _next(graph, users, place)
            found = "none"
            if following is not None and graph.nodes[following].op == "activation":
                place, found = following, graph.nodes[following].what
            if found != layer.activation:
                then = "" if following is None else f", then {graph.nodes[following].label}"
                raise RequestError(
                    f"layer `{layer.name}`: expected activation {layer.activation}, received "
                    f"{found} after {node.label}{then if found == 'none' else ''}",
                    hint=HINT,
                )
            tensors[layer.name] = place
        else:
            break
    trunk = architecture.logits.inputs[0]
    last = next(layer for layer in architecture.layers if layer.name == trunk).inputs[0]
    head, differs = _head(graph, users, tensors[last], shapes[last][:2])
    return Paired(kernels=kernels, norms=norms, scaled=scaled, head=head, head_differs=differs)


def _entrance(
    graph: Graph, users: tuple[tuple[int, ...], ...], architecture: Architecture
) -> tuple[int, Scaled | None]:
    """Return the node that gives what the first convolution takes, and what pixels became."""
    found = [place for place, node in enumerate(graph.nodes) if node.op == "input"]
    if len(found) != 1:
        raise RequestError(f"expected one input, received {len(found)}", hint=HINT)
    place, scaled = found[0], None
    while (following := _next(graph, users, place)) is not None:
        node = graph.nodes[following]
        if node.op == "affine":
            before = scaled or Scaled(scale=(1.0,), offset=(0.0,))
            scaled = _then(before, node, architecture.input_shape[2])
        elif not (node.op == "resize" and node.kernel == architecture.input_shape[:2]):
            break
        place = following
    return place, scaled


def _then(before: Scaled, node: Node, channels: int) -> Scaled:
    lengths = {len(values) for values in (before.scale, before.offset, node.scale, node.offset)}
    if not lengths <= {1, channels}:
        raise RequestError(f"{node.label} does not fit images of {channels} channels", hint=HINT)
    count = max(lengths)
    factors = _spread(node.scale, count)
    return Scaled(
        scale=tuple(a * b for a, b in zip(_spread(before.scale, count), factors, strict=True)),
        offset=tuple(
            a * b + c
            for a, b, c in zip(
                _spread(before.offset, count), factors, _spread(node.offset, count), strict=True
            )
        ),
    )


def _spread(values: Constant, count: int) -> Constant:
    return values * count if len(values) == 1 else values


def _next(graph: Graph, users: tuple[tuple[int, ...], ...], place: int) -> int | None:
    """Return the only node that takes what this one gives, or None."""
    if len(users[place]) != 1 or place in graph.outputs:
        return None
    return users[place][0]


def _addition(
    graph: Graph,
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


def _convolution(
    graph: Graph,
    users: tuple[tuple[int, ...], ...],
    layer: Layer,
    tensors: Mapping[str, int],
) -> tuple[int, list[Node]]:
    """Return the convolution at the place of ours, and the zeros put around its input."""
    source = tensors[layer.inputs[0]]
    found = []
    for user in users[source]:
        place, pads = user, []
        while graph.nodes[place].op == "pad":
            pads.append(graph.nodes[place])
            following = _next(graph, users, place)
            if following is None:
                break
            place = following
        if graph.nodes[place].op == layer.op:
            found.append((place, pads))
    if not found:
        raise _missing(
            graph, users, layer, f"a {layer.op} after {graph.nodes[source].label}", source
        )
    # Where branches run beside each other, the one that looks like ours is compared.
    return max(found, key=lambda one: _looks_like(layer, graph.nodes[one[0]]))


def _looks_like(layer: Layer, node: Node) -> bool:
    return node.kernel == layer.kernel and node.channels in (0, layer.out_channels)


def _missing(
    graph: Graph, users: tuple[tuple[int, ...], ...], layer: Layer, expected: str, source: int
) -> RequestError:
    nodes = [graph.nodes[place] for place in users[source]]
    received = " and ".join(node.label for node in nodes) or "the output"
    hints = [hint for node in nodes for name, hint in _WRAPPERS.items() if name in node.class_name]
    return RequestError(
        f"layer `{layer.name}`: expected {expected}, received {received}",
        hint=hints[0] if hints else HINT,
    )


def _check_kernel(layer: Layer, node: Node) -> None:
    channels = (layer.in_channels, node.channels) if layer.op == "conv" else (layer.in_channels, 1)
    received = (*node.kernel, *channels)
    if received != layer.kernel_shape:
        raise RequestError(
            f"layer `{layer.name}`: expected a kernel of shape {layer.kernel_shape}, received "
            f"`{node.name}` of shape {received}"
        )


def _check_window(layer: Layer, node: Node, pads: list[Node], shapes: Mapping[str, Shape]) -> None:
    """Check that the window meets the same pixels: steps, distances, and zeros around them."""
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
    for axis, (zeros, way) in enumerate((("rows", "above"), ("columns", "to the left"))):
        size = shapes[layer.inputs[0]][axis]
        ours = _extent(size, layer.kernel[axis], layer.strides[axis], same=layer.padding == "same")
        put = sum(pad.before[axis] for pad in pads)
        padded = size + put + sum(pad.after[axis] for pad in pads)
        first, count = _extent(padded, node.kernel[axis], node.strides[axis], same=node.same)
        if (first + put, count) != ours:
            names = " and ".join(one.label for one in (*pads, node))
            raise _PaddingError(
                f"layer `{layer.name}`: of {size} {zeros}, expected {ours[1]} out with {ours[0]} "
                f"of zeros {way}, received {count} with {first + put} from {names}"
            )


def _extent(size: int, kernel: int, stride: int, *, same: bool) -> Pair:
    """Return how many zeros TensorFlow puts before the first value, and how many values it gives.

    Both together say where every window lies, and so what zeros come after the last value.
    """
    if not same:
        return 0, max(0, (size - kernel) // stride + 1)
    count = -(-size // stride)
    return max(0, (count - 1) * stride + kernel - size) // 2, count


def _head(
    graph: Graph, users: tuple[tuple[int, ...], ...], place: int, size: Shape
) -> tuple[Node | None, str]:
    """Return the layer that gives the logits, and what is not as in our head.

    Ours is the mean over the image, one dense layer and a softmax or nothing. A pointwise
    convolution is a dense layer, and comes before the mean as well as after it.
    """
    pooled = size == (1, 1)
    logits: Node | None = None
    ended = False
    differs = ""
    while (following := _next(graph, users, place)) is not None:
        node, place = graph.nodes[following], following
        fits = False
        match node.op:
            case "flatten":
                fits = pooled
            case "mean":
                fits, pooled = not ended, True
            case "average":
                fits = pooled = _covers(node, size) if not pooled else node.kernel == (1, 1)
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


def _covers(node: Node, size: Shape) -> bool:
    """Whether one window of an average covers the whole image, and there is no other window."""
    return all(
        node.kernel[axis] == size[axis]
        and _extent(size[axis], node.kernel[axis], node.strides[axis], same=node.same) == (0, 1)
        for axis in (0, 1)
    )
