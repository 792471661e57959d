"""`IntegerGraph`: int8 operators joined by int8 tensors, checked when it is made.

Each operator's module in `ops` checks its inputs and options.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final, assert_never

from mobiledeploy.base.errors import ConversionError, RequestError
from mobiledeploy.ops import table
from mobiledeploy.ops.capabilities import scores_of
from mobiledeploy.ops.node import Node, WeightedNode
from mobiledeploy.ops.tensors import QTensor
from mobiledeploy.ops.weights import QWeights
from mobiledeploy.spec.config import Head

_NOT_OPTIONS: Final = frozenset({"input", "inputs", "output", "weights"})
"""Fields of a node that are not options."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class IntegerGraph:
    """An int8 network with one input and one output, checked when it is made.

    Any graph of the operators in `ops.table`: a tensor may be read any number of times. Names may
    hold any characters.

    Attributes:
        name: Name for messages.
        input: The image, int8.
        nodes: The operators in running order; the last one writes the output.
    """

    name: str
    input: QTensor
    nodes: tuple[Node, ...]

    def __post_init__(self) -> None:
        """Check every connection, shape, dtype, scale and zero point.

        Raises:
            ConversionError: A check fails; the message names the node and what was expected.
        """
        if not self.nodes:
            raise ConversionError(f"graph `{self.name}`: expected operators, received none")
        tensors = {self.input.name: self.input}
        for node in self.nodes:
            table.of_node(node)
            if not node.output.name:
                raise ConversionError(
                    f"graph `{self.name}`: expected a name for each tensor, received none"
                )
            for name in node.inputs:
                if name not in tensors:
                    raise ConversionError(f"`{node.output.name}` reads unknown tensor `{name}`")
            if node.output.name in tensors:
                raise ConversionError(f"two tensors are named `{node.output.name}`")
            node.check([tensors[name] for name in node.inputs])
            tensors[node.output.name] = node.output

    def tensors(self) -> Mapping[str, QTensor]:
        """Return all activations by name, the input first."""
        return {t.name: t for t in (self.input, *(node.output for node in self.nodes))}

    @property
    def output(self) -> QTensor:
        """The tensor that the last node writes."""
        return self.nodes[-1].output

    @property
    def logits(self) -> QTensor:
        """What the scores are made of, or the output if the graph ends without scores."""
        last = self.nodes[-1]
        return self.tensors()[last.inputs[0]] if _gives_scores(last) else last.output


def _gives_scores(node: Node) -> bool:
    return bool(scores_of(table.of_node(node)))


def head_of(graph: IntegerGraph) -> Head:
    """Return whether a graph ends in logits, or in scores: `softmax`, whatever makes them."""
    return "softmax" if _gives_scores(graph.nodes[-1]) else "logits"


def with_head(graph: IntegerGraph, head: Head) -> IntegerGraph:
    """Return the graph up to its scores or logits; all other numbers stay the same.

    Args:
        graph: The graph.
        head: `softmax` for the scores, whatever makes them.

    Raises:
        RequestError: A softmax is asked for and there is none.
    """
    if head_of(graph) == head:
        return graph
    match head:
        case "softmax":
            raise RequestError(
                f"`{graph.name}` ends in its logits: expected a graph that ends in a softmax "
                "or a sigmoid",
                hint="ask for `--head logits`",
            )
        case "logits":
            return _without_scores(graph)
        case _:
            assert_never(head)


def _without_scores(graph: IntegerGraph) -> IntegerGraph:
    """Return a graph without its scores, and without nodes that only they need."""
    needed, nodes = {graph.logits.name}, list[Node]()
    for node in reversed(graph.nodes[:-1]):
        if node.output.name in needed:
            needed.update(node.inputs)
            nodes.insert(0, node)
    return dataclasses.replace(graph, nodes=tuple(nodes))


def digest(graph: IntegerGraph) -> str:
    """Return the hexadecimal SHA-256 of a graph's structure, integers, scales and zero points.

    Names are left out: tensors count by their position. Equal digests mean equal outputs for every
    input, whichever file a graph was read from.
    """
    numbers = {name: number for number, name in enumerate(graph.tensors())}
    state = hashlib.sha256()
    state.update(_tensor(graph.input))
    for node in graph.nodes:
        head = [type(node).__name__, [numbers[name] for name in node.inputs], _options(node)]
        state.update(json.dumps(head).encode() + b"\n")
        state.update(_tensor(node.output))
        if isinstance(node, WeightedNode):
            state.update(_weights(node.weights))
    return state.hexdigest()


def same_function(a: IntegerGraph, b: IntegerGraph) -> bool:
    """Whether two graphs are equal in every number; names are ignored."""
    return digest(a) == digest(b)


def _options(node: Node) -> list[object]:
    """Return a node's options, such as strides, in the order of its fields.

    An option that a class got later has a default, and counts only where it differs from that: so
    digests of older graphs stay as they are.
    """
    made: Any = node
    options: list[object] = []
    for field in dataclasses.fields(made):
        value = getattr(made, field.name)
        if field.name in _NOT_OPTIONS:
            continue
        if field.default is dataclasses.MISSING:
            options.append(value)
        elif value != field.default:
            options.append([field.name, value])
    return options


def _tensor(tensor: QTensor) -> bytes:
    row = [tensor.shape, float(tensor.scale).hex(), tensor.zero_point]
    row += ["unsigned"] * tensor.unsigned
    return json.dumps(row).encode() + b"\n"


def _weights(weights: QWeights) -> bytes:
    shape = json.dumps([weights.kernel.shape, weights.kernel_scale.shape]).encode() + b"\n"
    return shape + b"".join(
        (
            weights.kernel.tobytes(),
            weights.kernel_scale.astype("<f4").tobytes(),
            weights.bias.astype("<i4").tobytes(),
            weights.bias_scale.astype("<f4").tobytes(),
            b"" if weights.kernel_zero is None else weights.kernel_zero.astype("<i4").tobytes(),
        )
    )
