"""Parse any `.tflite`: offsets, sizes and indices are checked, nothing is executed.

What the schema allows is kept, sensible or not; `model.require_supported` refuses what we cannot
read. Schema: tensorflow/compiler/mlir/lite/schema/schema.fbs.
"""

import dataclasses
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.formats.limits import MOST_NAME, MOST_RANK, StepLimit
from mobiledeploy.formats.model import NARROW, OperatorCode
from mobiledeploy.formats.tflite import flatbuffer, metadata, quantisation, schema
from mobiledeploy.formats.tflite.buffers import Buffers
from mobiledeploy.formats.tflite.flatbuffer import Table
from mobiledeploy.formats.tflite.model import (
    CUSTOM,
    Signature,
    TfliteModel,
    TfliteOperator,
    TfliteTensor,
)

IDENTIFIER: Final = b"TFL3"
"""The identifier at byte 4 of every file."""
ENTRIES: Final = 2**20
"""Most entries of all lists of a small file, and characters of its tensors' names; a large file
may have more."""


def parse(data: bytes) -> TfliteModel:
    """Return the parsed model of a file.

    Raises:
        CorruptFileError: The bytes are not a `.tflite`, or damaged.
    """
    root = flatbuffer.root(data, IDENTIFIER)
    graphs = root.tables(schema.Model.SUBGRAPHS)
    if not graphs:
        raise CorruptFileError("expected a graph, received a file without one")
    limit = StepLimit(ENTRIES + 4 * len(data))
    buffers = Buffers(data, root.tables(schema.Model.BUFFERS))
    tables = graphs[0].tables(schema.SubGraph.TENSORS)
    names = [_whole_text(table, schema.Tensor.NAME, limit) for table in tables]
    tensors = tuple(
        _tensor(table, f"tensor {number} (`{name[:MOST_NAME]}`)", name, unique, buffers, limit)
        for number, (table, name, unique) in enumerate(
            zip(tables, names, unique_names(names), strict=True)
        )
    )
    codes = root.tables(schema.Model.OPERATOR_CODES)
    known = tuple(_code(code, limit) for code in codes)
    operators = [graph.tables(schema.SubGraph.OPERATORS) for graph in graphs]
    limit.take(sum(map(len, operators)))
    numbers = [_code_number(table, len(codes)) for graph in operators for table in graph]
    uses = Counter(numbers)
    for graph in graphs[1:]:
        others = graph.tables(schema.SubGraph.TENSORS)
        limit.take(len(others))
        for table in others:
            buffers.use(table.scalar(schema.Tensor.BUFFER, "I", 0), "another graph's tensor")
    values = _metadata(root, buffers, limit)
    described, archived = metadata.of_values(values), metadata.archived(data)
    calls = tuple(
        _signature(table, graphs, limit) for table in root.tables(schema.Model.SIGNATURES)
    )
    return TfliteModel(
        format="tflite",
        size=len(data),
        description=root.text(schema.Model.DESCRIPTION),
        producer="TensorFlow's converter" if "CONVERSION_METADATA" in values else "",
        tensors=tensors,
        operators=tuple(
            _operator(table, known[number], _builtin(codes[number]), len(tensors), limit)
            for table, number in zip(operators[0], numbers, strict=False)
        ),
        other_operators=tuple(
            (known[number].kind, known[number].domain, known[number].version)
            for number in numbers[len(operators[0]) :]
        ),
        inputs=_indices(
            graphs[0], schema.SubGraph.INPUTS, len(tensors), limit, "input of the graph"
        ),
        outputs=_indices(
            graphs[0], schema.SubGraph.OUTPUTS, len(tensors), limit, "output of the graph"
        ),
        codes=tuple(
            dataclasses.replace(code, uses=uses[number]) for number, code in enumerate(known)
        ),
        buffers=buffers.filled(),
        graphs=len(graphs),
        metadata=metadata.describe(values, described, archived),
        signatures=_named(calls, graphs, limit),
        min_runtime=metadata.min_runtime(values),
        outside=buffers.outside,
        scales=frozenset(quantisation.scales(tables)),
        data=data,
        graph=graphs[0],
        calls=calls,
        described=described,
        archived=archived,
    )


def unique_names(names: Sequence[str]) -> tuple[str, ...]:
    """Return unique names: the first of equal ones is kept, others get their tensor's number.

    In the schema names are optional and may repeat, since runtimes identify tensors by number.
    """
    own, taken = set(names), set[str]()
    distinct = []
    for number, name in enumerate(names):
        unique = name
        if not name or name in taken:
            unique = f"{name or 'tensor'}#{number}"
            while unique in own or unique in taken:
                unique += "'"
        taken.add(unique)
        distinct.append(unique)
    return tuple(distinct)


