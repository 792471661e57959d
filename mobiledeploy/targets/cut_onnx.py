"""Cut a part out of an `.onnx`: a model of its own, with the file's nodes and constants.

The part is what lies between given tensors and another one, quantise/dequantise pairs included,
so that a runtime fuses it into the kernels that it fuses it into in the whole file. ONNX's own
`utils.extract_model` does the same for files on disk, by C++ checks that trust them.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, Final

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.formats.between import between

TYPES: Final = {"float32": 1, "uint8": 2, "int8": 3}
"""Numbers in onnx.proto's `TensorProto.DataType`."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A tensor that becomes an input.

    Attributes:
        name: In the file.
        dtype: `int8`, `uint8` or `float32`.
        sizes: Of one image, as the file has it.
    """

    name: str
    dtype: str
    sizes: tuple[int, ...]


def cut(model: Any, inputs: Sequence[Start], output: str) -> bytes:
    """Return the part of a file that computes a tensor from other ones.

    Args:
        model: The file's `onnx.ModelProto`. It is not changed.
        inputs: Tensors that become the inputs, in this order, each once. The batch is as free as
            that of the file's own input.
        output: Name of the tensor that becomes the only output.

    Raises:
        ConversionError: There is no such tensor, the output does not follow from the inputs, or
            the part holds a graph of its own (`If`, `Loop`).
        CorruptFileError: Two nodes write one tensor.
    """
    from onnx import GraphProto, ModelProto, ValueInfoProto

    graph = model.graph
    stored = {tensor.name: tensor for tensor in graph.initializer}
    starts = [start.name for start in inputs]
    twins = _twins(graph, starts, stored)
    reads = [[twins.get(name, name) for name in node.input] for node in graph.node]
    places = between(
        [
            (list(filter(None, read)), list(filter(None, node.output)))
            for read, node in zip(reads, graph.node, strict=True)
        ],
        stored,
        inputs=starts,
        output=output,
    )
    nodes = [_reading(graph.node[place], reads[place]) for place in places]
    if any(attribute.HasField("g") or attribute.graphs for attribute in _attributes(nodes)):
        raise ConversionError(f"`{output}` is computed by a graph inside of a node")
    read = dict.fromkeys(name for node in nodes for name in node.input if name in stored)
    part = ModelProto(
        ir_version=model.ir_version,
        opset_import=model.opset_import,
        functions=model.functions,
        producer_name=model.producer_name,
        graph=GraphProto(
            name=f"{output}, cut out",
            node=nodes,
            initializer=[stored[name] for name in read],
            input=[_input(start, _batch(graph, stored)) for start in inputs],
            # The runtime finds out the type, also of operators that are its own.
            output=[ValueInfoProto(name=output)],
        ),
    )
    data: bytes = part.SerializeToString(deterministic=True)
    return data


def _twins(graph: Any, starts: Sequence[str], stored: dict[str, Any]) -> dict[str, str]:
    """Return, by the names of tensors that hold the same codes as a start, that start's name.

    ONNX Runtime's quantiser may give each reader of a tensor a QuantizeLinear of its own.
    """
    quantisers = [n for n in graph.node if n.op_type == "QuantizeLinear" and n.input and n.output]
    sources = {node.input[0] for node in quantisers if node.output[0] in starts}
    made = {node.output[0]: _grid(node, stored) for node in quantisers if node.input[0] in sources}
    known = {made[name]: name for name in starts if name in made}
    return {
        name: known[grid] for name, grid in made.items() if grid in known and name not in starts
    }


def _grid(node: Any, stored: dict[str, Any]) -> tuple[str, ...]:
    """Return what a QuantizeLinear reads, constants by their content, and its attributes."""
    from onnx import TensorProto

    found = list(node.input[:1])
    for name in node.input[1:]:
        if name in stored:
            bare = TensorProto()
            bare.CopyFrom(stored[name])
            bare.ClearField("name")
            found.append(repr(bare.SerializeToString(deterministic=True)))
        else:
            found.append(name)
    found += [repr(attribute.SerializeToString()) for attribute in node.attribute]
    return tuple(found)


def _reading(node: Any, inputs: Sequence[str]) -> Any:
    """Return a node that reads other tensors; itself where they are the same."""
    if list(node.input) == inputs:
        return node
    from onnx import NodeProto

    copy = NodeProto()
    copy.CopyFrom(node)
    copy.input[:] = inputs
    return copy


def _attributes(nodes: Sequence[Any]) -> Iterator[Any]:
    for node in nodes:
        yield from node.attribute


def _batch(graph: Any, stored: dict[str, Any]) -> int | str:
    """Return the size of the file's batch; its name where it is free."""
    for value in graph.input:
        sizes = value.type.tensor_type.shape.dim
        if value.name not in stored and sizes:
            return max(int(sizes[0].dim_value), 0) or "batch"
    return "batch"


def _input(start: Start, batch: int | str) -> Any:
    from onnx import helper

    return helper.make_tensor_value_info(start.name, TYPES[start.dtype], [batch, *start.sizes])
