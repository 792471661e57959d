"""`IntegerGraph`: int8 weights, int32 biases, scales and zero points, with checked invariants.

A real value is `(q - zero_point) * scale`. Activations are int8 per tensor; kernels are int8,
symmetric (zero point 0, values -127..127), with one scale an output channel, or a single one for
the dense layer; biases are int32 on the grid `input scale * kernel scale`. This is TFLite's
"full integer" specification: https://ai.google.dev/edge/litert/models/quantization_spec
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.ops.architecture import Activation, Padding, Shape

Int8 = npt.NDArray[np.int8]
Int32 = npt.NDArray[np.int32]
Float32 = npt.NDArray[np.float32]

QMIN, QMAX = -128, 127

MOST_ELEMENTS = 2**28
"""Of an activation: more than any image that we take needs, and less than fills a machine."""

WIDEST_MULTIPLIER = 256
"""XNNPACK's limit for input scale * kernel scale / output scale; LiteRT 2.3 cannot load a file
with a larger one."""

MOST_STEPS = 2**31 - 2**8
"""How many output steps a sum may have that is still to be clipped to int8."""

_CALIBRATE = "the layer's output hardly varies: train or calibrate again"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class QTensor:
    """An int8 activation of one image.

    Attributes:
        name: Unique in the graph; the name of the layer that writes it, or the input's.
        shape: (height, width, channels), or (channels,) after pooling.
        scale: Real units per step, positive, a float32 value.
        zero_point: The code of real 0, in -128..127.
    """

    name: str
    shape: Shape
    scale: np.float32
    zero_point: int

    def __post_init__(self) -> None:
        """Check grid and shape.

        Raises:
            ConversionError: The scale is not a positive normal number, the zero point lies
                outside int8, or the shape is neither an image's nor a vector's.
        """
        if not (np.isfinite(self.scale) and self.scale >= np.finfo(np.float32).tiny):
            raise ConversionError(
                f"tensor `{self.name}`: expected a positive scale, received {self.scale}"
            )
        if not QMIN <= self.zero_point <= QMAX:
            raise ConversionError(
                f"tensor `{self.name}`: expected a zero point in -128..127, "
                f"received {self.zero_point}"
            )
        if len(self.shape) not in {1, 3} or min(self.shape) < 1:
            raise ConversionError(
                f"tensor `{self.name}`: expected (height, width, channels) or (channels,), "
                f"received {self.shape}"
            )
        if math.prod(self.shape) > MOST_ELEMENTS:
            raise ConversionError(
                f"tensor `{self.name}`: expected at most {MOST_ELEMENTS} elements, "
                f"received shape {self.shape}"
            )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class QWeights:
    """Integer weights of a convolution or dense layer.

    Attributes:
        kernel: int8. OHWI for a convolution, 1HWC for a depthwise one, OI for a dense layer.
        kernel_scale: float32, shape (channels,), or (1,) for one scale in all.
        bias: int32, shape (channels,).
        bias_scale: float32, same shape as `kernel_scale`.
    """

    kernel: Int8
    kernel_scale: Float32
    bias: Int32
    bias_scale: Float32


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Conv:
    """A convolution, full or depthwise (multiplier 1), bias and activation included."""

    input: str
    output: QTensor
    weights: QWeights
    depthwise: bool
    strides: tuple[int, int]
    padding: Padding
    activation: Activation


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Add:
    """A residual addition of two tensors of one shape, each with its own grid."""

    inputs: tuple[str, str]
    output: QTensor


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mean:
    """The mean over height and width: global average pooling."""

    input: str
    output: QTensor


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dense:
    """A fully connected layer on a vector."""

    input: str
    output: QTensor
    weights: QWeights


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Softmax:
    """The softmax of a vector; its output grid is fixed: scale 1/256, zero point -128."""

    input: str
    output: QTensor


Node: TypeAlias = Conv | Add | Mean | Dense | Softmax

SOFTMAX_SCALE = np.float32(1 / 256)
SOFTMAX_ZERO_POINT = -128


def sources(node: Node) -> tuple[str, ...]:
    """Return the names of the tensors that a node reads."""
    return node.inputs if isinstance(node, Add) else (node.input,)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class IntegerGraph:
    """An int8 image classifier, checked when it is made.

    Attributes:
        name: For people.
        input: The image, int8.
        nodes: In the order in which they run; the last one writes the output.
    """

    name: str
    input: QTensor
    nodes: tuple[Node, ...]

    def __post_init__(self) -> None:
        """Check every joint, shape, dtype and grid.

        Raises:
            ConversionError: Names the node and says what was expected and received.
        """
        tensors = {self.input.name: self.input}
        for node in self.nodes:
            for name in sources(node):
                if name not in tensors:
                    raise ConversionError(f"`{node.output.name}` reads unknown tensor `{name}`")
            if node.output.name in tensors:
                raise ConversionError(f"two tensors are named `{node.output.name}`")
            _check_node(node, tensors)
            tensors[node.output.name] = node.output

    def tensors(self) -> Mapping[str, QTensor]:
        """Return all activations by name, the input first."""
        return {t.name: t for t in (self.input, *(node.output for node in self.nodes))}

    @property
    def output(self) -> QTensor:
        """What the last node writes."""
        return self.nodes[-1].output

    @property
    def logits(self) -> QTensor:
        """The softmax's input, or the output where the graph ends without a softmax."""
        last = self.nodes[-1]
        return self.tensors()[last.input] if isinstance(last, Softmax) else last.output