def _tensor(
    table: Table, where: str, name: str, unique_name: str, buffers: Buffers, limit: StepLimit
) -> TfliteTensor:
    fixed = _shape(table, schema.Tensor.SHAPE, where)
    shape = fixed
    if table.place(schema.Tensor.SHAPE_SIGNATURE) is not None:
        shape = _shape(table, schema.Tensor.SHAPE_SIGNATURE, where)
    if len(shape) != len(fixed):
        shape = fixed
    if any(size < 0 for size in fixed):
        raise CorruptFileError(f"{where}: {fixed} is not a possible shape")
    dtype = schema.dtype(table.scalar(schema.Tensor.TYPE, "b", 0), where)
    number = table.scalar(schema.Tensor.BUFFER, "I", 0)
    content = buffers.use(number, name[:MOST_NAME])
    sparse = table.table(schema.Tensor.SPARSITY) is not None
    quantised = table.table(schema.Tensor.QUANTISATION)
    grid = quantisation.grid(quantised, where)
    if grid is not None and len(fixed) == 1 and grid.axis:
        grid = dataclasses.replace(grid, axis=0)  # see `edit.with_possible_axes`
    limit.take(1 if grid is None else grid.scale.size)
    return TfliteTensor(
        name=name[:MOST_NAME],
        unique_name=unique_name,
        dtype=dtype,
        # Of a dynamic dimension the plain shape states 1, or the size used last.
        shape=tuple(size if size >= 0 else -1 for size in shape),
        fixed_shape=fixed,
        grid=grid,
        block=quantisation.block(quantised),
        constant=bool(content.size),
        sparse=sparse,
        data=None if sparse else _values(content, dtype, fixed, where),
        place=buffers.place(number) if content.size else None,
        stored=content.size,
    )


