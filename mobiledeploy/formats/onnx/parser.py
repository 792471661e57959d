"""Parse any `.onnx`: strings, sizes and references are checked, nothing is executed.

What the format allows is kept, sensible or not; `model.require_supported` refuses what we cannot
read. Format: https://github.com/onnx/onnx/blob/main/docs/IR.md.
"""

import functools
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.formats.limits import MOST_NAME, MOST_RANK
from mobiledeploy.formats.model import Buffer, Dimension, OperatorCode, Tensor
from mobiledeploy.formats.onnx import external_data, protobuf, schema
from mobiledeploy.formats.onnx.external_data import ExternalData
from mobiledeploy.formats.onnx.model import OnnxModel, OnnxOperator

MOST_OPSET: Final = 2**31
"""Operator set versions stay below this: ONNX's registry takes C integers."""
MOST_ELEMENTS: Final = 2**40
MOST_NUMBERS: Final = 64
"""Longest list in an attribute that is kept whole. Of a longer one, one more entry is kept, so
that it is recognised as too long."""

_Constant: TypeAlias = tuple[Tensor, npt.NDArray[np.uint8]]
"""A constant and its bytes."""


def parse(data: bytes, *, folder: Path | None = None) -> OnnxModel:
    """Return the parsed model of a file.

    Args:
        data: The file.
        folder: The file's folder, the only one in which weights may be in other files. None if it
            is not known.

    Raises:
        CorruptFileError: The bytes are not an ONNX model, are damaged, would take too long to
            read, or name a file that is missing or outside the folder.
        RequestError: Weights are in other files, and no folder is given.
    """
    proto = protobuf.message(data)
    protobuf.require_texts(proto)
    graph = proto.graph
    if not graph.node:
        raise CorruptFileError("expected an ONNX model with operators, received one without")
    external = external_data.read(proto, folder)
    constants = _constants(graph, external)
    tensors = _tensors(graph, constants)
    index = {tensor.name: number for number, tensor in enumerate(tensors) if tensor.name}
    opsets = {schema.domain(entry.domain): entry.version for entry in proto.opset_import}
    inner = [*_inner_nodes(graph), *(node for part in proto.functions for node in part.node)]
    return OnnxModel(
        format="onnx",
        size=len(data) + external.size,
        description=(proto.doc_string or graph.name)[:MOST_NAME],
        producer=f"{proto.producer_name} {proto.producer_version}".strip()[:MOST_NAME],
        tensors=tensors,
        operators=tuple(_operator(node, index, opsets) for node in graph.node),
        other_operators=tuple(
            (node.op_type[:MOST_NAME], _domain(node), _version(node, opsets)) for node in inner
        ),
        inputs=tuple(index.get(i.name, -1) for i in graph.input if i.name not in constants),
        outputs=tuple(index.get(info.name, -1) for info in graph.output),
        codes=_imports(proto, [*graph.node, *inner]),
        buffers=_buffers(graph, constants, inner),
        graphs=1 + sum(1 for _ in _subgraphs(graph)),
        ir_version=proto.ir_version,
        metadata={
            entry.key[:MOST_NAME]: entry.value[:MOST_NAME] for entry in proto.metadata_props
        },
        outside=external.size,
        data=data,
        proto=proto,
        external=external,
    )


def _constants(graph: Any, external: ExternalData) -> dict[str, _Constant]:
    """Return the initializers and the values of Constant nodes, by name.

    Raises:
        CorruptFileError: Two have the same name, which ONNX forbids.
    """
    constants: dict[str, _Constant] = {}
    for number, (name, proto) in enumerate(_stored(graph)):
        if name in constants:
            raise CorruptFileError(f"two constants have the same name, `{name[:MOST_NAME]}`")
        bytes_of = external.of if external_data.is_external(proto) else _content
        content = bytes_of(proto)
        constants[name] = _constant(name, proto, number, content), content
    return constants


def values(proto: Any, external: ExternalData) -> npt.NDArray[Any] | None:
    """Return the values of a `TensorProto`; None if neither NumPy nor float32 can hold them.

    Args:
        proto: A tensor anywhere in a parsed model.
        external: The model's values in other files.

    Raises:
        CorruptFileError: Its bytes do not fit its shape.
    """
    content = external.of(proto) if external_data.is_external(proto) else _content(proto)
    tensor = _constant(proto.name, proto, 0, content)
    if tensor.dtype == "bfloat16":
        bits = content.view("<u2").astype(np.uint32) << 16
        return bits.view(np.float32).reshape(tuple(proto.dims))
    return tensor.data


def _stored(graph: Any) -> Iterator[tuple[str, Any]]:
    for proto in graph.initializer:
        yield proto.name, proto
    for node in graph.node:
        if node.op_type == "Constant" and node.output and not schema.domain(node.domain):
            for attribute in node.attribute:
                if attribute.name == "value" and attribute.HasField("t"):
                    yield node.output[0], attribute.t


