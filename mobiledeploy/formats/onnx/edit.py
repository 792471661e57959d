"""Edit an `.onnx` in memory: make copies that compute the same, or cut out a part.

A copy has more outputs, or a zero point for each kernel. A part is what lies between given tensors
and another one, quantise/dequantise pairs included, so that a runtime fuses it into the same
kernels as in the whole file. ONNX's own `utils.extract_model` works on disk, and its C++ checks
trust the file.
"""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

from mobiledeploy.base.errors import ConversionError, CorruptFileError
from mobiledeploy.formats.edit import CodeType, Recipe, inner_tensor, operators_between
from mobiledeploy.formats.onnx import checker, protobuf, schema
from mobiledeploy.formats.onnx.model import OnnxModel

TYPES: Final = ("float32", "uint8", "int8")
"""Types that an input of a part may have."""

_CONVERTERS: Final = frozenset({"QuantizeLinear", "DequantizeLinear"})

_KERNEL_PLACES: Final = {
    "DequantizeLinear": (0, 2),
    "QLinearConv": (3, 5),
    "QLinearMatMul": (3, 5),
    "QGemm": (3, 5),
}
"""By operator: the positions of the weights and of their zero point among the inputs."""

_CODES: Final[dict[str, CodeType]] = {"int8": "int8", "uint8": "uint8"}


def tap(model: OnnxModel, tensors: Sequence[str] | None = None) -> bytes:
    """Return a file with further outputs: `tap_recipe`, applied."""
    return tap_recipe(model, tensors).apply(model.whole())


def tap_recipe(model: OnnxModel, tensors: Sequence[str] | None = None) -> Recipe:
    """Return how to make a copy of a file with further outputs, of the types inside.

    Protobuf merges a message that is appended to another one, and joins their lists: appending a
    model that holds only outputs adds these outputs to the file's.
    https://protobuf.dev/programming-guides/encoding/#last-one-wins

    ONNX's shape inference is C++: call this on untrusted files only in a child process.

    Args:
        model: The file.
        tensors: Names of tensors that become outputs after the file's own. None: the codes that
            the softmax, or a sigmoid that gives the output, reads if the file has one, else
            nothing.

    Raises:
        CorruptFileError: The model contradicts itself.
        ConversionError: There is no inner tensor of that name.
    """
    from onnx import GraphProto, ModelProto, ValueInfoProto

    if tensors is None:
        tensors = _softmax_codes(model)
    if not tensors:
        return Recipe()
    proto = model.external.inside(model.proto)
    described = {info.name: info for info in checker.with_shapes(proto).graph.value_info}
    own = {output.name for output in proto.graph.output}
    # ONNX cannot infer types behind the runtime's own operators; the runtime can.
    inner = {
        name: described.get(name) or ValueInfoProto(name=name)
        for node in proto.graph.node
        for name in node.output
        if name not in own
    }
    added = [inner_tensor(inner, name) for name in tensors]
    return Recipe(
        outputs=tuple(tensors),
        dtype=_CODES.get(schema.element_type(added[-1].type.tensor_type.elem_type)),
        tail=ModelProto(graph=GraphProto(output=added)).SerializeToString(deterministic=True),
    )


