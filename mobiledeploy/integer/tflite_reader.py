"""Read any int8 `.tflite` as an integer graph, or say why it cannot be read."""

import os
from collections.abc import Sequence
from typing import Final

import numpy as np

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.base.files import require_file, user_path
from mobiledeploy.formats import tflite
from mobiledeploy.formats.model import ONE_IMAGE
from mobiledeploy.formats.tflite import TfliteModel, TfliteOperator
from mobiledeploy.integer.fold_padding import fold_padding
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.ops import lookup, table
from mobiledeploy.ops.divided_input import undivided
from mobiledeploy.ops.node import Node
from mobiledeploy.ops.tflite import Scope, refusal

CONVERTERS: Final = frozenset({"QUANTIZE", "DEQUANTIZE"})
"""Operators that convert codes to or from the type of the file's input or output."""
RESHAPE: Final = "RESHAPE"
"""An operator that becomes no node where a vector becomes the same vector."""
_FLATTEN: Final = frozenset({RESHAPE, "FULLY_CONNECTED", "SOFTMAX"})
"""Operators for which an image of one pixel is a vector."""
_TO_PIXEL: Final = frozenset({"MEAN", "REDUCE_MAX"})
"""Operators that make one pixel of an image, which may as well be a vector."""


def read_file(file: bytes | str | os.PathLike[str]) -> IntegerGraph:
    """Return the integer graph that a `.tflite` holds; see `read`.

    Args:
        file: The file's bytes or path.

    Raises:
        RequestError: There is no such file.
        CorruptFileError: The bytes are not a `.tflite`, or damaged.
        ConversionError: It holds something else than an integer graph.
    """
    if not isinstance(file, bytes):
        path = user_path(file)
        require_file(path, hint="name a .tflite")
        file = path.read_bytes()
    return read(tflite.parse(file))


def read(model: TfliteModel) -> IntegerGraph:
    """Return the integer graph that a `.tflite` holds.

    Converters between the graph's int8 and an input or output of uint8 or float32 are not part
    of the graph. Tensors keep their names, made unique.

    Args:
        model: The parsed file.

    Raises:
        CorruptFileError: Its tensors contradict each other.
        ConversionError: The file holds something else than an int8 network of the operators in
            `ops.table` (an AVERAGE_POOL_2D must be global and round like a mean); the message
            names the operator and the tensor.
    """
    tflite.require_supported(model)
    given = undivided(model, lookup.joined(model))
    _require_known(given)
    if len(model.inputs) != 1 or len(model.outputs) != 1 or min(model.inputs + model.outputs) < 0:
        raise ConversionError(
            f"expected one input and one output, received {len(model.inputs)} and "
            f"{len(model.outputs)}",
            hint=ONE_IMAGE,
        )
    operators = list(table.by_output(given))
    first, last = model.inputs[0], model.outputs[0]
    # The int8 tensors inside take the names of the file's input and output.
    names = {index: model.tensors[index].unique_name for index in (first, last)}
    if operators and operators[0].builtin == "QUANTIZE":
        outer, first = first, _inside(model, operators.pop(0), outer=first)
        names[first] = names[outer]
    if operators and operators[-1].builtin in CONVERTERS:
        outer, last = last, _inside(model, operators.pop(), outer=last)
        names[last] = names[outer]
    scope = Scope(model.tensors, names, _flattened(model))
    image = scope.write(first)
    read_nodes = [_node(operator, scope) for operator in operators]
    nodes = tuple(node for node in read_nodes if node is not None)
    if not nodes or scope.written(last) != nodes[-1].output:
        raise ConversionError(
            "expected the graph's output to be what the last operator writes", hint=ONE_IMAGE
        )
    graph = IntegerGraph(name=model.description or "tflite", input=image, nodes=nodes)
    return fold_padding(graph)


