"""Return an architecture by its name."""

import dataclasses
from typing import Final

from mobiledeploy.base.errors import RequestError
from mobiledeploy.models import mobilenet_v1, mobilenet_v2
from mobiledeploy.models.blocks import Head
from mobiledeploy.ops.architecture import Activation, Architecture
from mobiledeploy.spec.config import SCALINGS, Arch, ModelConfig, Scaling

NAMES: Final[tuple[Arch, ...]] = ("v1", "v2")
"""The values of `--arch`."""

_ARCHITECTURES: Final = {
    "v1": mobilenet_v1.architecture,
    "v2": mobilenet_v2.architecture,
}


def architecture(
    arch: Arch,
    *,
    alpha: float,
    image_size: int,
    classes: int,
    head: Head = "softmax",
    stem_stride: int = 2,
    activation: Activation = "relu6",
    scaling: Scaling = SCALINGS["-1..1"],
) -> Architecture:
    """Return an architecture by name.

    Args:
        arch: One of `NAMES`.
        alpha: Width multiplier, one of `config.ALPHAS[arch]`.
        image_size: Height and width of the input, pixels.
        classes: Length of the output, at least 2.
        head: Whether the network ends in the softmax or in the logits.
        stem_stride: Stride of the first convolution: 2 as in the papers, or 1.
        activation: Activation of all layers that are not linear: relu6 as in the papers, or relu.
        scaling: The input scaling, one of `input_scaling.SCALINGS`.

    Raises:
        RequestError: There is no such architecture, or not with this width or size.
    """
    ModelConfig(arch=arch, alpha=alpha, image_size=image_size)
    if classes < 2:
        raise RequestError(
            f"expected at least 2 classes, received {classes}",
            hint="give `--classes` a number of 2 or more; photos need 2 sub-folders or more",
        )
    made = _ARCHITECTURES[arch](
        alpha=alpha, image_size=image_size, classes=classes, head=head, stem_stride=stem_stride
    )
    layers = (
        layer if layer.activation == "none" else dataclasses.replace(layer, activation=activation)
        for layer in made.layers
    )
    return dataclasses.replace(made, layers=tuple(layers), scaling=scaling)
