"""`FloatGraph`: a float network as an importer reads it, before it is simplified.

Importers of all sources (`network.importers`) give this one form; the passes in
`network.simplify` rewrite it until `network.simplify.to_network` can make a `Network` of it. It is
always NHWC, with numbers instead of defaults: importers resolve SAME padding, axes that count from
the end, data formats and broadcasting, and never leave out what they do not understand: that
becomes a node with the operator `unsupported` and a reason.
"""

import contextlib
import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.ops import padding
from mobiledeploy.ops.architecture import Activation
from mobiledeploy.ops.tensors import Shape

FloatArray: TypeAlias = npt.NDArray[np.float32]

INPUT: Final = "input"
"""The name by which nodes refer to the graph's input."""
UNSUPPORTED: Final = "unsupported"
"""Operator of a node that an importer does not understand; attribute `reason` says why."""

_NOT_NEGATIVE: Final = frozenset({"logistic", "hard_sigmoid", "softmax", "exp", "softplus"})
_KEEPS_SIGN: Final = frozenset({
    "max_pool", "average_pool", "mean", "reduce_max", "concat", "add", "mul", "maximum",
    "reshape", "transpose", "slice", "resize_nearest",
})  # fmt: skip
"""Operators whose output is not negative if no input is."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FloatNode:
    """One operator.

    Attributes:
        name: Unique in the graph: the source's own name of the layer, with a suffix where one
            layer of the source becomes several nodes.
        op: A name in `OPERATORS`, or `UNSUPPORTED`.
        inputs: Names of the nodes that it reads, or `INPUT`.
        attributes: Options, by the names that `OPERATORS` gives for the operator.
        arrays: float32 constants, likewise.
        activation: Applied to the output; importers write a `clip` instead, and the last pass of
            `simplify` moves it here.
        kind: What the source calls the operator, for messages: `DepthwiseConv2D`, `HardSigmoid`.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    attributes: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    arrays: Mapping[str, FloatArray] = dataclasses.field(default_factory=dict)
    activation: Activation = "none"
    kind: str = ""

    @property
    def label(self) -> str:
        """Name and kind, for messages."""
        return f"`{self.name}` ({self.kind or self.op})"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FloatGraph:
    """A float network with one input and one output.

    Attributes:
        name: Name of the network.
        input_shape: Shape of one input, without the batch, the channels last.
        nodes: Each after those that it reads.
        output: Name of the node whose output is the network's.
    """

    name: str
    input_shape: Shape
    nodes: tuple[FloatNode, ...]
    output: str

    def shapes(self) -> Mapping[str, Shape]:
        """Return the shape of the input and of every node's output, without the batch.

        Only what the output depends on is checked and returned.

        Raises:
            ConversionError: A node reads an unknown or a later node, has a name or attributes that
                it must not have, or shapes do not fit. The message names the node.
        """
        shapes: dict[str, Shape] = {INPUT: self.input_shape}
        needed = self.needed()
        for node in self.nodes:
            if node.name in shapes:
                raise ConversionError(f"two layers are named `{node.name}`")
            unknown = [name for name in node.inputs if name not in shapes]
            if unknown:
                raise ConversionError(f"{node.label} reads `{unknown[0]}`, which is not before it")
            if node.name in needed:
                shapes[node.name] = _shape(node, [shapes[name] for name in node.inputs])
            else:
                shapes[node.name] = ()
        if self.output not in shapes:
            raise ConversionError(f"the output `{self.output}` is no layer of {self.name}")
        return {name: shapes[name] for name in shapes if name in needed or name == INPUT}

    def known_shapes(self) -> Mapping[str, Shape]:
        """Return the shapes that can be told: not of what is not supported, nor of what reads it.

        Unlike `shapes` it also takes graphs that cannot be computed.
        """
        shapes: dict[str, Shape] = {INPUT: self.input_shape}
        for node in self.nodes:
            if all(name in shapes for name in node.inputs):
                with contextlib.suppress(ConversionError):
                    shapes[node.name] = _shape(node, [shapes[name] for name in node.inputs])
        return shapes

    def needed(self) -> frozenset[str]:
        """Return the names of the nodes that the output depends on, itself included."""
        sources = {node.name: node.inputs for node in self.nodes}
        needed, waiting = set[str](), [self.output]
        while waiting:
            name = waiting.pop()
            if name not in needed:
                needed.add(name)
                waiting.extend(sources.get(name, ()))
        return frozenset(needed)

    def node(self, name: str) -> FloatNode | None:
        """Return a node by its name, None for the input."""
        return next((node for node in self.nodes if node.name == name), None)

    def nonnegative(self) -> frozenset[str]:
        """Return the names of tensors that cannot hold a negative number."""
        names = set[str]()
        for node in self.nodes:
            if (
                node.op in _NOT_NEGATIVE
                or node.activation != "none"
                or (node.op == "clip" and node.attributes["low"] >= 0)
                or (node.op in _KEEPS_SIGN and names.issuperset(node.inputs))
                or (
                    node.op == "pad"
                    and node.attributes["value"] >= 0
                    and names.issuperset(node.inputs)
                )
            ):
                names.add(node.name)
        return frozenset(names)

    def users(self) -> Mapping[str, tuple[FloatNode, ...]]:
        """Return the nodes that read each tensor, in their order; a node counts once."""
        users: dict[str, list[FloatNode]] = {INPUT: [], **{node.name: [] for node in self.nodes}}
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):
                users[name].append(node)
        return {name: tuple(nodes) for name, nodes in users.items()}


