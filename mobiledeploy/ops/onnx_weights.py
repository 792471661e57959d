"""What operators share when a layer's kernel and bias are read from any `.onnx`."""

import dataclasses
from typing import Final, assert_never

import numpy as np

from mobiledeploy.formats.onnx import OnnxOperator
from mobiledeploy.ops.onnx import OFFSET
from mobiledeploy.ops.onnx_reader import OnnxReader
from mobiledeploy.ops.onnx_values import (
    IntegerSum,
    OnnxActivation,
    OnnxConstant,
    OnnxValue,
    QuantisedConstant,
    TablePlaces,
)
from mobiledeploy.ops.stored import Array, Fault, StoredWeights
from mobiledeploy.ops.tensors import Float32, Int32

FLOATS: Final = Fault(field="weights", detail="the kernel is floats, not quantised to int8")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bias:
    """An int32 bias, or why the file has none.

    Attributes:
        values: int32; zeros where there is a fault.
        scale: float32, or None where the file gives none.
        fault: Why `values` are not the file's numbers; None if they are.
    """

    values: Int32
    scale: Float32 | None
    fault: Fault | None = None


def weights_of(
    reader: OnnxReader, node: OnnxOperator, place: int, *, axis: int
) -> QuantisedConstant | None:
    """Return constant codes with the scale and zero point from the next two inputs."""
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


def axis_of(node: OnnxOperator, values: Array) -> int:
    """Return the axis along which a node quantises values."""
    axis = int(node.attributes.get("axis", 1) or 0)
    return axis + values.ndim if axis < 0 else axis


def along(values: Array, axis: int, rank: int) -> Array:
    """Return numbers reshaped to broadcast along an axis of a tensor of a rank."""
    if values.size == 1 or not 0 <= axis < rank:
        return values.ravel()[:1]
    return values.reshape([-1 if place == axis else 1 for place in range(rank)])


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


def codes_of_bias(reader: OnnxReader, node: OnnxOperator, place: int) -> Bias | None:
    """Return a bias of a node that works on codes; None where it has none."""
    value = reader.value(node, place)
    if not isinstance(value, OnnxConstant) or value.values.dtype != np.int32:
        return None
    return Bias(values=value.values.ravel(), scale=None)


def transposed(kernel: OnnxValue | None) -> OnnxValue | None:
    """Return a transposed matrix."""
    match kernel:
        case QuantisedConstant() if kernel.codes.ndim == 2:
            return dataclasses.replace(kernel, codes=kernel.codes.T, axis=1 - kernel.axis)
        case OnnxConstant():
            return dataclasses.replace(kernel, values=kernel.values.T)
        case QuantisedConstant() | OnnxActivation() | TablePlaces() | IntegerSum() | None:
            return kernel  # none that a matrix product is understood with
        case _:
            assert_never(kernel)


def stored_weights(
    kernel: QuantisedConstant,
    codes: Array,
    outputs: int,
    axis: int,
    value: OnnxActivation,
    bias: Bias | None,
) -> tuple[StoredWeights, tuple[Fault, ...]]:
    """Return a layer's weights, and faults for what `StoredWeights` cannot hold.

    Args:
        kernel: The kernel as the file stores it.
        codes: Its codes in the order of `StoredWeights`.
        outputs: Number of output channels.
        axis: Axis of the output channels in `kernel`.
        value: The layer's input.
        bias: The bias, or None.
    """
    faults: list[Fault] = []
    scale, zero = kernel.scale, kernel.zero
    if scale.size > 1 and (kernel.axis != axis or scale.size != outputs):
        detail = f"{scale.size} scales along axis {kernel.axis} of the kernel, expected {outputs}"
        faults.append(Fault(field="kernel_scale", detail=f"{detail} along axis {axis}"))
        scale, zero = scale[:1], zero[:1]
    product = scale if value.scale is None else value.scale * scale
    values = np.zeros(outputs, np.int32)
    bias_scale = product
    if bias is not None:
        if bias.fault is not None:
            faults.append(bias.fault)
        if bias.values.size != outputs:
            faults.append(
                Fault(field="bias", detail=f"{bias.values.size} values for {outputs} channels")
            )
        else:
            values = bias.values
            if bias.scale is not None and bias.scale.size in {1, outputs}:
                bias_scale = bias.scale
    weights = StoredWeights(
        kernel=np.ascontiguousarray(codes),
        kernel_scale=scale,
        kernel_zero=zero,
        bias=values,
        bias_scale=bias_scale,
        name=kernel.name,
    )
    return weights, tuple(faults)
