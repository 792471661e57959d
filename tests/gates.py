"""Networks with operators that read one code at a time, and gates of channels."""

from typing import Any

from mobiledeploy.ops.architecture import INPUT, Architecture, Layer


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
            layer("stem gate", "logistic", "stem"),
            layer("swish", "mul", "stem", "stem gate"),
            layer("squeeze", "mean", "swish", parameters={"keep_dims": True}),
            layer("reduce", "conv", "squeeze", outs=4),
            layer("reduce gate", "logistic", "reduce", ins=4, outs=4),
            layer("reduce swish", "mul", "reduce", "reduce gate", ins=4, outs=4),
            layer("expand", "conv", "reduce swish", ins=4),
            layer("excite", gate, "expand"),
            layer("gated", "mul", "swish", "excite"),
            layer("project", "conv", "gated"),
            layer("pool", "mean", "project"),
            layer("logits", "dense", "pool", outs=5),
        ),
    )
