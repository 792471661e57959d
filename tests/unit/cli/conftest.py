"""The check of every command's JSON against its schema."""

import json
from pathlib import Path
from typing import Any

import jsonschema

SCHEMAS = Path(__file__).parents[3] / "docs" / "schemas"


def check(document: Any, name: str) -> None:
    """Validate a document by its schema, and the schema by the rules for schemas."""
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(document, schema)
