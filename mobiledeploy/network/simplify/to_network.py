"""Make a `Network` of a simplified graph."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.network.float_graph import FloatGraph, FloatNode
from mobiledeploy.network.network import Network
from mobiledeploy.ops import padding
from mobiledeploy.ops.architecture import Activation, Architecture, Layer
from mobiledeploy.ops.padding import Padding
from mobiledeploy.ops.tensors import Shape
from mobiledeploy.ops.weights import Weights
from mobiledeploy.spec.config import Scaling

_ACTIVATIONS: Final[Mapping[tuple[float, float], Activation]] = {
    (0, math.inf): "relu",
    (0, 6): "relu6",
}


def to_network(graph: FloatGraph, scaling: Scaling) -> Network:
    """Return a graph as a network of the operators in `ops.table`.

    Args:
        graph: A graph that `passes.simplify` has simplified.
        scaling: Mean and std by which pixels become the graph's input.

    Raises:
        ConversionError: No operator computes a node. The message names all of these nodes.
    """
    layers, refused = _layers(graph)
    if refused:
        raise ConversionError(
            f"{len(refused)} of {len(graph.nodes)} layers cannot be quantised:\n  "
            + "\n  ".join(f"{node.label}: {reason}" for node, reason in refused),
            hint=next(
                (reason.hint for _, reason in refused if reason.hint),
                "leave these layers out, or save the network without them",
            ),
        )
    architecture = Architecture(
        name=graph.name,
        input_shape=graph.input_shape,
        layers=tuple(layer for layer, _ in layers),
        scaling=scaling,
    )
    weights = {layer.name: held for layer, held in layers if held is not None}
    return Network(architecture=architecture, weights=weights)


def refused_nodes(graph: FloatGraph) -> tuple[tuple[FloatNode, str], ...]:
    """Return the nodes that no operator computes, with the reasons; see `to_network`."""
    return tuple((node, str(reason)) for node, reason in _layers(graph)[1])


def _layers(
    graph: FloatGraph,
) -> tuple[list[tuple[Layer, Weights | None]], list[tuple[FloatNode, "_RefusedError"]]]:
    """Return the layers with their weights, and the nodes that no operator computes."""
    shapes = graph.shapes()
    layers: list[tuple[Layer, Weights | None]] = []
    refused: list[tuple[FloatNode, _RefusedError]] = []
    for node in graph.nodes:
        try:
            layers.append(_layer(node, shapes))
        except _RefusedError as error:
            refused.append((node, error))
    return layers, refused


class _RefusedError(Exception):
    """No operator computes a node; the text says why.

    Attributes:
        hint: What to do about it; empty if nothing but to leave the node out.
    """

    def __init__(self, reason: str, *, hint: str = "") -> None:
        super().__init__(reason)
        self.hint = hint


def _layer(node: FloatNode, shapes: Mapping[str, Shape]) -> tuple[Layer, Weights | None]:
    sources = [shapes[name] for name in node.inputs]
    if node.op not in _LAYERS:
        raise _RefusedError(f"there is no int8 operator for `{node.op}`")
    given = _LAYERS[node.op](node, sources)
    weights = given.pop("weights", None)
    layer = Layer(
        **{
            "name": node.name,
            "op": node.op,
            "inputs": node.inputs,
            "in_channels": sources[0][-1],
            "out_channels": shapes[node.name][-1],
            "activation": node.activation,
            **given,
        }
    )
    return layer, weights


_Fields = dict[str, Any]


def _padding(node: FloatNode, size: Shape, window: Sequence[int]) -> Padding:
    pads: padding.Pads = node.attributes["pads"]
    if not any(pads):
        return "valid"
    strides = node.attributes["strides"]
    dilations = node.attributes.get("dilations", (1, 1))
    return "same" if pads == padding.same_pads(size[:2], window, strides, dilations) else pads


def _conv(node: FloatNode, sources: Sequence[Shape]) -> _Fields:
    kernel, groups = node.arrays["kernel"], node.attributes["groups"]
    high, wide, inner, out = kernel.shape
    channels = sources[0][2]
    depthwise = inner == 1 and channels > 1 and groups == channels
    parameters: dict[str, Any] = {}
    if node.attributes["dilations"] != (1, 1):
        parameters["dilations"] = node.attributes["dilations"]
    if depthwise:
        kernel = kernel.reshape(high, wide, channels, out // channels)
    elif groups > 1:
        parameters["groups"] = groups
    return {
        "op": "depthwise" if depthwise else "conv",
        "kernel": (high, wide),
        "strides": tuple(node.attributes["strides"]),
        "padding": _padding(node, sources[0], (high, wide)),
        "parameters": parameters,
        "weights": Weights(kernel=kernel, bias=node.arrays["bias"]),
    }


def _softmax(node: FloatNode, sources: Sequence[Shape]) -> _Fields:
    if len(sources[0]) != 1:
        places = " x ".join(map(str, sources[0][:-1]))
        raise _RefusedError(f"expected scores of a vector, received those of {places} places each")
    return _plain(node, sources)


def _dense(node: FloatNode, sources: Sequence[Shape]) -> _Fields:
    if len(sources[0]) != 1:
        raise _RefusedError(f"a dense layer of an input of shape {sources[0]}")
    return {"weights": Weights(kernel=node.arrays["kernel"], bias=node.arrays["bias"])}


def _pool(node: FloatNode, sources: Sequence[Shape]) -> _Fields:
    window = tuple(node.attributes["window"])
    return {
        "kernel": window,
        "strides": tuple(node.attributes["strides"]),
        "padding": _padding(node, sources[0], window),
    }


def _average_pool(node: FloatNode, sources: Sequence[Shape]) -> _Fields:
    fields, pads = _pool(node, sources), node.attributes["pads"]
    if fields["padding"] == pads:
        same = padding.same_pads(sources[0][:2], fields["kernel"], fields["strides"], (1, 1))
        raise _RefusedError(
            f"an average pool that does not count its padding of {pads}; an int8 file has that "
            f"with the padding of SAME only, which is {same} here",
            hint="padding that is counted (`count_include_pad=True`) or that of SAME can be "
            "quantised; either gives other means at the border, so train the network with it",
        )
    return fields


def _clip(node: FloatNode, _: Sequence[Shape]) -> _Fields:
    bounds = node.attributes["low"], node.attributes["high"]
    if bounds not in _ACTIVATIONS:
        raise _RefusedError(f"a clip to {bounds[0]:g}..{bounds[1]:g}")
    return {"op": "clamp", "activation": _ACTIVATIONS[bounds]}


def _hard_sigmoid(node: FloatNode, _: Sequence[Shape]) -> _Fields:
    alpha, beta = node.attributes["alpha"], node.attributes["beta"]
    if not (math.isclose(alpha, 1 / 6, rel_tol=1e-6) and beta == 0.5):
        raise _RefusedError(f"a hard sigmoid clip({alpha:g} x + {beta:g}, 0, 1)")
    return {}


def _elu(node: FloatNode, _: Sequence[Shape]) -> _Fields:
    if node.attributes["alpha"] != 1:
        raise _RefusedError(f"an ELU with alpha {node.attributes['alpha']:g}")
    return {}


def _prelu(node: FloatNode, _: Sequence[Shape]) -> _Fields:
    return {"parameters": {"alpha": tuple(node.arrays["slope"].tolist())}}


def _mean(node: FloatNode, _: Sequence[Shape]) -> _Fields:
    return {"parameters": {"keep_dims": True}} if node.attributes["keep_dims"] else {}


def _pad(node: FloatNode, _: Sequence[Shape]) -> _Fields:
    if node.attributes["value"] != 0:
        raise _RefusedError(f"padding with {node.attributes['value']:g}")
    return {"parameters": {"pads": node.attributes["pads"]}}


def _plain(_: FloatNode, __: Sequence[Shape]) -> _Fields:
    return {}


def _with(*names: str, op: str = "", **renamed: str) -> Callable[..., _Fields]:
    """Return what makes a layer with a node's attributes as its parameters."""

    def fields(node: FloatNode, _: Sequence[Shape]) -> _Fields:
        parameters = {name: node.attributes[name] for name in names}
        parameters |= {new: node.attributes[old] for new, old in renamed.items()}
        return {"op": op or node.op, "parameters": parameters}

    return fields


_LAYERS: Final[Mapping[str, Callable[[FloatNode, Sequence[Shape]], _Fields]]] = {
    "conv": _conv,
    "dense": _dense,
    "clip": _clip,
    "logistic": _plain,
    "tanh": _plain,
    "hard_sigmoid": _hard_sigmoid,
    "hard_swish": _plain,
    "leaky_relu": _with("alpha"),
    "prelu": _prelu,
    "elu": _elu,
    "gelu": _with("approximate"),
    "exp": _plain,
    "softmax": _softmax,
    "add": _plain,
    "sub": _plain,
    "mul": _plain,
    "maximum": _plain,
    "minimum": _plain,
    "max_pool": _pool,
    "average_pool": _average_pool,
    "mean": _mean,
    "reduce_max": _mean,
    "pad": _pad,
    "concat": lambda *_: {"op": "concatenation"},
    "reshape": _with("shape"),
    "transpose": _with(perm="axes"),
    "slice": _with("begin", "end", "strides", op="strided_slice"),
    "resize_nearest": _with("size"),
}
"""By a node's operator: the fields of its layer that are not those of every layer."""
