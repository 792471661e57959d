"""Complete a layer of a `.tflite` with what its operator's options and constants say."""

import dataclasses
from typing import Final

import numpy as np

from mobiledeploy.formats.model import Activation
from mobiledeploy.formats.tflite import TfliteModel, TfliteOperator, schema
from mobiledeploy.ops.activation import clamp
from mobiledeploy.ops.tensors import QTensor
from mobiledeploy.reading.model import Fault, Layer, Packing, Tensor, Weights
from mobiledeploy.reading.tflite_tensors import UINT8_OFFSET, tensor_of, values
from mobiledeploy.reading.windows import same_pads

_DYNAMIC: Final = "the kernel is int8 and the activations are floats, quantised as the file runs"
_UNPACKED: Final = "the kernel is unpacked as the file is loaded: float16, or int8 to save room"


def convolution(
    model: TfliteModel, operator: TfliteOperator, layer: Layer, before: Tensor
) -> Layer:
    """Return a full or depthwise convolution; a dense layer where it works on a vector."""
    depthwise = operator.builtin == "DEPTHWISE_CONV_2D"
    strides = operator.option("stride_h"), operator.option("stride_w")
    dilations = operator.option("dilation_h_factor"), operator.option("dilation_w_factor")
    layer = fused(operator, layer)
    layer = dataclasses.replace(layer, kind="depthwise" if depthwise else "conv")
    layer = _weighted(model, operator, layer, before, axis=3 if depthwise else 0, rank=4)
    if min(*strides, *dilations) < 1:
        detail = f"strides {strides} and dilations {dilations}"
        return dataclasses.replace(
            layer, kind="unknown", faults=(*layer.faults, Fault(field="strides", detail=detail))
        )
    padding = schema.padding(operator.option("padding"))
    if padding is None:
        detail = f"padding number {operator.option('padding')} of the schema"
        fault = Fault(field="padding", detail=detail)
        layer = dataclasses.replace(layer, faults=(*layer.faults, fault))
    layer = dataclasses.replace(layer, strides=strides, dilations=dilations)
    if layer.weights is None:
        return layer
    kernel = layer.weights.kernel
    if before.shape[:-1] in {(), (1, 1)} and kernel.shape[1:3] == (1, 1) and not depthwise:
        rows = dataclasses.replace(layer.weights, kernel=kernel.reshape(kernel.shape[0], -1))
        return dataclasses.replace(layer, kind="dense", weights=rows, strides=(1, 1))
    if padding == "same" and len(before.shape) == 3:
        pads = same_pads(before.shape[:2], kernel.shape[1:3], strides, dilations)
        layer = dataclasses.replace(layer, pads=pads)
    inputs = before.shape[-1] if before.shape else 0
    if depthwise and operator.option("depth_multiplier") * inputs != kernel.shape[3]:
        detail = f"the kernel has {kernel.shape[3]} channels for {inputs} of the input"
        fault = Fault(field="weights", detail=f"{detail} and its depth multiplier")
        layer = dataclasses.replace(layer, faults=(*layer.faults, fault))
    if not depthwise and inputs and kernel.shape[3] and inputs != kernel.shape[3]:
        layer = dataclasses.replace(layer, groups=inputs // kernel.shape[3])
    return layer


def dense(model: TfliteModel, operator: TfliteOperator, layer: Layer, before: Tensor) -> Layer:
    """Return a fully connected layer."""
    layer = dataclasses.replace(fused(operator, layer), kind="dense")
    if operator.option("weights_format"):
        fault = Fault(field="weights", detail="weights in a shuffled format")
        return dataclasses.replace(layer, kind="unknown", faults=(*layer.faults, fault))
    return _weighted(model, operator, layer, before, axis=0, rank=2)


def pool(operator: TfliteOperator, layer: Layer, before: Tensor) -> Layer:
    """Return a pooling; an average over the whole image is a mean."""
    strides = operator.option("stride_h"), operator.option("stride_w")
    window = operator.option("filter_height"), operator.option("filter_width")
    layer = fused(operator, layer)
    if min(*strides, *window) < 1 or len(before.shape) != 3:
        return layer
    pads = (0, 0, 0, 0)
    if schema.padding(operator.option("padding")) == "same":
        pads = same_pads(before.shape[:2], window, strides, (1, 1))
    if operator.builtin == "AVERAGE_POOL_2D" and before.shape[:-1] == window and not any(pads):
        return dataclasses.replace(layer, kind="mean", window=window)
    return dataclasses.replace(
        layer,
        kind="average_pool" if operator.builtin == "AVERAGE_POOL_2D" else "max_pool",
        window=window,
        strides=strides,
        pads=pads,
    )


def fused(operator: TfliteOperator, layer: Layer) -> Layer:
    """Return a layer with the clamp of the activation that is fused into its operator."""
    return clamped(layer, operator.activation)


def clamped(layer: Layer, activation: Activation) -> Layer:
    """Return a layer with the clamp of an activation."""
    match activation:
        case "none" | "relu" | "relu6" as known:
            out = layer.output
        case _:
            number = schema.ACTIVATIONS.index(activation)
            fault = Fault(field="activation", detail=f"activation number {number} of the schema")
            return dataclasses.replace(layer, faults=(*layer.faults, fault))
    if out.scale is None or out.zero_point is None or not _is_grid(out.scale, out.zero_point):
        return layer
    grid = QTensor(name=out.name, shape=(1,), scale=out.scale, zero_point=out.zero_point)
    return dataclasses.replace(layer, clamp=clamp(known, grid))


def _is_grid(scale: np.float32, zero_point: int) -> bool:
    usable = np.isfinite(scale) and scale >= np.finfo(np.float32).tiny
    return bool(usable) and -128 <= zero_point <= 127


def _weighted(
    model: TfliteModel,
    operator: TfliteOperator,
    layer: Layer,
    before: Tensor,
    *,
    axis: int,
    rank: int,
) -> Layer:
    """Return a layer with its weights, or with a fault that says why they are none of ours."""

    def without(detail: str, packing: Packing | None = None) -> Layer:
        fault = Fault(field="weights", detail=detail, packing=packing)
        return dataclasses.replace(layer, faults=(*layer.faults, fault))

    kernel = tensor_of(model, operator, 1)
    bias = tensor_of(model, operator, 2)
    stored, added = values(kernel), values(bias)
    if kernel is None or stored is None or stored.ndim != rank:
        if kernel is not None and stored is None and before.scale is None:
            return without(_UNPACKED, "unpacked")
        return without("the kernel is no constant of the usual rank")
    if kernel.dtype not in {"int8", "uint8"} or not kernel.scale.size:
        return without(f"the kernel is {kernel.dtype}, not quantised to int8")
    if before.scale is None and before.dtype == "float32":
        return without(_DYNAMIC, "dynamic range")
    offset = UINT8_OFFSET * (kernel.dtype == "uint8")
    codes = (stored.astype(np.int16) - offset).astype(np.int8)
    channels = codes.shape[axis]
    if kernel.scale.size > 1 and kernel.axis != axis:
        return without(f"the kernel is quantised along axis {kernel.axis}, expected {axis}")
    integers = np.zeros(channels, np.int32)
    bias_scale = before.scale * kernel.scale if before.scale is not None else kernel.scale
    if bias is not None and added is None:
        return without("the bias is no constant")
    if bias is not None and added is not None:
        if bias.dtype != "int32" or added.size != channels:
            return without(f"the bias is {bias.dtype} of {added.size} for {channels} channels")
        if bias.zero_point.any():
            return without("the bias has a zero point")
        integers = added.ravel()
        bias_scale = bias.scale if bias.scale.size else bias_scale
    weights = Weights(
        kernel=codes,
        kernel_scale=kernel.scale,
        kernel_zero=(kernel.zero_point - offset).astype(np.int32),
        bias=integers,
        bias_scale=bias_scale,
        name=kernel.unique_name,
    )
    faults = list(layer.faults)
    if kernel.dtype == "int8" and kernel.zero_point.any():
        detail = "the weights have a zero point other than 0, which LiteRT refuses or ignores"
        faults.append(Fault(field="kernel_zero", detail=detail))
    if bias is not None and not bias.scale.size:
        detail = "the bias has no scale, so that XNNPACK does not take the layer"
        faults.append(Fault(field="bias_scale", detail=detail))
    return dataclasses.replace(layer, weights=weights, faults=tuple(faults))
