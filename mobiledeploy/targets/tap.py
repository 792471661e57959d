"""Look inside an `.onnx`: a copy in memory that also gives out tensors it computes on the way."""

from collections.abc import Sequence
from typing import Any, Final

from mobiledeploy.formats import recipe
from mobiledeploy.formats.recipe import Codes, Recipe
from mobiledeploy.targets import onnx_proto

_ONNX_CODES: Final[dict[int, Codes]] = {2: "uint8", 3: "int8"}
"""By number in onnx.proto's `TensorProto.DataType`."""


def onnx(data: bytes, tensors: Sequence[str] | None = None) -> bytes:
    """Return an `.onnx` with further outputs: `onnx_recipe`, applied."""
    return onnx_recipe(data, tensors).apply(data)


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
    added = [recipe.known(inner, name) for name in tensors]
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
