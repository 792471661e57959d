"""Prove that a convolution or dense layer is one function in both files, by structure.

XNNPACK and ONNX Runtime both add up `(input - zero point) * weight` and the bias in int32, convert
the sum to float32 (halves to even), multiply it by the float32 `input scale * kernel scale /
output scale`, round (halves to even), add the zero point and clip. So equal integers, equal
multipliers bit for bit and sums that cannot leave int32 make equal outputs, for every input.

Sources: XNNPACK's src/operators/convolution-nhwc.c (`xnn_create_convolution2d_nhwc_qs8_qc8w`) and
src/operators/fully-connected-nc.c for the multiplier, the `fp32` requantisation of
src/qs8-qc8w-gemm, -igemm and -dwconv; ONNX Runtime's
onnxruntime/core/providers/cpu/quantization/qlinearconv.cc and
onnxruntime/contrib_ops/cpu/quantization/quant_gemm.cc (`ComputeOutputScale`), and
onnxruntime/core/mlas/lib/quantize.cpp (`MlasRequantizeOutput`).
"""

from collections.abc import Iterator
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.integer.graph import MOST_STEPS, QMAX, QMIN, WIDEST_MULTIPLIER, Float32
from mobiledeploy.integer.products import EXACT
from mobiledeploy.reading import Layer, Weights
from mobiledeploy.verify.proof import Accumulator, Finding

Sums: TypeAlias = npt.NDArray[np.int64]

BIAS_SCALE: Final = 3e-7
"""How far a bias scale may lie from input scale times kernel scale: a rounding of float32."""


def prove(first: Layer, second: Layer) -> Finding:
    """Return what two layers with weights have in common.

    Args:
        first: Of the `.tflite`.
        second: Of the `.onnx`.
    """
    a, b = first.weights, second.weights
    if a is None or b is None:
        return Finding(method="none", reasons=("its weights are not int8 constants",))
    reasons = [*_shape_reasons(first, second), *_weight_reasons(a, b)]
    if a.kernel.shape != b.kernel.shape:
        return Finding(method="structure", reasons=tuple(reasons))
    low, high = reach(first, a)
    for layer, weights in ((first, a), (second, b)):
        reasons += _own_reasons(layer, weights)
    if not reasons:
        reasons += _multiplier_reasons(multipliers(first, a), multipliers(second, b))
        reasons += _range_reasons(low, high, multipliers(first, a))
    if reasons:
        return Finding(method="structure", reasons=tuple(dict.fromkeys(reasons)))
    largest = max(-int(low.min()), int(high.max()))
    exact = largest <= EXACT
    return Finding(
        method="structure",
        statement=(
            f"{a.kernel.size} equal weights, {a.bias.size} equal biases, "
            f"{multipliers(first, a).size} equal float32 multipliers; sums within "
            f"{int(low.min())}..{int(high.max())}, "
            + ("all float32 values" if exact else "rounded to float32 beyond 2**24 in both")
        ),
        accumulator=Accumulator(lowest=int(low.min()), highest=int(high.max()), exact=exact),
    )


def multipliers(layer: Layer, weights: Weights) -> Float32:
    """Return the float32 multipliers as both runtimes compute them: one a channel, or one."""
    scales: Float32 = (
        _number(layer.reads[0].scale) * weights.kernel_scale / _number(layer.output.scale)
    )
    return scales


def reach(layer: Layer, weights: Weights) -> tuple[Sums, Sums]:
    """Return the lowest and highest sum of each channel, over all inputs; int64."""
    zero = layer.reads[0].zero_point or 0
    kernel = weights.kernel.astype(np.int64)
    axis = kernel.ndim - 1 if layer.kind == "depthwise" else 0
    others = tuple(other for other in range(kernel.ndim) if other != axis)
    ends = kernel * (QMIN - zero), kernel * (QMAX - zero)
    low = np.minimum(*ends).sum(axis=others) + weights.bias
    high = np.maximum(*ends).sum(axis=others) + weights.bias
    return low, high


