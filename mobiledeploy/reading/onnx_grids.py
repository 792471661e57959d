"""Read what puts values on grids and takes them off, and what cuts them off there."""

import dataclasses
import math

import numpy as np

from mobiledeploy.formats.onnx import OnnxOperator
from mobiledeploy.reading.model import INPUT, Array
from mobiledeploy.reading.onnx_state import OFFSET, State
from mobiledeploy.reading.onnx_values import Constant, Flow, Quantised, Value


def quantise(state: State, node: OnnxOperator) -> Value | None:
    """QuantizeLinear."""
    value = state.value(node, 0)
    if isinstance(value, Constant):
        return _stored(state, node, value)
    grid = state.grid(node, 1, 2)
    if not isinstance(value, Flow) or grid is None:
        return None
    scale, zero_point, _ = grid
    codes = dataclasses.replace(value, scale=scale, zero_point=zero_point, real=False, factor=None)
    if value.source == INPUT and value.scale is None:
        draft = state.draft
        if draft.input.scale is None:
            state.input_factor = value.factor
            own = scale if value.factor is None else scale / value.factor
            draft.input = dataclasses.replace(draft.input, scale=own, zero_point=zero_point)
        return codes
    if state.is_open(value):
        return state.close(value, state.written(node), grid)
    if (value.scale, value.zero_point) == (scale, zero_point) or _again(state, value, grid):
        return codes
    return state.close(state.begin(node, "quantize", [value], value), state.written(node), grid)


def _again(state: State, value: Flow, grid: tuple[np.float32, int, str]) -> bool:
    """Whether a node puts on a grid what another one has put on the same grid already."""
    if value.source == INPUT or not value.real or value.scale is not None:
        return False
    stored = state.draft.layers[value.source].output
    return (stored.scale, stored.zero_point, stored.dtype) == grid


def dequantise(state: State, node: OnnxOperator) -> Value | None:
    """DequantizeLinear."""
    value = state.value(node, 0)
    if isinstance(value, Constant):
        return weights_of(state, node, 0, axis=_axis(node, value.values))
    grid = state.grid(node, 1, 2)
    if not isinstance(value, Flow) or value.real or grid is None:
        return None
    scale, zero_point, _ = grid
    draft = state.draft
    if value.source == INPUT:
        if draft.input.scale is None:
            draft.input = dataclasses.replace(draft.input, scale=scale, zero_point=zero_point)
        elif state.input_factor is not None and np.float32(1) / scale == state.input_factor:
            # A multiplication by the inverse scale stands before: here is the scale itself.
            draft.input = dataclasses.replace(draft.input, scale=scale)
    return dataclasses.replace(value, scale=scale, zero_point=zero_point, real=True)


def cut(state: State, node: OnnxOperator) -> Value | None:
    """Clip and Relu, on real values or on codes."""
    value = state.value(node, 0)
    if not isinstance(value, Flow):
        return None
    low, high = _bounds(state, node)
    if not value.real:
        return _cut_codes(state, node, value, low, high)
    if not (state.is_open(value) and state.alone(node.inputs[0])):
        value = state.begin(node, "clamp", [value], value)
    before = state.bounds[value.source]
    state.bounds[value.source] = max(before[0], low), min(before[1], high)
    return value


def multiply(state: State, node: OnnxOperator) -> Value | None:
    """Mul and Div by a number: another scale of what is multiplied."""
    flows = [place for place in (0, 1) if isinstance(state.value(node, place), Flow)]
    if len(flows) != 1 or (node.op == "Div" and flows[0] == 1):
        return None
    value, number = state.value(node, flows[0]), state.scalar(node, 1 - flows[0])
    if not isinstance(value, Flow) or not value.real or number is None or not number > 0:
        return None
    factor = np.float32(number) if node.op == "Mul" else np.float32(1) / np.float32(number)
    if value.scale is not None:
        return dataclasses.replace(value, scale=value.scale * factor)
    if value.source == INPUT:
        before = np.float32(1) if value.factor is None else value.factor
        return dataclasses.replace(value, factor=before * factor)
    return None


def _cut_codes(
    state: State, node: OnnxOperator, value: Flow, low: float, high: float
) -> Value | None:
    bound = next(
        (state.numbers(node, p) for p in (1, 2) if state.numbers(node, p) is not None), None
    )
    offset = OFFSET if bound is not None and bound.dtype == np.uint8 else 0
    codes = max(low - offset, -OFFSET), min(high - offset, OFFSET - 1)
    clamp = int(codes[0]), int(codes[1])
    if value.source == INPUT or not state.alone(node.inputs[0]):
        if value.scale is None or value.zero_point is None:
            return None
        dtype = "uint8" if offset else "int8"
        grid = (value.scale, value.zero_point, dtype)
        added = state.begin(node, "clamp", [value], value)
        value = state.close(added, state.written(node), grid)
    before = state.draft.layers[value.source].clamp
    both = max(before[0], clamp[0]), min(before[1], clamp[1])
    state.draft.change(value.source, clamp=both)
    state.rename(node, value)
    return value


def _bounds(state: State, node: OnnxOperator) -> tuple[float, float]:
    if node.op == "Relu":
        return 0.0, math.inf
    found = []
    for place, key, default in ((1, "min", -math.inf), (2, "max", math.inf)):
        number = state.scalar(node, place)
        found.append(float(node.attributes.get(key, default)) if number is None else number)
    return found[0], found[1]


def _stored(state: State, node: OnnxOperator, value: Constant) -> Value | None:
    """Return the codes of constants that a file quantises only when it runs."""
    scales, zeros = state.numbers(node, 1), state.numbers(node, 2)
    if scales is None or value.values.dtype != np.float32 or not (scales > 0).all():
        return None
    dtype = np.dtype(np.uint8) if zeros is None else zeros.dtype
    if dtype not in (np.int8, np.uint8):
        return None
    axis = _axis(node, value.values)
    steps = np.rint(value.values / _along(scales, axis, value.values.ndim))
    if zeros is not None:
        steps = steps + _along(zeros.astype(np.float64), axis, value.values.ndim)
    limits = np.iinfo(dtype)
    codes = np.clip(steps, limits.min, limits.max).astype(dtype)
    return Constant(name=value.name, values=codes)


def weights_of(state: State, node: OnnxOperator, place: int, *, axis: int) -> Quantised | None:
    """Return constant codes with the scale and zero point at the two inputs behind them."""
    value = state.value(node, place)
    scales, zeros = state.numbers(node, place + 1), state.numbers(node, place + 2)
    if not isinstance(value, Constant) or scales is None or not scales.size:
        return None
    dtype = value.values.dtype
    if dtype not in (np.int8, np.uint8, np.int32):
        return None
    zero = np.zeros(scales.size, np.int32) if zeros is None else zeros.ravel().astype(np.int32)
    if zero.size not in {1, scales.size}:
        return None
    codes = value.values
    if dtype == np.uint8:
        codes, zero = (codes.astype(np.int16) - OFFSET).astype(np.int8), zero - OFFSET
    return Quantised(
        name=value.name,
        codes=codes,
        scale=scales.ravel().astype(np.float32),
        zero=np.broadcast_to(zero, scales.size).astype(np.int32),
        axis=axis,
    )


def _axis(node: OnnxOperator, values: Array) -> int:
    axis = int(node.attributes.get("axis", 1) or 0)
    return axis + values.ndim if axis < 0 else axis


def _along(values: Array, axis: int, rank: int) -> Array:
    if values.size == 1 or not 0 <= axis < rank:
        return values.ravel()[:1]
    return values.reshape([-1 if place == axis else 1 for place in range(rank)])
