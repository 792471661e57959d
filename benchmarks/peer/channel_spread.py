"""A network of the same function whose channels differ in size."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from mobiledeploy.network.network import Network
from mobiledeploy.ops.architecture import Architecture, Layer
from mobiledeploy.ops.weights import Weights

SPREAD = 3.0
"""Channels are rescaled by powers of two from minus to plus this."""


def without_relu6(network: Network) -> Network:
    """Return the network with ReLU for ReLU6: `relu6(s x)` is not `s relu6(x)`.

    It is another function, which takes the place of the float network.
    """
    layers = tuple(
        dataclasses.replace(layer, activation="relu") if layer.activation == "relu6" else layer
        for layer in network.architecture.layers
    )
    architecture = dataclasses.replace(network.architecture, layers=layers)
    return dataclasses.replace(network, architecture=architecture)


def spread(network: Network, seed: int) -> Network:
    """Return a network of the same function, whose channels differ in size.

    Each channel of a tensor is multiplied, and all layers that read it divide by the same; tensors
    that are added to each other are multiplied alike. Left as they are: tensors behind a ReLU6,
    and those that anything but a convolution, a dense layer or an addition reads.

    Args:
        network: Any graph.
        seed: Of the powers of two.
    """
    rng = np.random.default_rng(seed)
    weights = dict(network.weights)
    for group in _added(network.architecture):
        readers = list(_readers(network.architecture, group))
        members = [layer for layer in network.architecture.layers if layer.name in group]
        if not readers or not all(map(_rescalable, members)):
            continue
        if not all(reader.has_weights or reader.name in group for reader in readers):
            continue
        factors = (2 ** rng.uniform(-SPREAD, SPREAD, members[0].out_channels)).astype(np.float32)
        # HWIO, or HWC1 of a depthwise kernel, whose channels are those of its input.
        along = factors[:, np.newaxis]
        for layer in members:
            if layer.has_weights:
                out = weights[layer.name]
                scaled = out.kernel * (along if layer.op == "depthwise" else factors)
                weights[layer.name] = Weights(kernel=scaled, bias=out.bias * factors)
        for layer in readers:
            if layer.has_weights:
                into = weights[layer.name]
                weights[layer.name] = dataclasses.replace(into, kernel=into.kernel / along)
    return dataclasses.replace(network, weights=weights)


def _added(architecture: Architecture) -> list[set[str]]:
    """Return the layers' names in sets: an addition is in one with what it adds."""
    groups: list[set[str]] = []
    for layer in architecture.layers:
        group = {layer.name}
        if layer.op == "add":
            group |= set(layer.inputs)
        joined = [other for other in groups if other & group]
        if joined:
            joined[0].update(group, *joined[1:])
            groups = [other for other in groups if not any(other is gone for gone in joined[1:])]
        else:
            groups.append(group)
    return groups


def _readers(architecture: Architecture, group: set[str]) -> Iterator[Layer]:
    return (layer for layer in architecture.layers if group & set(layer.inputs))


def _rescalable(layer: Layer) -> bool:
    return (layer.has_weights or layer.op == "add") and layer.activation in ("none", "relu")