def _shape_reasons(first: Layer, second: Layer) -> Iterator[str]:
    fields = ("strides", "dilations", "pads", "groups", "clamp")
    for field in fields:
        a, b = getattr(first, field), getattr(second, field)
        if a != b:
            yield f"{field}: {a} in the .tflite, {b} in the .onnx"
    zeros = first.reads[0].zero_point, second.reads[0].zero_point
    if zeros[0] != zeros[1] or zeros[0] is None:
        yield f"zero points of the input: {zeros[0]} and {zeros[1]}"
    zeros = first.output.zero_point, second.output.zero_point
    if zeros[0] != zeros[1] or zeros[0] is None:
        yield f"zero points of the output: {zeros[0]} and {zeros[1]}"
    if first.output.shape != second.output.shape:
        yield f"output shape: {first.output.shape} and {second.output.shape}"


def _weight_reasons(a: Weights, b: Weights) -> Iterator[str]:
    if a.kernel.shape != b.kernel.shape:
        yield f"kernel shape: {a.kernel.shape} and {b.kernel.shape}"
        return
    differs = int((a.kernel != b.kernel).sum())
    if differs:
        yield f"{differs} of {a.kernel.size} weights differ"
    differs = int((a.bias != b.bias).sum())
    if differs:
        yield f"{differs} of {a.bias.size} biases differ"


def _own_reasons(layer: Layer, weights: Weights) -> Iterator[str]:
    """Yield what keeps a layer from being what the kernels are known for."""
    if layer.groups != 1:
        yield f"a convolution of {layer.groups} groups"
    if weights.kernel_zero.any():
        yield "weights with a zero point"
    if weights.kernel.min() < -QMAX:
        yield "a weight of -128, outside of TFLite's specification"
    read = layer.reads[0]
    for scales in (weights.kernel_scale, weights.bias_scale, read.scale, layer.output.scale):
        if not _positive(scales):
            yield "a scale is no positive number"
            return
    products = _number(read.scale) * weights.kernel_scale
    if not np.allclose(weights.bias_scale, products, rtol=BIAS_SCALE, atol=0):
        yield "the bias scale is not input scale x kernel scale"


def _number(scale: np.float32 | None) -> np.float32:
    return np.float32(np.nan) if scale is None else scale


def _positive(scales: Float32 | np.float32 | None) -> bool:
    if scales is None:
        return False
    values = np.asarray(scales)
    return bool((np.isfinite(values) & (values >= np.finfo(np.float32).tiny)).all())


def _multiplier_reasons(a: Float32, b: Float32) -> Iterator[str]:
    if a.size != b.size and 1 not in {a.size, b.size}:
        yield f"{a.size} scales and {b.size} scales"
        return
    a, b = np.broadcast_arrays(a, b)
    differs = np.flatnonzero(a != b)
    if differs.size:
        worst = differs[np.argmax(np.abs(a / b - 1)[differs])]
        yield (
            f"{differs.size} of {a.size} float32 multipliers differ, most in channel {worst}: "
            f"{a[worst]:.9g} and {b[worst]:.9g}"
        )


def _range_reasons(low: Sums, high: Sums, scales: Float32) -> Iterator[str]:
    if scales.max() >= WIDEST_MULTIPLIER:
        yield f"a multiplier of {scales.max():.3g}: XNNPACK takes less than {WIDEST_MULTIPLIER}"
    limits = np.iinfo(np.int32)
    if low.min() < limits.min or high.max() > limits.max:
        yield f"sums within {low.min()}..{high.max()} do not fit int32"
    steps = (np.maximum(-low, high) * scales.astype(np.float64)).max()
    if steps >= MOST_STEPS:
        yield f"sums of {steps:.3g} output steps, where kernels for x86 wrap around"
