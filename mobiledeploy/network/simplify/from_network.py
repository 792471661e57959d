"""Make the simplified graph of a network again: the inverse of `to_network`."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.network.float_graph import FloatArray, FloatGraph, FloatNode
from mobiledeploy.network.network import Network
from mobiledeploy.ops import padding
from mobiledeploy.ops.architecture import Layer
from mobiledeploy.ops.tensors import Shape
from mobiledeploy.ops.weights import Weights

_Sources = Sequence[Shape]
_Fields = dict[str, Any]


def from_network(network: Network) -> FloatGraph:
    """Return the graph that `to_network` makes a network of.

    Its nodes have the names of the layers, and its input is that of the network: pixels that are
    scaled already.

    Args:
        network: A network of any operators in `ops.table`.

    Raises:
        ConversionError: No node computes a layer.
    """
    architecture = network.architecture
    shapes = architecture.shapes()
    return FloatGraph(
        name=architecture.name,
        input_shape=architecture.input_shape,
        nodes=tuple(
            _node(layer, [shapes[name] for name in layer.inputs], network.weights)
            for layer in architecture.layers
        ),
        output=architecture.output.name,
    )


def _node(layer: Layer, sources: _Sources, weights: Mapping[str, Weights]) -> FloatNode:
    if layer.op not in _NODES:
        raise ConversionError(f"layer `{layer.name}`: no node of a float graph is a `{layer.op}`")
    given = _NODES[layer.op](layer, sources)
    arrays: Mapping[str, FloatArray] = given.pop("arrays", {})
    if layer.has_weights:
        held = weights[layer.name]
        arrays = {"kernel": _kernel(layer, held.kernel), "bias": held.bias}
    return FloatNode(
        **{
            "name": layer.name,
            "op": layer.op,
            "inputs": layer.inputs,
            "arrays": arrays,
            "activation": layer.activation,
            "kind": layer.op,
            **given,
        }
    )


def _kernel(layer: Layer, kernel: FloatArray) -> FloatArray:
    """Return a kernel as nodes hold it: a depthwise one as that of a convolution in groups."""
    if layer.op != "depthwise":
        return kernel
    return kernel.reshape(*layer.kernel, 1, layer.out_channels)


def _window(layer: Layer, sources: _Sources) -> _Fields:
    dilations = layer.parameters.get("dilations", padding.NO_DILATION)
    vertical, horizontal = padding.pads(
        sources[0][:2], layer.kernel, layer.strides, layer.padding, dilations
    )
    return {"strides": layer.strides, "pads": (*vertical, *horizontal)}


def _conv(layer: Layer, sources: _Sources) -> _Fields:
    groups = layer.in_channels if layer.op == "depthwise" else layer.parameters.get("groups", 1)
    dilations = layer.parameters.get("dilations", padding.NO_DILATION)
    attributes = {**_window(layer, sources), "dilations": dilations, "groups": groups}
    return {"op": "conv", "attributes": attributes}


def _pool(layer: Layer, sources: _Sources) -> _Fields:
    attributes = {**_window(layer, sources), "window": layer.kernel}
    if layer.op == "average_pool":
        attributes["count_pads"] = False
    return {"attributes": attributes}


def _reduced(layer: Layer, _: _Sources) -> _Fields:
    return {"attributes": {"keep_dims": layer.parameters.get("keep_dims", False)}}


def _clamp(layer: Layer, _: _Sources) -> _Fields:
    high = 6.0 if layer.activation == "relu6" else math.inf
    return {"op": "clip", "attributes": {"low": 0.0, "high": high}, "activation": "none"}


def _prelu(layer: Layer, _: _Sources) -> _Fields:
    return {"arrays": {"slope": np.array(layer.parameters["alpha"], np.float32)}}


def _resize(layer: Layer, _: _Sources) -> _Fields:
    if "centres" in layer.parameters:
        raise ConversionError(
            f"layer `{layer.name}`: a float graph has no nearest pixels by other centres"
        )
    return {"attributes": {"size": layer.parameters["size"]}}


def _plain(_: Layer, __: _Sources) -> _Fields:
    return {}


def _constant(**attributes: Any) -> Callable[..., _Fields]:
    """Return what gives every node of an operator the same attributes."""
    return lambda *_: {"attributes": attributes}


def _with(*names: str, op: str = "", **more: Any) -> Callable[..., _Fields]:
    """Return what gives a node a layer's parameters as attributes."""

    def fields(layer: Layer, _: _Sources) -> _Fields:
        attributes = {name: layer.parameters[name] for name in names}
        return {"op": op or layer.op, "attributes": {**attributes, **more}}

    return fields


_NODES: Final[Mapping[str, Callable[[Layer, _Sources], _Fields]]] = {
    **dict.fromkeys(
        ("dense", "logistic", "tanh", "hard_swish", "exp", "softmax", "add", "sub", "mul",
         "maximum", "minimum"),
        _plain,
    ),
    "conv": _conv,
    "depthwise": _conv,
    "clamp": _clamp,
    "hard_sigmoid": _constant(alpha=1 / 6, beta=0.5),
    "leaky_relu": _with("alpha"),
    "prelu": _prelu,
    "elu": _constant(alpha=1.0),
    "gelu": _with("approximate"),
    "max_pool": _pool,
    "average_pool": _pool,
    "mean": _reduced,
    "reduce_max": _reduced,
    "pad": _with("pads", value=0.0),
    "concatenation": _with(op="concat"),
    "reshape": _with("shape"),
    "transpose": lambda layer, _: {"attributes": {"axes": layer.parameters["perm"]}},
    "strided_slice": _with("begin", "end", "strides", op="slice"),
    "resize_nearest": _resize,
}  # fmt: skip
"""By a layer's operator: the fields of its node that are not those of every node."""
