"""Look inside a file: a copy in memory that also gives out tensors it computes on the way.

The copy computes what the file computes: nothing is added but outputs.
"""

import struct
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from mobiledeploy.errors import ConversionError, CorruptFileError
from mobiledeploy.integer import flatbuffer, tflite_file

Thing = TypeVar("Thing")


def tflite(data: bytes, tensors: Sequence[str] | None = None) -> bytes:
    """Return a `.tflite` with further outputs: int8 codes.

    The flatbuffer is kept byte for byte but for one offset: that of the list of outputs, which
    points to a new list behind the old end.

    Args:
        data: The file.
        tensors: Names of tensors to give out after the file's own outputs. None: the input of
            the softmax if the file has one, else nothing, and the file comes back as it is.

    Raises:
        CorruptFileError: The bytes are no `.tflite`, or damaged.
        ConversionError: There is no tensor of such a name.
    """
    file = tflite_file.parse(data)
    if tensors is None:
        added = [op.inputs[0] for op in file.operators if op.name == "SOFTMAX" and op.inputs]
    else:
        indices = {tensor.name: index for index, tensor in enumerate(file.tensors)}
        added = [_known(indices, name) for name in tensors]
    if not added:
        return data
    field = flatbuffer.root(data, tflite_file.IDENTIFIER).tables(2)[0].place(2)
    if field is None:
        raise CorruptFileError("the graph has no list of outputs")
    outputs = [*file.outputs, *added]
    padding = b"\0" * (-len(data) % 4)
    vector = struct.pack(f"<I{len(outputs)}i", len(outputs), *outputs)
    distance = struct.pack("<I", len(data) + len(padding) - field)
    return data[:field] + distance + data[field + 4 :] + padding + vector


def onnx(data: bytes, tensors: Sequence[str] | None = None) -> bytes:
    """Return an `.onnx` with further outputs, of the type they have inside.

    Args:
        data: The file.
        tensors: Names of tensors to give out after the file's own outputs. None: the codes
            that the softmax is computed from if the file has one, else nothing.

    Raises:
        CorruptFileError: The bytes are no ONNX model.
        ConversionError: There is no inner tensor of such a name.
    """
    from google.protobuf.message import DecodeError
    from onnx import ModelProto, ValueInfoProto

    model = ModelProto()
    try:
        model.ParseFromString(data)
    except DecodeError as error:
        raise CorruptFileError("the bytes are no ONNX model") from error
    if tensors is None:
        tensors = _softmax_codes(model)
    if not tensors:
        return data
    own = {output.name for output in model.graph.output}
    inner = {name: name for node in model.graph.node for name in node.output if name not in own}
    # A name is enough: the runtime finds out the types, also those of its own operators.
    model.graph.output.extend(ValueInfoProto(name=_known(inner, name)) for name in tensors)
    tapped: bytes = model.SerializeToString(deterministic=True)
    return tapped


def _softmax_codes(model: Any) -> list[str]:
    """Return what each softmax is computed from, as codes where it is dequantised first."""
    writers = {output: node for node in model.graph.node for output in node.output}
    found = []
    for node in model.graph.node:
        if node.op_type == "Softmax" and node.input:
            writer = writers.get(node.input[0])
            if writer is not None and writer.op_type == "DequantizeLinear":
                found.append(writer.input[0])
            else:
                found.append(node.input[0])
    return found


def _known(things: Mapping[str, Thing], name: str) -> Thing:
    if name not in things:
        raise ConversionError(f"the file has no inner tensor `{name}`")
    return things[name]
