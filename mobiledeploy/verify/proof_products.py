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
from typing import Final

import numpy as np

from mobiledeploy.compare.reachable_codes import Span, multipliers, sums
from mobiledeploy.compare.same_function import compare_weighted
from mobiledeploy.ops.products import EXACT
from mobiledeploy.ops.tensors import QMAX, Float32
from mobiledeploy.ops.weights import MOST_STEPS, WIDEST_MULTIPLIER
from mobiledeploy.reading import Layer, Weights
from mobiledeploy.runtimes import table
from mobiledeploy.verify.proof import Accumulator, Finding

BIAS_SCALE: Final = 3e-7
"""How far a bias scale may lie from input scale times kernel scale: a rounding of float32."""


def prove(first: Layer, second: Layer) -> Finding:
    """Return whether two layers with weights are one function, whatever codes they read.

    Args:
        first: Of the `.tflite`.
        second: Of the `.onnx`.
    """
    a, b = first.weights, second.weights
    if a is None or b is None:
        return Finding(method="none", reasons=("its weights are not int8 constants",))
    reasons = [
        *_form_reasons(first, second),
        *_weight_reasons(a, b),
        *_own_reasons(first, a),
        *_own_reasons(second, b),
    ]
    if reasons:
        return Finding(method="structure", reasons=tuple(dict.fromkeys(reasons)))
    every = Span.full(a.kernel.shape)
    span, factors, others = sums(first, every), multipliers(first), multipliers(second)
    if span is None or factors is None or others is None:
        return Finding(method="structure", reasons=("its sums have no bounds",))
    low, high = int(span.low.min()), int(span.high.max())
    reasons += _range_reasons(span, np.maximum(factors, others))
    exact = max(-low, high) <= EXACT
    said = (
        f"{a.kernel.size} equal weights and {a.bias.size} equal biases; sums within "
        f"{low}..{high}, "
        + ("all of them float32 values" if exact else "rounded to float32 beyond 2**24 in both")
    )
    accumulator = Accumulator(lowest=low, highest=high, exact=exact)
    differs = np.flatnonzero(factors != others)
    if not differs.size:
        said = f"{factors.size} equal float32 multipliers, {said}"
        return Finding(
            method="structure", statement=said, reasons=tuple(reasons), accumulator=accumulator
        )
    worst = differs[np.argmax(np.abs(factors / others - 1)[differs])]
    apart = (
        f"{differs.size} of {factors.size} float32 multipliers differ, most in channel {worst}: "
        f"{factors[worst]:.9g} and {others[worst]:.9g}"
    )
    if not exact or not compare_weighted(first, second, every).equal:
        reasons.append(apart)
    return Finding(
        method="enumeration",
        cases=int((span.high - span.low + 1).sum()),
        statement=f"{said}; {apart}, but around every step of the codes both give the same",
        reasons=tuple(reasons),
        accumulator=accumulator,
    )


def _form_reasons(first: Layer, second: Layer) -> Iterator[str]:
    for field in ("strides", "dilations", "pads", "groups", "clamp"):
        a, b = getattr(first, field), getattr(second, field)
        if a != b:
            yield f"{field}: {a} in the .tflite, {b} in the .onnx"
    for what, a, b in (
        ("zero points of the input", first.reads[0].zero_point, second.reads[0].zero_point),
        ("zero points of the output", first.output.zero_point, second.output.zero_point),
    ):
        if a is None or a != b:
            yield f"{what}: {a} and {b}"
    if first.output.shape != second.output.shape:
        yield f"output shape: {first.output.shape} and {second.output.shape}"


def _weight_reasons(a: Weights, b: Weights) -> Iterator[str]:
    if a.kernel.shape != b.kernel.shape:
        yield f"kernel shape: {a.kernel.shape} and {b.kernel.shape}"
        return
    for what, mine, other in (("weights", a.kernel, b.kernel), ("biases", a.bias, b.bias)):
        differs = int((mine != other).sum())
        if differs:
            yield f"{differs} of {mine.size} {what} differ"


def _own_reasons(layer: Layer, weights: Weights) -> Iterator[str]:
    """Yield what keeps a layer from being what the kernels are known for."""
    if layer.groups != 1:
        yield f"a convolution of {layer.groups} groups"
    if weights.kernel_zero.any():
        yield "weights with a zero point"
    if weights.kernel.min() < -QMAX:
        yield "a weight of -128, outside of TFLite's specification"
    read, out = layer.reads[0].scale, layer.output.scale
    if read is None or out is None:
        yield "floats"
        return
    scales = [np.asarray(read), np.asarray(out), weights.kernel_scale, weights.bias_scale]
    if not all(_positive(scale) for scale in scales):
        yield "a scale is no positive number"
        return
    if not np.allclose(weights.bias_scale, read * weights.kernel_scale, rtol=BIAS_SCALE, atol=0):
        yield "the bias scale is not input scale x kernel scale"


def _positive(values: Float32) -> bool:
    return bool((np.isfinite(values) & (values >= np.finfo(np.float32).tiny)).all())


def _range_reasons(span: Span, factors: Float32) -> Iterator[str]:
    if not factors.max() < WIDEST_MULTIPLIER:
        kernels = table.primary("tflite").kernels
        yield f"a multiplier of {factors.max():.3g}: {kernels} takes less than {WIDEST_MULTIPLIER}"
    limits = np.iinfo(np.int32)
    if span.low.min() < limits.min or span.high.max() > limits.max:
        yield f"sums within {span.low.min()}..{span.high.max()} do not fit int32"
    steps = (np.maximum(-span.low, span.high) * factors.astype(np.float64)).max()
    if not steps < MOST_STEPS:
        yield f"sums of {steps:.3g} output steps, where kernels for x86 wrap around"
