"""Write clips, hard sigmoids and ELUs that no int8 operator has by those that there are."""

import math
from collections.abc import Mapping
from typing import Final

import numpy as np

from mobiledeploy.network.float_graph import FloatGraph, FloatNode, rewrite
from mobiledeploy.ops.tensors import Shape

_SIX: Final = 6.0
_CLOSE: Final = 1e-6
"""Relative difference of a factor from 1/6: frameworks store it in float32."""


def write_other_activations(graph: FloatGraph) -> FloatGraph:
    """Return the graph with ReLU, ReLU6 and ELU in place of what no operator computes.

    * `clip(x, a, b)` is `relu6(6 (x - a) / (b - a)) (b - a) / 6 + a`, hard tanh among others;
      with one bound, `relu(x - a) + a` or `b - relu(b - x)`;
    * a hard sigmoid `clip(a x + b, 0, 1)` is such a clip, if it is not that of a hard swish;
    * an ELU with a factor A below 0, which SELU and CELU hold, is
      `A (elu(x) + (1 - A) / A relu(x))`.

    Afterwards no `clip` is left but of 0 to infinity or to 6 (or without bounds or width),
    no `hard_sigmoid` but of `x / 6 + 0.5`, and no `elu` but with a factor of 1, or not above 0.
    """
    shapes = graph.shapes()
    return rewrite(graph, {node.name: _written(node, shapes) for node in graph.nodes})


def _written(node: FloatNode, shapes: Mapping[str, Shape]) -> tuple[FloatNode, ...]:
    match node.op:
        case "clip":
            low, high = node.attributes["low"], node.attributes["high"]
            return _Parts(node, shapes).clip(1.0, 0.0, low, high)
        case "hard_sigmoid":
            alpha, beta = node.attributes["alpha"], node.attributes["beta"]
            if math.isclose(alpha, 1 / _SIX, rel_tol=_CLOSE) and beta == 1 / 2:
                return (node,)
            return _Parts(node, shapes).clip(alpha, beta, 0.0, 1.0)
        case "elu":
            return _Parts(node, shapes).elu(node.attributes["alpha"])
        case _:
            return (node,)


class _Parts:
    """The nodes in place of one, the last of which has its name."""

    def __init__(self, node: FloatNode, shapes: Mapping[str, Shape]) -> None:
        self._node, self._source = node, node.inputs[0]
        self._channels = shapes[node.name][-1]

    def clip(self, factor: float, offset: float, low: float, high: float) -> tuple[FloatNode, ...]:
        """Return `clip(factor * x + offset, low, high)`."""
        plain = (factor, offset) == (1, 0)
        width = high - low
        unbounded = math.isinf(low) and math.isinf(high)
        if unbounded or not width > 0 or (plain and low == 0 and high in {_SIX, math.inf}):
            return (self._node,)
        top = _SIX
        if math.isfinite(width):
            step = width / _SIX
        elif math.isinf(high):
            step, top = 1.0, math.inf
        else:  # turned over: from the upper bound downwards
            step, top, low = -1.0, math.inf, high
        before = self._affine("before", self._source, factor / step, (offset - low) / step)
        clip = self._new("clip", "clip", before.name, low=0.0, high=top)
        return before, clip, self._affine("", clip.name, step, low)

    def elu(self, alpha: float) -> tuple[FloatNode, ...]:
        """Return an ELU whose values below 0 have a factor."""
        if alpha == 1 or not alpha > 0:
            return (self._node,)
        elu = self._new("elu", "elu", self._source, alpha=1.0)
        relu = self._new("relu", "clip", self._source, low=0.0, high=math.inf)
        part = self._affine("part", relu.name, abs(1 - alpha) / alpha, 0.0)
        total = self._new("sum", "add" if alpha < 1 else "sub", elu.name, part.name)
        return elu, relu, part, total, self._affine("", total.name, alpha, 0.0)

    def _new(self, what: str, op: str, *inputs: str, **attributes: float) -> FloatNode:
        return FloatNode(
            name=f"{self._node.name}/{what}", op=op, inputs=inputs, kind=self._node.kind,
            attributes=attributes,
        )  # fmt: skip

    def _affine(self, what: str, source: str, scale: float, offset: float) -> FloatNode:
        values = {"scale": scale, "offset": offset}
        return FloatNode(
            name=f"{self._node.name}/{what}" if what else self._node.name,
            op="affine",
            inputs=(source,),
            kind=self._node.kind,
            arrays={
                key: np.full(self._channels, value, np.float32) for key, value in values.items()
            },
        )