def _flattened(model: TfliteModel) -> set[int]:
    """Return the images of one pixel that only become vectors, by the index of their tensor.

    Not those that an operator on images writes: behind it, a RESHAPE is an operator.
    """
    readers: dict[int, list[TfliteOperator]] = {}
    for operator in model.operators:
        for index in operator.inputs:
            readers.setdefault(index, []).append(operator)
    writers = {index: operator for operator in model.operators for index in operator.outputs}
    pixels = {
        index
        for index in writers
        if index >= 0 and model.tensors[index].fixed_shape[:-1] == (1, 1, 1)
    }
    flattened = set(pixels)
    while True:
        kept = {
            index
            for index in flattened
            if readers.get(index)
            and all(
                reader.builtin in _FLATTEN or flattened.issuperset(reader.outputs)
                for reader in readers[index]
            )
            and _gives_vectors(
                writers[index],
                model,
                of_vectors=flattened.issuperset(pixels.intersection(writers[index].inputs)),
            )
        }
        if kept == flattened:
            return flattened
        flattened = kept


def _gives_vectors(operator: TfliteOperator, model: TfliteModel, *, of_vectors: bool) -> bool:
    """Whether an operator's output may be a vector.

    Args:
        operator: An operator that writes an image of one pixel.
        model: The file.
        of_vectors: Whether all images of one pixel that it reads become vectors.
    """
    if operator.builtin in _TO_PIXEL:
        return True
    if operator.builtin == RESHAPE:
        return False
    shapes = [model.tensors[index].fixed_shape for index in operator.inputs if index >= 0]
    if operator.builtin == "AVERAGE_POOL_2D":
        window = operator.option("filter_height"), operator.option("filter_width")
        return shapes[0][1:3] == window
    if operator.builtin == "CONV_2D":
        return of_vectors and shapes[1][1:3] == (1, 1)
    module = table.special_case(operator, model.tensors) or table.of_file(operator.builtin)
    return module is not None and not module.IMAGES and of_vectors


def _require_known(operators: Sequence[TfliteOperator]) -> None:
    readable = sorted({*table.tflite_names(), *CONVERTERS})
    for operator in operators:
        if operator.builtin not in readable:
            raise ConversionError(
                f"operator number {operator.code} of the schema, which writes tensor "
                f"{', '.join(map(str, operator.outputs))}, is not one of {', '.join(readable)}",
                hint="only int8 classifiers of the MobileNet kind can be read",
            )


def _inside(model: TfliteModel, operator: TfliteOperator, *, outer: int) -> int:
    """Return the int8 tensor on the inner side of a converter, which must keep every code."""
    ends = (*operator.inputs, *operator.outputs)
    if len(ends) != 2 or outer not in ends or min(ends) < 0:
        raise refusal(operator, "expected it to convert the graph's input or output")
    inner = ends[1] if ends[0] == outer else ends[0]
    outside, codes = model.tensors[outer], model.tensors[inner]
    if outside.dtype == "uint8":
        same_scale = np.array_equal(outside.scale, codes.scale)
        if not same_scale or not np.array_equal(outside.zero_point, codes.zero_point + 128):
            raise refusal(operator, "expected uint8 codes that are the int8 codes plus 128")
    elif outside.dtype != "float32":
        raise refusal(operator, f"expected uint8 or float32 outside, received {outside.dtype}")
    return inner


def _node(operator: TfliteOperator, scope: Scope) -> Node | None:
    """Return an operator's node, or None for one that only changes a shape."""
    if operator.builtin == RESHAPE and _keeps_shape(operator, scope):
        return None
    if operator.builtin in CONVERTERS:
        raise refusal(operator, "expected it at the input or output only")
    module = table.special_case(operator, scope.tensors)
    module = module or table.of_tflite(operator.builtin)
    return module.read_tflite(operator, scope)


def _keeps_shape(operator: TfliteOperator, scope: Scope) -> bool:
    """Whether a RESHAPE gives a vector the shape that it has in a graph; its output is then it."""
    source, target = operator.inputs[:1], operator.outputs
    if len(source) != 1 or len(target) != 1 or min(source + target) < 0:
        raise refusal(operator, "expected an input and an output")
    read, shape = scope.read(source[0], operator), scope.tensors[target[0]].fixed_shape
    if len(read.shape) != 1 or shape != (1, *read.shape):
        return False
    scope.rename(target[0], read)
    return True
