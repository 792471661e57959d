"""Recognise GELU in the arithmetic that exporters write for it.

`0.5 * x * (1 + erf(x / sqrt(2)))`, and with `tanh(sqrt(2 / pi) * (x + 0.044715 * x**3))` in place
of `erf`, with the factors in any order. An importer leaves `Erf` as an unsupported node of that
kind, since nothing else here needs it.
"""

import math
from typing import Final, NamedTuple

import numpy as np

from mobiledeploy.network.float_graph import UNSUPPORTED, FloatGraph, FloatNode

ERF: Final = "Erf"
"""Kind of the unsupported node."""
_CLOSE: Final = 1e-5
"""Relative difference of factors: exporters write them with six digits, or in float16."""
_CUBIC: Final = 0.044715


class _Line(NamedTuple):
    """`scale * source + offset`."""

    source: str
    scale: float
    offset: float


class _Graph:
    def __init__(self, graph: FloatGraph) -> None:
        self.nodes = {node.name: node for node in graph.nodes}
        self.users = graph.users()

    def line(self, name: str) -> _Line:
        """Return a tensor as a line through what is before all `affine` nodes with one factor."""
        scale, offset = 1.0, 0.0
        while (node := self.nodes.get(name)) is not None and node.op == "affine":
            a, b = node.arrays["scale"], node.arrays["offset"]
            if np.ptp(a) or np.ptp(b):
                break
            offset += scale * float(b[0])
            scale *= float(a[0])
            name = node.inputs[0]
        return _Line(name, scale, offset)

    def is_gate(self, gate: FloatNode, source: str) -> bool:
        """Whether a node is `erf` or `tanh` of the part of GELU that belongs to a source."""
        inner = self.line(gate.inputs[0])
        if gate.kind == ERF:
            return (
                inner.source == source
                and _close(inner.scale, math.sqrt(0.5))
                and inner.offset == 0
            )
        cubic = self._cubic(inner, source)
        return cubic is not None and all(
            map(_close, cubic, (math.sqrt(2 / math.pi), math.sqrt(2 / math.pi) * _CUBIC))
        )

    def _cubic(self, line: _Line, source: str) -> tuple[float, float] | None:
        """Return a and b if a line is `a * x + b * x**3`."""
        node = self.nodes.get(line.source)
        if node is None or line.offset or len(node.inputs) != 2:
            return None
        first, second = map(self.line, node.inputs)
        if node.op == "add" and not first.offset and not second.offset:
            for linear, cubic in ((first, second), (second, first)):
                power = self._power(cubic.source, source)
                if linear.source == source and power == 3:
                    return line.scale * linear.scale, line.scale * cubic.scale
        if node.op == "mul":
            for linear, square in ((first, second), (second, first)):
                power = self._power(square.source, source)
                if linear.source == source and not linear.offset and power == 2:
                    factor = line.scale * linear.scale
                    return factor * square.offset, factor * square.scale
        return None

    def _power(self, name: str, source: str) -> int:
        """Return n if a tensor is `source**n`, else 0."""
        if name == source:
            return 1
        node = self.nodes.get(name)
        if node is None or node.op != "mul":
            return 0
        first, second = (self._power(part, source) for part in node.inputs)
        return first + second if first and second and first + second <= 3 else 0


def _close(value: float, expected: float) -> bool:
    return math.isclose(value, expected, rel_tol=_CLOSE)


def recognise_gelu(graph: FloatGraph) -> FloatGraph:
    """Return the graph with `gelu` in place of its parts that nothing else reads."""
    known = _Graph(graph)
    replaced: dict[str, tuple[FloatNode, ...]] = {}
    for node in graph.nodes:
        if node.op != "mul":
            continue
        for one, other in (node.inputs, node.inputs[::-1]):
            factor, gated = known.line(one), known.line(other)
            gate = known.nodes.get(gated.source)
            if (
                gate is None
                or not (gate.op == "tanh" or (gate.op == UNSUPPORTED and gate.kind == ERF))
                or factor.offset
                or not _close(gated.scale, gated.offset)
                or not known.is_gate(gate, factor.source)
            ):
                continue
            replaced.update(_gelu(known, node, factor, gated, graph.output, gate))
            break
    nodes = [new for node in graph.nodes for new in replaced.get(node.name, (node,))]
    smaller = FloatGraph(
        name=graph.name, input_shape=graph.input_shape, nodes=tuple(nodes), output=graph.output
    )
    if not replaced:
        return graph
    needed = smaller.needed()
    parts = {node.name for node in graph.nodes} & graph.needed()
    # What only the replaced nodes read is gone; what nothing needed before stays as it was.
    kept = tuple(node for node in nodes if node.name in needed or node.name not in parts)
    return FloatGraph(
        name=graph.name, input_shape=graph.input_shape, nodes=kept, output=graph.output
    )


def _gelu(
    known: _Graph, node: FloatNode, factor: _Line, gated: _Line, output: str, gate: FloatNode
) -> dict[str, tuple[FloatNode, ...]]:
    """Return what stands in place of a product and of a factor behind it."""
    approximate = gate.op == "tanh"
    scale = 2 * factor.scale * gated.scale
    last = node
    users = known.users[node.name]
    if len(users) == 1 and node.name != output and users[0].op == "affine":
        line = known.line(users[0].name)
        behind = users[0].arrays["scale"]
        if not np.ptp(behind) and line.offset == 0 and _close(scale * float(behind[0]), 1):
            last, scale = users[0], 1.0
    gelu = FloatNode(
        name=last.name, op="gelu", inputs=(factor.source,),
        attributes={"approximate": approximate}, kind=gate.kind,
    )  # fmt: skip
    if _close(scale, 1):
        return {node.name: (), last.name: (gelu,)} if last is not node else {node.name: (gelu,)}
    return {}
