"""Networks with operators that read one code at a time, and gates of channels."""

from typing import Any

from mobiledeploy.ops.architecture import INPUT, Architecture, Layer

SLOPES = (0.25, -0.1, 0.0, 0.3, 1.5, 0.01, 0.2, 0.7)


def layer(name: str, op: str, *inputs: str, ins: int = 8, outs: int = 8, **more: Any) -> Layer:
    """A layer of eight channels unless said otherwise."""
    return Layer(name=name, op=op, inputs=inputs, in_channels=ins, out_channels=outs, **more)


def swish_and_gate(gate: str = "logistic") -> Architecture:
    """Swish, then squeeze-and-excite as in EfficientNet, then a dense layer."""
    return Architecture(
        name="swish and gate",
        input_shape=(12, 10, 3),
        layers=(
            layer("stem", "conv", INPUT, ins=3, kernel=(3, 3), strides=(2, 2)),
            layer("stem_gate", "logistic", "stem"),
            layer("swish", "mul", "stem", "stem_gate"),
            layer("squeeze", "mean", "swish", parameters={"keep_dims": True}),
            layer("reduce", "conv", "squeeze", outs=4),
            layer("reduce_gate", "logistic", "reduce", ins=4, outs=4),
            layer("reduce_swish", "mul", "reduce", "reduce_gate", ins=4, outs=4),
            layer("expand", "conv", "reduce_swish", ins=4),
            layer("excite", gate, "expand"),
            layer("gated", "mul", "swish", "excite"),
            layer("project", "conv", "gated"),
            layer("pool", "mean", "project"),
            layer("logits", "dense", "pool", outs=5),
        ),
    )


def separate_activations() -> Architecture:
    """Activations that no layer can take over, as in Xception and NASNet."""
    return Architecture(
        name="separate activations",
        input_shape=(12, 10, 3),
        layers=(
            layer("stem", "conv", INPUT, ins=3, kernel=(3, 3), strides=(2, 2)),
            layer("relu", "clamp", "stem", activation="relu"),
            layer("branch", "depthwise", "relu", kernel=(3, 3)),
            layer("sum", "add", "branch", "stem"),
            layer("relu6", "clamp", "sum", activation="relu6"),
            layer("scaled", "mul", "relu6", "sum"),
            layer("of a product", "clamp", "scaled", activation="relu"),
            layer("last", "add", "of a product", "scaled"),
            layer("before the mean", "clamp", "last", activation="relu"),
            layer("pool", "mean", "before the mean"),
            layer("logits", "dense", "pool", outs=5),
        ),
    )


def functions_of_one_code() -> Architecture:
    """Every function of one code, one after the other, each also read by a sum."""
    return Architecture(
        name="functions of one code",
        input_shape=(12, 10, 3),
        layers=(
            layer("stem", "conv", INPUT, ins=3, kernel=(3, 3), strides=(2, 2)),
            layer("tanh", "tanh", "stem"),
            layer("first", "conv", "tanh"),
            layer("leaky", "leaky_relu", "first", parameters={"alpha": 0.1}),
            layer("second", "conv", "leaky"),
            layer("gelu", "gelu", "second", parameters={"approximate": False}),
            layer("first sum", "add", "gelu", "leaky"),
            layer("elu", "elu", "first sum"),
            layer("third", "conv", "elu"),
            layer("curve", "gelu", "third", parameters={"approximate": True}),
            layer("fourth", "conv", "curve"),
            layer("exp", "exp", "fourth"),
            layer("fifth", "conv", "exp"),
            layer("slopes", "prelu", "fifth", parameters={"alpha": SLOPES}),
            layer("sixth", "conv", "slopes"),
            layer("flat", "leaky_relu", "sixth", parameters={"alpha": 0.01}),
            layer("second sum", "add", "flat", "tanh"),
            layer("pool", "mean", "second sum"),
            layer("logits", "dense", "pool", outs=5),
        ),
    )


def labels(classes: int) -> Architecture:
    """A score of its own for each class, from a sigmoid: several labels, or one."""
    return Architecture(
        name=f"{classes} labels",
        input_shape=(12, 10, 3),
        layers=(
            layer("stem", "conv", INPUT, ins=3, kernel=(3, 3), strides=(2, 2), activation="relu6"),
            layer("pool", "mean", "stem"),
            layer("logits", "dense", "pool", outs=classes),
            layer("scores", "logistic", "logits", ins=classes, outs=classes),
        ),
    )
