"""Write a `.tflite`: tensors, operators and constants, in the order they are added.

Schema: tensorflow/compiler/mlir/lite/schema/schema.fbs. This module does not know what an
operator computes.
"""

import struct
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.formats.tflite import schema
from mobiledeploy.formats.tflite.metadata import ENTRY, RUNTIME
from mobiledeploy.formats.tflite.model import TfliteOperator
from mobiledeploy.formats.tflite.parser import IDENTIFIER
from mobiledeploy.formats.tflite.schema import Field

SCHEMA_VERSION: Final = 3
ALIGNMENT: Final = 16
"""Bytes to which constants are aligned, so that kernels can read a memory-mapped file."""
SIGNATURE: Final = "serving_default"

_OFFSET: Final = "offset"
"""Kind of a field that points to a table, a vector or a string."""
_OFFSETS: Final = frozenset({_OFFSET, schema.SHAPE})
PUT: Final = {
    "?": "PrependBoolSlot",
    "b": "PrependInt8Slot",
    "B": "PrependUint8Slot",
    "i": "PrependInt32Slot",
    "I": "PrependUint32Slot",
    "f": "PrependFloat32Slot",
    **dict.fromkeys(_OFFSETS, "PrependUOffsetTRelativeSlot"),
}
"""The builder's method for each kind of field."""


def _pointers(**slots: int) -> dict[str, Field]:
    return {name: Field(slot, _OFFSET, 0) for name, slot in slots.items()}


TABLES: Final[dict[str, dict[str, Field]]] = {
    "Model": {
        "Version": Field(schema.Model.VERSION, "I", 0),
        **_pointers(
            OperatorCodes=schema.Model.OPERATOR_CODES,
            Subgraphs=schema.Model.SUBGRAPHS,
            Description=schema.Model.DESCRIPTION,
            Buffers=schema.Model.BUFFERS,
            Metadata=schema.Model.METADATA,
            SignatureDefs=schema.Model.SIGNATURES,
        ),
    },
    "OperatorCode": {
        "DeprecatedBuiltinCode": Field(schema.OperatorCode.DEPRECATED_CODE, "b", 0),
        "Version": Field(schema.OperatorCode.VERSION, "i", 1),
        "BuiltinCode": Field(schema.OperatorCode.CODE, "i", 0),
    },
    "SubGraph": _pointers(
        Tensors=schema.SubGraph.TENSORS,
        Inputs=schema.SubGraph.INPUTS,
        Outputs=schema.SubGraph.OUTPUTS,
        Operators=schema.SubGraph.OPERATORS,
        Name=schema.SubGraph.NAME,
    ),
    "Operator": {
        "OpcodeIndex": Field(schema.Operator.CODE_INDEX, "I", 0),
        "BuiltinOptionsType": Field(schema.Operator.OPTIONS_TYPE, "B", 0),
        **_pointers(
            Inputs=schema.Operator.INPUTS,
            Outputs=schema.Operator.OUTPUTS,
            BuiltinOptions=schema.Operator.OPTIONS,
        ),
    },
    "Tensor": {
        "Type": Field(schema.Tensor.TYPE, "b", 0),
        "Buffer": Field(schema.Tensor.BUFFER, "I", 0),
        **_pointers(
            Shape=schema.Tensor.SHAPE,
            Name=schema.Tensor.NAME,
            Quantization=schema.Tensor.QUANTISATION,
        ),
    },
    "QuantizationParameters": {
        "QuantizedDimension": Field(schema.Quantisation.AXIS, "i", 0),
        **_pointers(Scale=schema.Quantisation.SCALE, ZeroPoint=schema.Quantisation.ZERO_POINT),
    },
    "Buffer": _pointers(Data=schema.Buffer.DATA),
    "Metadata": {
        "Buffer": Field(schema.Metadata.BUFFER, "I", 0),
        **_pointers(Name=schema.Metadata.NAME),
    },
    "SignatureDef": _pointers(
        Inputs=schema.Signature.INPUTS,
        Outputs=schema.Signature.OUTPUTS,
        SignatureKey=schema.Signature.KEY,
    ),
    "TensorMap": {
        "TensorIndex": Field(schema.Signature.TENSOR_INDEX, "I", 0),
        **_pointers(Name=schema.Signature.TENSOR_NAME),
    },
    **{name: {} for name in schema.OPTIONS_TABLES},
    **{
        options.table: {
            "".join(map(str.capitalize, name.split("_"))): field
            for name, field in options.fields.items()
        }
        for options in schema.OPTIONS.values()
    },
}
"""Fields of the tables that are written, by their names in the schema's Python code."""


