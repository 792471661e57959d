"""Read an int8 `.tflite` as an integer graph, ours or anybody's, or say why it is none."""

import os

import numpy as np

from mobiledeploy.base.errors import ConversionError, RequestError
from mobiledeploy.base.files import named
from mobiledeploy.formats import tflite
from mobiledeploy.formats.tflite import TfliteModel, TfliteOperator
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.integer.tflite_nodes import READABLE, read_node
from mobiledeploy.integer.tflite_scope import Scope, refusal


def read_file(file: bytes | str | os.PathLike[str]) -> IntegerGraph:
    """Return the integer graph that a `.tflite` holds; see `read`.

    Args:
        file: Its bytes, or where it lies.

    Raises:
        RequestError: There is no such file.
        CorruptFileError: The bytes are no `.tflite`, or damaged.
        ConversionError: It holds something else than an integer graph.
    """
    if not isinstance(file, bytes):
        path = named(file)
        if not path.is_file():
            raise RequestError(f"there is no file {path}", hint="name a .tflite")
        file = path.read_bytes()
    return read(tflite.parse(file))


def read(model: TfliteModel) -> IntegerGraph:
    """Return the integer graph that a `.tflite` holds.

    Converters between the graph's int8 and an input or output of uint8 or float32 are not part
    of the graph. Tensors keep their names, made unique.

    Args:
        model: The file.

    Raises:
        CorruptFileError: Its tensors contradict themselves.
        ConversionError: The file holds something else than an int8 classifier of CONV_2D,
            DEPTHWISE_CONV_2D, ADD, MEAN (or a global AVERAGE_POOL_2D that rounds like one),
            FULLY_CONNECTED and SOFTMAX; the message names the operator and the tensor.
    """
    tflite.require_supported(model)
    _require_known(model)
    if len(model.inputs) != 1 or len(model.outputs) != 1 or min(model.inputs + model.outputs) < 0:
        raise ConversionError(
            f"expected one input and one output, received {len(model.inputs)} and "
            f"{len(model.outputs)}"
        )
    operators = list(model.operators)
    first, last = model.inputs[0], model.outputs[0]
    # The codes inside go by the names that the world sees.
    names = {index: model.tensors[index].unique_name for index in (first, last)}
    if operators and operators[0].builtin == "QUANTIZE":
        outer, first = first, _inside(model, operators.pop(0), outer=first)
        names[first] = names[outer]
    if operators and operators[-1].builtin in {"QUANTIZE", "DEQUANTIZE"}:
        outer, last = last, _inside(model, operators.pop(), outer=last)
        names[last] = names[outer]
    scope = Scope(model.tensors, names)
    image = scope.write(first)
    found = [read_node(operator, scope) for operator in operators]
    nodes = tuple(node for node in found if node is not None)
    if not nodes or scope.written(last) != nodes[-1].output:
        raise ConversionError("expected the graph's output to be what the last operator writes")
    return IntegerGraph(name=model.description or "tflite", input=image, nodes=nodes)


def _require_known(model: TfliteModel) -> None:
    for operator in model.operators:
        if operator.builtin not in READABLE:
            raise ConversionError(
                f"operator number {operator.code} of the schema, which writes tensor "
                f"{', '.join(map(str, operator.outputs))}, is none of {', '.join(READABLE)}",
                hint="only int8 classifiers of the MobileNet kind can be read",
            )


def _inside(model: TfliteModel, operator: TfliteOperator, *, outer: int) -> int:
    """Return the int8 tensor behind a converter at the border, which must keep every code."""
    ends = (*operator.inputs, *operator.outputs)
    if len(ends) != 2 or outer not in ends or min(ends) < 0:
        raise refusal(operator, "expected it to convert the graph's input or output")
    inner = ends[1] if ends[0] == outer else ends[0]
    border, codes = model.tensors[outer], model.tensors[inner]
    if border.dtype == "uint8":
        same_scale = np.array_equal(border.scale, codes.scale)
        if not same_scale or not np.array_equal(border.zero_point, codes.zero_point + 128):
            raise refusal(operator, "expected uint8 codes that are the int8 codes plus 128")
    elif border.dtype != "float32":
        raise refusal(operator, f"expected uint8 or float32 outside, received {border.dtype}")
    return inner
