"""Enum numbers of onnx.proto by name: element types, attribute types, operator domains.

Source: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

import dataclasses
from typing import Final, Literal, TypeAlias

Field: TypeAlias = Literal[
    "float_data", "int32_data", "string_data", "int64_data", "double_data", "uint64_data"
]
FIELDS: Final[dict[Field, str]] = {
    "float_data": "<f4",
    "int32_data": "<i4",
    "int64_data": "<i8",
    "double_data": "<f8",
    "uint64_data": "<u8",
}
"""Fields of a `TensorProto` that are lists of numbers, and NumPy's type of their entries."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ElementType:
    """A type of tensors: an entry of `TensorProto.DataType`.

    Attributes:
        name: The name in `Tensor.dtype`.
        field: Field of `TensorProto` for values that are not in `raw_data`.
        unit: NumPy's type, little endian, that an entry of the field has in `raw_data`; empty for
            strings.
        bits: Bits of one value; 0 if not known.
        known: Whether NumPy has the type, under the same name.
    """

    name: str
    field: Field
    unit: str
    bits: int
    known: bool = True


ELEMENT_TYPES: Final = {
    1: ElementType(name="float32", field="float_data", unit="<f4", bits=32),
    2: ElementType(name="uint8", field="int32_data", unit="u1", bits=8),
    3: ElementType(name="int8", field="int32_data", unit="i1", bits=8),
    4: ElementType(name="uint16", field="int32_data", unit="<u2", bits=16),
    5: ElementType(name="int16", field="int32_data", unit="<i2", bits=16),
    6: ElementType(name="int32", field="int32_data", unit="<i4", bits=32),
    7: ElementType(name="int64", field="int64_data", unit="<i8", bits=64),
    8: ElementType(name="string", field="string_data", unit="", bits=0, known=False),
    9: ElementType(name="bool", field="int32_data", unit="?", bits=8),
    # float16 and bfloat16 values are stored in their field as integers of the same bits.
    10: ElementType(name="float16", field="int32_data", unit="<u2", bits=16),
    11: ElementType(name="float64", field="double_data", unit="<f8", bits=64),
    12: ElementType(name="uint32", field="uint64_data", unit="<u4", bits=32),
    13: ElementType(name="uint64", field="uint64_data", unit="<u8", bits=64),
    # Complex numbers are pairs of entries.
    14: ElementType(name="complex64", field="float_data", unit="<f4", bits=64),
    15: ElementType(name="complex128", field="double_data", unit="<f8", bits=128),
    16: ElementType(name="bfloat16", field="int32_data", unit="<u2", bits=16, known=False),
    17: ElementType(name="float8_e4m3fn", field="int32_data", unit="u1", bits=8, known=False),
    18: ElementType(name="float8e4m3fnuz", field="int32_data", unit="u1", bits=8, known=False),
    19: ElementType(name="float8e5m2", field="int32_data", unit="u1", bits=8, known=False),
    20: ElementType(name="float8e5m2fnuz", field="int32_data", unit="u1", bits=8, known=False),
    # Narrow values share bytes, also in their field.
    21: ElementType(name="uint4", field="int32_data", unit="u1", bits=4, known=False),
    22: ElementType(name="int4", field="int32_data", unit="u1", bits=4, known=False),
    23: ElementType(name="float4e2m1", field="int32_data", unit="u1", bits=4, known=False),
    24: ElementType(name="float8e8m0", field="int32_data", unit="u1", bits=8, known=False),
    25: ElementType(name="uint2", field="int32_data", unit="u1", bits=2, known=False),
    26: ElementType(name="int2", field="int32_data", unit="u1", bits=2, known=False),
    # These share bytes in `raw_data` only.
    27: ElementType(name="float6e2m3", field="int32_data", unit="u1", bits=0, known=False),
    28: ElementType(name="float6e3m2", field="int32_data", unit="u1", bits=0, known=False),
}
"""Element types by number in `TensorProto.DataType`."""

NUMBERS: Final = {kind.name: number for number, kind in ELEMENT_TYPES.items()}
"""Numbers in `TensorProto.DataType`, by name."""

EXTERNAL: Final = 1
"""In `TensorProto.DataLocation`: the values are in another file."""

ATTRIBUTE_TYPES: Final = {
    1: "FLOAT",
    2: "INT",
    3: "STRING",
    4: "TENSOR",
    5: "GRAPH",
    6: "FLOATS",
    7: "INTS",
    8: "STRINGS",
    9: "TENSORS",
    10: "GRAPHS",
    11: "SPARSE_TENSOR",
    12: "SPARSE_TENSORS",
    13: "TYPE_PROTO",
    14: "TYPE_PROTOS",
}
"""Attribute types by number in `AttributeProto.AttributeType`."""

STANDARD: Final = "ai.onnx"
"""The domain of ONNX's own operators, which most files leave empty."""
MICROSOFT: Final = "com.microsoft"
"""The domain of ONNX Runtime's own operators."""
MICROSOFT_OPERATORS: Final = frozenset(
    {"DequantizeLinear", "NhwcMaxPool", "QGemm", "QLinearAdd", "QLinearAveragePool"}
    | {"QLinearConcat", "QLinearConv", "QLinearGlobalAveragePool", "QLinearLeakyRelu"}
    | {"QLinearMul", "QLinearReduceMean", "QLinearSigmoid", "QLinearSoftmax", "QLinearWhere"}
    | {"QuantizeLinear"}
)
"""ONNX Runtime's operators whose kind is written without the domain."""


def element_type(number: int) -> str:
    """Return the name of an element type; empty for none, or one newer than this table."""
    kind = ELEMENT_TYPES.get(number)
    return "" if kind is None else kind.name


def domain(stated: str) -> str:
    """Return a domain; empty for ONNX's own, which a file may write in two ways."""
    return "" if stated == STANDARD else stated
