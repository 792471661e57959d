"""Complete a layer of a `.tflite` with what its operator's options and constants say."""

import dataclasses
from typing import Final

import numpy as np

from mobiledeploy.integer.tflite_file import TfliteFile, TfliteOperator, TfliteTensor
from mobiledeploy.ops.activation import clamp
from mobiledeploy.ops.architecture import Activation
from mobiledeploy.ops.tensors import QTensor
from mobiledeploy.reading.model import Fault, Layer, Packing, Tensor, Weights
from mobiledeploy.reading.windows import same_pads

_ACTIVATIONS: Final[dict[int, Activation]] = {0: "none", 1: "relu", 3: "relu6"}
_SAME: Final = 0
_VALID: Final = 1
_DYNAMIC: Final = "the kernel is int8 and the activations are floats, quantised as the file runs"
_UNPACKED: Final = "the kernel is unpacked as the file is loaded: float16, or int8 to save room"


def convolution(file: TfliteFile, operator: TfliteOperator, layer: Layer, before: Tensor) -> Layer:
    """Return a full or depthwise convolution; a dense layer where it works on a vector."""
    depthwise = operator.name == "DEPTHWISE_CONV_2D"
    # In the options of a depthwise convolution the multiplier stands before the activation.
    shift = int(depthwise)
    strides = operator.option(2, "i", 0), operator.option(1, "i", 0)
    dilations = operator.option(5 + shift, "i", 1), operator.option(4 + shift, "i", 1)
    layer = fused(operator, 3 + shift, layer)
    layer = dataclasses.replace(layer, kind="depthwise" if depthwise else "conv")
    layer = _weighted(file, operator, layer, before, axis=3 if depthwise else 0, rank=4)
    if min(*strides, *dilations) < 1:
        detail = f"strides {strides} and dilations {dilations}"
        return dataclasses.replace(
            layer, kind="unknown", faults=(*layer.faults, Fault(field="strides", detail=detail))
        )
    padding = operator.option(0, "b", 0)
    if padding not in {_SAME, _VALID}:
        fault = Fault(field="padding", detail=f"padding number {padding} of the schema")
        layer = dataclasses.replace(layer, faults=(*layer.faults, fault))
    layer = dataclasses.replace(layer, strides=strides, dilations=dilations)
    if layer.weights is None:
        return layer
    kernel = layer.weights.kernel
    if before.shape[:-1] in {(), (1, 1)} and kernel.shape[1:3] == (1, 1) and not depthwise:
        rows = dataclasses.replace(layer.weights, kernel=kernel.reshape(kernel.shape[0], -1))
        return dataclasses.replace(layer, kind="dense", weights=rows, strides=(1, 1))
    if padding == _SAME and len(before.shape) == 3:
        pads = same_pads(before.shape[:2], kernel.shape[1:3], strides, dilations)
        layer = dataclasses.replace(layer, pads=pads)
    inputs = before.shape[-1] if before.shape else 0
    if depthwise and operator.option(3, "i", 0) * inputs != kernel.shape[3]:
        detail = f"the kernel has {kernel.shape[3]} channels for {inputs} of the input"
        fault = Fault(field="weights", detail=f"{detail} and its depth multiplier")
        layer = dataclasses.replace(layer, faults=(*layer.faults, fault))
    if not depthwise and inputs and kernel.shape[3] and inputs != kernel.shape[3]:
        layer = dataclasses.replace(layer, groups=inputs // kernel.shape[3])
    return layer


def dense(file: TfliteFile, operator: TfliteOperator, layer: Layer, before: Tensor) -> Layer:
    """Return a fully connected layer."""
    layer = dataclasses.replace(fused(operator, 0, layer), kind="dense")
    if operator.option(1, "b", 0):
        fault = Fault(field="weights", detail="weights in a shuffled format")
        return dataclasses.replace(layer, kind="unknown", faults=(*layer.faults, fault))
    return _weighted(file, operator, layer, before, axis=0, rank=2)


def pool(operator: TfliteOperator, layer: Layer, before: Tensor) -> Layer:
    """Return a pooling; an average over the whole image is a mean."""
    strides = operator.option(2, "i", 0), operator.option(1, "i", 0)
    window = operator.option(4, "i", 0), operator.option(3, "i", 0)
    layer = fused(operator, 5, layer)
    if min(*strides, *window) < 1 or len(before.shape) != 3:
        return layer
    pads = (0, 0, 0, 0)
    if operator.option(0, "b", 0) == _SAME:
        pads = same_pads(before.shape[:2], window, strides, (1, 1))
    if operator.name == "AVERAGE_POOL_2D" and before.shape[:-1] == window and not any(pads):
        return dataclasses.replace(layer, kind="mean", window=window)
    return dataclasses.replace(
        layer,
        kind="average_pool" if operator.name == "AVERAGE_POOL_2D" else "max_pool",
        window=window,
        strides=strides,
        pads=pads,
    )


def fused(
    operator: TfliteOperator, slot: int | None, layer: Layer, *, number: int | None = None
) -> Layer:
    """Return a layer with the clamp of the activation in its options.

    Args:
        operator: Whose options to look at.
        slot: Of the activation in them.
        layer: Which it belongs to.
        number: Of the activation, where it is known.
    """
    if number is None:
        number = operator.option(slot or 0, "b", 0)
    activation = _ACTIVATIONS.get(number)
    if activation is None:
        fault = Fault(field="activation", detail=f"activation number {number} of the schema")
        return dataclasses.replace(layer, faults=(*layer.faults, fault))
    out = layer.output
    if out.scale is None or out.zero_point is None or not _is_grid(out.scale, out.zero_point):
        return layer
    grid = QTensor(name=out.name, shape=(1,), scale=out.scale, zero_point=out.zero_point)
    return dataclasses.replace(layer, clamp=clamp(activation, grid))


def _is_grid(scale: np.float32, zero_point: int) -> bool:
    usable = np.isfinite(scale) and scale >= np.finfo(np.float32).tiny
    return bool(usable) and -128 <= zero_point <= 127


def _weighted(
    file: TfliteFile,
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

    kernel = _constant(file, operator, 1)
    bias = _constant(file, operator, 2)
    if kernel is None or kernel.data is None or kernel.data.ndim != rank:
        if kernel is not None and kernel.data is None and before.scale is None:
            return without(_UNPACKED, "unpacked")
        return without("the kernel is no constant of the usual rank")
    if kernel.dtype not in (np.int8, np.uint8) or not kernel.scale.size:
        return without(f"the kernel is {kernel.dtype}, not quantised to int8")
    if before.scale is None and before.dtype == "float32":
        return without(_DYNAMIC, "dynamic range")
    offset = 128 * (kernel.dtype == np.uint8)
    codes = (kernel.data.astype(np.int16) - offset).astype(np.int8)
    channels = codes.shape[axis]
    if kernel.scale.size > 1 and kernel.axis != axis:
        return without(f"the kernel is quantised along axis {kernel.axis}, expected {axis}")
    values = np.zeros(channels, np.int32)
    bias_scale = before.scale * kernel.scale if before.scale is not None else kernel.scale
    if bias is not None and bias.data is None:
        return without("the bias is no constant")
    if bias is not None and bias.data is not None:
        if bias.dtype != np.int32 or bias.data.size != channels:
            return without(f"the bias is {bias.dtype} of {bias.data.size} for {channels} channels")
        if bias.zero_point.any():
            return without("the bias has a zero point")
        values = bias.data.ravel()
        bias_scale = bias.scale if bias.scale.size else bias_scale
    weights = Weights(
        kernel=codes,
        kernel_scale=kernel.scale,
        kernel_zero=(kernel.zero_point - offset).astype(np.int32),
        bias=values,
        bias_scale=bias_scale,
        name=kernel.name,
    )
    faults = list(layer.faults)
    if kernel.dtype == np.int8 and kernel.zero_point.any():
        detail = "the weights have a zero point other than 0, which LiteRT refuses or ignores"
        faults.append(Fault(field="kernel_zero", detail=detail))
    if bias is not None and not bias.scale.size:
        detail = "the bias has no scale, so that XNNPACK does not take the layer"
        faults.append(Fault(field="bias_scale", detail=detail))
    return dataclasses.replace(layer, weights=weights, faults=tuple(faults))


def _constant(file: TfliteFile, operator: TfliteOperator, place: int) -> TfliteTensor | None:
    if len(operator.inputs) <= place or operator.inputs[place] < 0:
        return None
    return file.tensors[operator.inputs[place]]
