"""A small residual network for tests of accuracy: its weights do not lie on an int8 grid."""

import dataclasses

import numpy as np

from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.integer.quantise import quantise
from mobiledeploy.network.float_graph import INPUT, FloatArray, FloatGraph, FloatNode
from mobiledeploy.network.network import Network
from mobiledeploy.network.simplify.to_network import to_network
from mobiledeploy.ops.architecture import INPUT as NETWORK_INPUT
from mobiledeploy.ops.ranges import Ranges
from mobiledeploy.pipeline.calibrate import measure
from mobiledeploy.spec.config import Scaling

SCALING: Scaling = (127.5, 127.5)


def residual_graph(
    seed: int = 0, channels: int = 8, shape: tuple[int, int, int] = (9, 8, 3)
) -> FloatGraph:
    """Return stem, expansion, depthwise, projection, sum, mean and a dense layer of 10 outputs."""
    random = np.random.default_rng(seed)

    def conv(name: str, source: str, kernel: tuple[int, ...], **more: object) -> FloatNode:
        high, _, inner, out = kernel
        values = random.standard_normal(kernel) / np.sqrt(high * high * inner)
        return FloatNode(
            name=name, op="conv", inputs=(source,),
            attributes={
                "strides": (1, 1), "dilations": (1, 1), "groups": more.get("groups", 1),
                "pads": (high // 2,) * 4,
            },
            arrays={
                "kernel": values.astype(np.float32),
                "bias": (random.standard_normal(out) / 4).astype(np.float32),
            },
            activation="relu" if more.get("relu") else "none",
        )  # fmt: skip

    wide = 2 * channels
    return FloatGraph(
        name="residual",
        input_shape=shape,
        nodes=(
            conv("stem", INPUT, (3, 3, 3, channels)),
            conv("expansion", "stem", (1, 1, channels, wide), relu=True),
            conv("depthwise", "expansion", (3, 3, 1, wide), groups=wide, relu=True),
            conv("projection", "depthwise", (1, 1, wide, channels)),
            FloatNode(name="sum", op="add", inputs=("stem", "projection")),
            FloatNode(name="mean", op="mean", inputs=("sum",), attributes={"keep_dims": False}),
            FloatNode(
                name="logits", op="dense", inputs=("mean",),
                arrays={
                    "kernel": random.standard_normal((channels, 10)).astype(np.float32),
                    "bias": random.standard_normal(10).astype(np.float32),
                },
            ),
        ),
        output="logits",
    )  # fmt: skip


def spoilt(graph: FloatGraph) -> FloatGraph:
    """Return the same function with huge weights of `projection` for a channel that is always 0.

    In int8 they leave no codes for its other weights.
    """
    nodes = []
    for node in graph.nodes:
        arrays = {name: array.copy() for name, array in node.arrays.items()}
        if node.name == "depthwise":
            arrays["kernel"][..., 0], arrays["bias"][0] = 0, -1
        if node.name == "projection":
            arrays["kernel"][:, :, 0] = 200
        nodes.append(dataclasses.replace(node, arrays=arrays))
    return dataclasses.replace(graph, nodes=tuple(nodes))


def images(count: int = 24, seed: int = 1) -> FloatArray:
    """Return inputs for it, in -1..1."""
    return np.random.default_rng(seed).uniform(-0.4, 1, (count, 9, 8, 3)).astype(np.float32)


def quantised(graph: FloatGraph, inputs: FloatArray) -> tuple[Network, Ranges, IntegerGraph]:
    """Return a graph as a network, its ranges and its integers."""
    network = to_network(graph, SCALING)
    ranges = {**measure(graph, inputs), NETWORK_INPUT: (-1.0, 1.0)}
    return network, ranges, quantise(network, ranges)