def only_adds(tail: bytes, output: str) -> bool:
    """Whether bytes appended to a file add one output, and nothing else."""
    from onnx import GraphProto, ModelProto

    try:
        added = protobuf.message(tail)
    except CorruptFileError:
        return False
    outputs = added.graph.output
    only: bool = added == ModelProto(graph=GraphProto(output=outputs))
    return only and [added.name for added in outputs] == [output]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A tensor that becomes an input.

    Attributes:
        name: The tensor's name in the file.
        dtype: `int8`, `uint8` or `float32`.
        sizes: Its sizes for one image, in the file's layout.
    """

    name: str
    dtype: str
    sizes: tuple[int, ...]


def cut(model: OnnxModel, inputs: Sequence[Start], output: str) -> bytes:
    """Return the part of a file that computes a tensor from other ones.

    Args:
        model: The file.
        inputs: Tensors that become the inputs, in this order, each once. Their batch dimension is
            that of the file's own input.
        output: Name of the tensor that becomes the only output.

    Raises:
        ConversionError: There is no such tensor, the output does not follow from the inputs, or
            the part holds a graph of its own (`If`, `Loop`).
        CorruptFileError: Two nodes write one tensor.
    """
    from onnx import GraphProto, ModelProto, ValueInfoProto

    proto = model.external.inside(model.proto)
    graph = proto.graph
    stored = {tensor.name: tensor for tensor in graph.initializer}
    starts = [start.name for start in inputs]
    twins = _twins(graph, starts, stored)
    reads = [[twins.get(name, name) for name in node.input] for node in graph.node]
    places = operators_between(
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
        raise ConversionError(f"`{output}` is computed by a graph inside a node")
    read = dict.fromkeys(name for node in nodes for name in node.input if name in stored)
    part = ModelProto(
        ir_version=proto.ir_version,
        opset_import=proto.opset_import,
        functions=proto.functions,
        producer_name=proto.producer_name,
        graph=GraphProto(
            name=f"{output}, cut out",
            node=nodes,
            initializer=[stored[name] for name in read],
            input=[_input(start, _batch(graph, stored)) for start in inputs],
            # The runtime infers the type, also behind its own operators.
            output=[ValueInfoProto(name=output)],
        ),
    )
    data: bytes = part.SerializeToString(deterministic=True)
    return data


def with_own_zero_points(data: bytes) -> bytes | None:
    """Return a copy of a file in which no two kernels share a zero point; None if none do.

    It computes what the file computes. With `session.x64quantprecision` ONNX Runtime cannot load
    files whose kernels share zero points.

    Args:
        data: The file; if it is damaged, None is returned as well.
    """
    try:
        proto = protobuf.message(data)
    except CorruptFileError:
        return None
    graph = proto.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    readers = []
    for node in graph.node:
        weights, place = _KERNEL_PLACES.get(node.op_type, (0, len(node.input)))
        if (
            place < len(node.input)
            and {node.input[weights], node.input[place]} <= constants.keys()
        ):
            readers.append((node, place))
    count = Counter(node.input[place] for node, place in readers)
    shared = [(node, place) for node, place in readers if count[node.input[place]] > 1]
    for number, (node, place) in enumerate(shared):
        copy = graph.initializer.add()
        copy.CopyFrom(constants[node.input[place]])
        copy.name = node.input[place] = f"{copy.name}:own:{number}"
    copied: bytes = proto.SerializeToString()
    return copied if shared else None


def _softmax_codes(model: OnnxModel) -> list[str]:
    """Return the tensors that the softmaxes read, as codes where they are dequantised first.

    So do sigmoids that give the output, if through converters; other ones are gates.
    """
    writers = {index: operator for operator in model.operators for index in operator.outputs}
    last = set(model.outputs)
    for operator in reversed(model.operators):
        if operator.kind in _CONVERTERS and last.intersection(operator.outputs):
            last.add(operator.input(0))
    names = []
    for operator in model.operators:
        index = operator.input(0)
        sigmoid = operator.kind == "Sigmoid" and last.intersection(operator.outputs)
        if (operator.kind == "Softmax" or sigmoid) and index >= 0:
            writer = writers.get(index)
            if writer is not None and writer.kind == "DequantizeLinear" and writer.input(0) >= 0:
                index = writer.input(0)
            names.append(model.tensors[index].name)
    return names


def _twins(graph: Any, starts: Sequence[str], stored: dict[str, Any]) -> dict[str, str]:
    """Return the tensors that hold the same codes as a start: by name, the start's name.

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
    """Return a key of a QuantizeLinear: its inputs, constants by content, and attributes."""
    from onnx import TensorProto

    parts = list(node.input[:1])
    for name in node.input[1:]:
        if name in stored:
            bare = TensorProto()
            bare.CopyFrom(stored[name])
            bare.ClearField("name")
            parts.append(repr(bare.SerializeToString(deterministic=True)))
        else:
            parts.append(name)
    parts += [repr(attribute.SerializeToString()) for attribute in node.attribute]
    return tuple(parts)


def _reading(node: Any, inputs: Sequence[str]) -> Any:
    """Return the node with other inputs; the node itself if they are the same."""
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
    """Return the size of the file's batch; its name if it is dynamic."""
    for value in graph.input:
        sizes = value.type.tensor_type.shape.dim
        if value.name not in stored and sizes:
            return max(int(sizes[0].dim_value), 0) or "batch"
    return "batch"


def _input(start: Start, batch: int | str) -> Any:
    from onnx import helper

    return helper.make_tensor_value_info(
        start.name, schema.NUMBERS[start.dtype], [batch, *start.sizes]
    )
