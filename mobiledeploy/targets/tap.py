"""Look inside a file: a copy in memory that also gives out tensors it computes on the way.

The copy computes what the file computes: nothing is added but outputs. It is made by a recipe of
a few bytes, so that an app can make it as well: `contract.json` carries the recipes.
"""

import dataclasses
import struct
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias, TypeVar

from mobiledeploy.base.errors import ConversionError, CorruptFileError
from mobiledeploy.integer import flatbuffer, tflite_file
from mobiledeploy.spec.contract import Patch, Tap
from mobiledeploy.targets import onnx_proto

Thing = TypeVar("Thing")

Codes: TypeAlias = Literal["int8", "uint8"]

_TFLITE_CODES: Final[dict[str, Codes]] = {"int8": "int8", "uint8": "uint8"}
_ONNX_CODES: Final[dict[int, Codes]] = {2: "uint8", 3: "int8"}
"""By number in onnx.proto's `TensorProto.DataType`."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How to make a copy with further outputs.

    Attributes:
        outputs: Names of the further outputs, in order; empty if the copy is the file itself.
        dtype: Type of the last one, if those are codes.
        offset: Where to write over the file's own bytes.
        replacement: What to write there; may be empty.
        tail: What to put behind the end.
    """

    outputs: tuple[str, ...] = ()
    dtype: Codes | None = None
    offset: int = 0
    replacement: bytes = b""
    tail: bytes = b""

    def apply(self, data: bytes) -> bytes:
        """Return the copy."""
        after = self.offset + len(self.replacement)
        return data[: self.offset] + self.replacement + data[after:] + self.tail

    def tap(self, path: str) -> Tap:
        """Return the recipe as `contract.json` carries it.

        Raises:
            ConversionError: It is not for one tensor of codes.
        """
        if len(self.outputs) != 1 or self.dtype is None:
            raise ConversionError(
                f"{path}: expected one softmax of int8 or uint8 codes, "
                f"received {len(self.outputs)} of {self.dtype or 'other types'}"
            )
        patch = Patch(offset=self.offset, bytes=self.replacement.hex())
        return Tap(
            path=path,
            output=self.outputs[0],
            dtype=self.dtype,
            patch=patch if self.replacement else None,
            append=self.tail.hex(),
        )


def tflite(data: bytes, tensors: Sequence[str] | None = None) -> bytes:
    """Return a `.tflite` with further outputs: `tflite_recipe`, applied."""
    return tflite_recipe(data, tensors).apply(data)


def onnx(data: bytes, tensors: Sequence[str] | None = None) -> bytes:
    """Return an `.onnx` with further outputs: `onnx_recipe`, applied."""
    return onnx_recipe(data, tensors).apply(data)


def tflite_recipe(data: bytes, tensors: Sequence[str] | None = None) -> Recipe:
    """Return how to make a copy of a `.tflite` with further outputs: int8 codes.

    The flatbuffer is kept byte for byte but for one offset: that of the list of outputs, which
    points to a new list behind the old end.

    Args:
        data: The file.
        tensors: Names of tensors to give out after the file's own outputs. None: the input of
            the softmax if the file has one, else nothing, and the copy is the file as it is.

    Raises:
        CorruptFileError: The bytes are no `.tflite`, or damaged.
        ConversionError: There is no tensor of such a name.
    """
    file = tflite_file.parse(data, any_operator=True)
    if tensors is None:
        added = [op.inputs[0] for op in file.operators if op.name == "SOFTMAX" and op.inputs]
    else:
        indices = {tensor.name: index for index, tensor in enumerate(file.tensors)}
        added = [_known(indices, name) for name in tensors]
    if not added:
        return Recipe()
    field = flatbuffer.root(data, tflite_file.IDENTIFIER).tables(2)[0].place(2)
    if field is None:
        raise CorruptFileError("the graph has no list of outputs")
    outputs = [*file.outputs, *added]
    padding = b"\0" * (-len(data) % 4)
    return Recipe(
        outputs=tuple(file.tensors[index].name for index in added),
        dtype=_TFLITE_CODES.get(str(file.tensors[added[-1]].dtype)),
        offset=field,
        replacement=struct.pack("<I", len(data) + len(padding) - field),
        tail=padding + struct.pack(f"<I{len(outputs)}i", len(outputs), *outputs),
    )


def onnx_recipe(data: bytes, tensors: Sequence[str] | None = None) -> Recipe:
    """Return how to make a copy of an `.onnx` with further outputs, of the type they have inside.

    A second message behind the end of a protobuf message is merged into it, and lists are joined:
    a model with nothing but outputs adds its outputs to the file's.
    https://protobuf.dev/programming-guides/encoding/#last-one-wins

    Args:
        data: The file.
        tensors: Names of tensors to give out after the file's own outputs. None: the codes
            that the softmax is computed from if the file has one, else nothing.

    Raises:
        CorruptFileError: The bytes are no ONNX model.
        ConversionError: There is no inner tensor of such a name.
    """
    from onnx import GraphProto, ModelProto, ValueInfoProto

    model = onnx_proto.parse(data)
    if tensors is None:
        tensors = _softmax_codes(model)
    if not tensors:
        return Recipe()
    described = {info.name: info for info in onnx_proto.with_shapes(model).graph.value_info}
    own = {output.name for output in model.graph.output}
    # Operators that are the runtime's own have no type here: it finds out itself.
    inner = {
        name: described.get(name) or ValueInfoProto(name=name)
        for node in model.graph.node
        for name in node.output
        if name not in own
    }
    added = [_known(inner, name) for name in tensors]
    return Recipe(
        outputs=tuple(tensors),
        dtype=_ONNX_CODES.get(added[-1].type.tensor_type.elem_type),
        tail=ModelProto(graph=GraphProto(output=added)).SerializeToString(deterministic=True),
    )


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
