"""Read an int8 `.tflite` as an integer graph, ours or anybody's, or say why it is none."""

from typing import Final

import numpy as np

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.integer import tflite_file
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.integer.tflite_file import TfliteFile, TfliteOperator
from mobiledeploy.integer.tflite_nodes import read_node
from mobiledeploy.ops.tflite import Scope, refusal

CONVERTERS: Final = frozenset({"QUANTIZE", "DEQUANTIZE"})
"""Operators that turn the codes of a graph's output into what the file gives out."""


def read(data: bytes) -> IntegerGraph:
    """Return the integer graph that a `.tflite` holds.

    Converters between the graph's int8 and an input or output of uint8 or float32 are not part
    of the graph. Tensors keep their names, made unique.

    Args:
        data: The file.

    Raises:
        CorruptFileError: The bytes are no `.tflite`, or damaged.
        ConversionError: The file holds something else than an int8 network of the operators in
            `ops.table` (an AVERAGE_POOL_2D must be global and round like a mean) and RESHAPE; the
            message names the operator and the tensor.
    """
    return graph_of(tflite_file.parse(data))


def graph_of(file: TfliteFile) -> IntegerGraph:
    """Return the integer graph that a parsed `.tflite` holds; see `read`.

    Raises:
        ConversionError: As `read`.
    """
    if len(file.inputs) != 1 or len(file.outputs) != 1 or min(file.inputs + file.outputs) < 0:
        raise ConversionError(
            f"expected one input and one output, received {len(file.inputs)} and "
            f"{len(file.outputs)}"
        )
    operators = list(file.operators)
    first, last = file.inputs[0], file.outputs[0]
    # The codes inside go by the names that the world sees.
    names = {index: file.tensors[index].name for index in (first, last)}
    if operators and operators[0].name == "QUANTIZE":
        outer, first = first, _inside(file, operators.pop(0), outer=first)
        names[first] = names[outer]
    if operators and operators[-1].name in CONVERTERS:
        outer, last = last, _inside(file, operators.pop(), outer=last)
        names[last] = names[outer]
    scope = Scope(file.tensors, names)
    image = scope.write(first)
    found = [read_node(operator, scope) for operator in operators]
    nodes = tuple(node for node in found if node is not None)
    if not nodes or scope.written(last) != nodes[-1].output:
        raise ConversionError("expected the graph's output to be what the last operator writes")
    return IntegerGraph(name=file.description or "tflite", input=image, nodes=nodes)


def _inside(file: TfliteFile, operator: TfliteOperator, *, outer: int) -> int:
    """Return the int8 tensor behind a converter at the border, which must keep every code."""
    ends = (*operator.inputs, *operator.outputs)
    if len(ends) != 2 or outer not in ends or min(ends) < 0:
        raise refusal(operator, "expected it to convert the graph's input or output")
    inner = ends[1] if ends[0] == outer else ends[0]
    border, codes = file.tensors[outer], file.tensors[inner]
    if border.dtype == np.uint8:
        same_scale = np.array_equal(border.scale, codes.scale)
        if not same_scale or not np.array_equal(border.zero_point, codes.zero_point + 128):
            raise refusal(operator, "expected uint8 codes that are the int8 codes plus 128")
    elif border.dtype != np.float32:
        raise refusal(operator, f"expected uint8 or float32 outside, received {border.dtype}")
    return inner