def _check_node(node: Node, tensors: Mapping[str, QTensor]) -> None:
    source = tensors[sources(node)[0]]
    name, out = node.output.name, node.output
    match node:
        case Conv():
            kernel = node.weights.kernel
            filters = 1 if node.depthwise else out.shape[-1]
            _expect(name, "rank of the input", len(source.shape), 3)
            _expect(name, "rank of the kernel", kernel.ndim, 4)
            expected_kernel = (filters, *kernel.shape[1:3], source.shape[-1])
            _expect(name, "kernel shape", kernel.shape, expected_kernel)
            if min(*kernel.shape, *node.strides) < 1:
                raise ConversionError(f"`{name}`: expected a positive window and strides")
            _expect(name, "output shape", out.shape, _conv_shape(node, source.shape))
            _check_weights(name, node.weights, source, out, 3 if node.depthwise else 0)
        case Dense():
            _expect(name, "rank of the input", len(source.shape), 1)
            _expect(name, "kernel shape", node.weights.kernel.shape, (*out.shape, *source.shape))
            _check_weights(name, node.weights, source, out, 0)
        case Add():
            for other in node.inputs:
                _expect(name, f"shape of `{other}`", tensors[other].shape, out.shape)
        case Mean():
            _expect(name, "rank of the input", len(source.shape), 3)
            _expect(name, "output shape", out.shape, (source.shape[-1],))
        case Softmax():
            _expect(name, "rank of the input", len(source.shape), 1)
            _expect(name, "output shape", out.shape, source.shape)
            _expect(name, "scale", out.scale, SOFTMAX_SCALE)
            _expect(name, "zero point", out.zero_point, SOFTMAX_ZERO_POINT)


def _conv_shape(node: Conv, source: Shape) -> Shape:
    height, width = (
        -(-(size - (kernel - 1) * (node.padding == "valid")) // stride)
        for size, kernel, stride in zip(
            source[:2], node.weights.kernel.shape[1:3], node.strides, strict=True
        )
    )
    return (height, width, source[2] if node.depthwise else node.weights.kernel.shape[0])


def _check_weights(name: str, weights: QWeights, source: QTensor, out: QTensor, axis: int) -> None:
    channels = out.shape[-1]
    _expect(name, "kernel dtype", weights.kernel.dtype, np.dtype(np.int8))
    _expect(name, "bias dtype", weights.bias.dtype, np.dtype(np.int32))
    _expect(name, "bias shape", weights.bias.shape, (channels,))
    if weights.kernel.min() < -QMAX:
        raise ConversionError(f"`{name}`: expected symmetric int8 weights in -127..127")
    scales = weights.kernel_scale.shape
    if scales not in {(1,), (channels,)}:
        raise ConversionError(f"`{name}`: expected 1 or {channels} scales, received {scales}")
    _expect(name, "bias scale shape", weights.bias_scale.shape, scales)
    if not all(
        (np.isfinite(scale) & (scale > 0)).all()
        for scale in (weights.kernel_scale, weights.bias_scale)
    ):
        raise ConversionError(f"`{name}`: expected positive scales of kernel and bias")
    # The bias lies on the grid of the accumulator. Files round the product once or twice, so
    # one unit in the last place of float32 is allowed.
    product = source.scale * weights.kernel_scale
    if not np.allclose(weights.bias_scale, product, rtol=3e-7, atol=0):
        raise ConversionError(f"`{name}`: bias scale is not input scale x kernel scale")
    multipliers = product / out.scale
    if multipliers.max() >= WIDEST_MULTIPLIER:
        raise ConversionError(
            f"`{name}`: expected an accumulator step below {WIDEST_MULTIPLIER} output steps, "
            f"received {multipliers.max():.3g}",
            hint=_CALIBRATE,
        )
    others = tuple(other for other in range(weights.kernel.ndim) if other != axis)
    products = np.abs(weights.kernel).sum(axis=others, dtype=np.int64) * (QMAX - QMIN)
    sums = np.abs(weights.bias.astype(np.int64)) + products
    if sums.max() > np.iinfo(np.int32).max:
        raise ConversionError(
            f"`{name}`: sums up to {sums.max()} do not fit the int32 accumulator"
        )
    # XNNPACK on x86 turns a float32 beyond int32 into the lowest int32, and wraps around when it
    # adds a negative zero point.
    steps = (sums * multipliers).max()
    if steps >= MOST_STEPS:
        raise ConversionError(
            f"`{name}`: expected sums below {MOST_STEPS} output steps, received {steps:.3g}",
            hint=_CALIBRATE,
        )


def _expect(node: str, what: str, received: object, expected: object) -> None:
    if received != expected:
        raise ConversionError(f"`{node}`: expected {what} {expected}, received {received}")
