"""What operators share when a layer is read from any `.tflite`."""

import dataclasses
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.formats.model import Activation
from mobiledeploy.formats.tflite import TfliteModel, TfliteOperator, TfliteTensor, schema
from mobiledeploy.ops.activation import clamp
from mobiledeploy.ops.stored import (
    Fault,
    LayerInput,
    Packing,
    StoredLayer,
    StoredTensor,
    StoredWeights,
    with_fault,
)
from mobiledeploy.ops.tensors import QMAX, QMIN, UINT8_OFFSET, QTensor, is_scale

_READ: Final = frozenset({"float32", "int32", "uint8", "int64", "int8"})
"""Types of constants that layers may have; others are not read."""

_DYNAMIC: Final = "the kernel is int8 and the activations are floats, quantised as the file runs"
_UNPACKED: Final = "the kernel is unpacked as the file is loaded: float16, or int8 to save room"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LayerSource:
    """An operator that a layer is read from, with its inputs.

    Attributes:
        model: The file.
        operator: The operator.
        inputs: The activations that it reads. If it reads only one, and that has four dimensions
            in the file, it is described as an image even if it has one pixel.
        layer: A layer of kind `unknown` with the operator's name, inputs and output.
    """

    model: TfliteModel
    operator: TfliteOperator
    inputs: tuple[StoredTensor, ...]
    layer: StoredLayer

    def tensor(self, place: int) -> TfliteTensor | None:
        """Return an input; None if it is left out."""
        index = self.operator.input(place)
        return None if index < 0 else self.model.tensors[index]

    def constant(self, place: int) -> npt.NDArray[Any] | None:
        """Return a constant input; None if it is not constant, or of a type that is not read."""
        return values(self.tensor(place))

    def as_kind(self, kind: str) -> StoredLayer:
        """Return the layer as one of a kind, with the clamp of the activation fused into it."""
        layer = dataclasses.replace(self.layer, kind=kind)
        return clamped(layer, self.operator.activation)

    def padding(self) -> str | None:
        """Return `same` or `valid`; None where the file has neither."""
        return schema.padding(self.operator.option("padding"))


def described(tensor: TfliteTensor) -> StoredTensor:
    """Return an activation as a `StoredTensor`.

    One that is quantised with several scales gets no scale.
    """
    shape = tensor.fixed_shape[1:]
    if shape[:-1] == (1,) * (len(shape) - 1):
        shape = shape[-1:]
    scale = zero_point = None
    if tensor.scale.size == 1 and tensor.dtype in {"int8", "uint8"}:
        scale = np.float32(tensor.scale[0])
        zero_point = int(tensor.zero_point[0]) - UINT8_OFFSET * (tensor.dtype == "uint8")
    return StoredTensor(
        name=tensor.unique_name,
        shape=shape,
        dtype=tensor.dtype if tensor.dtype in _READ else "another type",
        scale=scale,
        zero_point=zero_point,
        axes={4: "NHWC", 2: "NC"}.get(len(tensor.fixed_shape), ""),
    )


def values(tensor: TfliteTensor | None) -> npt.NDArray[Any] | None:
    """Return a constant's values; None if it is not constant, or of a type that is not read."""
    return tensor.data if tensor is not None and tensor.dtype in _READ else None


def read_of(source: int, tensor: StoredTensor) -> LayerInput:
    """Return how a layer reads an input, with the grid that it was written with."""
    return LayerInput(source=source, scale=tensor.scale, zero_point=tensor.zero_point)


def clamped(layer: StoredLayer, activation: Activation) -> StoredLayer:
    """Return a layer with the clamp of an activation."""
    match activation:
        case "none" | "relu" | "relu6" as known:
            out = layer.output
        case _:
            detail = f"its fused activation is {activation.upper()}, not RELU or RELU6"
            return with_fault(layer, "activation", detail)
    if out.scale is None or out.zero_point is None:
        return layer
    if not (is_scale(out.scale) and QMIN <= out.zero_point <= QMAX):
        return layer
    grid = QTensor(name=out.name, shape=(1,), scale=out.scale, zero_point=out.zero_point)
    return dataclasses.replace(layer, clamp=clamp(known, grid))


def with_weights(source: LayerSource, layer: StoredLayer, *, axis: int, rank: int) -> StoredLayer:
    """Return a layer with its weights, or with a fault that says why they cannot be used.

    Args:
        source: The operator that it is read from.
        layer: The layer without weights.
        axis: Axis of the output channels in the kernel.
        rank: Rank of the kernel.
    """
    before = source.inputs[0]

    def without(detail: str, packing: Packing | None = None) -> StoredLayer:
        fault = Fault(field="weights", detail=detail, packing=packing)
        return dataclasses.replace(layer, faults=(*layer.faults, fault))

    kernel = source.tensor(1)
    bias = source.tensor(2)
    stored, added = values(kernel), values(bias)
    if kernel is None or stored is None or stored.ndim != rank:
        if kernel is not None and stored is None and before.scale is None:
            return without(_UNPACKED, "unpacked")
        return without("the kernel is no constant of the usual rank")
    if kernel.dtype not in {"int8", "uint8"} or not kernel.scale.size:
        if kernel.dtype == "float32":
            layer = dataclasses.replace(layer, real_kernel=stored)
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
    weights = StoredWeights(
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
