"""Read any `.onnx` into the common view: parsed in Python, checked in a child process, never run.

Format: https://github.com/onnx/onnx/blob/main/docs/IR.md. A grid belongs to the tensor that holds
codes: the output of a QuantizeLinear, the input of a DequantizeLinear.
"""

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.formats.model import (
    NARROW,
    Buffer,
    Dimension,
    Model,
    Operator,
    OperatorCode,
    Tensor,
)
from mobiledeploy.lint import onnx_grids, onnx_parse
from mobiledeploy.lint.checks import Checks
from mobiledeploy.lint.onnx_check import dimension
from mobiledeploy.lint.onnx_weights import Weights

MOST_NAME: Final = 200
MOST_OPSET: Final = 2**31
"""ONNX's registry of operators takes C integers."""
MOST_RANK: Final = 16
MOST_NUMBERS: Final = 64
"""Of an attribute that is a list."""

Constants: TypeAlias = dict[str, tuple[int, Any, npt.NDArray[np.uint8]]]
"""By name: its number, its protobuf and its bytes."""

_NAMES: Final = {"float": "float32", "double": "float64", "float8e4m3fn": "float8_e4m3fn"}


def read(path: Path, data: bytes, checks: Checks) -> Model:
    """Return what stands in a file.

    Args:
        path: Of the file: weights may lie in other files of its folder.
        data: Its bytes.
        checks: Where ONNX's checker runs.

    Raises:
        CorruptFileError: The bytes are no ONNX model, damaged, or name a file outside the folder.
    """
    checks.begin(path)
    model, weights = onnx_parse.parse(data), Weights(path.parent)
    constants = {
        proto.name: (number, proto, weights.of(proto))
        for number, proto in enumerate(_constants(model.graph))
    }
    checked = checks.of(path)
    graph = model.graph
    tensors = _tensors(graph, constants, checked["shapes"])
    index = {tensor.name: number for number, tensor in enumerate(tensors)}
    opsets = {_domain(entry.domain): entry.version for entry in model.opset_import}
    operators = tuple(_operator(node, index, opsets) for node in graph.node)
    inner = [*_inner_nodes(graph), *(node for part in model.functions for node in part.node)]
    return Model(
        format="onnx",
        size=len(data) + weights.outside,
        description=(model.doc_string or graph.name)[:MOST_NAME],
        producer=f"{model.producer_name} {model.producer_version}".strip()[:MOST_NAME],
        tensors=onnx_grids.with_grids(tensors, operators),
        operators=operators,
        other_operators=tuple(
            (node.op_type, _domain(node.domain), _version(node, opsets)) for node in inner
        ),
        inputs=tuple(index[info.name] for info in graph.input if info.name not in constants),
        outputs=tuple(index[info.name] for info in graph.output),
        codes=_imports(model, [*graph.node, *inner]),
        buffers=_buffers(graph, constants, inner),
        graphs=1 + sum(1 for _ in _subgraphs(graph)),
        ir_version=model.ir_version,
        metadata={
            entry.key[:MOST_NAME]: entry.value[:MOST_NAME] for entry in model.metadata_props
        },
        outside=weights.outside,
        problem=checked["problem"],
    )


def _constants(graph: Any) -> Iterator[Any]:
    """Yield the graph's constants: initializers, and what nodes of the kind Constant hold."""
    yield from graph.initializer
    for node in graph.node:
        if node.op_type == "Constant" and node.output:
            for attribute in node.attribute:
                if attribute.name == "value":
                    attribute.t.name = node.output[0]
                    yield attribute.t


def _tensors(graph: Any, constants: Constants, shapes: Any) -> tuple[Tensor, ...]:
    """Return every tensor that is stored, described, read or written."""
    described: dict[str, tuple[str, tuple[Dimension, ...] | None]] = {
        name: (_dtype(kind), None if sizes is None else tuple(sizes))
        for name, (kind, sizes) in shapes.items()
    }
    for info in (*graph.value_info, *graph.input, *graph.output):
        kind = info.type.tensor_type
        sizes = tuple(map(dimension, kind.shape.dim)) if kind.HasField("shape") else None
        described[info.name] = (_dtype(kind.elem_type), sizes)
    # Not everything that is described: tools leave descriptions of tensors that they removed.
    ends = (info.name for info in (*graph.input, *graph.output))
    names = dict.fromkeys((*constants, *ends))
    names.update(
        (name, None) for node in graph.node for name in (*node.input, *node.output) if name
    )
    found = []
    for name in names:
        if name in constants:
            found.append(_constant(*constants[name]))
        else:
            dtype, shape = described.get(name, ("", None))
            found.append(Tensor(name=name, dtype=dtype, shape=shape))
    return tuple(found)