class TfliteWriter:
    """A flatbuffer under construction; `finish` may be called once.

    Vectors that repeat (shapes, scales and above all zero points: one int64 a channel) are
    stored once; flatbuffers allow several tables to point to one vector.
    """

    def __init__(self, names: Collection[str] = ()) -> None:
        """Begin an empty graph.

        Args:
            names: Names of the graph's own activations, which constants avoid.
        """
        import flatbuffers

        self._taken = set(names)
        self._builder: Any = flatbuffers.Builder(1 << 16)
        self._vectors: dict[tuple[str, bytes], int] = {}
        # The first buffer is empty by definition: tensors without data point to it.
        self._buffers = [self._table("Buffer")]
        self._tensors: list[int] = []
        self._operators: list[int] = []
        self._codes: list[tuple[int, int]] = []

    def free(self, name: str) -> str:
        """Reserve this name, or a similar one if a tensor has it, and return it."""
        while name in self._taken:
            name += "'"
        self._taken.add(name)
        return name

    def activation(
        self,
        name: str,
        dtype: npt.DTypeLike,
        shape: Sequence[int],
        *,
        scale: np.float32 | None = None,
        zero_point: int = 0,
    ) -> int:
        """Add a tensor without data, which an operator writes; return its index."""
        grid = None if scale is None else (np.array([scale]), np.array([zero_point]), 0)
        return self._tensor(name, dtype, shape, 0, grid)

    def constant(
        self,
        name: str,
        values: npt.NDArray[Any],
        *,
        scale: npt.NDArray[np.float32] | None = None,
        zero_point: npt.NDArray[np.int64] | None = None,
        axis: int = 0,
    ) -> int:
        """Add a tensor with data; return its index.

        Args:
            name: The tensor's name; a similar one is used if it is taken.
            values: The data.
            scale: One scale, or one for each entry along `axis`.
            zero_point: As many zero points; None if all are 0.
            axis: The quantised dimension.
        """
        data = values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
        self._builder.Prep(ALIGNMENT, len(data))
        vector = self._builder.CreateByteVector(data)
        self._buffers.append(self._table("Buffer", Data=vector))
        grid = None
        if scale is not None:
            grid = (scale, np.zeros(scale.size) if zero_point is None else zero_point, axis)
        buffer = len(self._buffers) - 1
        return self._tensor(self.free(name), values.dtype, values.shape, buffer, grid)

    def operator(
        self,
        name: str,
        version: int,
        inputs: Sequence[int],
        output: int,
        options: str = "",
        **fields: float,
    ) -> None:
        """Add an operator.

        Args:
            name: The operator's name in `BuiltinOperator`.
            version: The operator's version; runtimes refuse versions that they do not know.
            inputs: Indices of the tensors it reads.
            output: Index of the tensor it writes.
            options: Name of its options table, if it has one.
            **fields: Fields of the options table, named as in the schema's Python code.
        """
        union = {}
        if options:
            union = {
                "BuiltinOptionsType": schema.OPTIONS_TABLES.index(options),
                "BuiltinOptions": self._table(options, **fields),
            }
        self._operator((schema.OPERATORS.index(name), version), inputs, [output], union)

    def copy(
        self, operator: TfliteOperator, inputs: Sequence[int], outputs: Sequence[int]
    ) -> None:
        """Add a copy of another file's operator, with the same version and options.

        Args:
            operator: The other file's operator.
            inputs: Indices of tensors in this file; -1 for an omitted one.
            outputs: Indices of tensors in this file.

        Raises:
            CorruptFileError: Its options lie outside the file, or are of no known type.
        """
        union = {}
        if operator.options is not None:
            if not 0 < operator.options_type < len(schema.OPTIONS_TABLES):
                raise CorruptFileError(
                    f"{operator.builtin}: there are no options of type {operator.options_type}"
                )
            from ai_edge_litert import schema_py_generated  # a large module

            kind = getattr(schema_py_generated, f"{schema.OPTIONS_TABLES[operator.options_type]}T")
            table = operator.options
            try:
                read = kind.InitFromBuf(table.data, table.position)
            except (struct.error, ValueError) as error:
                raise CorruptFileError(f"{operator.builtin}: its options are damaged") from error
            union = {
                "BuiltinOptionsType": operator.options_type,
                "BuiltinOptions": read.Pack(self._builder),
            }
        self._operator((operator.code, operator.version), inputs, outputs, union)

    def finish(
        self,
        *,
        description: str,
        min_runtime: str,
        inputs: Mapping[str, int],
        outputs: Mapping[str, int],
        metadata: bytes = b"",
    ) -> bytes:
        """Return the file.

        Args:
            description: The description that the file states.
            min_runtime: Oldest runtime that knows all operators, such as `1.14.0`.
            inputs: Indices of the input tensors, by their names in the signature.
            outputs: Indices of the output tensors, by their names in the signature.
            metadata: What `metadata_writer.entry` gives; empty for none.
        """
        # 16 bytes, as TensorFlow's converter writes it: readers expect a field of that size.
        entries = {RUNTIME: min_runtime.encode().ljust(16, b"\0")}
        if metadata:
            entries[ENTRY] = metadata
        described = [self._entry(name, content) for name, content in entries.items()]
        codes = [
            self._table(
                "OperatorCode",
                # Old runtimes read the 8-bit field, in which 127 means "see the other field".
                DeprecatedBuiltinCode=min(code, 127),
                Version=version,
                BuiltinCode=code,
            )
            for code, version in self._codes
        ]
        subgraph = self._table(
            "SubGraph",
            Tensors=self._offsets(self._tensors),
            Inputs=self._vector(list(inputs.values()), np.int32),
            Outputs=self._vector(list(outputs.values()), np.int32),
            Operators=self._offsets(self._operators),
            Name=self._string("main"),
        )
        ends = [
            self._offsets(
                [
                    self._table("TensorMap", Name=self._string(name), TensorIndex=index)
                    for name, index in tensors.items()
                ]
            )
            for tensors in (inputs, outputs)
        ]
        signature = self._table(
            "SignatureDef",
            Inputs=ends[0],
            Outputs=ends[1],
            SignatureKey=self._string(SIGNATURE),
        )
        model = self._table(
            "Model",
            Version=SCHEMA_VERSION,
            OperatorCodes=self._offsets(codes),
            Subgraphs=self._offsets([subgraph]),
            Description=self._string(description),
            Buffers=self._offsets(self._buffers),
            Metadata=self._offsets(described),
            SignatureDefs=self._offsets([signature]),
        )
        self._builder.Finish(model, IDENTIFIER)
        with memoryview(self._builder.Bytes) as written:  # `Output` would copy it once more
            return bytes(written[self._builder.Head() :])

    def _entry(self, name: str, content: bytes) -> int:
        """Add an entry of metadata, with the buffer that holds it."""
        if name == ENTRY:  # a flatbuffer of its own, whose numbers have to be aligned
            self._builder.Prep(ALIGNMENT, len(content))
        vector = self._builder.CreateByteVector(content)
        self._buffers.append(self._table("Buffer", Data=vector))
        return self._table("Metadata", Name=self._string(name), Buffer=len(self._buffers) - 1)

    def _operator(
        self,
        code: tuple[int, int],
        inputs: Sequence[int],
        outputs: Sequence[int],
        options: Mapping[str, int],
    ) -> None:
        if code not in self._codes:
            self._codes.append(code)
        self._operators.append(
            self._table(
                "Operator",
                OpcodeIndex=self._codes.index(code),
                Inputs=self._vector(inputs, np.int32),
                Outputs=self._vector(outputs, np.int32),
                **options,
            )
        )

    def _tensor(
        self,
        name: str,
        dtype: npt.DTypeLike,
        shape: Sequence[int],
        buffer: int,
        grid: tuple[npt.NDArray[Any], npt.NDArray[Any], int] | None,
    ) -> int:
        fields: dict[str, Any] = {
            "Shape": self._vector(shape, np.int32),
            "Type": schema.TYPES.index(np.dtype(dtype).name.upper()),
            "Buffer": buffer,
            "Name": self._string(name),
        }
        if grid is not None:
            scale, zero_point, axis = grid
            fields["Quantization"] = self._table(
                "QuantizationParameters",
                Scale=self._vector(scale, np.float32),
                ZeroPoint=self._vector(zero_point, np.int64),
                QuantizedDimension=axis,
            )
        self._tensors.append(self._table("Tensor", **fields))
        return len(self._tensors) - 1

    def _table(self, name: str, **fields: Any) -> int:
        known = TABLES[name]
        self._builder.StartObject(max((field.slot for field in known.values()), default=-1) + 1)
        for each, value in fields.items():
            field = known[each]
            put: Callable[[int, Any, Any], None] = getattr(self._builder, PUT[field.kind])
            put(field.slot, value, 0 if field.kind in _OFFSETS else field.default)
        end: int = self._builder.EndObject()
        return end

    def _vector(self, values: npt.ArrayLike, dtype: npt.DTypeLike) -> int:
        array = np.asarray(values, dtype)
        key = (array.dtype.str, array.tobytes())
        if key not in self._vectors:
            self._vectors[key] = self._builder.CreateNumpyVector(array)
        return self._vectors[key]

    def _offsets(self, offsets: Sequence[int]) -> int:
        self._builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self._builder.PrependUOffsetTRelative(offset)
        end: int = self._builder.EndVector()
        return end

    def _string(self, text: str) -> int:
        offset: int = self._builder.CreateString(text)
        return offset
