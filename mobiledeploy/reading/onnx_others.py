"""Read ONNX operators that occur in other tools' files but not in integer graphs."""

import dataclasses
from collections.abc import Mapping
from typing import Final

import numpy as np

from mobiledeploy.formats.onnx import OnnxOperator
from mobiledeploy.ops.onnx_reading import (
    OnnxActivation,
    OnnxReader,
    OnnxValue,
    ReadOnnx,
    one_input,
    pool_of,
)
from mobiledeploy.ops.onnx_weights import bias_of
from mobiledeploy.ops.padding import output_size


def _pool(reader: OnnxReader, node: OnnxOperator) -> OnnxValue | None:
    """Read a pooling; `ops.mean` reads averages over the whole image."""
    pooled = pool_of(reader, node)
    if pooled is None:
        return None
    value, window, strides, pads = pooled
    high, wide = output_size(value.sizes[2:], window, strides, (1, 1), pads)
    out = dataclasses.replace(value, sizes=(*value.sizes[:2], high, wide))
    kind = "max_pool" if node.op == "MaxPool" else "average_pool"
    return reader.add_layer(node, kind, [value], out, window=window, strides=strides, pads=pads)


def _pad(reader: OnnxReader, node: OnnxOperator) -> OnnxValue | None:
    """Read a Pad of an image with zeros."""
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
    opened = reader.add_layer(node, "pad", [value], out, pads=pads)
    # Padding with real 0 keeps the grid: a convolution needs no QuantizeLinear in between.
    layer = reader.layers[opened.source]
    output = dataclasses.replace(
        layer.output, scale=value.scale, zero_point=value.zero_point, dtype="float32"
    )
    reader.layers.change(opened.source, output=output)
    return dataclasses.replace(opened, scale=value.scale, zero_point=value.zero_point)


def _add_bias(reader: OnnxReader, node: OnnxOperator) -> OnnxValue | None:
    """Read an Add of a constant as the bias of the layer before."""
    a, b = reader.value(node, 0), reader.value(node, 1)
    activation, place = (a, 1) if isinstance(a, OnnxActivation) else (b, 0)
    bias = bias_of(reader, node, place)
    if (
        not isinstance(activation, OnnxActivation)
        or bias is None
        or not reader.is_unquantised(activation)
    ):
        return None
    layer = reader.layers[activation.source]
    weights = layer.weights
    channels = 0 if weights is None else weights.bias.size
    fits = weights is not None and not weights.bias.any() and bias.values.size == channels
    if weights is None or not fits or reader.bounds[activation.source] != (-np.inf, np.inf):
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
    reader.layers.change(activation.source, weights=weights, faults=faults)
    return activation


OTHERS: Final[Mapping[str, ReadOnnx]] = {
    "Add": _add_bias,
    "AveragePool": _pool,
    "MaxPool": _pool,
    "Pad": _pad,
    "QLinearAveragePool": one_input(_pool),
}
"""Readers by the operator's name."""
