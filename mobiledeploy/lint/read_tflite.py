"""Read any `.tflite` into the common view: every offset is checked, nothing is executed.

Other than `integer.tflite_file`, which takes what we can compute and refuses the rest, this reader
takes whatever a flatbuffer of the schema can hold. Schema:
tensorflow/compiler/mlir/lite/schema/schema.fbs.
"""

import dataclasses
import math
from collections import Counter
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.formats.model import (
    NARROW,
    Activation,
    Model,
    Operator,
    OperatorCode,
    Tensor,
)
from mobiledeploy.formats.work import Work
from mobiledeploy.integer import flatbuffer, tflite_schema
from mobiledeploy.integer.flatbuffer import Table
from mobiledeploy.integer.tflite_file import IDENTIFIER
from mobiledeploy.lint import tflite_grids, tflite_metadata
from mobiledeploy.lint.tflite_store import Store

MOST_NAME: Final = 200
"""Characters of a name that are kept: many tensors of a damaged file may share one long name."""
MOST_RANK: Final = 16
ENTRIES: Final = 2**20
"""Entries of all lists that are read from a small file; from a large one more."""

CUSTOM: Final = "custom"
"""Domain of operators that are no built-ins."""

_ACTIVATIONS: Final[dict[int, Activation]] = {
    0: "",
    1: "relu",
    2: "relu_n1_to_1",
    3: "relu6",
    4: "tanh",
    5: "sign_bit",
}

_FUSED: Final = {
    "ADD": (11, 0),
    "AVERAGE_POOL_2D": (5, 5),
    "CONCATENATION": (10, 1),
    "CONV_2D": (1, 3),
    "DEPTHWISE_CONV_2D": (2, 4),
    "DIV": (29, 0),
    "FULLY_CONNECTED": (8, 0),
    "MAX_POOL_2D": (5, 5),
    "MUL": (21, 0),
    "SUB": (28, 0),
}
"""Number of the options table in the schema's `BuiltinOptions`, and the slot of the activation."""


def read(data: bytes) -> Model:
    """Return what stands in a file.

    Raises:
        CorruptFileError: The bytes are no `.tflite`, or damaged.
    """
    model = flatbuffer.root(data, IDENTIFIER)
    graphs = model.tables(2)
    if not graphs:
        raise CorruptFileError("expected a graph, received a file without one")
    work = Work(ENTRIES + 4 * len(data))
    store = Store(data, model.tables(4))
    tensors = tuple(_tensor(table, store, work) for table in graphs[0].tables(0))
    codes = tuple(_code(table) for table in model.tables(1))
    numbers = []
    for graph in graphs:
        operators = graph.tables(3)
        work.take(len(operators))
        numbers += [_code_number(table, len(codes)) for table in operators]
    uses = Counter(numbers)
    main = graphs[0].tables(3)
    for graph in graphs[1:]:
        others = graph.tables(0)
        work.take(len(others))
        for table in others:
            store.use(table.scalar(2, "I", 0), "another graph's tensor")
    entries = {_name(entry, 0): entry.scalar(1, "I", 0) for entry in model.tables(6)}
    values = {name: store.use(number, name) for name, number in entries.items()}
    return Model(
        format="tflite",
        size=len(data),
        description=model.text(3),
        producer="TensorFlow's converter" if "CONVERSION_METADATA" in values else "",
        tensors=tensors,
        operators=tuple(
            _operator(table, codes[number], len(tensors), work)
            for table, number in zip(main, numbers, strict=False)
        ),
        other_operators=tuple(
            (codes[number].kind, codes[number].domain, codes[number].version)
            for number in numbers[len(main) :]
        ),
        inputs=_indices(graphs[0], 1, len(tensors), work),
        outputs=_indices(graphs[0], 2, len(tensors), work),
        codes=tuple(
            dataclasses.replace(code, uses=uses[number]) for number, code in enumerate(codes)
        ),
        buffers=store.buffers(),
        graphs=len(graphs),
        metadata=tflite_metadata.describe(data, values),
        signatures=_signatures(model, graphs, work),
        min_runtime=tflite_metadata.min_runtime(values),
        outside=store.outside,
        scales=frozenset(tflite_grids.scales(graphs[0].tables(0))),
    )


def _tensor(table: Table, store: Store, work: Work) -> Tensor:
    name = _name(table, 3)
    shape = _shape(table, 0, name)
    signature = _shape(table, 7, name) if table.place(7) is not None else shape
    if len(signature) != len(shape):
        signature = shape
    if any(size < 0 for size in shape):
        raise CorruptFileError(f"tensor `{name}`: {shape} is no possible shape")
    dtype = tflite_schema.dtype(table.scalar(1, "b", 0), name)
    number = table.scalar(2, "I", 0)
    content = store.use(number, name)
    quantisation = table.table(4)
    grid, block = tflite_grids.grid(quantisation, name), tflite_grids.block(quantisation)
    work.take(1 if grid is None else grid.scale.size)
    return Tensor(
        name=name,
        dtype=dtype,
        # Where the signature is open, the file holds 1 or what was there last.
        shape=tuple(size if size >= 0 else -1 for size in signature),
        grid=grid,
        block=block,
        constant=bool(content.size),
        data=_values(content, dtype, shape, name) if table.table(6) is None else None,
        place=store.place(number) if content.size else None,
        stored=content.size,
    )


