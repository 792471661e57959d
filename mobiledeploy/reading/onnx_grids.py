"""Read what puts values on grids and takes them off, and what cuts them off there."""

import dataclasses
import math

import numpy as np

from mobiledeploy.formats.onnx import OnnxOperator
from mobiledeploy.ops.onnx_reading import (
    OFFSET,
    OnnxActivation,
    OnnxConstant,
    OnnxReader,
    OnnxValue,
    QuantisedConstant,
)
from mobiledeploy.ops.stored import INPUT, Array


def quantise(reader: OnnxReader, node: OnnxOperator) -> OnnxValue | None:
    """QuantizeLinear."""
    value = reader.value(node, 0)
    if isinstance(value, OnnxConstant):
        return _stored(reader, node, value)
    grid = reader.grid(node, 1, 2)
    if not isinstance(value, OnnxActivation) or grid is None:
        return None
    scale, zero_point, _ = grid
    codes = dataclasses.replace(value, scale=scale, zero_point=zero_point, real=False, factor=None)
    if value.source == INPUT and value.scale is None:
        layers = reader.layers
        if layers.input.scale is None:
            reader.input_factor = value.factor
            own = scale if value.factor is None else scale / value.factor
            layers.input = dataclasses.replace(layers.input, scale=own, zero_point=zero_point)
        return codes
    if reader.is_open(value):
        return reader.close(value, reader.written(node), grid)
    if (value.scale, value.zero_point) == (scale, zero_point) or _again(reader, value, grid):
        return codes
    return reader.close(reader.begin(node, "quantize", [value], value), reader.written(node), grid)


def _again(reader: OnnxReader, value: OnnxActivation, grid: tuple[np.float32, int, str]) -> bool:
    """Whether a node puts on a grid what another one has put on the same grid already."""
    if value.source == INPUT or not value.real or value.scale is not None:
        return False
    stored = reader.layers[value.source].output
    return (stored.scale, stored.zero_point, stored.dtype) == grid


def dequantise(reader: OnnxReader, node: OnnxOperator) -> OnnxValue | None:
    """DequantizeLinear."""
    value = reader.value(node, 0)
    if isinstance(value, OnnxConstant):
        return weights_of(reader, node, 0, axis=_axis(node, value.values))
    grid = reader.grid(node, 1, 2)
    if not isinstance(value, OnnxActivation) or value.real or grid is None:
        return None
    scale, zero_point, _ = grid
    layers = reader.layers
    if value.source == INPUT:
        if layers.input.scale is None:
            layers.input = dataclasses.replace(layers.input, scale=scale, zero_point=zero_point)
        elif reader.input_factor is not None and np.float32(1) / scale == reader.input_factor:
            # A multiplication by the inverse scale stands before: here is the scale itself.
            layers.input = dataclasses.replace(layers.input, scale=scale)
    return dataclasses.replace(value, scale=scale, zero_point=zero_point, real=True)


def cut(reader: OnnxReader, node: OnnxOperator) -> OnnxValue | None:
    """Clip and Relu, on real values or on codes."""
    value = reader.value(node, 0)
    if not isinstance(value, OnnxActivation):
        return None
    low, high = _bounds(reader, node)
    if not value.real:
        return _cut_codes(reader, node, value, low, high)
    if not (reader.is_open(value) and reader.alone(node.inputs[0])):
        value = reader.begin(node, "clamp", [value], value)
    before = reader.bounds[value.source]
    reader.bounds[value.source] = max(before[0], low), min(before[1], high)
    return value


def multiply(reader: OnnxReader, node: OnnxOperator) -> OnnxValue | None:
    """Mul and Div by a number: another scale of what is multiplied."""
    flows = [place for place in (0, 1) if isinstance(reader.value(node, place), OnnxActivation)]
    if len(flows) != 1 or (node.op == "Div" and flows[0] == 1):
        return None
    value, number = reader.value(node, flows[0]), reader.scalar(node, 1 - flows[0])
    if not isinstance(value, OnnxActivation) or not value.real or number is None or not number > 0:
        return None
    factor = np.float32(number) if node.op == "Mul" else np.float32(1) / np.float32(number)
    if value.scale is not None:
        return dataclasses.replace(value, scale=value.scale * factor)
    if value.source == INPUT:
        before = np.float32(1) if value.factor is None else value.factor
        return dataclasses.replace(value, factor=before * factor)
    return None


def _cut_codes(
    reader: OnnxReader, node: OnnxOperator, value: OnnxActivation, low: float, high: float
) -> OnnxValue | None:
    bound = next(
        (reader.numbers(node, p) for p in (1, 2) if reader.numbers(node, p) is not None), None
    )
    offset = OFFSET if bound is not None and bound.dtype == np.uint8 else 0
    codes = max(low - offset, -OFFSET), min(high - offset, OFFSET - 1)
    clamp = int(codes[0]), int(codes[1])
    if value.source == INPUT or not reader.alone(node.inputs[0]):
        if value.scale is None or value.zero_point is None:
            return None
        dtype = "uint8" if offset else "int8"
        grid = (value.scale, value.zero_point, dtype)
        added = reader.begin(node, "clamp", [value], value)
        value = reader.close(added, reader.written(node), grid)
    before = reader.layers[value.source].clamp
    both = max(before[0], clamp[0]), min(before[1], clamp[1])
    reader.layers.change(value.source, clamp=both)
    reader.rename(node, value)
    return value


def _bounds(reader: OnnxReader, node: OnnxOperator) -> tuple[float, float]:
    if node.op == "Relu":
        return 0.0, math.inf
    found = []
    for place, key, default in ((1, "min", -math.inf), (2, "max", math.inf)):
        number = reader.scalar(node, place)
        found.append(float(node.attributes.get(key, default)) if number is None else number)
    return found[0], found[1]


def _stored(reader: OnnxReader, node: OnnxOperator, value: OnnxConstant) -> OnnxValue | None:
    """Return the codes of constants that a file quantises only when it runs."""
    scales, zeros = reader.numbers(node, 1), reader.numbers(node, 2)
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
    return OnnxConstant(name=value.name, values=codes)


def weights_of(
    reader: OnnxReader, node: OnnxOperator, place: int, *, axis: int
) -> QuantisedConstant | None:
    """Return constant codes with the scale and zero point at the two inputs behind them."""
    value = reader.value(node, place)
    scales, zeros = reader.numbers(node, place + 1), reader.numbers(node, place + 2)
    if not isinstance(value, OnnxConstant) or scales is None or not scales.size:
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
    return QuantisedConstant(
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
