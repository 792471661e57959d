"""Read ONNX operators that work on codes and carry their grids as inputs (QLinearConv ...)."""

import dataclasses
from collections.abc import Callable

import numpy as np

from mobiledeploy.formats.onnx import OnnxOperator
from mobiledeploy.ops.onnx_reading import OnnxActivation, OnnxConstant, OnnxReader, OnnxValue
from mobiledeploy.reading.onnx_grids import weights_of
from mobiledeploy.reading.onnx_layers import sum_of
from mobiledeploy.reading.onnx_weights import Bias, convolve, multiply_matrix


def convolution(reader: OnnxReader, node: OnnxOperator) -> OnnxValue | None:
    """QLinearConv: x, scale, zero, w, scale, zero, y scale, y zero, bias.

    ONNX Runtime's own domain has it for images of channels last too, the kernel as ever.
    """
    value, bias = _channels_first(node, taken(reader, node, 0)), _bias(reader, node, 8)
    if value is None:
        return None
    kernel = weights_of(reader, node, 3, axis=0)
    found = convolve(reader, node, value, kernel, bias)
    return _closed(reader, node, _as_before(reader, node, found), 6)


def gemm(reader: OnnxReader, node: OnnxOperator) -> OnnxValue | None:
    """QGemm: a, scale, zero, b, scale, zero, bias, y scale, y zero."""
    value, bias = taken(reader, node, 0), _bias(reader, node, 6)
    transposed = bool(node.attributes.get("transB"))
    usual = node.attributes.get("alpha", 1.0) == 1.0 and not node.attributes.get("transA")
    kernel = weights_of(reader, node, 3, axis=0 if transposed else 1)
    if value is None or kernel is None or kernel.codes.ndim != 2 or not usual:
        return None
    if not transposed:
        kernel = dataclasses.replace(kernel, codes=kernel.codes.T, axis=1 - kernel.axis)
    return _closed(reader, node, multiply_matrix(reader, node, value, kernel, bias), 7)


def matmul(reader: OnnxReader, node: OnnxOperator) -> OnnxValue | None:
    """QLinearMatMul: a, scale, zero, b, scale, zero, y scale, y zero."""
    value, kernel = taken(reader, node, 0), weights_of(reader, node, 3, axis=1)
    if value is None or kernel is None or kernel.codes.ndim != 2:
        return None
    kernel = dataclasses.replace(kernel, codes=kernel.codes.T, axis=1 - kernel.axis)
    return _closed(reader, node, multiply_matrix(reader, node, value, kernel, None), 6)


def add(reader: OnnxReader, node: OnnxOperator) -> OnnxValue | None:
    """QLinearAdd: a, scale, zero, b, scale, zero, y scale, y zero."""
    a, b = taken(reader, node, 0), taken(reader, node, 3)
    if a is None or b is None:
        return None
    return _closed(reader, node, sum_of(reader, node, a, b), 6)


def one_input(
    read: Callable[[OnnxReader, OnnxOperator], OnnxValue | None],
) -> Callable[[OnnxReader, OnnxOperator], OnnxValue | None]:
    """Return a reader of x, scale, zero, y scale, y zero, given that of its float operator."""

    def read_codes(reader: OnnxReader, node: OnnxOperator) -> OnnxValue | None:
        value = _channels_first(node, taken(reader, node, 0))
        if value is None:
            return None
        before = reader.values[node.inputs[0]]
        reader.values[node.inputs[0]] = value
        # What stands behind the first input are grids here, and options in the float operator.
        plain = dataclasses.replace(node, inputs=node.inputs[:1])
        found = read(reader, plain)
        reader.values[node.inputs[0]] = before
        flow = found if isinstance(found, OnnxActivation) else None
        return _closed(reader, node, _as_before(reader, node, flow), 3)

    return read_codes


def _channels_first(node: OnnxOperator, value: OnnxActivation | None) -> OnnxActivation | None:
    """Return an image that a node takes with channels last as one with channels first."""
    if value is None or not node.attributes.get("channels_last"):
        return value
    return _reordered(value, "NHWC", (0, 3, 1, 2))


def _as_before(
    reader: OnnxReader, node: OnnxOperator, value: OnnxActivation | None
) -> OnnxActivation | None:
    """Return what a node gives with its channels where they were in its input."""
    if value is None or not node.attributes.get("channels_last"):
        return value
    moved = _reordered(value, "NCHW", (0, 2, 3, 1))
    if moved is not None:
        output = reader.layers[value.source].output
        reader.layers.change(value.source, output=dataclasses.replace(output, axes=moved.axes))
    return moved


def _reordered(value: OnnxActivation, axes: str, order: tuple[int, ...]) -> OnnxActivation | None:
    if value.axes != axes:
        return None
    return dataclasses.replace(
        value,
        axes="".join(axes[place] for place in order),
        sizes=tuple(value.sizes[place] for place in order),
    )


def taken(reader: OnnxReader, node: OnnxOperator, place: int) -> OnnxActivation | None:
    """Return the codes at an input as real values, by the grid that stands behind it."""
    value, grid = reader.value(node, place), reader.grid(node, place + 1, place + 2)
    if not isinstance(value, OnnxActivation) or value.real or grid is None:
        return None
    return dataclasses.replace(value, scale=grid[0], zero_point=grid[1], real=True)


def _closed(
    reader: OnnxReader, node: OnnxOperator, value: OnnxActivation | None, place: int
) -> OnnxValue | None:
    if value is None:
        return None
    grid = reader.grid(node, place, place + 1)
    return None if grid is None else reader.close(value, reader.written(node), grid)


def _bias(reader: OnnxReader, node: OnnxOperator, place: int) -> Bias | None:
    value = reader.value(node, place)
    if not isinstance(value, OnnxConstant) or value.values.dtype != np.int32:
        return None
    return Bias(values=value.values.ravel(), scale=None)
