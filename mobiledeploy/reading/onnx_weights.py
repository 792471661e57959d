"""Read convolutions and dense layers with their integers, whatever operator they stand in."""

import dataclasses
from typing import Final

import numpy as np

from mobiledeploy.formats.onnx import OnnxOperator
from mobiledeploy.ops.tensors import Float32, Int32
from mobiledeploy.reading.model import INPUT, Array, Fault, Weights
from mobiledeploy.reading.onnx_state import State
from mobiledeploy.reading.onnx_stem import narrowed
from mobiledeploy.reading.onnx_values import Constant, Flow, Quantised, Value
from mobiledeploy.reading.windows import Pads, output_size, same_pads

_FLOATS: Final = Fault(field="weights", detail="the kernel is floats, not quantised to int8")

_PACKED: Final = Fault(
    field="weights",
    detail="several pixels are computed at a time, and not with one kernel for each of them",
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bias:
    """A bias as far as it is made of integers.

    Attributes:
        values: int32; zeros where there is a fault.
        scale: float32, or None where the file gives none.
        fault: Why these are not the numbers in the file.
    """

    values: Int32
    scale: Float32 | None
    fault: Fault | None = None


def convolve(
    state: State, node: OnnxOperator, value: Flow, kernel: Value | None, bias: Bias | None
) -> Flow | None:
    """Add a convolution; return the flow of its values, or None if it is none that we know."""
    value = _channels_first(state, value)
    strides = tuple(node.attributes.get("strides") or (1, 1))
    dilations = tuple(node.attributes.get("dilations") or (1, 1))
    groups = int(node.attributes.get("group", 1) or 0)
    if value.axes[:2] != "NC" or len(value.axes) != 4 or len(strides) != 2 or len(dilations) != 2:
        return None
    if min(*strides, *dilations, groups) < 1:
        return None
    if not isinstance(kernel, Quantised) or kernel.codes.ndim != 4:
        return _without_weights(state, node, value, kernel)
    outputs, _, *window = kernel.codes.shape
    pads = padding(node, value.sizes[2:], tuple(window), strides, dilations)
    high, wide = output_size(value.sizes[2:], window, strides, dilations, pads)
    out = dataclasses.replace(
        value, axes=value.axes, sizes=(value.sizes[0], outputs, max(high, 0), max(wide, 0))
    )
    # On a transposed image, rows are columns.
    turned = value.axes == "NCWH"
    if turned:
        pads, strides, dilations = (*pads[2:], *pads[:2]), strides[::-1], dilations[::-1]
    depthwise = groups > 1 and kernel.codes.shape[1] == 1
    order = (0, 3, 2, 1) if turned else (0, 2, 3, 1)
    if depthwise:
        order = (1, 3, 2, 0) if turned else (1, 2, 3, 0)
    weights, faults = _weights(kernel, kernel.codes.transpose(order), outputs, 0, value, bias)
    faults = (*faults, *_contradictions(node, value, kernel.codes.shape, groups))
    fields = {"strides": strides, "dilations": dilations, "pads": pads}
    if value.pixels > 1:
        single = narrowed(
            weights,
            pixels=value.pixels,
            stride=strides[1],
            pads=pads[2:],
            width=value.size("W") * value.pixels,
        )
        if single is None or groups > 1:
            # As our files have it: half as many pixels come out of a group.
            out = dataclasses.replace(out, pixels=max(value.pixels // 2, 1))
            return state.begin(node, "conv", [value], out, faults=(*faults, _PACKED), **fields)
        weights, faults = single.weights, (*faults, *single.faults)
        fields |= {"strides": (strides[0], single.stride), "pads": (*pads[:2], *single.pads)}
        out = dataclasses.replace(out, pixels=single.outputs)
    if not depthwise and weights.kernel.shape[1:3] == (1, 1) and value.shape[1:] == ():
        rows = dataclasses.replace(weights, kernel=weights.kernel.reshape(outputs, -1))
        return state.begin(node, "dense", [value], out, weights=rows, faults=faults)
    return state.begin(
        node,
        "depthwise" if depthwise else "conv",
        [value],
        out,
        weights=weights,
        faults=faults,
        groups=1 if depthwise else groups,
        **fields,
    )


def multiply_matrix(
    state: State, node: OnnxOperator, value: Flow, kernel: Value | None, bias: Bias | None
) -> Flow | None:
    """Add a dense layer; return the flow of its values, or None if it is none that we know.

    Args:
        state: The graph so far.
        node: What multiplies.
        value: Its input, a vector.
        kernel: (outputs, inputs).
        bias: Or None.
    """
    if value.axes != "NC":
        return None
    if isinstance(kernel, Constant) and kernel.values.ndim == 2:
        out = dataclasses.replace(value, sizes=(value.sizes[0], kernel.values.shape[0]))
        return state.begin(node, "dense", [value], out, faults=(_FLOATS,))
    if not isinstance(kernel, Quantised) or kernel.codes.ndim != 2:
        return None
    outputs = kernel.codes.shape[0]
    codes = kernel.codes
    if value.unrolled is not None:
        # Columns in the order of the common form, height, width, channels.
        axes, sizes = value.unrolled
        if 0 in sizes or np.prod(sizes) != codes.shape[1] or sorted(axes) != sorted("HWC"):
            return None
        order = [1 + axes.index(axis) for axis in "HWC"]
        codes = codes.reshape(outputs, *sizes).transpose(0, *order).reshape(outputs, -1)
    weights, faults = _weights(kernel, codes, outputs, 0, value, bias)
    out = dataclasses.replace(value, sizes=(value.sizes[0], outputs), unrolled=None)
    return state.begin(node, "dense", [value], out, weights=weights, faults=faults)


def padding(
    node: OnnxOperator,
    size: tuple[int, ...],
    window: tuple[int, ...],
    strides: tuple[int, ...],
    dilations: tuple[int, ...],
) -> Pads:
    """Return a node's padding above, below, left and right."""
    automatic = node.attributes.get("auto_pad", "NOTSET")
    if automatic in {"SAME_UPPER", "SAME_LOWER"}:
        first = automatic == "SAME_LOWER"
        return same_pads(size, window, strides, dilations, odd_first=first)
    amounts = tuple(node.attributes.get("pads") or (0, 0, 0, 0))
    if automatic == "VALID" or len(amounts) != 4:
        return (0, 0, 0, 0)
    top, left, bottom, right = amounts
    return top, bottom, left, right


def _contradictions(
    node: OnnxOperator, value: Flow, shape: tuple[int, ...], groups: int
) -> tuple[Fault, ...]:
    """Return where a convolution's attributes do not fit its kernel (outputs, inputs, ...)."""
    found = []
    stated = tuple(node.attributes.get("kernel_shape") or shape[2:])
    if stated != shape[2:]:
        detail = f"the node states a kernel of {stated}, and has one of {shape[2:]}"
        found.append(Fault(field="weights", detail=detail))
    inputs = value.size("C") or shape[1] * groups
    if shape[1] * groups != inputs or shape[0] % groups:
        detail = f"{groups} groups do not fit a kernel of {shape[:2]} and {inputs} channels"
        found.append(Fault(field="groups", detail=detail))
    return tuple(found)


def _channels_first(state: State, value: Flow) -> Flow:
    """Return a flow as a convolution takes it: an input image must then be channels first."""
    untouched = value.source == INPUT and value.axes == "NHWC" and not state.draft.shape_only
    if untouched:
        value = dataclasses.replace(value, axes="NCHW")
        state.draft.input = dataclasses.replace(
            state.draft.input, shape=value.shape, axes=value.axes
        )
    return value


def _weights(
    kernel: Quantised,
    codes: Array,
    outputs: int,
    axis: int,
    value: Flow,
    bias: Bias | None,
) -> tuple[Weights, tuple[Fault, ...]]:
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
    weights = Weights(
        kernel=np.ascontiguousarray(codes),
        kernel_scale=scale,
        kernel_zero=zero,
        bias=values,
        bias_scale=bias_scale,
        name=kernel.name,
    )
    return weights, tuple(faults)


def _without_weights(
    state: State, node: OnnxOperator, value: Flow, kernel: Value | None
) -> Flow | None:
    """Add a convolution whose kernel is floats."""
    if isinstance(kernel, Flow | None):
        return None
    shape = kernel.codes.shape if isinstance(kernel, Quantised) else kernel.values.shape
    if len(shape) != 4:
        return None
    strides = tuple(node.attributes.get("strides") or (1, 1))
    pads = padding(node, value.sizes[2:], shape[2:], strides, (1, 1))
    high, wide = output_size(value.sizes[2:], shape[2:], strides, (1, 1), pads)
    out = dataclasses.replace(value, sizes=(value.sizes[0], shape[0], max(high, 0), max(wide, 0)))
    depthwise = int(node.attributes.get("group", 1) or 1) > 1 and shape[1] == 1
    return state.begin(
        node,
        "depthwise" if depthwise else "conv",
        [value],
        out,
        strides=strides,
        pads=pads,
        faults=(_FLOATS,),
    )
