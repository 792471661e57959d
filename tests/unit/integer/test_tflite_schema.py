"""Our names of TFLite's operators and types are those of LiteRT's own schema."""

from typing import Any

import pytest
from ai_edge_litert import schema_py_generated as schema

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.integer import tflite_schema


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (tflite_schema.OPERATORS, schema.BuiltinOperator),
        (tflite_schema.TYPES, schema.TensorType),
    ],
)
def test_every_name_is_the_schemas(ours: tuple[str, ...], theirs: Any) -> None:
    named = {number: name for name, number in vars(theirs).items() if isinstance(number, int)}
    assert dict(enumerate(ours)).items() <= named.items()


def test_numbers_without_a_name() -> None:
    assert {tflite_schema.operator(n) for n in (-1, 5000)} == {"BUILTIN_-1", "BUILTIN_5000"}
    for number in (-1, 127):
        with pytest.raises(CorruptFileError, match=f"`x`: there is no type {number}"):
            tflite_schema.dtype(number, "x")
