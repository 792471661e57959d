"""The building blocks of both papers, as rows of `Layer`.

Every convolution is padded "same" and stands for a convolution with its batch normalisation and
activation. A block takes the layer before it and returns the layers it adds, in running order.
"""

from typing import Final, Literal, TypeAlias, assert_never

from mobiledeploy.ops.architecture import INPUT, Activation, Layer

Head: TypeAlias = Literal["softmax", "logits"]
Rows: TypeAlias = tuple[Layer, ...]

COLOURS: Final = 3
"""Channels of an image: red, green, blue."""


def make_divisible(channels: float, divisor: int = 8) -> int:
    """Round to the nearest multiple of `divisor`, but never below 90 % of `channels`.

    Such channel counts fill the vector registers of CPUs. This is the rounding of the reference
    implementation of MobileNet V2; halves are rounded up, the result is at least `divisor`.

    >>> make_divisible(32 * 0.35), make_divisible(16 * 1.3), make_divisible(24 * 0.75)
    (16, 24, 24)
    """
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded if rounded >= 0.9 * channels else rounded + divisor


def convolution(
    name: str,
    source: Layer,
    out_channels: int,
    *,
    kernel: int = 1,
    stride: int = 1,
    activation: Activation = "relu6",
) -> Layer:
    """Return a standard convolution; with `kernel` 1 it is a pointwise one."""
    return Layer(
        name=name,
        op="conv",
        inputs=(source.name,),
        in_channels=source.out_channels,
        out_channels=out_channels,
        kernel=(kernel, kernel),
        strides=(stride, stride),
        activation=activation,
    )


def depthwise(name: str, source: Layer, *, stride: int) -> Layer:
    """Return a 3x3 depthwise convolution: one filter per channel."""
    return Layer(
        name=name,
        op="depthwise",
        inputs=(source.name,),
        in_channels=source.out_channels,
        out_channels=source.out_channels,
        kernel=(3, 3),
        strides=(stride, stride),
        activation="relu6",
    )


def stem(name: str, out_channels: int, *, stride: int) -> Layer:
    """Return the first layer of both networks: a standard 3x3 convolution of the image."""
    return Layer(
        name=name,
        op="conv",
        inputs=(INPUT,),
        in_channels=COLOURS,
        out_channels=out_channels,
        kernel=(3, 3),
        strides=(stride, stride),
        activation="relu6",
    )


def depthwise_separable(number: int, source: Layer, out_channels: int, *, stride: int) -> Rows:
    """Return MobileNet V1's block: depthwise, then pointwise (arXiv:1704.04861, section 3.1)."""
    filtered = depthwise(f"conv_dw_{number}", source, stride=stride)
    return filtered, convolution(f"conv_pw_{number}", filtered, out_channels)


def inverted_residual(
    prefix: str, source: Layer, out_channels: int, *, stride: int, expansion: int
) -> Rows:
    """Return MobileNet V2's bottleneck (arXiv:1801.04381, section 3.3 and table 1).

    A pointwise expansion (left out when `expansion` is 1), a depthwise convolution and a linear
    projection; where the shapes are equal, the block's input is added to the projection.
    """
    rows: list[Layer] = []
    expanded = source
    if expansion != 1:
        expanded = convolution(f"{prefix}_expand", source, expansion * source.out_channels)
        rows.append(expanded)
    filtered = depthwise(f"{prefix}_depthwise", expanded, stride=stride)
    # Linear, because a ReLU on a narrow tensor loses information (section 3.2).
    projected = convolution(f"{prefix}_project", filtered, out_channels, activation="none")
    rows += filtered, projected
    if stride == 1 and source.out_channels == out_channels:
        rows.append(
            Layer(
                name=f"{prefix}_add",
                op="add",
                inputs=(source.name, projected.name),
                in_channels=out_channels,
                out_channels=out_channels,
            )
        )
    return tuple(rows)


def classifier(source: Layer, classes: int, head: Head) -> Rows:
    """Return global average pooling, the dense layer, and the softmax if `head` asks for it."""
    pooled = Layer(
        name="global_average_pooling2d",
        op="mean",
        inputs=(source.name,),
        in_channels=source.out_channels,
        out_channels=source.out_channels,
    )
    logits = Layer(
        name="logits",
        op="dense",
        inputs=(pooled.name,),
        in_channels=pooled.out_channels,
        out_channels=classes,
    )
    match head:
        case "logits":
            return pooled, logits
        case "softmax":
            softmax = Layer(
                name="predictions",
                op="softmax",
                inputs=(logits.name,),
                in_channels=classes,
                out_channels=classes,
            )
            return pooled, logits, softmax
        case _:
            assert_never(head)
