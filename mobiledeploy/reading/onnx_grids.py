"""Read ONNX nodes that change the scale or range of codes, or look codes up in a table."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from mobiledeploy.formats.onnx import OnnxOperator, schema
from mobiledeploy.ops.onnx import OFFSET
from mobiledeploy.ops.onnx_reader import OnnxReader
from mobiledeploy.ops.onnx_values import (
    IntegerSum,
    OnnxActivation,
    OnnxConstant,
    OnnxGrid,
    OnnxValue,
    TablePlaces,
)
from mobiledeploy.ops.onnx_weights import along, axis_of, weights_of
from mobiledeploy.ops.stored import INPUT, LayerInput, StoredLayer, on_grid_of, with_clamp

_PLACES: Final = frozenset({schema.NUMBERS["int32"], schema.NUMBERS["int64"]})
"""Types that indices into a table may have."""


def quantise(reader: OnnxReader, node: OnnxOperator) -> OnnxValue | None:
    """Read a QuantizeLinear."""
    value = reader.value(node, 0)
    if isinstance(value, OnnxConstant):
        return _stored(reader, node, value)
    grid = reader.grid(node, 1, 2)
    if not isinstance(value, OnnxActivation) or grid is None:
        return None
    scale, zero_point, dtype = grid
    codes = dataclasses.replace(
        value, scale=scale, zero_point=zero_point, real=False, factor=None, dtype=dtype
    )
    if value.source == INPUT and value.scale is None:
        layers = reader.layers
        if layers.input.scale is None:
            reader.input_factor = value.factor
            own = scale if value.factor is None else scale / value.factor
            layers.input = dataclasses.replace(layers.input, scale=own, zero_point=zero_point)
        # Of values that were multiplied before, the node states another scale than the codes'.
        return codes if value.factor is None else dataclasses.replace(codes, scale=None)
    if reader.is_unquantised(value):
        return reader.quantise_layer(value, reader.written(node), grid)
    if (value.scale, value.zero_point) == (scale, zero_point) or _again(reader, value, grid):
        return codes
    return reader.quantise_layer(
        reader.add_layer(node, "quantize", [value], value), reader.written(node), grid
    )


def _again(reader: OnnxReader, value: OnnxActivation, grid: OnnxGrid) -> bool:
    """Whether a node quantises again what is already on the same grid."""
    if value.source == INPUT or not value.real or value.scale is not None:
        return False
    stored = reader.layers[value.source].output
    return (stored.scale, stored.zero_point, stored.dtype) == grid


def dequantise(reader: OnnxReader, node: OnnxOperator) -> OnnxValue | None:
    """Read a DequantizeLinear."""
    value = reader.value(node, 0)
    if isinstance(value, OnnxConstant):
        return weights_of(reader, node, 0, axis=axis_of(node, value.values))
    grid = reader.grid(node, 1, 2)
    if not isinstance(value, OnnxActivation) or value.real or grid is None:
        return None
    scale, zero_point, _ = grid
    layers = reader.layers
    if value.source == INPUT:
        if layers.input.scale is None:
            layers.input = dataclasses.replace(layers.input, scale=scale, zero_point=zero_point)
        elif reader.input_factor is not None and np.float32(1) / scale == reader.input_factor:
            # A multiplication by the inverse scale comes before; here is the scale itself.
            layers.input = dataclasses.replace(layers.input, scale=scale)
    return dataclasses.replace(value, scale=scale, zero_point=zero_point, real=True, dtype="")


def clip(reader: OnnxReader, node: OnnxOperator) -> OnnxValue | None:
    """Read a Clip or Relu, of real values or of codes."""
    value = reader.value(node, 0)
    low, high = _bounds(reader, node)
    if isinstance(value, OnnxConstant) and not math.isnan(low + high):
        return dataclasses.replace(
            value, values=np.clip(value.values, low, high).astype(value.values.dtype)
        )
    if not isinstance(value, OnnxActivation):
        return None
    if not value.real:
        return _clip_codes(reader, node, value, low, high)
    stays = _clip_on_its_grid(reader, node, value, low, high)
    if stays is not None:
        return stays
    if not (reader.is_unquantised(value) and reader.read_once(node.inputs[0])):
        value = reader.add_layer(node, "clamp", [value], value)
    before = reader.bounds[value.source]
    reader.bounds[value.source] = max(before[0], low), min(before[1], high)
    return value


def _clip_on_its_grid(
    reader: OnnxReader, node: OnnxOperator, value: OnnxActivation, low: float, high: float
) -> OnnxActivation | None:
    """Read a ReLU of real values that are not quantised again; None if it is another.

    What is clipped at 0 stays on its grid.
    """
    if value.scale is None or value.zero_point is None or (low, high) != (0.0, math.inf):
        return None
    if any(each.op in {"QuantizeLinear", "Clip"} for each in reader.reading(node.outputs[0])):
        return None
    stored = reader.layers.tensor(value.source)
    grid = value.scale, value.zero_point, stored.dtype
    added = reader.add_layer(node, "clamp", [value], value)
    reader.bounds[added.source] = low, high
    codes = reader.quantise_layer(added, reader.written(node), grid)
    return dataclasses.replace(codes, real=True, dtype="")


def rescale(reader: OnnxReader, node: OnnxOperator) -> OnnxValue | None:
    """Read a Mul or Div by a number, which changes the scale of an activation."""
    activations = [
        place for place in (0, 1) if isinstance(reader.value(node, place), OnnxActivation)
    ]
    if len(activations) != 1 or (node.op == "Div" and activations[0] == 1):
        return None
    value, number = reader.value(node, activations[0]), reader.scalar(node, 1 - activations[0])
    if not isinstance(value, OnnxActivation) or not value.real or number is None or not number > 0:
        return None
    factor = np.float32(number) if node.op == "Mul" else np.float32(1) / np.float32(number)
    if value.scale is not None:
        return dataclasses.replace(value, scale=value.scale * factor)
    if value.source == INPUT:
        before = np.float32(1) if value.factor is None else value.factor
        return dataclasses.replace(value, factor=before * factor)
    return None


def cast(reader: OnnxReader, node: OnnxOperator) -> TablePlaces | None:
    """Read a Cast of codes to indices into a table."""
    value = reader.value(node, 0)
    if not isinstance(value, OnnxActivation) or value.real or not value.dtype:
        return None
    return TablePlaces(codes=value) if node.attributes.get("to") in _PLACES else None


def choose_table(reader: OnnxReader, node: OnnxOperator) -> TablePlaces | None:
    """Read an Add that moves the indices of each channel into a table of its own.

    Or those of a code into the table of another one.
    """
    values = [reader.value(node, place) for place in range(len(node.inputs))]
    places = [value for value in values if isinstance(value, TablePlaces)]
    rows = [value for value in values if isinstance(value, IntegerSum)]
    if len(values) == 2 and len(places) == len(rows) == 1:
        return _choose_row(rows[0], places[0])
    starts = [value.values for value in values if isinstance(value, OnnxConstant)]
    if len(values) != 2 or len(places) != 1 or len(starts) != 1:
        return None
    codes, numbers = places[0].codes, starts[0]
    used = places[0].row or places[0].looked_up or places[0].channels
    channels = codes.size("C")
    if used or codes.axes[-1:] != "C" or numbers.shape[-1:] != (channels,):
        return None
    if not np.array_equal(numbers.ravel(), 2 * OFFSET * np.arange(channels)):
        return None
    return dataclasses.replace(places[0], channels=channels)


def _choose_row(rows: IntegerSum, places: TablePlaces) -> TablePlaces | None:
    """Return the indices of pairs of codes: 256 times the first, and the second."""
    if len(rows.terms) != 1 or rows != IntegerSum(terms=rows.terms):
        return None
    (first, factor), second = rows.terms[0], places.codes
    used = places.row or places.looked_up or places.channels or places.second
    if used or factor != 2 * OFFSET or {first.dtype, second.dtype} != {"uint8"}:
        return None
    return TablePlaces(codes=first, second=second) if first.axes == second.axes else None


def look_up(reader: OnnxReader, node: OnnxOperator) -> OnnxValue | None:
    """Read a Gather or GatherElements from a table of all 256 codes, which is a layer.

    The table may also hold those of each channel, one channel after the other.
    """
    entries, places = reader.numbers(node, 0), reader.value(node, 1)
    if entries is None or entries.ndim != 1 or node.attributes.get("axis", 0) != 0:
        return None
    if not isinstance(places, TablePlaces) or places.looked_up:
        return None
    size = 2 * OFFSET * max(places.channels, 1) if places.second is None else 4 * OFFSET**2
    if entries.size != size:
        return None
    if entries.dtype not in (np.int8, np.uint8) or (
        node.op == "GatherElements" and not places.row
    ):
        return None
    before = max(places.activations, key=lambda each: math.prod(each.sizes[1:]))
    codes = entries.astype(np.int16) - OFFSET * (entries.dtype == np.uint8)
    if before.dtype == "int8":
        # Indices below 0 count from the end.
        codes = np.roll(codes, OFFSET)
    table = codes.astype(np.int8)
    if places.channels:
        table = table.reshape(places.channels, -1)
    layer = reader.add_layer(node, "table", places.activations, before, table=table)
    reader.deduced[layer.source] = _on_the_grid_of_its_reader
    closed = reader.leave_without_grid(layer, str(entries.dtype))
    return TablePlaces(codes=closed, row=True, looked_up=True) if places.row else closed


def _on_the_grid_of_its_reader(layer: StoredLayer, taken: Sequence[LayerInput]) -> StoredLayer:
    return on_grid_of(layer, taken[0]) if taken else layer


def _clip_codes(
    reader: OnnxReader, node: OnnxOperator, value: OnnxActivation, low: float, high: float
) -> OnnxValue | None:
    stated = next(
        (reader.numbers(node, p) for p in (1, 2) if reader.numbers(node, p) is not None), None
    )
    offset = OFFSET if stated is not None and stated.dtype == np.uint8 else 0
    if math.isnan(low) or math.isnan(high):
        return None
    lowest, highest = (int(min(max(bound - offset, -OFFSET), OFFSET - 1)) for bound in (low, high))
    clamp = lowest, highest
    if value.source == INPUT or not reader.read_once(node.inputs[0]):
        if value.scale is None or value.zero_point is None:
            # A product of codes, or a table, states no grid.
            same = np.float32(1)
            return reader.move_codes(node, "clamp", [value], value, clamp=clamp, multiplier=same)
        dtype = "uint8" if offset else "int8"
        grid = (value.scale, value.zero_point, dtype)
        added = reader.add_layer(node, "clamp", [value], value)
        value = reader.quantise_layer(added, reader.written(node), grid)
    reader.layers.replace(value.source, with_clamp(reader.layers[value.source], clamp))
    reader.rename(node, value)
    return value


def _bounds(reader: OnnxReader, node: OnnxOperator) -> tuple[float, float]:
    if node.op == "Relu":
        return 0.0, math.inf
    bounds = []
    for place, key, default in ((1, "min", -math.inf), (2, "max", math.inf)):
        number = reader.scalar(node, place)
        bounds.append(float(node.attributes.get(key, default)) if number is None else number)
    return bounds[0], bounds[1]


def _stored(reader: OnnxReader, node: OnnxOperator, value: OnnxConstant) -> OnnxValue | None:
    """Return the codes of a constant that the file quantises at run time."""
    scales, zeros = reader.numbers(node, 1), reader.numbers(node, 2)
    if scales is None or value.values.dtype != np.float32 or not (scales > 0).all():
        return None
    dtype = np.dtype(np.uint8) if zeros is None else zeros.dtype
    if dtype not in (np.int8, np.uint8):
        return None
    axis = axis_of(node, value.values)
    steps = np.rint(value.values / along(scales, axis, value.values.ndim))
    if zeros is not None:
        steps = steps + along(zeros.astype(np.float64), axis, value.values.ndim)
    limits = np.iinfo(dtype)
    codes = np.clip(steps, limits.min, limits.max).astype(dtype)
    return OnnxConstant(name=value.name, values=codes)
