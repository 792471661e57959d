"""The layers of an `.onnx`: an operator and the quantise/dequantise operators around it."""

import dataclasses
import math
from typing import Final

import numpy as np

from mobiledeploy.formats.model import Grid, Model, Operator
from mobiledeploy.formats.onnx.quantisation import QLINEAR, grid_of
from mobiledeploy.lint.layer import Coded, Kind, Layer
from mobiledeploy.lint.links import Links

_KINDS: Final[dict[str, Kind]] = {
    "Add": "add",
    "AveragePool": "mean",
    "Conv": "conv",
    "Gemm": "dense",
    "GlobalAveragePool": "mean",
    "MatMul": "dense",
    "ReduceMean": "mean",
    "Softmax": "softmax",
}
_QLINEAR_KINDS: Final[dict[str, Kind]] = {
    "QGemm": "dense",
    "QLinearAdd": "add",
    "QLinearAveragePool": "mean",
    "QLinearConv": "conv",
    "QLinearGlobalAveragePool": "mean",
    "QLinearMatMul": "dense",
    "QLinearSoftmax": "softmax",
}
DYNAMIC: Final[dict[str, Kind]] = {"ConvInteger": "conv", "MatMulInteger": "dense"}
"""Operators on codes whose grid is chosen anew for each image."""
_BIAS: Final = {"Conv": 2, "Gemm": 2, "QLinearConv": 8, "QGemm": 6}
WEIGHTED: Final = ("conv", "depthwise", "dense")
ACTIVATIONS: Final = ("Relu", "Clip")


def find(model: Model, links: Links) -> tuple[Layer, ...]:
    """Return the layers of the main graph."""
    found = []
    for operator in model.operators:
        layer = None
        if operator.kind in _KINDS and not operator.domain:
            layer = _real_layer(model, links, operator)
        elif operator.kind in _QLINEAR_KINDS:
            layer = _code_layer(model, operator)
        elif operator.kind in DYNAMIC and not operator.domain:
            layer = _dynamic_layer(model, operator)
        if layer is not None:
            found.append(layer)
    return tuple(found)


def taken(model: Model, links: Links, index: int) -> Coded | None:
    """Return what an operator takes: codes and their grid where a DequantizeLinear gives it."""
    tensor = model.tensor(index)
    if tensor is None:
        return None
    writer = links.writer.get(index)
    if writer is not None and writer.kind == "DequantizeLinear" and writer.input(0) >= 0:
        codes = model.tensors[writer.inputs[0]]
        return Coded(tensor=codes, grid=grid_of(writer, model.tensors, 1))
    return Coded(tensor=tensor, grid=None)


def _real_layer(model: Model, links: Links, operator: Operator) -> Layer | None:
    """Return the layer of an operator that takes real numbers."""
    if operator.output(0) < 0:
        return None
    kind = _KINDS[operator.kind]
    output, bounds, pointed = _given(model, links, operator.outputs[0])
    coded = [taken(model, links, index) for index in operator.inputs]
    kernel = bias = None
    if kind in WEIGHTED:
        kernel = coded[1] if len(coded) > 1 else None
        place = _BIAS.get(operator.kind, len(coded))
        bias = coded[place] if place < len(coded) else None
    elif kind == "add" and any(item is not None and item.tensor.constant for item in coded):
        return None  # a bias by itself, not a joint of two branches
    return Layer(
        kind=_depthwise(kind, operator, kernel),
        operator=operator,
        where=model.named(operator)
        if output is None
        else f"{operator.kind} `{output.tensor.name}`",
        sources=tuple(item for item in coded[: 2 if kind == "add" else 1] if item is not None),
        output=output or Coded(tensor=model.tensors[operator.outputs[0]], grid=None),
        kernel=kernel if kernel is not None and kernel.tensor.constant else None,
        channel_axis=_channel_axis(operator, kernel),
        bias=bias,
        bounds=bounds,
        pointed=pointed,
    )


