"""Read ONNX operators that compute: on real values between quantise/dequantise pairs."""

import dataclasses
from typing import assert_never

import numpy as np

from mobiledeploy.formats.onnx import OnnxOperator
from mobiledeploy.ops.onnx_reading import (
    OnnxActivation,
    OnnxConstant,
    OnnxReader,
    OnnxValue,
    QuantisedConstant,
)
from mobiledeploy.ops.padding import output_size
from mobiledeploy.ops.stored import Array, Fault, LayerKind
from mobiledeploy.reading.onnx_weights import Bias, convolve, multiply_matrix, padding


def convolution(reader: OnnxReader, node: OnnxOperator) -> OnnxValue | None:
    """Conv."""
    value = reader.value(node, 0)
    if not isinstance(value, OnnxActivation):
        return None
    return convolve(reader, node, value, reader.value(node, 1), bias_of(reader, node, 2))


def gemm(reader: OnnxReader, node: OnnxOperator) -> OnnxValue | None:
    """Gemm and MatMul with constant weights."""
    value = reader.value(node, 0)
    options = {key: node.attributes.get(key) or 0 for key in ("transA", "transB")}
    usual = node.attributes.get("alpha", 1.0) == node.attributes.get("beta", 1.0) == 1.0
    if not isinstance(value, OnnxActivation) or options["transA"] or not usual:
        return None
    kernel = reader.value(node, 1)
    if not options["transB"]:
        kernel = _turned(kernel)
    return multiply_matrix(reader, node, value, kernel, bias_of(reader, node, 2))


def _turned(kernel: OnnxValue | None) -> OnnxValue | None:
    match kernel:
        case QuantisedConstant() if kernel.codes.ndim == 2:
            return dataclasses.replace(kernel, codes=kernel.codes.T, axis=1 - kernel.axis)
        case OnnxConstant():
            return dataclasses.replace(kernel, values=kernel.values.T)
        case QuantisedConstant() | OnnxActivation() | None:
            return kernel  # none that a matrix product is understood with
        case _:
            assert_never(kernel)


def add(reader: OnnxReader, node: OnnxOperator) -> OnnxValue | None:
    """Add, of two activations or of a bias."""
    a, b = reader.value(node, 0), reader.value(node, 1)
    if isinstance(a, OnnxActivation) and isinstance(b, OnnxActivation):
        return sum_of(reader, node, a, b)
    flow, place = (a, 1) if isinstance(a, OnnxActivation) else (b, 0)
    bias = bias_of(reader, node, place)
    if not isinstance(flow, OnnxActivation) or bias is None or not reader.is_open(flow):
        return None
    layer = reader.layers[flow.source]
    weights = layer.weights
    channels = 0 if weights is None else weights.bias.size
    fits = weights is not None and not weights.bias.any() and bias.values.size == channels
    if weights is None or not fits or reader.bounds[flow.source] != (-np.inf, np.inf):
        return None
    faults = layer.faults
    if bias.fault:
        faults = (*faults, bias.fault)
    else:
        weights = dataclasses.replace(
            weights,
            bias=bias.values,
            bias_scale=weights.bias_scale if bias.scale is None else bias.scale,
        )
    reader.layers.change(flow.source, weights=weights, faults=faults)
    return flow


def sum_of(
    reader: OnnxReader, node: OnnxOperator, a: OnnxActivation, b: OnnxActivation
) -> OnnxActivation:
    """Add an addition of two activations."""
    faults: tuple[Fault, ...] = ()
    if a.axes != b.axes:
        detail = f"an operand with axes {a.axes or 'unknown'} is added to one with {b.axes}"
        faults = (Fault(field="axis", detail=detail),)
    return reader.begin(node, "add", [a, b], a, faults=faults)


def mean(reader: OnnxReader, node: OnnxOperator) -> OnnxValue | None:
    """GlobalAveragePool, and ReduceMean over height and width."""
    value = reader.value(node, 0)
    if not isinstance(value, OnnxActivation) or "H" not in value.axes:
        return None
    window = value.size("H"), value.size("W")
    axes, sizes = (
        value.axes,
        tuple(
            1 if axis in "HW" else size for axis, size in zip(value.axes, value.sizes, strict=True)
        ),
    )
    if node.op == "ReduceMean":
        wanted = node.attributes.get("axes")
        numbers = reader.numbers(node, 1)
        wanted = numbers.ravel().tolist() if wanted is None and numbers is not None else wanted
        if wanted is None or {value.axes[int(axis) % 4] for axis in wanted} != {"H", "W"}:
            return None
        if not node.attributes.get("keepdims", 1):
            axes, sizes = "NC", (value.sizes[0], value.size("C"))
    elif value.axes[1] != "C":
        return None
    out = dataclasses.replace(value, axes=axes, sizes=sizes)
    return reader.begin(node, "mean", [value], out, window=window)


