"""The layers of MobileNet V1: a stem, then 13 depthwise separable blocks.

Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision
Applications", arXiv:1704.04861, table 1. Layers have the names that Keras applications gives
them.
"""

from typing import TYPE_CHECKING, Final

from mobiledeploy.models import keras_builder
from mobiledeploy.models.blocks import COLOURS, Head, classifier, depthwise_separable, stem
from mobiledeploy.ops.architecture import Architecture, Layer

if TYPE_CHECKING:
    import keras

STEM: Final = 32
"""Channels of the first convolution at alpha 1."""

BLOCKS: Final = (
    # (output channels at alpha 1, stride)
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (1024, 2),
    (1024, 1),
)


def layers(
    *, alpha: float, classes: int, head: Head = "softmax", stem_stride: int = 2
) -> tuple[Layer, ...]:
    """Return the layers of the network.

    Args:
        alpha: Width multiplier; channels are truncated, `int(channels * alpha)`.
        classes: Length of the output.
        head: Whether the network ends in the softmax or in the logits.
        stem_stride: 2 as in the paper; 1 keeps the resolution of small images.
    """
    rows = [stem("conv1", int(STEM * alpha), stride=stem_stride)]
    for number, (channels, stride) in enumerate(BLOCKS, start=1):
        rows += depthwise_separable(number, rows[-1], int(channels * alpha), stride=stride)
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
        name=f"mobilenet_v1_{float(alpha)}_{image_size}",
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
