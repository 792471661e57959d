"""Read ONNX operators that work on codes and carry their grids as inputs (QLinearConv ...)."""

import dataclasses
from collections.abc import Callable

import numpy as np

from mobiledeploy.formats.onnx import OnnxOperator
from mobiledeploy.reading.onnx_grids import weights_of
from mobiledeploy.reading.onnx_layers import sum_of
from mobiledeploy.reading.onnx_state import State
from mobiledeploy.reading.onnx_values import Constant, Flow, Value
from mobiledeploy.reading.onnx_weights import Bias, convolve, multiply_matrix


def convolution(state: State, node: OnnxOperator) -> Value | None:
    """QLinearConv: x, scale, zero, w, scale, zero, y scale, y zero, bias.

    ONNX Runtime's own domain has it for images of channels last too, the kernel as ever.
    """
    value, bias = _channels_first(node, taken(state, node, 0)), _bias(state, node, 8)
    if value is None:
        return None
    kernel = weights_of(state, node, 3, axis=0)
    found = convolve(state, node, value, kernel, bias)
    return _closed(state, node, _as_before(state, node, found), 6)


def gemm(state: State, node: OnnxOperator) -> Value | None:
    """QGemm: a, scale, zero, b, scale, zero, bias, y scale, y zero."""
    value, bias = taken(state, node, 0), _bias(state, node, 6)
    transposed = bool(node.attributes.get("transB"))
    usual = node.attributes.get("alpha", 1.0) == 1.0 and not node.attributes.get("transA")
    kernel = weights_of(state, node, 3, axis=0 if transposed else 1)
    if value is None or kernel is None or kernel.codes.ndim != 2 or not usual:
        return None
    if not transposed:
        kernel = dataclasses.replace(kernel, codes=kernel.codes.T, axis=1 - kernel.axis)
    return _closed(state, node, multiply_matrix(state, node, value, kernel, bias), 7)


def matmul(state: State, node: OnnxOperator) -> Value | None:
    """QLinearMatMul: a, scale, zero, b, scale, zero, y scale, y zero."""
    value, kernel = taken(state, node, 0), weights_of(state, node, 3, axis=1)
    if value is None or kernel is None or kernel.codes.ndim != 2:
        return None
    kernel = dataclasses.replace(kernel, codes=kernel.codes.T, axis=1 - kernel.axis)
    return _closed(state, node, multiply_matrix(state, node, value, kernel, None), 6)


def add(state: State, node: OnnxOperator) -> Value | None:
    """QLinearAdd: a, scale, zero, b, scale, zero, y scale, y zero."""
    a, b = taken(state, node, 0), taken(state, node, 3)
    if a is None or b is None:
        return None
    return _closed(state, node, sum_of(state, node, a, b), 6)


def one_input(
    read: Callable[[State, OnnxOperator], Value | None],
) -> Callable[[State, OnnxOperator], Value | None]:
    """Return a reader of x, scale, zero, y scale, y zero, given that of its float operator."""

    def reader(state: State, node: OnnxOperator) -> Value | None:
        value = _channels_first(node, taken(state, node, 0))
        if value is None:
            return None
        before = state.values[node.inputs[0]]
        state.values[node.inputs[0]] = value
        # What stands behind the first input are grids here, and options in the float operator.
        plain = dataclasses.replace(node, inputs=node.inputs[:1])
        found = read(state, plain)
        state.values[node.inputs[0]] = before
        flow = found if isinstance(found, Flow) else None
        return _closed(state, node, _as_before(state, node, flow), 3)

    return reader


def _channels_first(node: OnnxOperator, value: Flow | None) -> Flow | None:
    """Return an image that a node takes with channels last as one with channels first."""
    if value is None or not node.attributes.get("channels_last"):
        return value
    return _reordered(value, "NHWC", (0, 3, 1, 2))


def _as_before(state: State, node: OnnxOperator, value: Flow | None) -> Flow | None:
    """Return what a node gives with its channels where they were in its input."""
    if value is None or not node.attributes.get("channels_last"):
        return value
    moved = _reordered(value, "NCHW", (0, 2, 3, 1))
    if moved is not None:
        output = state.draft.layers[value.source].output
        state.draft.change(value.source, output=dataclasses.replace(output, axes=moved.axes))
    return moved


def _reordered(value: Flow, axes: str, order: tuple[int, ...]) -> Flow | None:
    if value.axes != axes:
        return None
    return dataclasses.replace(
        value,
        axes="".join(axes[place] for place in order),
        sizes=tuple(value.sizes[place] for place in order),
    )


def taken(state: State, node: OnnxOperator, place: int) -> Flow | None:
    """Return the codes at an input as real values, by the grid that stands behind it."""
    value, grid = state.value(node, place), state.grid(node, place + 1, place + 2)
    if not isinstance(value, Flow) or value.real or grid is None:
        return None
    return dataclasses.replace(value, scale=grid[0], zero_point=grid[1], real=True)


def _closed(state: State, node: OnnxOperator, value: Flow | None, place: int) -> Value | None:
    if value is None:
        return None
    grid = state.grid(node, place, place + 1)
    return None if grid is None else state.close(value, state.written(node), grid)


def _bias(state: State, node: OnnxOperator, place: int) -> Bias | None:
    value = state.value(node, place)
    if not isinstance(value, Constant) or value.values.dtype != np.int32:
        return None
    return Bias(values=value.values.ravel(), scale=None)
