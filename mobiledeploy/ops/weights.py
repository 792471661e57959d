"""Quantise a float kernel and bias to int8 weights with int32 biases.

Kernels are int8, symmetric (zero point 0, values -127..127), per-channel for convolutions and
per-tensor for the dense layer; biases are int32 with the scale `input scale * kernel scale`.

Quantisation-aware training tunes the weights under TensorFlow's fake-quant kernels, so the file
must hold exactly the codes they chose: on a tie, a plain `rint` picks another code for a few
weights in a million, which changes the logits. Range -max|w|..max|w|, `narrow_range=True`. Source:
tensorflow/core/kernels/fake_quant_ops_functor.h, float32 throughout, no fused multiply-add.
"""

import dataclasses
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.ops.architecture import Layer
from mobiledeploy.ops.ranges import Interval, Ranges, step, wide_enough
from mobiledeploy.ops.stored import StoredWeights
from mobiledeploy.ops.tensors import (
    QMAX,
    QMIN,
    Float32,
    Int8,
    Int16,
    Int32,
    QTensor,
    Shape,
    expect,
)

WIDEST_MULTIPLIER: Final = 256
"""XNNPACK's limit for input scale * kernel scale / output scale; LiteRT 2.3 cannot load a file
with a larger one."""

MOST_STEPS: Final = 2**31 - 2**8
"""Output steps that a sum may have before it is clipped to int8."""

BIAS_LIMIT: Final = (2**31 - 1) // 2
"""Largest bias code: half of int32, which leaves the other half to the products."""

LARGEST_WEIGHT: Final = float(np.finfo(np.float32).max) / 2
"""Largest max|w|: beyond it, the width of a grid overflows float32."""

BIAS_BYTES: Final = 4
"""Bytes of one int32 bias."""

SMALLEST: Final = np.float32(1e-8)
"""Smallest max|w| of a channel: a dead channel needs a scale too. QAT must use the same floor."""

_CALIBRATE: Final = "the layer's output hardly varies: train or calibrate again"
_HALF, _MAX, _LEVELS = np.float32(0.5), np.float32(QMAX), np.float32(2 * QMAX)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Weights:
    """Float kernel and bias of one convolution or dense layer, batch norm folded in.

    Attributes:
        kernel: float32 in Keras's order: HWIO, HWC1 for depthwise, IO for dense.
        bias: float32, one value an output channel.
        one_scale: Whether all channels of the int8 kernel get the same scale; a dense layer's
            do in any case.
    """

    kernel: Float32
    bias: Float32
    one_scale: bool = False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class QWeights:
    """Integer weights of a convolution or dense layer.

    Attributes:
        kernel: int8. OHWI for a convolution, 1HWC for a depthwise one, OI for a dense layer.
        kernel_scale: float32, shape (channels,), or (1,) for a single scale.
        bias: int32, shape (channels,).
        bias_scale: float32, same shape as `kernel_scale`.
        kernel_zero: int32, same shape as `kernel_scale`: the code of a weight of 0. None of
            symmetric weights, which are within -127..127 with the code 0 for 0. A `.tflite` of
            int8 has no others; files of uint8 and some `.onnx` do.
    """

    kernel: Int8
    kernel_scale: Float32
    bias: Int32
    bias_scale: Float32
    kernel_zero: Int32 | None = None

    def centred(self, axis: int) -> Int8 | Int16:
        """Return the kernel's codes minus those of 0.

        Args:
            axis: Axis of the output channels in the kernel.
        """
        if self.kernel_zero is None:
            return self.kernel
        shape = [1] * self.kernel.ndim
        shape[axis] = -1
        zero = self.kernel_zero.reshape(shape).astype(np.int16)
        codes: Int16 = self.kernel.astype(np.int16) - zero
        return codes

    def real(self, axis: int) -> tuple[Float32, Float32]:
        """Return kernel and bias as real values.

        Args:
            axis: Axis of the output channels in the kernel.
        """
        shape = [1] * self.kernel.ndim
        shape[axis] = -1
        codes = self.centred(axis).astype(np.float32)
        kernel: Float32 = codes * self.kernel_scale.reshape(shape)
        return kernel, self.bias.astype(np.float32) * self.bias_scale


def check(name: str, weights: QWeights, source: QTensor, out: QTensor, axis: int) -> None:
    """Check types, scales and the reach of sums.

    Args:
        name: The node, for errors.
        weights: Its weights; the kernel has the right shape.
        source: Its input.
        out: Its output.
        axis: Axis of the output channels in the kernel.

    Raises:
        ConversionError: Some kernel of a runtime would not compute what the integers say.
    """
    channels = out.shape[-1]
    expect(name, "kernel dtype", weights.kernel.dtype, np.dtype(np.int8))
    expect(name, "bias dtype", weights.bias.dtype, np.dtype(np.int32))
    expect(name, "bias shape", weights.bias.shape, (channels,))
    zero = weights.kernel_zero
    if zero is not None:
        expect(name, "zero points of the kernel", zero.shape, weights.kernel_scale.shape)
    elif weights.kernel.min() < -QMAX:
        raise ConversionError(f"`{name}`: expected symmetric int8 weights in -127..127")
    scales = weights.kernel_scale.shape
    if scales not in {(1,), (channels,)}:
        raise ConversionError(f"`{name}`: expected 1 or {channels} scales, received {scales}")
    expect(name, "bias scale shape", weights.bias_scale.shape, scales)
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
    kernel = np.abs(weights.centred(axis).astype(np.int64))
    products = kernel.sum(axis=others) * (QMAX - QMIN)
    bias = weights.bias.astype(np.int64)
    # Sums beyond int32 wrap around in every kernel: the bias of a dead channel may be the lowest
    # or the highest int32.
    sums = np.minimum(np.abs(bias) + products, 2**31)
    # XNNPACK on x86 turns a float32 beyond int32 into the lowest int32, and wraps around when it
    # adds a negative zero point.
    steps = (sums * multipliers).max()
    if steps >= MOST_STEPS:
        raise ConversionError(
            f"`{name}`: expected sums below {MOST_STEPS} output steps, received {steps:.3g}",
            hint=_CALIBRATE,
        )


