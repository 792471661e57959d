"""Read any int8 `.onnx` classifier into the common form: QDQ or QOperator, NCHW or NHWC."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import numpy as np

from mobiledeploy.base.errors import ConversionError, CorruptFileError
from mobiledeploy.reading import onnx_file, onnx_qoperator
from mobiledeploy.reading.draft import Draft
from mobiledeploy.reading.model import INPUT, Fault, Reading, Tensor
from mobiledeploy.reading.onnx_file import OnnxFile, OnnxNode
from mobiledeploy.reading.onnx_grids import cut, dequantise, multiply, quantise
from mobiledeploy.reading.onnx_layers import add, convolution, gemm, mean, pad, pool, softmax
from mobiledeploy.reading.onnx_shapes import dropout, reshape, same, transpose
from mobiledeploy.reading.onnx_state import State
from mobiledeploy.reading.onnx_values import Constant, Flow, Value

_COLOURS: Final = (1, 3, 4)
"""Channels that an image may have: where they stand says which layout an input has."""

_READERS: Final[Mapping[str, Callable[[State, OnnxNode], Value | None]]] = {
    "Add": add,
    "AveragePool": pool,
    "Clip": cut,
    "Conv": convolution,
    "DequantizeLinear": dequantise,
    "Div": multiply,
    "Dropout": dropout,
    "Flatten": reshape,
    "Gemm": gemm,
    "GlobalAveragePool": mean,
    "Identity": same,
    "MatMul": gemm,
    "MaxPool": pool,
    "Mul": multiply,
    "Pad": pad,
    "QGemm": onnx_qoperator.gemm,
    "QLinearAdd": onnx_qoperator.add,
    "QLinearAveragePool": onnx_qoperator.one_input(pool),
    "QLinearConv": onnx_qoperator.convolution,
    "QLinearGlobalAveragePool": onnx_qoperator.one_input(mean),
    "QLinearMatMul": onnx_qoperator.matmul,
    "QLinearSoftmax": onnx_qoperator.one_input(softmax),
    "QuantizeLinear": quantise,
    "ReduceMean": mean,
    "Relu": cut,
    "Reshape": reshape,
    "Softmax": softmax,
    "Squeeze": reshape,
    "Transpose": transpose,
    "Unsqueeze": reshape,
}


def read_onnx(data: bytes, *, folder: Path | None = None) -> Reading:
    """Return the layers that stand in an `.onnx`, from whatever tool.

    Args:
        data: The file.
        folder: Where it lies, if it may read weights from files beside it.

    Raises:
        CorruptFileError: The bytes are no ONNX model, or damaged.
        ConversionError: The file has several inputs, or its output does not depend on them.
        RequestError: Its weights lie in other files, and there is no folder to look in.
    """
    file = onnx_file.parse(data, folder=folder)
    if len(file.inputs) != 1:
        raise ConversionError(f"expected one input, received {len(file.inputs)}")
    name, dtype, sizes = file.inputs[0]
    axes = _layout(sizes)
    image = Flow(source=INPUT, axes=axes, sizes=sizes, real=dtype not in {"int8", "uint8"})
    draft = Draft(
        Tensor(name=name, shape=image.shape, dtype=dtype, scale=None, zero_point=None, axes=axes)
    )
    state = State(file, draft)
    state.values[name] = image
    # Scales may be anything in a damaged file.
    with np.errstate(all="ignore"):
        for node in file.nodes:
            _read(state, node)
    return _finish(file, state)


def _read(state: State, node: OnnxNode) -> None:
    found: Value | None = None
    if node.op == "Constant":
        values = node.attributes.get("value")
        name = node.outputs[0] if node.outputs else ""
        found = None if values is None else Constant(name=name, values=values)
    else:
        inputs = [state.value(node, place) for place in range(len(node.inputs))]
        flows = [value for value in inputs if isinstance(value, Flow)]
        if node.op in _READERS and node.inputs and node.outputs:
            found = _READERS[node.op](state, node)
        if found is None and flows and node.op != "Shape":
            found = _unknown(state, node, flows)
    for place, output in enumerate(node.outputs):
        if output in state.values:
            raise CorruptFileError(f"two nodes write `{output}`")
        if output:
            state.values[output] = found if place == 0 or isinstance(found, Flow) else None


def _unknown(state: State, node: OnnxNode, flows: list[Flow]) -> Flow:
    first = flows[0]
    kept = first.axes if first.pixels == 1 else ""
    out = Flow(source=INPUT, axes=kept, sizes=first.sizes if kept else ())
    faults: tuple[Fault, ...] = ()
    if node.op in _READERS:
        axes = first.axes or "that are not known"
        detail = f"{node.op} of a tensor with axes {axes} is not understood in this form"
        faults = (Fault(field="form", detail=detail),)
    opened = state.begin(node, "unknown", flows, out, faults=faults)
    if first.real:
        return opened
    # Of codes come codes, on a grid that nothing is said about.
    state.bounds.pop(opened.source)
    return dataclasses.replace(opened, real=False)


def _layout(sizes: tuple[int, ...]) -> str:
    if len(sizes) == 4:
        return "NCHW" if sizes[1] in _COLOURS and sizes[3] not in _COLOURS else "NHWC"
    return "NC" if len(sizes) == 2 else ""


def _finish(file: OnnxFile, state: State) -> Reading:
    name, dtype = file.outputs[0]
    value = state.values.get(name)
    if not isinstance(value, Flow):
        raise ConversionError(f"output `{name}` is not computed from the input")
    reading = state.draft.finish(
        "onnx",
        file.producer,
        source=value.source,
        name=name,
        dtype=dtype,
        others=tuple(other for other, _ in file.outputs[1:]),
    )
    # The outside reads the codes by the grid of the last converter.
    return dataclasses.replace(
        reading,
        output=dataclasses.replace(
            reading.output, scale=value.scale, zero_point=value.zero_point, axes=value.axes
        ),
    )
