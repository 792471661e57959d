"""A `Network`, which has no batch norm, as tensors: to run, and to train."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from mobiledeploy.network.network import Network
from mobiledeploy.ops.architecture import Architecture, Layer
from mobiledeploy.ops.weights import Weights
from mobiledeploy.training import graph, session
from mobiledeploy.training.graph import Apply, Convolve, Tensor

Pairs: TypeAlias = Mapping[str, tuple[Any, Any]]
"""Kernel and bias by layer name: tensors, `tf.Variable`s or arrays."""


def layers(weights: Pairs, *, convolve: Convolve = graph.convolve) -> Apply:
    """Return what layers with these weights compute.

    Args:
        weights: Kernel and bias by layer name.
        convolve: How the product is computed.
    """
    tf = session.tensorflow()

    def apply(layer: Layer, source: Tensor) -> Tensor:
        kernel, bias = weights[layer.name]
        return tf.nn.bias_add(convolve(layer, source, kernel), bias)

    return apply


def constants(network: Network) -> Apply:
    """Return what the network's layers compute, for graphs that do not train it."""
    return layers({name: (found.kernel, found.bias) for name, found in network.weights.items()})


def variables_of(network: Network) -> Pairs:
    """Return new variables with the network's weights."""
    tf = session.tensorflow()
    return {
        name: (
            tf.Variable(found.kernel, name=f"{name}/kernel"),
            tf.Variable(found.bias, name=f"{name}/bias"),
        )
        for name, found in network.weights.items()
    }


def network_of(architecture: Architecture, variables: Pairs) -> Network:
    """Return what `variables_of` gave, after training.

    Raises:
        RequestError: A weight is not finite.
    """
    return Network(
        architecture=architecture,
        weights={
            name: Weights(kernel=kernel.numpy(), bias=bias.numpy())
            for name, (kernel, bias) in variables.items()
        },
    )
