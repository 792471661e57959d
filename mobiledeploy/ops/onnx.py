"""What operators share when they are written to an `.onnx`.

Operators are written in QDQ form (dequantise, float operator, quantise), which ONNX Runtime fuses
into a single integer kernel.
"""

import dataclasses
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.formats.onnx.writer import OnnxWriter
from mobiledeploy.ops.activation import clamp, implied
from mobiledeploy.ops.architecture import Activation
from mobiledeploy.ops.tensors import Codes, Float32, Int8, QTensor
from mobiledeploy.ops.weights import QWeights

OFFSET: Final = 128
"""Activations are uint8 inside: the int8 code plus 128. ONNX Runtime's fast kernels are those
for uint8 activations with int8 weights."""

IMAGE_AXES: Final = 3
"""Number of axes of tensors that are NCHW in the file: those with height, width and channels.
Others keep their axes, channels last."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class OnnxInput:
    """An activation that a node reads.

    Attributes:
        codes: Name of the tensor that holds its codes: uint8, (batch, channels, height, width)
            of an image, else (batch, ...).
        tensor: Its shape, as in the graph, and its grid.
    """

    codes: str
    tensor: QTensor


def axes_in_file(axes: int) -> tuple[int, ...]:
    """Return the dimensions of a tensor with so many axes, in their order: 2, 3, 1 of an image."""
    return (2, 3, 1) if axes == IMAGE_AXES else tuple(range(1, axes + 1))


def channels_last(model: OnnxWriter, read: OnnxInput) -> str:
    """Add the codes of an activation with the channels last; return their name.

    ONNX Runtime's own transposes, by which it runs images channels last, cancel against these.
    """
    if len(read.tensor.shape) != IMAGE_AXES:
        return read.codes
    return model.node("Transpose", [read.codes], perm=[0, 2, 3, 1])


def channels_first(model: OnnxWriter, codes: str, output: str) -> str:
    """Add the codes of an image whose channels are last, as the file has them."""
    return model.node("Transpose", [codes], output, perm=[0, 3, 1, 2])


def zero_point(tensor: QTensor) -> np.uint8:
    """Return an activation's zero point for uint8 codes."""
    return np.uint8(tensor.zero_point + OFFSET)


def dequantise(
    model: OnnxWriter, inputs: Sequence[OnnxInput], scales: Sequence[np.float32] | None = None
) -> list[str]:
    """Add the real values of activations; return their names.

    Args:
        model: To add them to.
        inputs: The activations.
        scales: Those of a certificate, where they are not the activations' own.
    """
    own = [each.tensor.scale for each in inputs]
    return [
        model.dequantise(each.codes, scale, zero_point(each.tensor))
        for each, scale in zip(inputs, own if scales is None else scales, strict=True)
    ]


def quantise(model: OnnxWriter, real: str, tensor: QTensor, output: str | None = None) -> str:
    """Add the codes of an activation; return their name."""
    return model.quantise(real, tensor.scale, zero_point(tensor), output)


def look_up(
    model: OnnxWriter, name: str, read: OnnxInput, codes: Codes, output: str | None = None
) -> str:
    """Add a lookup table of output codes; return the name of the tensor with its results.

    GatherElements copies element by element and is nine times faster than Gather. An image is
    looked up in NHWC: ONNX Runtime's own transposes around it cancel against these.

    Args:
        model: To add it to.
        name: Name of the node's output.
        read: The activation whose codes are looked up.
        codes: int8 codes, one for each of the 256 codes of the input, ascending; of shape
            (channels, 256) where each channel has its own.
        output: Name of that tensor.
    """
    from onnx import TensorProto

    values = model.constant(f"{name}/table", (codes + OFFSET).astype(np.uint8).ravel())
    image = len(read.tensor.shape) == IMAGE_AXES
    places = model.node("Transpose", [read.codes], perm=[0, 2, 3, 1]) if image else read.codes
    places = model.node("Cast", [places], to=TensorProto.INT32)
    if codes.ndim > 1:
        starts = np.arange(0, codes.size, codes.shape[1], dtype=np.int32)
        places = model.node("Add", [places, model.constant(f"{name}/channels", starts)])
    flat = model.constant(f"{name}/flat", np.array([-1]))
    entries = model.node("GatherElements", [values, model.node("Reshape", [places, flat])], axis=0)
    shape = model.constant(f"{name}/shape", np.array([-1, *read.tensor.shape]))
    if not image:
        return model.node("Reshape", [entries, shape], output)
    shaped = model.node("Reshape", [entries, shape])
    return model.node("Transpose", [shaped], output, perm=[0, 3, 1, 2])


