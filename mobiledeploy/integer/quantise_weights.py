"""From a layer's float kernel and bias to int8 and int32."""

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.integer import fake_quant
from mobiledeploy.integer.graph import QMAX, QWeights
from mobiledeploy.network.network import Weights
from mobiledeploy.ops.architecture import Layer

BIAS_LIMIT = (2**31 - 1) // 2
"""Largest bias code: half of int32, which leaves the other half to the products."""

LARGEST_WEIGHT = float(np.finfo(np.float32).max) / 2
"""Beyond it the width of a grid overflows float32."""


def check_magnitude(layer: Layer, weights: Weights) -> None:
    """Check that a grid around a layer's largest weight exists in float32.

    Raises:
        ConversionError: It does not; the message names the layer.
    """
    largest = max(float(np.abs(array).max()) for array in (weights.kernel, weights.bias))
    if largest > LARGEST_WEIGHT:
        raise ConversionError(
            f"layer `{layer.name}`: weights up to {largest:.3g} do not fit an int8 grid",
            hint="the training diverged, or the weights file is damaged",
        )


def quantise_weights(layer: Layer, weights: Weights, input_scale: float) -> QWeights:
    """Return a layer's integer weights.

    A kernel is symmetric with one scale an output channel; a dense layer's has one scale in all,
    because TFLite before 2.10 and older TFLite Micro compute per-channel dense layers wrongly.
    The bias lies on the grid of the accumulator, `input scale * kernel scale`, a product taken in
    float64 and rounded to float32 only to be stored.

    Args:
        layer: A convolution, depthwise convolution or dense layer.
        weights: In Keras's order.
        input_scale: Of the layer's input, before it was rounded to float32.
    """
    per_channel = layer.op != "dense"
    channels_first = _channels_first(layer, weights.kernel)
    rows = channels_first.reshape(layer.out_channels if per_channel else 1, -1)
    bias = weights.bias.astype(np.float64)
    # A channel with next to no weights but with a bias: a coarser step for the weights keeps the
    # code of the bias within int32.
    needed = np.abs(bias) * (QMAX / BIAS_LIMIT / input_scale)
    if not per_channel:
        needed = needed.max(keepdims=True)
    magnitude = np.maximum(fake_quant.magnitudes(rows), needed.astype(np.float32))
    scale = magnitude.astype(np.float64) / QMAX
    bias_scale = input_scale * scale
    codes = fake_quant.codes(rows, magnitude, per_channel=per_channel)
    return QWeights(
        kernel=_tflite_order(layer, codes.reshape(channels_first.shape)),
        kernel_scale=scale.astype(np.float32),
        bias=_round_half_away(bias / bias_scale).astype(np.int32),
        bias_scale=bias_scale.astype(np.float32),
    )


def _channels_first(layer: Layer, kernel: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """HWIO to OHWI, HWC1 to CHW1, IO to OI."""
    order = {"conv": (3, 0, 1, 2), "depthwise": (2, 0, 1, 3)}.get(layer.op, (1, 0))
    return kernel.transpose(order)


def _tflite_order(layer: Layer, codes: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    """Leave OHWI and OI as they are, CHW1 becomes 1HWC."""
    return np.ascontiguousarray(codes.transpose(3, 1, 2, 0) if layer.op == "depthwise" else codes)


def _round_half_away(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.copysign(np.floor(np.abs(values) + 0.5), values)
