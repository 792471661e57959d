"""Edit a `.tflite` in memory: make a copy with more outputs, or cut out a part.

A copy with more outputs computes what the file computes. A part is what lies between given tensors
and another one: each operator keeps its version and options, each tensor its type, shape, grid and
name, so that a runtime chooses the same kernels as in the whole file.
"""

import struct
from collections.abc import Sequence
from typing import Final

from mobiledeploy.base.errors import ConversionError, CorruptFileError
from mobiledeploy.formats.edit import CodeType, Recipe, inner_tensor, operators_between
from mobiledeploy.formats.tflite import schema
from mobiledeploy.formats.tflite.model import (
    TfliteModel,
    TfliteOperator,
    TfliteTensor,
    require_supported,
)
from mobiledeploy.formats.tflite.writer import TfliteWriter

OLDEST: Final = "1.5.0"
"""The `min_runtime` that TensorFlow's converter writes if no operator needs a newer one."""

_CONVERTERS: Final = frozenset({"QUANTIZE", "DEQUANTIZE"})

_CODES: Final[dict[str, CodeType]] = {"int8": "int8", "uint8": "uint8"}


def with_possible_axes(model: TfliteModel) -> tuple[bytes, frozenset[int]]:
    """Return a file whose tensors of one dimension name that one as quantised, where it can be.

    Old converters name dimension 3 for the bias of a depthwise convolution. TFLite Micro looks at
    it as little as LiteRT did in 2020; today LiteRT does not load such a file.

    Returns:
        The file, and the indices of the tensors that named another.
    """
    data, changed = bytearray(model.data), set[int]()
    for index, table in enumerate(model.graph.tables(schema.SubGraph.TENSORS)):
        quantised = table.table(schema.Tensor.QUANTISATION)
        place = None if quantised is None else quantised.place(schema.Quantisation.AXIS)
        grid = model.tensors[index].grid
        if place is None or grid is None or len(model.tensors[index].fixed_shape) != 1:
            continue
        if struct.unpack_from("<i", data, place)[0]:
            struct.pack_into("<i", data, place, 0)
            changed.add(index)
    return bytes(data), frozenset(changed)


def tap(model: TfliteModel, tensors: Sequence[str] | None = None) -> bytes:
    """Return a file with further outputs: `tap_recipe`, applied."""
    return tap_recipe(model, tensors).apply(model.data)


def tap_recipe(model: TfliteModel, tensors: Sequence[str] | None = None) -> Recipe:
    """Return how to make a copy of a file with further outputs: int8 codes.

    The flatbuffer is kept byte for byte except for one offset: that of the list of outputs, which
    then points to a new list behind the old end.

    Args:
        model: The file.
        tensors: Unique names of tensors that become outputs after the file's own. None: the input
            of the softmax, or of a sigmoid that gives the output, if the file has one, else
            nothing, and the copy is the file itself.

    Raises:
        CorruptFileError: The file contradicts itself, or the graph has no list of outputs.
        ConversionError: The file is not supported, or has no tensor of that name.
    """
    require_supported(model)
    if tensors is None:
        added = [
            op.inputs[0]
            for op in model.operators
            if op.inputs and (op.builtin == "SOFTMAX" or _is_last_sigmoid(model, op))
        ]
    else:
        indices = {tensor.unique_name: index for index, tensor in enumerate(model.tensors)}
        added = [inner_tensor(indices, name) for name in tensors]
    if not added:
        return Recipe()
    field = model.graph.place(schema.SubGraph.OUTPUTS)
    if field is None:
        raise CorruptFileError("the graph has no list of outputs")
    outputs, size = [*model.outputs, *added], len(model.data)
    padding = b"\0" * (-size % 4)
    return Recipe(
        outputs=tuple(model.tensors[index].unique_name for index in added),
        dtype=_CODES.get(model.tensors[added[-1]].dtype),
        offset=field,
        replacement=struct.pack("<I", size + len(padding) - field),
        tail=padding + struct.pack(f"<I{len(outputs)}i", len(outputs), *outputs),
    )


def _is_last_sigmoid(model: TfliteModel, operator: TfliteOperator) -> bool:
    """Whether an operator is a sigmoid that gives the output, if through a converter."""
    if operator.builtin != "LOGISTIC":
        return False
    last = set(model.outputs)
    for other in model.operators:
        if other.builtin in _CONVERTERS and last.intersection(other.outputs):
            last.update(other.inputs)
    return bool(last.intersection(operator.outputs))


def cut(model: TfliteModel, inputs: Sequence[str], output: str) -> bytes:
    """Return the part of a file that computes a tensor from other ones.

    Args:
        model: The file.
        inputs: Unique names of the tensors that become the inputs, in this order, each once.
        output: Unique name of the tensor that becomes the only output.

    Raises:
        ConversionError: There is no such tensor, the output does not follow from the inputs, or
            the part holds something that cannot be written.
        CorruptFileError: An operator's options are damaged.
    """
    starts, end = [named(model, name) for name in inputs], named(model, output)
    # -1 is an optional input that is omitted.
    reads = [[index for index in operator.inputs if index >= 0] for operator in model.operators]
    constants = {index for index, tensor in enumerate(model.tensors) if tensor.constant}
    places = operators_between(
        [(read, operator.outputs) for read, operator in zip(reads, model.operators, strict=True)],
        constants,
        inputs=starts,
        output=end,
        called=lambda index: model.tensors[index].unique_name,
    )
    part = TfliteWriter()
    copies = {-1: -1}
    for index in dict.fromkeys(
        (
            *starts,
            *(i for place in places for i in (*reads[place], *model.operators[place].outputs)),
        )
    ):
        copies[index] = _copy(part, model.tensors[index])
    for place in places:
        operator = model.operators[place]
        if operator.builtin == "CUSTOM":
            raise ConversionError(
                f"`{output}` is computed by a custom operator, which cannot be written"
            )
        part.copy(
            operator,
            [copies[index] for index in operator.inputs],
            [copies[index] for index in operator.outputs],
        )
    return part.finish(
        description=f"{output}, cut out",
        min_runtime=OLDEST,
        inputs={f"input_{number}": copies[index] for number, index in enumerate(starts)},
        outputs={"output": copies[end]},
    )


def named(model: TfliteModel, name: str) -> int:
    """Return the index of the tensor with a unique name.

    Raises:
        ConversionError: There is none.
    """
    indices = [index for index, tensor in enumerate(model.tensors) if tensor.unique_name == name]
    if len(indices) != 1:
        raise ConversionError(f"expected one tensor `{name}`, received {len(indices)}")
    return indices[0]


def _copy(part: TfliteWriter, tensor: TfliteTensor) -> int:
    dtype, name = schema.numpy_type(tensor.dtype), tensor.unique_name
    if dtype is None or (tensor.constant and tensor.data is None):
        raise ConversionError(f"`{name}` is of a type that cannot be written")
    grid = tensor.grid
    if tensor.data is not None:
        return part.constant(
            name,
            tensor.data,
            scale=None if grid is None else grid.scale,
            zero_point=None if grid is None else grid.zero_point,
            axis=tensor.axis,
        )
    if grid is not None and grid.scale.size > 1:
        raise ConversionError(f"`{name}` is computed, and has a scale for each channel")
    return part.activation(
        name,
        dtype,
        tensor.fixed_shape,
        scale=None if grid is None else grid.scale[0],
        zero_point=0 if grid is None else int(grid.zero_point[0]),
    )