def _constant(number: int, proto: Any, content: npt.NDArray[np.uint8]) -> Tensor:
    dtype, shape = _dtype(proto.data_type), tuple(proto.dims)
    if any(size < 0 for size in shape) or len(shape) > MOST_RANK:
        raise CorruptFileError(f"constant `{proto.name}`: {shape} is no possible shape")
    data = None
    kind = _numpy(dtype)
    if kind is not None:
        expected = math.prod(shape) * kind.itemsize
        if content.size != expected:
            raise CorruptFileError(
                f"constant `{proto.name}`: expected {expected} bytes for {dtype} of shape "
                f"{shape}, received {content.size}"
            )
        data = content.view(kind.newbyteorder("<")).reshape(shape)
    return Tensor(
        name=proto.name,
        dtype=dtype,
        shape=shape,
        constant=True,
        data=data,
        place=number,
        stored=content.size,
    )


def _numpy(dtype: str) -> np.dtype[Any] | None:
    if dtype in (*NARROW, "", "string", "bfloat16") or dtype.startswith("float8"):
        return None
    try:
        return np.dtype(dtype)
    except TypeError:  # a type that is newer than this code
        return None


def _dtype(number: int) -> str:
    from onnx import TensorProto

    if number not in TensorProto.DataType.values() or number == 0:
        return ""
    name: str = TensorProto.DataType.Name(number).lower()
    return _NAMES.get(name, name)


def _operator(node: Any, index: dict[str, int], opsets: dict[str, int]) -> Operator:
    attributes = {}
    for attribute in node.attribute:
        value = _attribute(attribute)
        if value is not None:
            attributes[attribute.name] = value
    return Operator(
        kind=node.op_type[:MOST_NAME],
        domain=_domain(node.domain),
        version=_version(node, opsets),
        inputs=tuple(index.get(name, -1) for name in node.input),
        outputs=tuple(index.get(name, -1) for name in node.output),
        attributes=attributes,
    )


def _attribute(attribute: Any) -> Any:
    """Return a number, a text or a short list of numbers; None for anything else."""
    from onnx import AttributeProto

    match attribute.type:
        case AttributeProto.INT:
            return attribute.i
        case AttributeProto.FLOAT:
            return attribute.f
        case AttributeProto.STRING:
            return attribute.s.decode(errors="replace")[:MOST_NAME]
        case AttributeProto.INTS if len(attribute.ints) <= MOST_NUMBERS:
            return tuple(attribute.ints)
        case AttributeProto.FLOATS if len(attribute.floats) <= MOST_NUMBERS:
            return tuple(attribute.floats)
    return None


def _domain(domain: str) -> str:
    return "" if domain == "ai.onnx" else domain[:MOST_NAME]


def _version(node: Any, opsets: dict[str, int]) -> int:
    """Return since which operator set the node's operator is what it is; 0 if unknown."""
    from onnx import defs

    domain = _domain(node.domain)
    opset = opsets.get(domain, 1)
    if not 0 < opset < MOST_OPSET:
        return 0
    try:
        schema = defs.get_schema(node.op_type, opset, domain)
    except defs.SchemaError:
        return 0
    return int(schema.since_version)


def _imports(model: Any, nodes: list[Any]) -> tuple[OperatorCode, ...]:
    uses = Counter(_domain(node.domain) for node in nodes)
    return tuple(
        OperatorCode(
            kind=entry.domain or "ai.onnx",
            domain=_domain(entry.domain),
            version=entry.version,
            uses=uses[_domain(entry.domain)],
        )
        for entry in model.opset_import
    )


def _buffers(graph: Any, constants: Constants, inner: list[Any]) -> tuple[Buffer, ...]:
    users = Counter(name for node in (*graph.node, *inner) for name in node.input)
    users.update(info.name for info in graph.output)
    return tuple(
        Buffer(name=name, users=users[name], place=number, content=content)
        for name, (number, _, content) in constants.items()
        if content.size
    )


def _subgraphs(graph: Any) -> Iterator[Any]:
    """Yield the graphs inside a graph's operators, however deep."""
    for node in graph.node:
        for attribute in node.attribute:
            inside = [*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])]
            for inner in inside:
                yield inner
                yield from _subgraphs(inner)


def _inner_nodes(graph: Any) -> Iterator[Any]:
    for inner in _subgraphs(graph):
        yield from inner.node
