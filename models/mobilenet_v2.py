"""The layers of MobileNet V2: a stem, then 17 inverted residual bottlenecks.

Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", arXiv:1801.04381,
table 2. Layers have the names that Keras applications gives them.
"""

from typing import TYPE_CHECKING, Final

from mobiledeploy.models import keras_builder
from mobiledeploy.models.blocks import (
    COLOURS,
    Head,
    classifier,
    convolution,
    inverted_residual,
    make_divisible,
    stem,
)
from mobiledeploy.ops.architecture import Architecture, Layer

if TYPE_CHECKING:
    import keras

STEM: Final = 32
"""Channels of the first convolution at alpha 1."""

BOTTLENECKS: Final = (
    # (expansion, output channels at alpha 1, repeats, stride of the first): t, c, n, s
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)

LAST: Final = 1280
"""Channels before pooling. An alpha below 1 does not reduce them, which costs little and improves
accuracy (section 4.1)."""


def layers(
    *, alpha: float, classes: int, head: Head = "softmax", stem_stride: int = 2
) -> tuple[Layer, ...]:
    """Return the layers of the network.

    Args:
        alpha: Width multiplier; channels are rounded to multiples of 8.
        classes: Length of the output.
        head: Whether the network ends in the softmax or in the logits.
        stem_stride: 2 as in the paper; 1 keeps the resolution of small images.
    """
    rows = [stem("Conv1", make_divisible(STEM * alpha), stride=stem_stride)]
    number = 0
    for expansion, channels, repeats, first_stride in BOTTLENECKS:
        for repeat in range(repeats):
            rows += inverted_residual(
                f"block_{number}" if number else "expanded_conv",
                rows[-1],
                # The reference truncates before it rounds: 24 * 1.3 = 31.2 counts as 31.
                make_divisible(int(channels * alpha)),
                stride=1 if repeat else first_stride,
                expansion=expansion,
            )
            number += 1
    rows.append(convolution("Conv_1", rows[-1], make_divisible(LAST * max(1.0, alpha))))
    rows += classifier(rows[-1], classes, head)
    return tuple(rows)


def architecture(
    *,
    alpha: float = 1.0,
    image_size: int = 224,
    classes: int = 1000,
    head: Head = "softmax",
    stem_stride: int = 2,
) -> Architecture:
    """Return the network for square images of `image_size` pixels; see `layers`."""
    return Architecture(
        name=f"mobilenet_v2_{float(alpha)}_{image_size}",
        input_shape=(image_size, image_size, COLOURS),
        layers=layers(alpha=alpha, classes=classes, head=head, stem_stride=stem_stride),
    )


def build(
    *,
    alpha: float = 1.0,
    image_size: int = 224,
    classes: int = 1000,
    head: Head = "softmax",
    stem_stride: int = 2,
    batch_norm_momentum: float = 0.9,
) -> "keras.Model":
    """Return the network as an untrained Keras model; see `layers` and `keras_builder.build`."""
    return keras_builder.build(
        architecture(
            alpha=alpha,
            image_size=image_size,
            classes=classes,
            head=head,
            stem_stride=stem_stride,
        ),
        batch_norm_momentum=batch_norm_momentum,
    )
