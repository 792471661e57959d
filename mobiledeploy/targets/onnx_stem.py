"""Write the first convolution in a form that ONNX Runtime runs fast.

Its int8 kernels need channels in multiples of four; three colours are first copied to a padded
tensor, which costs as much as several layers. Four neighbouring pixels are twelve channels without
a copy. A 3x3 convolution with stride 2 then gives two output pixels for four input pixels: it
becomes a 3x2 convolution with twice the output channels, whose kernel holds the same weights and
zeros. The sums are the same integers.
"""

from typing import Final

import numpy as np

from mobiledeploy.formats.onnx.writer import OnnxWriter
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.ops import onnx
from mobiledeploy.ops.conv import Conv, kernel_oihw, pads
from mobiledeploy.ops.onnx import OnnxInput
from mobiledeploy.ops.tensors import Int8, QTensor

PIXELS: Final = 4
"""Input pixels that become one pixel."""
OUTPUTS: Final = 2
"""Output pixels that those input pixels give."""
WINDOW: Final = 3
"""Width of the kernel: an output pixel reads at most one pixel of the next four."""


def find_stem(graph: IntegerGraph) -> Conv | None:
    """Return a graph's first convolution if it can be written in this form, else None."""
    node, image = graph.nodes[0], graph.input
    if not isinstance(node, Conv):
        return None
    fits = (
        not node.depthwise
        and node.weights.kernel_zero is None
        and node.padding == "same"
        and node.strides[1] == PIXELS // OUTPUTS
        and node.weights.kernel.shape[2] == WINDOW
        and image.shape[1] % PIXELS == 0
        and image.shape[2] % 4 != 0
        and sum(image.name in other.inputs for other in graph.nodes) == 1
    )
    return node if fits else None


def write_stem(model: OnnxWriter, node: Conv, image: QTensor, codes: str, output: str) -> None:
    """Add the nodes of the convolution that `find_stem` returned.

    Args:
        model: The writer to add them to.
        node: The convolution.
        image: The convolution's input.
        codes: Name of the tensor with the image's codes, NHWC.
        output: Name of the tensor with the output's codes, NCHW.
    """
    height, width, colours = image.shape
    name = node.output.name
    wide = _reshape(model, codes, f"{name}/wide", (height, width // PIXELS, PIXELS * colours))
    channels_first = model.node("Transpose", [wide], perm=[0, 3, 1, 2])
    reals = onnx.dequantise(model, [OnnxInput(codes=channels_first, tensor=image)])
    kernel = over_pixels(kernel_oihw(node))
    (top, bottom), _ = pads(node, image.shape[:2])
    product = model.node(
        "Conv",
        [*reals, *onnx.add_weights(model, name, node.weights, kernel, axis=0, repeat=OUTPUTS)],
        kernel_shape=kernel.shape[2:],
        strides=(node.strides[0], 1),
        pads=[top, 0, bottom, 1],
        group=1,
    )
    clipped = onnx.quantise_clipped(model, product, node.output, node.activation)
    pairs = model.node("Transpose", [clipped], perm=[0, 2, 3, 1])
    pixels = _reshape(model, pairs, f"{name}/pixels", node.output.shape)
    model.node("Transpose", [pixels], output, perm=[0, 3, 1, 2])


def over_pixels(kernel: Int8) -> Int8:
    """Return the kernel over four pixels at a time.

    Args:
        kernel: (channels, colours, height, 3).

    Returns:
        (2 * channels, 4 * colours, height, 2): first all channels of the left output pixel, then
        all of the right one.
    """
    channels, colours, height, window = kernel.shape
    wide = np.zeros((OUTPUTS, channels, PIXELS, colours, height, 2), np.int8)
    for pixel in range(OUTPUTS):
        for column in range(window):
            following, place = divmod(pixel * (PIXELS // OUTPUTS) + column, PIXELS)
            wide[pixel, :, place, :, :, following] = kernel[..., column]
    return wide.reshape(OUTPUTS * channels, PIXELS * colours, height, 2)


def _reshape(model: OnnxWriter, tensor: str, constant: str, shape: tuple[int, ...]) -> str:
    # 0 keeps the batch as it is.
    return model.node("Reshape", [tensor, model.constant(constant, np.array([0, *shape]))])