def _values(
    content: npt.NDArray[np.uint8], dtype: str, shape: tuple[int, ...], name: str
) -> npt.NDArray[Any] | None:
    """Return a constant's values, or None if NumPy has no such type."""
    if not content.size or dtype in {"string", "resource", "variant"}:
        return None
    elements = math.prod(shape)
    if dtype in NARROW:
        bits = int(dtype[-1])
        expected = -(-elements * bits // 8)
    else:
        expected = elements * _bytes(dtype)
    if content.size != expected:
        raise CorruptFileError(
            f"tensor `{name}`: expected {expected} bytes for {dtype} of shape {shape}, "
            f"received {content.size}"
        )
    kind = _numpy(dtype)
    return None if kind is None else content.view(kind.newbyteorder("<")).reshape(shape)


def _numpy(dtype: str) -> np.dtype[Any] | None:
    if dtype in NARROW or dtype == "bfloat16" or dtype.startswith("float8"):
        return None
    return np.dtype(dtype)


def _bytes(dtype: str) -> int:
    kind = _numpy(dtype)
    if kind is not None:
        return kind.itemsize
    return 2 if dtype == "bfloat16" else 1


def _operator(table: Table, code: OperatorCode, tensors: int, work: Work) -> Operator:
    activation: Activation = ""
    if code.kind in _FUSED and not code.domain:
        kind, slot = _FUSED[code.kind]
        options = table.table(4)
        if options is not None:
            if table.scalar(3, "B", 0) != kind:
                raise CorruptFileError(f"{code.kind}: its options are those of another operator")
            number = options.scalar(slot, "b", 0)
            if number not in _ACTIVATIONS:
                raise CorruptFileError(f"{code.kind}: there is no activation {number}")
            activation = _ACTIVATIONS[number]
    return Operator(
        kind=code.kind,
        domain=code.domain,
        version=code.version,
        inputs=_indices(table, 1, tensors, work),
        outputs=_indices(table, 2, tensors, work),
        activation=activation,
    )


def _code(table: Table) -> OperatorCode:
    # Old files have the number in an 8-bit field, new ones in both if it fits.
    number = max(table.scalar(0, "b", 0), table.scalar(3, "i", 0))
    kind = tflite_schema.operator(number)
    custom = kind == "CUSTOM"
    return OperatorCode(
        kind=(_name(table, 1) or kind) if custom else kind,
        domain=CUSTOM if custom else "",
        version=table.scalar(2, "i", 1),
        uses=0,
    )


def _code_number(operator: Table, codes: int) -> int:
    number: int = operator.scalar(0, "I", 0)
    if number >= codes:
        raise CorruptFileError(f"expected an operator code below {codes}, received {number}")
    return number


def _signatures(
    model: Table, graphs: tuple[Table, ...], work: Work
) -> dict[str, dict[str, dict[str, str]]]:
    found = {}
    for table in model.tables(7):
        graph = table.scalar(4, "I", 0)
        if graph >= len(graphs):
            raise CorruptFileError(f"expected a signature of a graph, received graph {graph}")
        tensors = graphs[graph].tables(0)
        work.take(len(tensors))
        ends = {}
        for end, slot in (("inputs", 0), ("outputs", 1)):
            entries = table.tables(slot)
            work.take(len(entries))
            ends[end] = {
                _name(entry, 0): _name(_at(tensors, entry.scalar(1, "I", 0)), 3)
                for entry in entries
            }
        found[_name(table, 2)] = ends
    return found


def _at(tensors: tuple[Table, ...], index: int) -> Table:
    if index >= len(tensors):
        raise CorruptFileError(f"expected a tensor below {len(tensors)}, received {index}")
    return tensors[index]


def _name(table: Table, slot: int) -> str:
    return table.text(slot)[:MOST_NAME]


def _shape(table: Table, slot: int, name: str) -> tuple[int, ...]:
    found = table.numbers(slot, np.int32)
    if found is None:
        return ()
    if found.size > MOST_RANK:
        raise CorruptFileError(f"tensor `{name}`: {found.size} dimensions are too many")
    return tuple(int(size) for size in found)


def _indices(table: Table, slot: int, tensors: int, work: Work) -> tuple[int, ...]:
    found = table.numbers(slot, np.int32)
    if found is None or not found.size:
        return ()
    work.take(found.size)
    if found.min() < -1 or found.max() >= tensors:
        raise CorruptFileError(f"expected indices of {tensors} tensors")
    return tuple(found.tolist())