def pool(reader: OnnxReader, node: OnnxOperator) -> OnnxValue | None:
    """AveragePool and MaxPool."""
    value = reader.value(node, 0)
    if not isinstance(value, OnnxActivation) or value.axes != "NCHW" or not value.real:
        return None
    window = tuple(node.attributes.get("kernel_shape") or ())
    strides = tuple(node.attributes.get("strides") or (1, 1))
    if len(window) != 2 or len(strides) != 2 or node.attributes.get("ceil_mode"):
        return None
    size = value.sizes[2:]
    pads = padding(node, size, window, strides, (1, 1))
    kind: LayerKind = "average_pool" if node.op == "AveragePool" else "max_pool"
    if window == size and not any(pads) and node.op == "AveragePool":
        out = dataclasses.replace(value, sizes=(*value.sizes[:2], 1, 1))
        return reader.begin(node, "mean", [value], out, window=window)
    high, wide = output_size(size, window, strides, (1, 1), pads)
    out = dataclasses.replace(value, sizes=(*value.sizes[:2], high, wide))
    return reader.begin(node, kind, [value], out, window=window, strides=strides, pads=pads)


def softmax(reader: OnnxReader, node: OnnxOperator) -> OnnxValue | None:
    """Softmax over the classes."""
    value = reader.value(node, 0)
    if not isinstance(value, OnnxActivation):
        return None
    axis = int(node.attributes.get("axis", -1) or 0)
    faults: tuple[Fault, ...] = ()
    if axis not in {-1, len(value.sizes) - 1}:
        faults = (Fault(field="axis", detail=f"the softmax runs along axis {axis}"),)
    return reader.begin(node, "softmax", [value], value, faults=faults)


def pad(reader: OnnxReader, node: OnnxOperator) -> OnnxValue | None:
    """Pad with zeros, of images."""
    value = reader.value(node, 0)
    amounts = node.attributes.get("pads")
    numbers = reader.numbers(node, 1)
    if amounts is None and numbers is not None:
        amounts = tuple(int(amount) for amount in numbers.ravel())
    usual = node.attributes.get("mode", "constant") == "constant"
    if not isinstance(value, OnnxActivation) or amounts is None or len(amounts) != 8 or not usual:
        return None
    if len(value.axes) != 4:
        return None
    number = reader.scalar(node, 2)
    before = {axis: amounts[place] for place, axis in enumerate(value.axes)}
    after = {axis: amounts[place + 4] for place, axis in enumerate(value.axes)}
    fills = number is None or number == 0
    if min(amounts) < 0 or any(before[axis] or after[axis] for axis in "NC"):
        return None
    if not value.real or not fills:
        return None
    sizes = tuple(
        size + before[axis] + after[axis]
        for axis, size in zip(value.axes, value.sizes, strict=True)
    )
    out = dataclasses.replace(value, sizes=sizes)
    pads = before["H"], after["H"], before["W"], after["W"]
    opened = reader.begin(node, "pad", [value], out, pads=pads)
    # Padding with real 0 keeps the grid: a convolution may read on without quantising again.
    layer = reader.layers[opened.source]
    output = dataclasses.replace(
        layer.output, scale=value.scale, zero_point=value.zero_point, dtype="float32"
    )
    reader.layers.change(opened.source, output=output)
    return dataclasses.replace(opened, scale=value.scale, zero_point=value.zero_point)


def bias_of(reader: OnnxReader, node: OnnxOperator, place: int) -> Bias | None:
    """Return a bias; None where there is none."""
    value = reader.value(node, place)
    if isinstance(value, QuantisedConstant) and value.codes.dtype == np.int32:
        values = value.codes.ravel().astype(np.int32)
        fault = None
        if value.zero.any():
            fault = Fault(field="bias", detail="the bias has a zero point")
        elif value.scale.size > 1 and value.axis != 0:
            fault = Fault(
                field="bias_scale", detail=f"the bias is quantised along axis {value.axis}"
            )
        return Bias(values=values, scale=value.scale, fault=fault)
    if isinstance(value, OnnxConstant | QuantisedConstant):
        numbers: Array = value.values if isinstance(value, OnnxConstant) else value.codes
        fault = None
        if numbers.any():
            fault = Fault(field="bias", detail=f"the bias is {numbers.dtype}, not int32")
        return Bias(values=np.zeros(numbers.size, np.int32), scale=None, fault=fault)
    return None