def of_file(name: str, weights: StoredWeights | None) -> QWeights:
    """Return the weights that a file gives a layer.

    Args:
        name: Name of the layer, for the error.
        weights: As the file has them.

    Raises:
        ConversionError: There are none.
    """
    if weights is None:
        raise ConversionError(f"`{name}`: expected int8 weights")
    symmetric = not weights.kernel_zero.any() and weights.kernel.min() >= -QMAX
    return QWeights(
        kernel=weights.kernel,
        kernel_scale=weights.kernel_scale,
        bias=weights.bias,
        bias_scale=weights.bias_scale,
        kernel_zero=None if symmetric else weights.kernel_zero,
    )


def check_magnitude(layer: str, weights: Weights) -> None:
    """Check that a grid around a layer's largest weight exists in float32.

    Raises:
        ConversionError: It does not; the message names the layer.
    """
    largest = max(float(np.abs(array).max()) for array in (weights.kernel, weights.bias))
    if largest > LARGEST_WEIGHT:
        raise ConversionError(
            f"layer `{layer}`: weights up to {largest:.3g} do not fit an int8 grid",
            hint="the training diverged, or the weights file is damaged",
        )


def required(layer: str, weights: Weights | None) -> Weights:
    """Return a layer's weights.

    Raises:
        ConversionError: It has none.
    """
    if weights is None:
        raise ConversionError(f"layer `{layer}` has no weights")
    return weights


def smallest_output_step(weights: Weights, input_step: float) -> float:
    """Return the output scale at which the largest multiplier reaches XNNPACK's limit.

    Args:
        weights: Weights of the layer.
        input_step: Scale of its input.
    """
    return input_step * float(np.abs(weights.kernel).max()) / QMAX / WIDEST_MULTIPLIER


def output_range(
    layer: Layer, ranges: Ranges, inputs: Sequence[Shape], weights: Weights | None
) -> Interval:
    """Return an output range whose step is large enough for the layer's multipliers."""
    del inputs
    limit = smallest_output_step(required(layer.name, weights), step(ranges, layer.inputs[0]))
    return wide_enough(limit, layer.name, ranges[layer.name])


def quantise(kernel: Float32, bias: Float32, input_scale: float, *, per_channel: bool) -> QWeights:
    """Return integer weights.

    A kernel is symmetric. The bias lies on the grid of the accumulator, `input scale * kernel
    scale`, a product taken in float64 and rounded to float32 only to be stored.

    Args:
        kernel: Output channels first.
        bias: One value an output channel.
        input_scale: Scale of the layer's input, before it was rounded to float32.
        per_channel: Whether each output channel has its own scale.

    Returns:
        Weights with the kernel as it was given, output channels first.
    """
    rows = kernel.reshape(bias.size if per_channel else 1, -1)
    wide_bias = bias.astype(np.float64)
    # A channel with next to no weights but with a bias: a coarser step for the weights keeps the
    # code of the bias within int32.
    needed = np.abs(wide_bias) * (QMAX / BIAS_LIMIT / input_scale)
    if not per_channel:
        needed = needed.max(keepdims=True)
    magnitude = np.maximum(magnitudes(rows), needed.astype(np.float32))
    scale = magnitude.astype(np.float64) / QMAX
    bias_scale = input_scale * scale
    return QWeights(
        kernel=np.ascontiguousarray(
            codes(rows, magnitude, per_channel=per_channel).reshape(kernel.shape)
        ),
        kernel_scale=scale.astype(np.float32),
        bias=_round_half_away(wide_bias / bias_scale).astype(np.int32),
        bias_scale=bias_scale.astype(np.float32),
    )


def magnitudes(kernel: Float32) -> Float32:
    """Return max|w| of each row of (rows, weights), at least `SMALLEST`."""
    largest: Float32 = np.maximum(np.abs(kernel).max(axis=1), SMALLEST)
    return largest


def codes(kernel: Float32, magnitude: Float32, *, per_channel: bool) -> Int8:
    """Return the codes that TensorFlow's fake-quant kernels round weights to, bit for bit.

    Both kernels subtract the code of zero before they round halves up. The one with a range
    per channel multiplies by the inverse of the step, the one with a single range divides by
    the step.

    Args:
        kernel: (channels, weights), or (1, weights) for a single range.
        magnitude: Half the range of each row.
        per_channel: Which of the two kernels.
    """
    width = (magnitude + magnitude)[:, np.newaxis]
    step = width / _LEVELS
    lowest = -_MAX * step
    shifted = np.clip(kernel, lowest, -lowest) - lowest
    scaled = shifted * (_LEVELS / width) if per_channel else shifted / step
    rounded: Int8 = np.floor(scaled - _MAX + _HALF).astype(np.int8)
    return rounded


def _round_half_away(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.copysign(np.floor(np.abs(values) + 0.5), values)
