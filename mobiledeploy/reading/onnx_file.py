"""What stands in an `.onnx`, checked but not yet understood: nodes and constants.

The bytes are parsed as a protobuf and never given to ONNX's own C++ checks, which trust them.
"""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from mobiledeploy.base import files
from mobiledeploy.base.errors import ConversionError, CorruptFileError, RequestError
from mobiledeploy.reading.model import Array
from mobiledeploy.targets import onnx_proto

MOST_BYTES: Final = 2**31 - 1
"""A protobuf cannot be larger."""
MOST_NODES: Final = 16384
"""Many times what a classifier has."""

_DTYPES: Final[dict[int, np.dtype[Any]]] = {
    1: np.dtype(np.float32),
    2: np.dtype(np.uint8),
    3: np.dtype(np.int8),
    6: np.dtype(np.int32),
    7: np.dtype(np.int64),
    9: np.dtype(np.bool_),
    11: np.dtype(np.float64),
}
"""Types of tensors, by their number in `TensorProto.DataType`: those that we look into."""
_FIELDS: Final = {1: "float_data", 2: "int32_data", 3: "int32_data", 6: "int32_data"} | {
    7: "int64_data",
    9: "int32_data",
    11: "double_data",
}
_EXTERNAL: Final = 1
_STANDARD: Final = frozenset({"", "ai.onnx"})
_MICROSOFT: Final = frozenset(
    {"DequantizeLinear", "QGemm", "QLinearAdd", "QLinearAveragePool", "QLinearConv"}
    | {"QLinearGlobalAveragePool", "QLinearSoftmax", "QuantizeLinear"}
)
"""Operators of ONNX Runtime's own domain that are known by their plain names."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OnnxNode:
    """A node.

    Attributes:
        op: Its operator; with the domain before it where that is not a known one's. Such a node
            may be a function that the file itself defines, whatever its name says.
        inputs: Names of tensors; empty for an optional one that is absent.
        outputs: Likewise.
        attributes: Numbers, strings, lists of numbers, and arrays.
    """

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OnnxFile:
    """The main graph of an `.onnx`.

    Attributes:
        producer: What wrote it.
        opset: Of the standard operators.
        inputs: Name, type and shape of each input that is no constant; a free size is 0.
        outputs: Name and type of each output.
        constants: By name; None for one of a type that we do not look into.
        nodes: In running order.
    """

    producer: str
    opset: int
    inputs: tuple[tuple[str, str, tuple[int, ...]], ...]
    outputs: tuple[tuple[str, str], ...]
    constants: Mapping[str, Array | None]
    nodes: tuple[OnnxNode, ...]


def parse(data: bytes, *, folder: Path | None = None) -> OnnxFile:
    """Return what stands in a file.

    Args:
        data: The file.
        folder: Where it lies; weights in files of their own are read from there, and from
            nowhere else.

    Raises:
        CorruptFileError: The bytes are no ONNX model, or damaged.
        ConversionError: It is too large to be a classifier.
        RequestError: Its weights lie in other files, and there is no folder to look in.
    """
    if len(data) > MOST_BYTES:
        raise ConversionError(f"expected at most {MOST_BYTES} bytes, received {len(data)}")
    model = onnx_proto.parse(data)
    graph = model.graph
    if not graph.node or not graph.output:
        raise CorruptFileError("the bytes are no ONNX model: there is no graph in it")
    if len(graph.node) > MOST_NODES:
        raise ConversionError(f"expected at most {MOST_NODES} nodes, received {len(graph.node)}")
    constants = {_text(tensor.name): _array(tensor, folder) for tensor in graph.initializer}
    if len(constants) < len(graph.initializer):
        # ONNX forbids it; readers take the first one or the last one.
        raise CorruptFileError("two constants have the same name")
    return OnnxFile(
        producer=f"{_text(model.producer_name)} {_text(model.producer_version)}".strip(),
        opset=max(
            (o.version for o in model.opset_import if o.domain in {"", "ai.onnx"}), default=0
        ),
        inputs=tuple(
            (_text(value.name), *_described(value))
            for value in graph.input
            if value.name not in constants
        ),
        outputs=tuple((_text(value.name), _described(value)[0]) for value in graph.output),
        constants=constants,
        nodes=tuple(_node(node, folder) for node in graph.node),
    )


def _text(found: Any) -> str:
    """Return a string of the file, which protobuf hands out as bytes where it is not UTF-8."""
    if not isinstance(found, str):
        raise CorruptFileError(f"a name in the file is not UTF-8: {found!r:.60}")
    return found


def _described(value: Any) -> tuple[str, tuple[int, ...]]:
    kind = value.type.tensor_type
    dtype = _DTYPES.get(kind.elem_type)
    sizes = tuple(max(int(dim.dim_value), 0) for dim in kind.shape.dim)
    if len(sizes) > 8 or math.prod(size or 1 for size in sizes) > 2**40:
        raise CorruptFileError(f"tensor `{value.name}`: {sizes} is no possible shape")
    return str(dtype) if dtype is not None else "another type", sizes


def _node(node: Any, folder: Path | None) -> OnnxNode:
    op, domain = _text(node.op_type), _text(node.domain)
    known = domain in _STANDARD or (domain == "com.microsoft" and op in _MICROSOFT)
    return OnnxNode(
        op=op if known else f"{domain}.{op}",
        inputs=tuple(_text(name) for name in node.input),
        outputs=tuple(_text(name) for name in node.output),
        attributes={_text(a.name): _attribute(a, folder) for a in node.attribute},
    )


def _attribute(attribute: Any, folder: Path | None) -> Any:
    match attribute.type:
        case 1:
            return float(attribute.f)
        case 2:
            return int(attribute.i)
        case 3:
            return attribute.s.decode(errors="replace")
        case 4:
            return _array(attribute.t, folder)
        case 6:
            return tuple(float(value) for value in attribute.floats)
        case 7:
            return tuple(int(value) for value in attribute.ints)
        case _:
            return None


def _array(tensor: Any, folder: Path | None) -> Array | None:
    """Return a constant's values, checked against its shape."""
    dtype = _DTYPES.get(tensor.data_type)
    shape = tuple(int(size) for size in tensor.dims)
    if any(size < 0 for size in shape) or len(shape) > 8:
        raise CorruptFileError(f"constant `{tensor.name}`: {shape} is no possible shape")
    if dtype is None:
        return None
    count = math.prod(shape)
    if tensor.data_location == _EXTERNAL:
        raw: bytes = _external(tensor, folder, count * dtype.itemsize)
    elif tensor.HasField("raw_data"):
        raw = tensor.raw_data
    else:
        values = getattr(tensor, _FIELDS[tensor.data_type])
        if len(values) != count:
            raise CorruptFileError(
                f"constant `{tensor.name}`: expected {count} values for shape {shape}, "
                f"received {len(values)}"
            )
        return np.array(values).astype(dtype).reshape(shape)
    if len(raw) != count * dtype.itemsize:
        raise CorruptFileError(
            f"constant `{tensor.name}`: expected {count * dtype.itemsize} bytes for {dtype} of "
            f"shape {shape}, received {len(raw)}",
            hint="the file was cut off or damaged",
        )
    return np.frombuffer(raw, dtype.newbyteorder("<")).astype(dtype, copy=False).reshape(shape)


def _external(tensor: Any, folder: Path | None, size: int) -> bytes:
    """Return bytes that lie in another file of the model's folder."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = _text(entries.get("location", ""))
    if folder is None:
        raise RequestError(
            f"constant `{tensor.name}` lies in another file, `{location}`",
            hint="give the file by its path, or save the model in one file",
        )
    path = files.below(folder, location)
    if path is None or not path.is_file():
        raise CorruptFileError(
            f"constant `{tensor.name}`: expected a file in the model's folder, "
            f"received `{location[: files.MOST_NAME]}`",
            hint="a model may only read files that lie beside it",
        )
    try:
        offset = int(entries.get("offset", "0"))
    except ValueError as error:
        raise CorruptFileError(f"constant `{tensor.name}`: its offset is no number") from error
    if offset < 0 or offset + size > path.stat().st_size:
        raise CorruptFileError(
            f"constant `{tensor.name}`: expected bytes {offset}..{offset + size} in `{location}`, "
            f"received a file of {path.stat().st_size} bytes"
        )
    with path.open("rb") as file:
        file.seek(offset)
        found: bytes = file.read(size)
    return found
