"""A network of every operator with a window, in several configurations."""

from typing import Any

import graphs

from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.integer.quantise import quantise
from mobiledeploy.ops.architecture import INPUT, Architecture, Layer


def layer(name: str, op: str, source: str, before: int, after: int, **more: Any) -> Layer:
    return Layer(
        name=name, op=op, inputs=(source,), in_channels=before, out_channels=after, **more
    )


LAYERS = (
    layer(
        "stem", "conv", INPUT, 1, 12,
        kernel=(3, 3), strides=(2, 2), padding=(1, 1, 1, 1), activation="relu",
    ),
    layer(
        "peaks", "max_pool", "stem", 12, 12,
        kernel=(3, 3), strides=(2, 2), padding=(1, 1, 2, 0),
    ),
    layer("edges", "max_pool", "peaks", 12, 12, kernel=(3, 2)),
    layer(
        "groups", "conv", "edges", 12, 24,
        kernel=(3, 3), strides=(1, 2), padding=(1, 1, 1, 1), parameters={"groups": 3},
    ),
    layer(
        "below zero", "max_pool", "groups", 24, 24,
        kernel=(3, 3), strides=(1, 2), padding=(2, 1, 0, 2),
    ),
    layer(
        "spread", "depthwise", "below zero", 24, 48,
        kernel=(3, 3), padding=(3, 1, 2, 2), activation="relu6",
        parameters={"dilations": (2, 2)},
    ),
    layer("smooth", "average_pool", "spread", 48, 48, kernel=(3, 3)),
    layer("halves", "average_pool", "smooth", 48, 48, kernel=(2, 2), padding="valid"),
    layer("border", "pad", "halves", 48, 48, parameters={"pads": (1, 2, 0, 3)}),
    layer(
        "counted", "average_pool", "border", 48, 48,
        kernel=(3, 3), strides=(2, 2), padding="valid",
    ),
    layer("narrow", "conv", "counted", 48, 16),
    layer("zeros", "pad", "narrow", 16, 16, parameters={"pads": (1, 0, 1, 2)}),
    layer("last", "conv", "zeros", 16, 16, kernel=(3, 3), padding="valid", activation="relu"),
    layer("largest", "reduce_max", "last", 16, 16),
    layer("logits", "dense", "largest", 16, 7),
)  # fmt: skip


def architecture() -> Architecture:
    return Architecture(name="windows", input_shape=(49, 30, 1), layers=LAYERS)


def graph() -> IntegerGraph:
    """The network quantised; `last` has taken over `zeros`."""
    return quantise(*graphs.random_network(architecture(), seed=3))