def _code_layer(model: Model, operator: Operator) -> Layer | None:
    """Return the layer of an operator that takes codes."""
    inputs, scale = QLINEAR[operator.kind]
    coded = []
    for place, of in inputs:
        tensor = model.tensor(operator.input(place))
        if tensor is not None:
            coded.append(Coded(tensor=tensor, grid=grid_of(operator, model.tensors, of)))
    output = model.tensor(operator.output(0))
    if output is None or len(coded) != len(inputs):
        return None
    kind = _QLINEAR_KINDS[operator.kind]
    weighted = kind in WEIGHTED
    kernel = _along_channels(operator, coded[1]) if weighted else None
    bias = model.tensor(operator.input(_BIAS.get(operator.kind, -1)) if weighted else -1)
    return Layer(
        kind=_depthwise(kind, operator, kernel),
        operator=operator,
        where=model.named(operator),
        sources=tuple(coded[:1] if weighted else coded),
        output=Coded(tensor=output, grid=grid_of(operator, model.tensors, scale)),
        kernel=kernel if kernel is not None and kernel.tensor.constant else None,
        channel_axis=_channel_axis(operator, kernel),
        bias=None if bias is None else Coded(tensor=bias, grid=_product(coded)),
    )


def _dynamic_layer(model: Model, operator: Operator) -> Layer | None:
    """Return the layer of an operator whose codes have no grid in the file."""
    tensors = [model.tensor(index) for index in (*operator.inputs[:2], operator.output(0))]
    if len(tensors) != 3 or None in tensors:
        return None
    source, kernel, output = (Coded(tensor=t, grid=None) for t in tensors if t is not None)
    kind = DYNAMIC[operator.kind]
    return Layer(
        kind=_depthwise(kind, operator, kernel),
        operator=operator,
        where=model.named(operator),
        sources=(source,),
        output=output,
        kernel=kernel if kernel.tensor.constant else None,
        channel_axis=_channel_axis(operator, kernel),
    )


def _along_channels(operator: Operator, kernel: Coded) -> Coded:
    """Return a kernel whose scales belong to output channels, as these operators have it."""
    if kernel.grid is None:
        return kernel
    axis = _channel_axis(operator, kernel)
    return dataclasses.replace(kernel, grid=dataclasses.replace(kernel.grid, axis=axis))


def _product(coded: list[Coded]) -> Grid | None:
    """Return the grid of a bias that has none of its own: that of the accumulator."""
    source, kernel = coded[0].grid, coded[1].grid
    if source is None or kernel is None or source.scale.size != 1:
        return None
    scale = source.scale * kernel.scale
    return Grid(scale=scale, zero_point=np.zeros(scale.size, np.int64))


def _depthwise(kind: Kind, operator: Operator, kernel: Coded | None) -> Kind:
    """Tell depthwise convolutions from full ones."""
    sizes = None if kernel is None else kernel.tensor.sizes
    one = kind == "conv" and sizes is not None and len(sizes) > 1 and sizes[1] == 1
    return "depthwise" if one and operator.number("group", 1) > 1 else kind


def _channel_axis(operator: Operator, kernel: Coded | None) -> int:
    if operator.kind in {"Conv", "QLinearConv"}:
        return 0
    if operator.kind in {"Gemm", "QGemm"}:
        return 0 if operator.number("transB", 0) else 1
    sizes = None if kernel is None else kernel.tensor.sizes
    return len(sizes) - 1 if sizes else 0


def _given(
    model: Model, links: Links, index: int
) -> tuple[Coded | None, tuple[float, float] | None, str]:
    """Return the codes that a result becomes, where it is cut off, and by what operator."""
    bounds, between = None, ""
    reader = links.only_reader(index)
    if reader is not None and reader.kind in ACTIVATIONS:
        bounds, between = _bounds(model, reader), reader.kind
        index = reader.output(0)
        reader = links.only_reader(index)
    codes = -1 if reader is None else reader.output(0)
    if reader is None or reader.kind != "QuantizeLinear" or codes < 0:
        return None, bounds, between
    output = Coded(tensor=model.tensors[codes], grid=grid_of(reader, model.tensors, 1))
    return output, bounds if between else _code_bounds(model, links, codes, output), between


def _bounds(model: Model, operator: Operator) -> tuple[float, float]:
    if operator.kind == "Relu":
        return 0.0, math.inf
    low, high = operator.number("min", -math.inf), operator.number("max", math.inf)
    values = [_number(model, operator.input(place)) for place in (1, 2)]
    return (
        float(low if values[0] is None else values[0]),
        float(high if values[1] is None else values[1]),
    )


def _code_bounds(
    model: Model, links: Links, index: int, output: Coded
) -> tuple[float, float] | None:
    """Return the bounds of a Clip that works on codes, as real numbers."""
    reader = links.only_reader(index)
    if reader is None or reader.kind != "Clip" or output.single is None:
        return None
    scale, zero = output.single
    low, high = _bounds(model, reader)
    return (low - zero) * scale, (high - zero) * scale


def _number(model: Model, index: int) -> float | None:
    tensor = model.tensor(index)
    return None if tensor is None else tensor.number
