"""What stands in a `.tflite`, checked but not yet understood: tensors and operators.

Schema: tensorflow/compiler/mlir/lite/schema/schema.fbs.
"""

import dataclasses
import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import ConversionError, CorruptFileError
from mobiledeploy.integer import flatbuffer, tflite_schema
from mobiledeploy.integer.flatbuffer import Table
from mobiledeploy.integer.tensor_names import distinct

IDENTIFIER: Final = b"TFL3"

DTYPES: Final[dict[int, np.dtype[Any]]] = {
    0: np.dtype(np.float32),
    2: np.dtype(np.int32),
    3: np.dtype(np.uint8),
    4: np.dtype(np.int64),
    9: np.dtype(np.int8),
}
"""Types of tensors, by their number in the schema's `TensorType`: those we can name."""

MOST_OPERATORS: Final = 1024
"""Several times what a network of this kind has. Operators may share their weights, so that
without a limit a small file could mean much work."""

FARTHEST: Final = 2**14
"""Zero points lie among the codes of 8 bits, those of a wrong file a little beyond. As far as
this, arithmetic on codes stays within 16 bits."""

OPERATORS: Final = {
    0: "ADD",
    1: "AVERAGE_POOL_2D",
    3: "CONV_2D",
    4: "DEPTHWISE_CONV_2D",
    6: "DEQUANTIZE",
    9: "FULLY_CONNECTED",
    18: "MUL",
    22: "RESHAPE",
    25: "SOFTMAX",
    40: "MEAN",
    114: "QUANTIZE",
    117: "HARD_SWISH",
}
"""Names of operators, by their number in the schema's `BuiltinOperator`: those we can read."""

OPTIONS: Final = {
    "ADD": 11,
    "AVERAGE_POOL_2D": 5,
    "CONV_2D": 1,
    "DEPTHWISE_CONV_2D": 2,
    "DEQUANTIZE": 38,
    "FULLY_CONNECTED": 8,
    "HARD_SWISH": 91,
    "MAX_POOL_2D": 5,
    "MEAN": 27,
    "MUL": 21,
    "QUANTIZE": 89,
    "RESHAPE": 17,
    "SOFTMAX": 9,
}
"""Number in the schema's `BuiltinOptions` of each operator's options table."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TfliteTensor:
    """A tensor.

    Attributes:
        name: As in the file; see `tensor_names` for those that do not tell tensors apart.
        shape: With the batch.
        dtype: None for a type that no supported operator has.
        data: Of a constant, in `shape`; None for a tensor that is computed.
        scale: float32, one or one for each entry along `axis`; empty if not quantised.
        zero_point: int64, same shape.
        axis: The quantised dimension.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any] | None
    data: npt.NDArray[Any] | None
    scale: npt.NDArray[np.float32]
    zero_point: npt.NDArray[np.int64]
    axis: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TfliteOperator:
    """An operator.

    Attributes:
        name: In the schema's `BuiltinOperator`.
        code: Its number there.
        version: Of the operator; runtimes choose their kernels by it.
        inputs: Indices of tensors; -1 for an optional one that is absent.
        outputs: Indices of tensors.
        options: Its options table, or None.
        options_type: Number of the table's type in the schema's `BuiltinOptions`.
    """

    name: str
    code: int
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Table | None
    options_type: int

    def option(self, slot: int, kind: str, default: Any) -> Any:
        """Return a number from the options, or the schema's default."""
        return default if self.options is None else self.options.scalar(slot, kind, default)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TfliteFile:
    """The only subgraph of a `.tflite`.

    Attributes:
        description: For people.
        tensors: By index.
        operators: In the order in which they run.
        inputs: Indices of tensors.
        outputs: Indices of tensors.
    """

    description: str
    tensors: tuple[TfliteTensor, ...]
    operators: tuple[TfliteOperator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def parse(data: bytes, *, any_operator: bool = False) -> TfliteFile:
    """Return what stands in a file; indices and sizes can be relied on.

    Args:
        data: The file.
        any_operator: Whether operators that no integer graph has are returned too.

    Raises:
        CorruptFileError: The bytes are not a `.tflite`, or damaged.
        ConversionError: It has several subgraphs, or an operator that we do not know.
    """
    model = flatbuffer.root(data, IDENTIFIER)
    subgraphs = model.tables(2)
    if not subgraphs:
        raise CorruptFileError("expected a graph, received a file without one")
    if len(subgraphs) != 1:
        raise ConversionError(f"expected one subgraph, received {len(subgraphs)}")
    graph = subgraphs[0]
    buffers = model.tables(4)
    tables = graph.tables(0)
    names = distinct([table.text(3) for table in tables])
    tensors = tuple(_tensor(tables[n], buffers, n, name) for n, name in enumerate(names))
    codes, operators = model.tables(1), graph.tables(3)
    if len(operators) > MOST_OPERATORS:
        raise ConversionError(
            f"expected at most {MOST_OPERATORS} operators, received {len(operators)}"
        )
    count = len(tensors)
    return TfliteFile(
        description=model.text(3),
        tensors=tensors,
        operators=tuple(
            _operator(table, codes, count, any_operator=any_operator) for table in operators
        ),
        inputs=_indices(graph, 1, count, "input of the graph"),
        outputs=_indices(graph, 2, count, "output of the graph"),
    )


def _tensor(table: Table, buffers: tuple[Table, ...], number: int, name: str) -> TfliteTensor:
    where = f"tensor {number} (`{name}`)"
    shape = tuple(int(size) for size in _vector(table, 0, np.int32))
    if any(size < 1 for size in shape) or len(shape) > 8:
        raise CorruptFileError(f"{where}: {shape} is no possible shape")
    if table.table(6) is not None:
        raise ConversionError(f"{where} is sparse: expected dense weights")
    dtype = DTYPES.get(table.scalar(1, "b", 0))
    buffer = table.scalar(2, "I", 0)
    if buffer >= max(len(buffers), 1):
        raise CorruptFileError(f"{where}: expected a buffer below {len(buffers)}, got {buffer}")
    content = _content(buffers[buffer]) if buffers else None
    data = None
    if content is not None and content.size and dtype is not None:
        if content.size != math.prod(shape) * dtype.itemsize:
            raise CorruptFileError(
                f"{where}: expected {math.prod(shape) * dtype.itemsize} bytes for {dtype} of "
                f"shape {shape}, received {content.size}"
            )
        data = content.view(dtype.newbyteorder("<")).astype(dtype, copy=False).reshape(shape)
    scale, zero_point, axis = _quantisation(table.table(4), shape, where)
    return TfliteTensor(
        name=name,
        shape=shape,
        dtype=dtype,
        data=data,
        scale=scale,
        zero_point=zero_point,
        axis=axis,
    )


def _content(buffer: Table) -> npt.NDArray[np.uint8] | None:
    """Return a buffer's bytes, which may also lie behind the flatbuffer, at `offset`."""
    offset, size = buffer.scalar(1, "Q", 0), buffer.scalar(2, "Q", 0)
    if offset <= 1:  # 1 stands in files that were written in two passes, and means nothing
        return buffer.numbers(0, np.uint8)
    if offset + size > len(buffer.data):
        raise CorruptFileError(
            f"expected a buffer at bytes {offset}..{offset + size}, received a file of "
            f"{len(buffer.data)} bytes",
            hint="the file was cut off or damaged",
        )
    return np.frombuffer(buffer.data, np.uint8, size, offset)


def _quantisation(
    table: Table | None, shape: tuple[int, ...], where: str
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64], int]:
    nothing = np.zeros(0, np.float32), np.zeros(0, np.int64), 0
    if table is None:
        return nothing
    # Not copied: thousands of tensors of a hostile file may share one long list of scales.
    scale = _vector(table, 2, np.float32).astype(np.float32, copy=False)
    if not scale.size:
        return nothing
    zero_point = _vector(table, 3, np.int64).astype(np.int64, copy=False)
    axis = table.scalar(6, "i", 0)
    if zero_point.size != scale.size:
        raise CorruptFileError(
            f"{where}: received {scale.size} scales but {zero_point.size} zero points"
        )
    beyond = (zero_point < -FARTHEST) | (zero_point > FARTHEST)
    if beyond.any():
        raise CorruptFileError(
            f"{where}: expected a zero point among the codes, received {zero_point[beyond][0]}"
        )
    if scale.size > 1 and not (0 <= axis < len(shape) and shape[axis] == scale.size):
        raise CorruptFileError(f"{where}: {scale.size} scales do not fit axis {axis} of {shape}")
    return scale, zero_point, axis