def _constant(name: str, proto: Any, number: int, content: npt.NDArray[np.uint8]) -> Tensor:
    kind = schema.ELEMENT_TYPES.get(proto.data_type)
    dtype = schema.element_type(proto.data_type)
    shape = tuple(proto.dims)
    if (
        any(size < 0 for size in shape)
        or len(shape) > MOST_RANK
        or math.prod(size or 1 for size in shape) > MOST_ELEMENTS
    ):
        raise CorruptFileError(f"constant `{name}`: {shape} is not a possible shape")
    if kind is not None and kind.bits:
        expected = -(-math.prod(shape) * kind.bits // 8)
        if content.size != expected:
            raise CorruptFileError(
                f"constant `{name}`: expected {expected} bytes for {dtype} of shape {shape}, "
                f"received {content.size}"
            )
    data = None
    if kind is not None and kind.known:
        numpy = np.dtype(kind.name)
        stored = content.view(numpy.newbyteorder("<")).reshape(shape)
        data = stored.astype(numpy, copy=False)
    return Tensor(
        name=name,
        dtype=dtype,
        shape=shape,
        constant=True,
        data=data,
        place=number,
        stored=content.size,
    )


def _content(proto: Any) -> npt.NDArray[np.uint8]:
    """Return the bytes of a constant whose values are in the file itself, little endian."""
    if proto.HasField("raw_data"):
        return np.frombuffer(proto.raw_data, np.uint8)
    kind = schema.ELEMENT_TYPES.get(proto.data_type)
    if kind is None or not kind.unit:
        return np.zeros(0, np.uint8)
    entries = np.array(getattr(proto, kind.field), schema.FIELDS[kind.field])
    return entries.astype(kind.unit).view(np.uint8)


def _tensors(graph: Any, constants: Mapping[str, _Constant]) -> tuple[Tensor, ...]:
    """Return every constant, input or output of the graph, and tensor that a node uses."""
    described: dict[str, tuple[str, tuple[Dimension, ...] | None]] = {}
    for info in (*graph.value_info, *graph.input, *graph.output):
        kind = info.type.tensor_type
        sizes = tuple(map(protobuf.dimension, kind.shape.dim)) if kind.HasField("shape") else None
        described[info.name] = (schema.element_type(kind.elem_type), sizes)
    # Not every tensor in `value_info`: tools leave entries of tensors that they removed.
    ends = (info.name for info in (*graph.input, *graph.output))
    names = dict.fromkeys((*constants, *ends))
    names.update(
        (name, None) for node in graph.node for name in (*node.input, *node.output) if name
    )
    tensors = []
    for name in names:
        if name in constants:
            tensors.append(constants[name][0])
        else:
            dtype, shape = described.get(name, ("", None))
            tensors.append(Tensor(name=name, dtype=dtype, shape=shape))
    return tuple(tensors)


def _operator(node: Any, index: Mapping[str, int], opsets: Mapping[str, int]) -> OnnxOperator:
    attributes = {attribute.name: _attribute(attribute) for attribute in node.attribute}
    return OnnxOperator(
        kind=node.op_type[:MOST_NAME],
        domain=_domain(node),
        version=_version(node, opsets),
        inputs=tuple(index.get(name, -1) for name in node.input),
        outputs=tuple(index.get(name, -1) for name in node.output),
        attributes={name: value for name, value in attributes.items() if value is not None},
    )


def _attribute(attribute: Any) -> Any:
    """Return an attribute that is a number, string or list of numbers; else None."""
    match schema.ATTRIBUTE_TYPES.get(attribute.type):
        case "INT":
            return int(attribute.i)
        case "FLOAT":
            return float(attribute.f)
        case "STRING":
            return attribute.s.decode(errors="replace")[:MOST_NAME]
        case "INTS":
            return tuple(attribute.ints[: MOST_NUMBERS + 1])
        case "FLOATS":
            return tuple(attribute.floats[: MOST_NUMBERS + 1])
        case _:
            return None


def _domain(node: Any) -> str:
    return schema.domain(node.domain)[:MOST_NAME]


def _version(node: Any, opsets: Mapping[str, int]) -> int:
    """Return the operator set that last changed the node's operator; 0 if unknown."""
    domain = schema.domain(node.domain)
    return _since(node.op_type, opsets.get(domain, 1), domain)


@functools.lru_cache(maxsize=1024)
def _since(kind: str, opset: int, domain: str) -> int:
    from onnx import defs

    if not 0 < opset < MOST_OPSET:
        return 0
    try:
        return int(defs.get_schema(kind, opset, domain).since_version)
    except defs.SchemaError:
        return 0


def _imports(proto: Any, nodes: Sequence[Any]) -> tuple[OperatorCode, ...]:
    uses = Counter(schema.domain(node.domain) for node in nodes)
    return tuple(
        OperatorCode(
            kind=entry.domain or schema.STANDARD,
            domain=schema.domain(entry.domain),
            version=entry.version,
            uses=uses[schema.domain(entry.domain)],
        )
        for entry in proto.opset_import
    )


def _buffers(
    graph: Any, constants: Mapping[str, _Constant], inner: Sequence[Any]
) -> tuple[Buffer, ...]:
    users = Counter(name for node in (*graph.node, *inner) for name in node.input)
    users.update(info.name for info in graph.output)
    return tuple(
        Buffer(name=name, users=users[name], place=number, content=content)
        for number, (name, (_, content)) in enumerate(constants.items())
        if content.size
    )


def _subgraphs(graph: Any) -> Iterator[Any]:
    """Yield the graphs inside a graph's operators, at any depth."""
    for node in graph.node:
        for attribute in node.attribute:
            inside = [*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])]
            for inner in inside:
                yield inner
                yield from _subgraphs(inner)


def _inner_nodes(graph: Any) -> Iterator[Any]:
    for inner in _subgraphs(graph):
        yield from inner.node