def look_up_pairs(
    model: OnnxWriter, out: QTensor, reads: Sequence[OnnxInput], codes: Codes, output: str
) -> None:
    """Add a lookup table of the output codes of all pairs of codes.

    Args:
        model: To add it to.
        out: The node's output.
        reads: The two activations, of one shape, or one of them of one pixel.
        codes: int8 codes, one for each code of the first and each one of the second, ascending.
        output: Name of the tensor with its results.
    """
    from onnx import TensorProto

    name = out.name
    values = model.constant(f"{name}/table", (codes + OFFSET).astype(np.uint8))
    first, second = (
        model.node("Cast", [channels_last(model, read)], to=TensorProto.INT32) for read in reads
    )
    rows = model.node("Mul", [first, model.scalar(np.int32(2 * OFFSET))])
    places = model.node("Add", [rows, second])
    flat = model.node("Reshape", [places, model.constant(f"{name}/flat", np.array([-1]))])
    entries = model.node("GatherElements", [values, flat], axis=0)
    shape = model.constant(f"{name}/shape", np.array([-1, *out.shape]))
    if len(out.shape) == IMAGE_AXES:
        channels_first(model, model.node("Reshape", [entries, shape]), output)
    else:
        model.node("Reshape", [entries, shape], output)


def add_weights(
    model: OnnxWriter, name: str, weights: QWeights, kernel: Int8, *, axis: int, repeat: int = 1
) -> tuple[str, str]:
    """Add kernel and bias; return the names of their real values.

    A kernel's zero points are its own: with `session.x64quantprecision` ONNX Runtime rewrites
    them in place and fails where two kernels share them. A bias has none.

    Args:
        model: To add them to.
        name: Name of the node's output.
        weights: Kernel and bias of the node.
        kernel: Its kernel, in ONNX's order.
        axis: Axis of the output channels in `kernel`.
        repeat: How often `kernel` repeats the node's output channels.
    """

    def scales(values: Float32) -> npt.NDArray[np.float32]:
        return np.tile(values, repeat) if values.size > 1 else values[0]

    scale = scales(weights.kernel_scale)
    zero = np.zeros_like(scale, np.int8)
    if weights.kernel_zero is not None:
        zero = np.resize(weights.kernel_zero.astype(np.int8), scale.shape)
    kernel_names = [
        model.constant(f"{name}/kernel", kernel),
        model.constant(f"{name}/scale", scale),
        model.constant(f"{name}/zero_point", zero),
    ]
    bias_names = [
        model.constant(f"{name}/bias", np.tile(weights.bias, repeat)),
        model.constant(f"{name}/bias_scale", scales(weights.bias_scale)),
    ]
    return (
        model.node("DequantizeLinear", kernel_names, axis=axis),
        model.node("DequantizeLinear", bias_names, axis=0),
    )


def quantise_clipped(
    model: OnnxWriter,
    real: str,
    tensor: QTensor,
    activation: Activation,
    output: str | None = None,
) -> str:
    """Add a layer's codes, clipped if its grid does not imply the activation; return their name.

    The activation works on codes: a float one between the layer and its quantisation would keep
    ONNX Runtime from fusing them.
    """
    if implied(activation, tensor):
        return quantise(model, real, tensor, output)
    bounds = (np.uint8(code + OFFSET) for code in clamp(activation, tensor))
    codes = quantise(model, real, tensor)
    return model.node("Clip", [codes, *(model.scalar(bound) for bound in bounds)], output)
