"""Rules on weights and biases: their types, scales, zero points and codes."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from mobiledeploy.formats.model import CODES, FLOATS, NARROW, Grid, Tensor
from mobiledeploy.lint.graph import Graph
from mobiledeploy.lint.layers import Layer, is_dynamic
from mobiledeploy.lint.rule import Place, Rule

BIAS_SCALE: Final = 1e-5
"""Relative tolerance: far above float32 rounding, far below any effect on an output."""


def _kernels(graph: Graph) -> Iterator[tuple[Layer, Tensor, Grid]]:
    """Yield layers whose kernels are constant codes, with kernel and grid."""
    for layer in graph.layers:
        kernel = layer.kernel
        if kernel is not None and kernel.grid is not None and kernel.tensor.dtype not in FLOATS:
            yield layer, kernel.tensor, kernel.grid


def _asymmetric(graph: Graph) -> Iterator[Place]:
    for layer, kernel, grid in _kernels(graph):
        zeros = grid.zero_point
        # The uint8 scheme of 2018 has a zero point for each kernel, which its own kernels support.
        legacy = kernel.dtype == "uint8" and zeros.size == 1
        if zeros.any() and not legacy:
            channel = int(np.flatnonzero(zeros)[0])
            yield Place(where=layer.where, found=f"zero point {zeros[channel]} (entry {channel})")


def _lowest_code(graph: Graph) -> Iterator[Place]:
    for layer, kernel, _ in _kernels(graph):
        data = kernel.data
        if data is not None and data.dtype == np.int8 and data.size and data.min() == -128:
            yield Place(where=layer.where, found=f"-128, {int((data == -128).sum())} times")


def _one_scale(graph: Graph) -> Iterator[Place]:
    for layer, kernel, grid in _kernels(graph):
        many = layer.channels > 1 and layer.form.per_channel
        if grid.scale.size == 1 and many and kernel.dtype == "int8":
            yield Place(where=layer.where, found=f"one scale for {layer.channels} channels")


def _axis(graph: Graph) -> Iterator[Place]:
    for layer, kernel, grid in _kernels(graph):
        scales, axis, shape = grid.scale.size, grid.axis, kernel.sizes or ()
        rank = len(shape)
        right = axis in {layer.channel_axis, layer.channel_axis - rank}
        if scales > 1 and not (right and scales == layer.channels):
            yield Place(
                where=layer.where,
                found=f"{scales} scales along axis {axis} of {shape}",
                expected=f"{layer.channels} along axis {layer.channel_axis}",
            )


def _bias_type(graph: Graph) -> Iterator[Place]:
    for layer, _, _ in _kernels(graph):
        bias = layer.bias
        if bias is None or not layer.integer:
            continue
        wide = layer.output.tensor.dtype == "int16"
        if bias.tensor.dtype not in ({"int32", "int64"} if wide else {"int32"}):
            yield Place(where=layer.where, found=f"a bias of {bias.tensor.dtype or 'no type'}")
        elif bias.grid is not None and bias.grid.zero_point.any():
            yield Place(where=layer.where, found="a bias with a zero point other than 0")


def _bias_scale(graph: Graph) -> Iterator[Place]:
    for layer, _, _ in _kernels(graph):
        if layer.bias is None or not layer.integer or not layer.sources:
            continue
        source, kernel = layer.sources[0].per_tensor, layer.kernel_scales()
        scales = layer.bias.per_channel(layer.channels)
        if source is None or kernel is None or layer.bias.grid is None:
            continue
        expected = source[0] * kernel
        if scales is None:
            yield Place(where=layer.where, found="bias scales that do not fit its channels")
            continue
        off = np.abs(scales / expected - 1)
        worst = int(off.argmax())
        if off[worst] > BIAS_SCALE:
            yield Place(
                where=layer.where,
                found=f"bias scale {scales[worst]:.6g} in channel {worst}",
                expected=f"{expected[worst]:.6g}",
            )


def _bad_scales(graph: Graph) -> Iterator[Place]:
    for tensor in graph.model.tensors:
        if tensor.grid is None:
            continue
        scale = tensor.grid.scale
        bad = ~(np.isfinite(scale) & (scale > 0))
        if bad.any():
            yield Place(where=f"tensor `{tensor.name}`", found=f"scale {scale[bad][0]}")


def _bad_zero_points(graph: Graph) -> Iterator[Place]:
    for tensor in graph.model.tensors:
        if tensor.grid is None or tensor.dtype not in CODES:
            continue
        low, high = CODES[tensor.dtype]
        zeros = tensor.grid.zero_point
        bad = (zeros < low) | (zeros > high)
        if bad.any():
            yield Place(
                where=f"tensor `{tensor.name}`",
                found=f"zero point {zeros[bad][0]}",
                expected=f"{low}..{high} for {tensor.dtype}",
            )


def _other_types(graph: Graph) -> Iterator[Place]:
    types = (*NARROW, "int16", "float16", "bfloat16")
    # Scales and zero points are not weights.
    grids = set(graph.model.scales)
    for operator in graph.model.operators:
        if operator.kind in {"QuantizeLinear", "DequantizeLinear"}:
            grids |= {operator.input(1), operator.input(2)}
    for index, tensor in enumerate(graph.model.tensors):
        weights = tensor.constant and tensor.stored > 1 and index not in grids
        if weights and tensor.dtype in types:
            yield Place(where=f"tensor `{tensor.name}`", found=f"{tensor.dtype} weights")


def _hybrid(graph: Graph) -> Iterator[Place]:
    if graph.model.format != "tflite":
        # A layer without its QDQ pair is MD402.
        for layer in graph.layers:
            if is_dynamic(layer.operator) and layer.kernel is not None:
                dtype = layer.kernel.tensor.dtype
                yield Place(where=layer.where, found=f"{dtype} weights, float activations")
        return
    for layer in graph.layers:
        kernel = None if layer.kernel is None else layer.kernel.tensor
        coded = kernel is not None and (kernel.grid is not None or kernel.block)
        if kernel is None or not coded or kernel.dtype in FLOATS:
            continue
        if layer.output.tensor.dtype in FLOATS:
            yield Place(where=layer.where, found=f"{kernel.dtype} weights, float activations")


def _legacy(graph: Graph) -> Iterator[Place]:
    if graph.model.format != "tflite":
        return
    for layer, kernel, _ in _kernels(graph):
        if kernel.dtype == "uint8":
            yield Place(where=layer.where, found="uint8 weights")


RULES: Final = (
    Rule(
        id="MD101",
        severity="error",
        title="asymmetric weights",
        expected="zero point 0: integer kernels leave it out of their sums",
        hint="quantise the weights symmetrically",
        find=_asymmetric,
    ),
    Rule(
        id="MD102",
        severity="warning",
        title="weight code -128",
        expected="weights in -127..127: some kernels negate codes, or add pairs in 16 bits",
        hint="quantise with the narrow range: scale = largest absolute weight / 127",
        find=_lowest_code,
    ),
    Rule(
        id="MD103",
        severity="warning",
        title="one weight scale for all channels",
        expected="a scale for each output channel of a convolution",
        hint="quantise per channel: MobileNets lose most of their accuracy otherwise",
        find=_one_scale,
    ),
    Rule(
        id="MD104",
        severity="error",
        title="weight scales on the wrong axis",
        expected="the axis of the output channels",
        hint="convert again with a tool that knows the layer's layout",
        find=_axis,
    ),
    Rule(
        id="MD105",
        severity="error",
        title="bias that is not int32 with zero point 0",
        expected="int32 codes with the scale of the accumulator and zero point 0",
        hint="quantise the bias with input scale x weight scale",
        find=_bias_type,
    ),
    Rule(
        id="MD106",
        severity="error",
        title="bias scale that is not input scale x weight scale",
        expected="the accumulator's scale: kernels add bias codes and ignore their scale",
        hint="quantise the bias again; ranges were changed after it was quantised",
        find=_bias_scale,
    ),
    Rule(
        id="MD107",
        severity="error",
        title="scale that is not a positive number",
        expected="finite scales above 0",
        hint="a range was empty, or never calibrated: calibrate again",
        find=_bad_scales,
    ),
    Rule(
        id="MD108",
        severity="error",
        title="zero point outside the codes of its type",
        expected="a code of the tensor's type",
        hint="the range does not contain 0: widen it so that it does",
        find=_bad_zero_points,
    ),
    Rule(
        id="MD109",
        severity="note",
        title="weights of another type than int8 or float32",
        expected="int8 or float32, or a runtime on the phone that has kernels for them",
        hint="see docs/lint.md on what runs where",
        find=_other_types,
    ),
    Rule(
        id="MD110",
        severity="warning",
        title="integer weights, float activations",
        expected="a file that is all integer or all float",
        hint="give the converter a representative dataset, as `mobiledeploy build` does",
        find=_hybrid,
    ),
    Rule(
        id="MD111",
        severity="note",
        title="the uint8 scheme of 2018",
        expected="int8, one weight scale per channel",
        hint="convert the float model again with a current tool",
        find=_legacy,
    ),
)
