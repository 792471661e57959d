"""Our numbers and names of TFLite's schema agree with LiteRT's own."""

from typing import Any

import pytest
from ai_edge_litert import schema_py_generated as litert

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.formats.tflite import schema, writer

UPPER = {
    "activations": tuple(name.upper() for name in schema.ACTIVATIONS),
    "paddings": tuple(name.upper() for name in schema.PADDINGS),
}


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (schema.OPERATORS, litert.BuiltinOperator),
        (schema.TYPES, litert.TensorType),
        (schema.OPTIONS_TABLES, litert.BuiltinOptions),
        (UPPER["activations"], litert.ActivationFunctionType),
        (UPPER["paddings"], litert.Padding),
    ],
)
def test_every_enum_name_agrees_with_the_schema(ours: tuple[str, ...], theirs: Any) -> None:
    named = {number: name for name, number in vars(theirs).items() if isinstance(number, int)}
    assert dict(enumerate(ours)).items() <= named.items()
    assert litert.QuantizationDetails.BlockwiseQuantization == schema.Quantisation.BLOCKWISE


def test_numbers_unknown_to_the_schema_get_a_made_up_name_or_none() -> None:
    assert {schema.operator(n) for n in (-1, 5000)} == {"BUILTIN_-1", "BUILTIN_5000"}
    assert {schema.padding(n) for n in (-1, 2)} == {None}
    for number in (-1, 127):
        with pytest.raises(CorruptFileError, match=f"`x`: there is no type {number}"):
            schema.dtype(number, "`x`")


class Recorder:
    """A flatbuffer builder that records the calls of LiteRT's generated code."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int, Any]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda slot, _, default: self.calls.append((name, slot, default))


def stored_field(function: str) -> tuple[str, int, Any]:
    """How LiteRT stores a field: the method of the builder, the slot and the default."""
    recorder = Recorder()
    getattr(litert, function)(recorder, 0)
    (call,) = recorder.calls
    return call


KINDS = {"b": "Int8", "i": "Int32", "f": "Float32", "?": "Bool", schema.SHAPE: "UOffsetTRelative"}
FIELDS = [
    (options.table, name, field)
    for options in schema.OPTIONS.values()
    for name, field in options.fields.items()
]


@pytest.mark.parametrize(("table", "name", "field"), FIELDS)
def test_every_option_has_the_schemas_slot_and_default(table: str, name: str, field: Any) -> None:
    camel = "".join(word.capitalize() for word in name.split("_"))
    kind, slot, default = stored_field(f"{table}Add{camel}")
    assert kind == f"Prepend{KINDS[field.kind]}Slot"
    assert (field.slot, field.default or 0) == (slot, default)


NAMES = {
    "Model.VERSION": "ModelAddVersion",
    "Model.OPERATOR_CODES": "ModelAddOperatorCodes",
    "Model.SUBGRAPHS": "ModelAddSubgraphs",
    "Model.DESCRIPTION": "ModelAddDescription",
    "Model.BUFFERS": "ModelAddBuffers",
    "Model.METADATA": "ModelAddMetadata",
    "Model.SIGNATURES": "ModelAddSignatureDefs",
    "OperatorCode.DEPRECATED_CODE": "OperatorCodeAddDeprecatedBuiltinCode",
    "OperatorCode.CUSTOM_CODE": "OperatorCodeAddCustomCode",
    "OperatorCode.VERSION": "OperatorCodeAddVersion",
    "OperatorCode.CODE": "OperatorCodeAddBuiltinCode",
    "SubGraph.TENSORS": "SubGraphAddTensors",
    "SubGraph.INPUTS": "SubGraphAddInputs",
    "SubGraph.OUTPUTS": "SubGraphAddOutputs",
    "SubGraph.OPERATORS": "SubGraphAddOperators",
    "SubGraph.NAME": "SubGraphAddName",
    "Operator.CODE_INDEX": "OperatorAddOpcodeIndex",
    "Operator.INPUTS": "OperatorAddInputs",
    "Operator.OUTPUTS": "OperatorAddOutputs",
    "Operator.OPTIONS_TYPE": "OperatorAddBuiltinOptionsType",
    "Operator.OPTIONS": "OperatorAddBuiltinOptions",
    "Tensor.SHAPE": "TensorAddShape",
    "Tensor.TYPE": "TensorAddType",
    "Tensor.BUFFER": "TensorAddBuffer",
    "Tensor.NAME": "TensorAddName",
    "Tensor.QUANTISATION": "TensorAddQuantization",
    "Tensor.SPARSITY": "TensorAddSparsity",
    "Tensor.SHAPE_SIGNATURE": "TensorAddShapeSignature",
    "Quantisation.SCALE": "QuantizationParametersAddScale",
    "Quantisation.ZERO_POINT": "QuantizationParametersAddZeroPoint",
    "Quantisation.DETAILS_TYPE": "QuantizationParametersAddDetailsType",
    "Quantisation.DETAILS": "QuantizationParametersAddDetails",
    "Quantisation.AXIS": "QuantizationParametersAddQuantizedDimension",
    "Quantisation.BLOCK_SCALES": "BlockwiseQuantizationAddScales",
    "Quantisation.BLOCK_ZERO_POINTS": "BlockwiseQuantizationAddZeroPoints",
    "Quantisation.BLOCK_SIZE": "BlockwiseQuantizationAddBlockSize",
    "Buffer.DATA": "BufferAddData",
    "Buffer.OFFSET": "BufferAddOffset",
    "Buffer.SIZE": "BufferAddSize",
    "Metadata.NAME": "MetadataAddName",
    "Metadata.BUFFER": "MetadataAddBuffer",
    "Signature.INPUTS": "SignatureDefAddInputs",
    "Signature.OUTPUTS": "SignatureDefAddOutputs",
    "Signature.KEY": "SignatureDefAddSignatureKey",
    "Signature.SUBGRAPH": "SignatureDefAddSubgraphIndex",
    "Signature.TENSOR_NAME": "TensorMapAddName",
    "Signature.TENSOR_INDEX": "TensorMapAddTensorIndex",
}


@pytest.mark.parametrize(("ours", "theirs"), NAMES.items())
def test_every_table_field_has_the_schemas_slot(ours: str, theirs: str) -> None:
    table, _, name = ours.partition(".")
    assert getattr(getattr(schema, table), name) == stored_field(theirs)[1]


def test_fields_are_written_as_litert_writes_them() -> None:
    for table, fields in writer.TABLES.items():
        for name, field in fields.items():
            kind, slot, default = stored_field(f"{table}Add{name}")
            assert (writer.PUT[field.kind], field.slot) == (kind, slot), (table, name)
            assert (field.default or 0) == default, (table, name)


def test_no_slot_is_left_untested() -> None:
    tables = (
        "Model", "OperatorCode", "SubGraph", "Operator", "Tensor", "Quantisation", "Buffer",
        "Metadata", "Signature",
    )  # fmt: skip
    slots = {f"{t}.{n}" for t in tables for n in vars(getattr(schema, t)) if n.isupper()}
    assert slots - {"Quantisation.BLOCKWISE"} == set(NAMES)