def _values(
    content: npt.NDArray[np.uint8], dtype: str, shape: tuple[int, ...], where: str
) -> npt.NDArray[Any] | None:
    """Return a constant's values, or None if NumPy has no such type."""
    if not content.size or dtype in {"string", "resource", "variant"}:
        return None
    kind = schema.numpy_type(dtype)
    bits = int(dtype[-1]) if dtype in NARROW else 8 * _bytes(dtype, kind)
    expected = -(-math.prod(shape) * bits // 8)
    if content.size < expected:
        raise CorruptFileError(
            f"{where}: expected {expected} bytes for {dtype} of shape {shape}, "
            f"received {content.size}"
        )
    # Some writers fill constants up; LiteRT reads what the shape says.
    content = content[:expected]
    return None if kind is None else content.view(kind.newbyteorder("<")).reshape(shape)


def _bytes(dtype: str, kind: np.dtype[Any] | None) -> int:
    if kind is not None:
        return kind.itemsize
    return 2 if dtype == "bfloat16" else 1


def _builtin(code: Table) -> int:
    # Old files have the number in an 8-bit field, new ones in both fields if it fits.
    return max(
        int(code.scalar(schema.OperatorCode.DEPRECATED_CODE, "b", 0)),
        int(code.scalar(schema.OperatorCode.CODE, "i", 0)),
    )


def _code(table: Table, limit: StepLimit) -> OperatorCode:
    kind = schema.operator(_builtin(table))
    custom = kind == "CUSTOM"
    return OperatorCode(
        kind=(_text(table, schema.OperatorCode.CUSTOM_CODE, limit) or kind) if custom else kind,
        domain=CUSTOM if custom else "",
        version=table.scalar(schema.OperatorCode.VERSION, "i", 1),
        uses=0,
    )


def _code_number(operator: Table, codes: int) -> int:
    number: int = operator.scalar(schema.Operator.CODE_INDEX, "I", 0)
    if number >= codes:
        raise CorruptFileError(f"expected an operator code below {codes}, received {number}")
    return number


def _operator(
    table: Table, described: OperatorCode, code: int, tensors: int, limit: StepLimit
) -> TfliteOperator:
    builtin = schema.operator(code)
    inputs = _indices(table, schema.Operator.INPUTS, tensors, limit, f"input of {builtin}")
    outputs = _indices(table, schema.Operator.OUTPUTS, tensors, limit, f"output of {builtin}")
    options = table.table(schema.Operator.OPTIONS)
    kind = table.scalar(schema.Operator.OPTIONS_TYPE, "B", 0)
    known = schema.OPTIONS.get(builtin)
    where = f"{builtin} that writes tensor {', '.join(map(str, outputs))}"
    if known is not None and options is not None and kind != known.number:
        raise CorruptFileError(f"{where}: its options are those of another operator ({kind})")
    attributes = {} if known is None else _options(options, known, where)
    activation = attributes.get(schema.ACTIVATION, 0)
    if not 0 <= activation < len(schema.ACTIVATIONS):
        raise CorruptFileError(f"{where}: there is no activation {activation}")
    return TfliteOperator(
        kind=described.kind,
        domain=described.domain,
        version=described.version,
        inputs=inputs,
        outputs=outputs,
        activation=schema.ACTIVATIONS[activation],
        attributes=attributes,
        builtin=builtin,
        code=code,
        options=options,
        options_type=kind,
    )


def _options(table: Table | None, known: schema.Options, where: str) -> dict[str, Any]:
    """Return an operator's options by name, with the schema's defaults."""
    options = {}
    for name, field in known.fields.items():
        if table is None:
            options[name] = field.default
        elif field.kind == schema.SHAPE:
            sized = table.place(field.slot) is not None
            options[name] = _shape(table, field.slot, where) if sized else field.default
        else:
            options[name] = table.scalar(field.slot, field.kind, field.default)
    return options


def _metadata(root: Table, buffers: Buffers, limit: StepLimit) -> metadata.Values:
    entries = {
        _text(entry, schema.Metadata.NAME, limit): entry.scalar(schema.Metadata.BUFFER, "I", 0)
        for entry in root.tables(schema.Model.METADATA)
    }
    return {name: buffers.use(number, name) for name, number in entries.items()}


def _signature(table: Table, graphs: Sequence[Table], limit: StepLimit) -> Signature:
    graph = table.scalar(schema.Signature.SUBGRAPH, "I", 0)
    if graph >= len(graphs):
        raise CorruptFileError(f"expected a signature of a graph, received graph {graph}")
    tensors = len(graphs[graph].tables(schema.SubGraph.TENSORS))
    limit.take(tensors)
    ends = []
    for slot in (schema.Signature.INPUTS, schema.Signature.OUTPUTS):
        entries = table.tables(slot)
        limit.take(len(entries))
        ends.append(tuple(_end(entry, tensors, limit) for entry in entries))
    return Signature(
        key=_text(table, schema.Signature.KEY, limit), graph=graph, inputs=ends[0], outputs=ends[1]
    )


def _end(entry: Table, tensors: int, limit: StepLimit) -> tuple[str, int]:
    index: int = entry.scalar(schema.Signature.TENSOR_INDEX, "I", 0)
    if index >= tensors:
        raise CorruptFileError(f"expected a tensor below {tensors}, received {index}")
    return _text(entry, schema.Signature.TENSOR_NAME, limit), index


def _named(
    calls: Sequence[Signature], graphs: Sequence[Table], limit: StepLimit
) -> dict[str, dict[str, dict[str, str]]]:
    """Return, for each signature, its inputs and outputs with the tensors' names."""
    signatures = {}
    for call in calls:
        tensors = graphs[call.graph].tables(schema.SubGraph.TENSORS)
        limit.take(len(tensors))
        signatures[call.key] = {
            end: {
                name: _text(tensors[index], schema.Tensor.NAME, limit) for name, index in entries
            }
            for end, entries in (("inputs", call.inputs), ("outputs", call.outputs))
        }
    return signatures


def _text(table: Table, slot: int, limit: StepLimit) -> str:
    return _whole_text(table, slot, limit)[:MOST_NAME]


def _whole_text(table: Table, slot: int, limit: StepLimit) -> str:
    text = table.text(slot)
    limit.take(len(text))
    return text


def _shape(table: Table, slot: int, where: str) -> tuple[int, ...]:
    sizes = table.numbers(slot, np.int32)
    if sizes is None:
        return ()
    if sizes.size > MOST_RANK:
        raise CorruptFileError(f"{where}: {sizes.size} dimensions are too many")
    return tuple(int(size) for size in sizes)


def _indices(
    table: Table, slot: int, tensors: int, limit: StepLimit, what: str
) -> tuple[int, ...]:
    indices = table.numbers(slot, np.int32)
    if indices is None or not indices.size:
        return ()
    limit.take(indices.size)
    if indices.min() < -1 or indices.max() >= tensors:
        raise CorruptFileError(f"{what}: expected indices of {tensors} tensors")
    return tuple(indices.tolist())
