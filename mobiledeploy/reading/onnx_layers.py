"""Read ONNX operators that compute: on real values between quantise/dequantise pairs."""

import dataclasses
from typing import assert_never

import numpy as np

from mobiledeploy.formats.onnx import OnnxOperator
from mobiledeploy.reading.model import Array, Fault, Kind
from mobiledeploy.reading.onnx_state import State
from mobiledeploy.reading.onnx_values import Constant, Flow, Quantised, Value
from mobiledeploy.reading.onnx_weights import Bias, convolve, multiply_matrix, padding
from mobiledeploy.reading.windows import output_size


def convolution(state: State, node: OnnxOperator) -> Value | None:
    """Conv."""
    value = state.value(node, 0)
    if not isinstance(value, Flow):
        return None
    return convolve(state, node, value, state.value(node, 1), bias_of(state, node, 2))


def gemm(state: State, node: OnnxOperator) -> Value | None:
    """Gemm and MatMul with constant weights."""
    value = state.value(node, 0)
    options = {key: node.attributes.get(key) or 0 for key in ("transA", "transB")}
    usual = node.attributes.get("alpha", 1.0) == node.attributes.get("beta", 1.0) == 1.0
    if not isinstance(value, Flow) or options["transA"] or not usual:
        return None
    kernel = state.value(node, 1)
    if not options["transB"]:
        kernel = _turned(kernel)
    return multiply_matrix(state, node, value, kernel, bias_of(state, node, 2))


def _turned(kernel: Value | None) -> Value | None:
    match kernel:
        case Quantised() if kernel.codes.ndim == 2:
            return dataclasses.replace(kernel, codes=kernel.codes.T, axis=1 - kernel.axis)
        case Constant():
            return dataclasses.replace(kernel, values=kernel.values.T)
        case Quantised() | Flow() | None:
            return kernel  # none that a matrix product is understood with
        case _:
            assert_never(kernel)


def add(state: State, node: OnnxOperator) -> Value | None:
    """Add, of two activations or of a bias."""
    a, b = state.value(node, 0), state.value(node, 1)
    if isinstance(a, Flow) and isinstance(b, Flow):
        return sum_of(state, node, a, b)
    flow, place = (a, 1) if isinstance(a, Flow) else (b, 0)
    bias = bias_of(state, node, place)
    if not isinstance(flow, Flow) or bias is None or not state.is_open(flow):
        return None
    layer = state.draft.layers[flow.source]
    weights = layer.weights
    channels = 0 if weights is None else weights.bias.size
    fits = weights is not None and not weights.bias.any() and bias.values.size == channels
    if weights is None or not fits or state.bounds[flow.source] != (-np.inf, np.inf):
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
    state.draft.change(flow.source, weights=weights, faults=faults)
    return flow


def sum_of(state: State, node: OnnxOperator, a: Flow, b: Flow) -> Flow:
    """Add an addition of two activations."""
    faults: tuple[Fault, ...] = ()
    if a.axes != b.axes:
        detail = f"an operand with axes {a.axes or 'unknown'} is added to one with {b.axes}"
        faults = (Fault(field="axis", detail=detail),)
    return state.begin(node, "add", [a, b], a, faults=faults)


def mean(state: State, node: OnnxOperator) -> Value | None:
    """GlobalAveragePool, and ReduceMean over height and width."""
    value = state.value(node, 0)
    if not isinstance(value, Flow) or "H" not in value.axes:
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
        numbers = state.numbers(node, 1)
        wanted = numbers.ravel().tolist() if wanted is None and numbers is not None else wanted
        if wanted is None or {value.axes[int(axis) % 4] for axis in wanted} != {"H", "W"}:
            return None
        if not node.attributes.get("keepdims", 1):
            axes, sizes = "NC", (value.sizes[0], value.size("C"))
    elif value.axes[1] != "C":
        return None
    out = dataclasses.replace(value, axes=axes, sizes=sizes)
    return state.begin(node, "mean", [value], out, window=window)


def pool(state: State, node: OnnxOperator) -> Value | None:
    """AveragePool and MaxPool."""
    value = state.value(node, 0)
    if not isinstance(value, Flow) or value.axes != "NCHW" or not value.real:
        return None
    window = tuple(node.attributes.get("kernel_shape") or ())
    strides = tuple(node.attributes.get("strides") or (1, 1))
    if len(window) != 2 or len(strides) != 2 or node.attributes.get("ceil_mode"):
        return None
    size = value.sizes[2:]
    pads = padding(node, size, window, strides, (1, 1))
    kind: Kind = "average_pool" if node.op == "AveragePool" else "max_pool"
    if window == size and not any(pads) and node.op == "AveragePool":
        out = dataclasses.replace(value, sizes=(*value.sizes[:2], 1, 1))
        return state.begin(node, "mean", [value], out, window=window)
    high, wide = output_size(size, window, strides, (1, 1), pads)
    out = dataclasses.replace(value, sizes=(*value.sizes[:2], high, wide))
    return state.begin(node, kind, [value], out, window=window, strides=strides, pads=pads)


def softmax(state: State, node: OnnxOperator) -> Value | None:
    """Softmax over the classes."""
    value = state.value(node, 0)
    if not isinstance(value, Flow):
        return None
    axis = int(node.attributes.get("axis", -1) or 0)
    faults: tuple[Fault, ...] = ()
    if axis not in {-1, len(value.sizes) - 1}:
        faults = (Fault(field="axis", detail=f"the softmax runs along axis {axis}"),)
    return state.begin(node, "softmax", [value], value, faults=faults)


def pad(state: State, node: OnnxOperator) -> Value | None:
    """Pad with zeros, of images."""
    value = state.value(node, 0)
    amounts = node.attributes.get("pads")
    numbers = state.numbers(node, 1)
    if amounts is None and numbers is not None:
        amounts = tuple(int(amount) for amount in numbers.ravel())
    usual = node.attributes.get("mode", "constant") == "constant"
    if not isinstance(value, Flow) or amounts is None or len(amounts) != 8 or not usual:
        return None
    if len(value.axes) != 4:
        return None
    number = state.scalar(node, 2)
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
    opened = state.begin(node, "pad", [value], out, pads=pads)
    # Padding with real 0 keeps the grid: a convolution may read on without quantising again.
    layer = state.draft.layers[opened.source]
    output = dataclasses.replace(
        layer.output, scale=value.scale, zero_point=value.zero_point, dtype="float32"
    )
    state.draft.change(opened.source, output=output)
    return dataclasses.replace(opened, scale=value.scale, zero_point=value.zero_point)


def bias_of(state: State, node: OnnxOperator, place: int) -> Bias | None:
    """Return a bias; None where there is none."""
    value = state.value(node, place)
    if isinstance(value, Quantised) and value.codes.dtype == np.int32:
        values = value.codes.ravel().astype(np.int32)
        fault = None
        if value.zero.any():
            fault = Fault(field="bias", detail="the bias has a zero point")
        elif value.scale.size > 1 and value.axis != 0:
            fault = Fault(
                field="bias_scale", detail=f"the bias is quantised along axis {value.axis}"
            )
        return Bias(values=values, scale=value.scale, fault=fault)
    if isinstance(value, Constant | Quantised):
        numbers: Array = value.values if isinstance(value, Constant) else value.codes
        fault = None
        if numbers.any():
            fault = Fault(field="bias", detail=f"the bias is {numbers.dtype}, not int32")
        return Bias(values=np.zeros(numbers.size, np.int32), scale=None, fault=fault)
    return None
