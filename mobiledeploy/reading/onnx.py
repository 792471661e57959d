"""Read any int8 `.onnx` classifier into the common form: QDQ or QOperator, NCHW or NHWC."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from mobiledeploy.base.errors import ConversionError, CorruptFileError
from mobiledeploy.formats.model import Tensor as FileTensor
from mobiledeploy.formats.onnx import OnnxModel, OnnxOperator, require_supported
from mobiledeploy.reading import onnx_qoperator
from mobiledeploy.reading.draft import Draft
from mobiledeploy.reading.model import INPUT, Fault, Reading, Tensor
from mobiledeploy.reading.onnx_grids import cut, dequantise, multiply, quantise
from mobiledeploy.reading.onnx_layers import add, convolution, gemm, mean, pad, pool, softmax
from mobiledeploy.reading.onnx_shapes import dropout, reshape, same, transpose
from mobiledeploy.reading.onnx_state import TYPES, State
from mobiledeploy.reading.onnx_values import Flow, Value

_COLOURS: Final = (1, 3, 4)
"""Channels that an image may have: where they stand says which layout an input has."""

_READERS: Final[Mapping[str, Callable[[State, OnnxOperator], Value | None]]] = {
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


def read_onnx(model: OnnxModel) -> Reading:
    """Return the layers that stand in an `.onnx`, from whatever tool.

    Args:
        model: The file.

    Raises:
        CorruptFileError: Its nodes contradict themselves: two write one tensor, say.
        ConversionError: The file has several inputs, or its output does not depend on them.
    """
    require_supported(model)
    source = model.tensors[model.inputs[0]]
    dtype, sizes = _type(source), _sizes(source)
    axes = _layout(sizes)
    image = Flow(source=INPUT, axes=axes, sizes=sizes, real=dtype not in {"int8", "uint8"})
    draft = Draft(
        Tensor(
            name=source.name,
            shape=image.shape,
            dtype=dtype,
            scale=None,
            zero_point=None,
            axes=axes,
        )
    )
    state = State(model, draft)
    state.values[model.inputs[0]] = image
    # Scales may be anything in a damaged file.
    with np.errstate(all="ignore"):
        for node in model.operators:
            _read(state, node)
    return _finish(model, state)


def _read(state: State, node: OnnxOperator) -> None:
    found: Value | None = None
    if node.op == "Constant":
        found = state.constant(node.outputs[0]) if node.output(0) >= 0 else None
    else:
        inputs = [state.value(node, place) for place in range(len(node.inputs))]
        flows = [value for value in inputs if isinstance(value, Flow)]
        if node.op in _READERS and node.inputs and node.outputs:
            found = _READERS[node.op](state, node)
        if found is None and flows and node.op != "Shape":
            found = _unknown(state, node, flows)
    for place, output in enumerate(node.outputs):
        if output in state.values:
            raise CorruptFileError(f"two nodes write `{state.name(output)}`")
        if output >= 0:
            state.values[output] = found if place == 0 or isinstance(found, Flow) else None


def _unknown(state: State, node: OnnxOperator, flows: list[Flow]) -> Flow:
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


def _type(tensor: FileTensor) -> str:
    return tensor.dtype if tensor.dtype in TYPES else "another type"


def _sizes(tensor: FileTensor) -> tuple[int, ...]:
    """Return the sizes of a tensor's dimensions, 0 for a free one."""
    return tuple(max(size, 0) if isinstance(size, int) else 0 for size in tensor.shape or ())


def _finish(model: OnnxModel, state: State) -> Reading:
    first, *others = (model.tensors[index] for index in model.outputs)
    name = first.name
    value = state.values.get(model.outputs[0])
    if not isinstance(value, Flow):
        raise ConversionError(f"output `{name}` is not computed from the input")
    reading = state.draft.finish(
        "onnx",
        model.producer,
        source=value.source,
        name=name,
        dtype=_type(first),
        others=tuple(other.name for other in others),
    )
    # The outside reads the codes by the grid of the last converter.
    return dataclasses.replace(
        reading,
        output=dataclasses.replace(
            reading.output, scale=value.scale, zero_point=value.zero_point, axes=value.axes
        ),
    )
