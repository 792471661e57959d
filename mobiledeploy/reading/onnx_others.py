"""Read ONNX operators that occur in other tools' files but not in integer graphs."""

import dataclasses
from collections.abc import Mapping
from typing import Final

import numpy as np

from mobiledeploy.formats.onnx import OnnxOperator
from mobiledeploy.ops.onnx_reader import OnnxReader, ReadOnnx
from mobiledeploy.ops.onnx_values import OnnxActivation, OnnxValue
from mobiledeploy.ops.onnx_weights import bias_of


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
}
"""Readers by the operator's name."""