def rewrite(
    graph: FloatGraph,
    replaced: Mapping[str, Sequence[FloatNode]],
    renamed: Mapping[str, str] | None = None,
) -> FloatGraph:
    """Return a graph with some nodes replaced, or left out.

    Args:
        graph: The graph.
        replaced: By the name of a node, what stands in its place; nothing to leave it out.
        renamed: By the name of a tensor, the one that is read instead of it.
    """
    names = dict(renamed or {})

    def now(name: str) -> str:
        while name in names:
            name = names[name]
        return name

    def reading(node: FloatNode) -> FloatNode:
        if names.keys().isdisjoint(node.inputs):
            return node
        return dataclasses.replace(node, inputs=tuple(now(name) for name in node.inputs))

    return dataclasses.replace(
        graph,
        nodes=tuple(
            reading(new) for node in graph.nodes for new in replaced.get(node.name, (node,))
        ),
        output=now(graph.output),
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What the nodes of an operator hold.

    Attributes:
        inputs: Fewest and most inputs.
        attributes: Names of the attributes, all of which a node has.
        arrays: Names of the arrays, likewise.
        shape: Returns the output's shape from the node and the shapes of its inputs; raises
            ValueError where they do not fit.
    """

    inputs: tuple[int, int]
    attributes: tuple[str, ...]
    arrays: tuple[str, ...]
    shape: Callable[[FloatNode, Sequence[Shape]], Shape]


def _shape(node: FloatNode, inputs: Sequence[Shape]) -> Shape:
    if node.op == UNSUPPORTED:
        raise ConversionError(f"{node.label} is not supported: {node.attributes['reason']}")
    if node.op not in OPERATORS:
        raise ConversionError(f"{node.label}: there is no operator `{node.op}`")
    signature = OPERATORS[node.op]
    fewest, most = signature.inputs
    if not fewest <= len(inputs) <= most:
        raise ConversionError(f"{node.label} has {len(inputs)} inputs")
    for what, expected, received in (
        ("attributes", signature.attributes, node.attributes),
        ("arrays", signature.arrays, node.arrays),
    ):
        if set(expected) != set(received):
            raise ConversionError(
                f"{node.label}: expected the {what} {', '.join(expected) or 'none'}, "
                f"received {', '.join(received) or 'none'}"
            )
    for name, array in node.arrays.items():
        if array.dtype != np.float32:
            raise ConversionError(f"{node.label}: `{name}` is {array.dtype}, not float32")
        if not np.isfinite(array).all():
            raise ConversionError(f"{node.label}: `{name}` holds NaN or infinite values")
    try:
        shape = signature.shape(node, inputs)
    except ValueError as error:
        raise ConversionError(
            f"{node.label} does not fit its inputs of shapes "
            f"{', '.join(map(str, inputs))}: {error}"
        ) from error
    if not shape or min(shape) < 1:
        raise ConversionError(f"{node.label} gives an empty output of shape {shape}")
    return shape


def _image(shape: Shape) -> Shape:
    if len(shape) != 3:
        raise ValueError("it is not an image (height, width, channels)")
    return shape


def _same(_node: FloatNode, inputs: Sequence[Shape]) -> Shape:
    return inputs[0]


def _window(node: FloatNode, shape: Shape, window: Sequence[int]) -> tuple[int, int]:
    dilations = node.attributes.get("dilations", (1, 1))
    return padding.output_size(
        shape[:2], window, node.attributes["strides"], dilations, node.attributes["pads"]
    )


def _conv(node: FloatNode, inputs: Sequence[Shape]) -> Shape:
    kernel, bias, groups = node.arrays["kernel"], node.arrays["bias"], node.attributes["groups"]
    shape = _image(inputs[0])
    if kernel.ndim != 4 or kernel.shape[2] * groups != shape[2] or kernel.shape[3] % groups:
        raise ValueError(f"its kernel has shape {kernel.shape} (HWIO) in {groups} groups")
    if bias.shape != kernel.shape[3:]:
        raise ValueError(f"its bias has shape {bias.shape}")
    return (*_window(node, shape, kernel.shape[:2]), kernel.shape[3])


def _dense(node: FloatNode, inputs: Sequence[Shape]) -> Shape:
    kernel, bias = node.arrays["kernel"], node.arrays["bias"]
    if kernel.ndim != 2 or kernel.shape[0] != inputs[0][-1] or bias.shape != kernel.shape[1:]:
        raise ValueError(f"its kernel has shape {kernel.shape} (IO), its bias {bias.shape}")
    return (*inputs[0][:-1], kernel.shape[1])


def _per_channel(node: FloatNode, inputs: Sequence[Shape]) -> Shape:
    for name, array in node.arrays.items():
        if array.shape != inputs[0][-1:]:
            raise ValueError(f"its {name} has shape {array.shape}")
    return inputs[0]


def _pad(node: FloatNode, inputs: Sequence[Shape]) -> Shape:
    height, width, channels = _image(inputs[0])
    top, bottom, left, right = node.attributes["pads"]
    return (height + top + bottom, width + left + right, channels)


def _pool(node: FloatNode, inputs: Sequence[Shape]) -> Shape:
    shape = _image(inputs[0])
    return (*_window(node, shape, node.attributes["window"]), shape[2])


def _reduced(node: FloatNode, inputs: Sequence[Shape]) -> Shape:
    channels = _image(inputs[0])[2]
    return (1, 1, channels) if node.attributes["keep_dims"] else (channels,)


def _broadcast(_node: FloatNode, inputs: Sequence[Shape]) -> Shape:
    first, second = inputs
    if len(first) != len(second):
        raise ValueError("they have different numbers of axes")
    shape = tuple(max(a, b) for a, b in zip(first, second, strict=True))
    for other in inputs:
        if any(size not in (1, whole) for size, whole in zip(other, shape, strict=True)):
            raise ValueError("they cannot be broadcast")
    return shape


def _concat(_node: FloatNode, inputs: Sequence[Shape]) -> Shape:
    if len({shape[:-1] for shape in inputs}) != 1:
        raise ValueError("they differ in more than the channels")
    return (*inputs[0][:-1], sum(shape[-1] for shape in inputs))


def _reshape(node: FloatNode, inputs: Sequence[Shape]) -> Shape:
    shape = tuple(node.attributes["shape"])
    if math.prod(shape) != math.prod(inputs[0]):
        raise ValueError(f"it gives shape {shape}")
    return shape


def _transpose(node: FloatNode, inputs: Sequence[Shape]) -> Shape:
    axes = tuple(node.attributes["axes"])
    if sorted(axes) != list(range(len(inputs[0]))):
        raise ValueError(f"its axes are {axes}")
    return tuple(inputs[0][axis] for axis in axes)


def _slice(node: FloatNode, inputs: Sequence[Shape]) -> Shape:
    begin, end, strides = (node.attributes[name] for name in ("begin", "end", "strides"))
    if not len(begin) == len(end) == len(strides) == len(inputs[0]) or min(strides) < 1:
        raise ValueError(f"it takes {begin} to {end} in steps of {strides}")
    if any(not 0 <= a < b <= size for a, b, size in zip(begin, end, inputs[0], strict=True)):
        raise ValueError(f"it takes {begin} to {end}")
    return tuple(-(-(b - a) // s) for a, b, s in zip(begin, end, strides, strict=True))


def _resize(node: FloatNode, inputs: Sequence[Shape]) -> Shape:
    height, width = node.attributes["size"]
    return (height, width, _image(inputs[0])[2])


def _constant(node: FloatNode, _inputs: Sequence[Shape]) -> Shape:
    return node.arrays["value"].shape


def _signature(
    shape: Callable[[FloatNode, Sequence[Shape]], Shape],
    *attributes: str,
    arrays: tuple[str, ...] = (),
    inputs: tuple[int, int] = (1, 1),
) -> Signature:
    return Signature(inputs=inputs, attributes=attributes, arrays=arrays, shape=shape)


OPERATORS: Final[Mapping[str, Signature]] = {
    # Weighted. `kernel` HWIO with I channels a group; `pads` above, below, left, right, of zeros.
    "conv": _signature(_conv, "strides", "dilations", "groups", "pads", arrays=("kernel", "bias")),
    "dense": _signature(_dense, arrays=("kernel", "bias")),
    # x * scale + offset per channel: batch normalisation, Rescaling, arithmetic with constants.
    "affine": _signature(_per_channel, arrays=("scale", "offset")),
    "constant": _signature(_constant, arrays=("value",), inputs=(0, 0)),
    # Element by element. `low` and `high` may be infinite: ReLU is 0 to infinity.
    "clip": _signature(_same, "low", "high"),
    "logistic": _signature(_same),
    "tanh": _signature(_same),
    "hard_sigmoid": _signature(_same, "alpha", "beta"),  # clip(alpha * x + beta, 0, 1)
    "hard_swish": _signature(_same),  # x * clip(x + 3, 0, 6) / 6
    "leaky_relu": _signature(_same, "alpha"),
    "prelu": _signature(_per_channel, arrays=("slope",)),
    "elu": _signature(_same, "alpha"),
    "gelu": _signature(_same, "approximate"),
    "exp": _signature(_same),
    "softplus": _signature(_same),
    "softmax": _signature(_same),  # over the last axis
    "log_softmax": _signature(_same),  # its logarithm
    # Two operands, broadcast; both have the same number of axes.
    "add": _signature(_broadcast, inputs=(2, 2)),
    "sub": _signature(_broadcast, inputs=(2, 2)),
    "mul": _signature(_broadcast, inputs=(2, 2)),
    "maximum": _signature(_broadcast, inputs=(2, 2)),
    "minimum": _signature(_broadcast, inputs=(2, 2)),
    # Windows and reductions over height and width. Pads of a maximum count as minus infinity; an
    # average counts them as zeros if `count_pads`, else not at all.
    "max_pool": _signature(_pool, "window", "strides", "pads"),
    "average_pool": _signature(_pool, "window", "strides", "pads", "count_pads"),
    "mean": _signature(_reduced, "keep_dims"),
    "reduce_max": _signature(_reduced, "keep_dims"),
    # Moves. Axes and shapes are without the batch.
    "pad": _signature(_pad, "pads", "value"),
    "concat": _signature(_concat, inputs=(1, 10_000)),  # of channels
    "reshape": _signature(_reshape, "shape"),
    "transpose": _signature(_transpose, "axes"),
    "slice": _signature(_slice, "begin", "end", "strides"),
    "resize_nearest": _signature(_resize, "size"),
}
"""The operators of a `FloatGraph`, by name."""