def _operator(
    table: Table, codes: tuple[Table, ...], tensors: int, *, any_operator: bool
) -> TfliteOperator:
    index = table.scalar(0, "I", 0)
    if index >= len(codes):
        raise CorruptFileError(f"expected an operator code below {len(codes)}, received {index}")
    # Old files have the number in an 8-bit field, new ones in both if it fits.
    code = max(codes[index].scalar(0, "b", 0), codes[index].scalar(3, "i", 0))
    name = OPERATORS.get(code)
    inputs = _indices(table, 1, tensors, f"input of {name or f'operator {code}'}")
    outputs = _indices(table, 2, tensors, f"output of {name or f'operator {code}'}")
    if name is None and any_operator:
        name = tflite_schema.operator(code)
    if name is None:
        raise ConversionError(
            f"operator number {code} of the schema, which writes tensor "
            f"{', '.join(map(str, outputs))}, is none of {', '.join(OPERATORS.values())}",
            hint="only int8 classifiers of the MobileNet kind can be read",
        )
    kind, options = table.scalar(3, "B", 0), table.table(4)
    if options is not None and kind != OPTIONS.get(name, kind):
        raise CorruptFileError(f"{name}: its options are those of another operator ({kind})")
    return TfliteOperator(
        name=name,
        code=code,
        version=codes[index].scalar(2, "i", 1),
        inputs=inputs,
        outputs=outputs,
        options=options,
        options_type=kind,
    )


def _indices(table: Table, slot: int, tensors: int, what: str) -> tuple[int, ...]:
    indices = tuple(int(index) for index in _vector(table, slot, np.int32))
    if len(indices) > flatbuffer.MOST or not all(-1 <= index < tensors for index in indices):
        raise CorruptFileError(f"{what}: expected indices of {tensors} tensors")
    return indices


def _vector(table: Table, slot: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    found = table.numbers(slot, dtype)
    return np.zeros(0, dtype) if found is None else found
