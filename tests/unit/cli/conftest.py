"""What every command's JSON is held to."""

import json
from pathlib import Path
from typing import Any

import jsonschema

SCHEMAS = Path(__file__).parents[3] / "docs" / "schemas"


def check(document: Any, name: str) -> None:
    """Hold a document against a schema, and the schema against the rules for schemas."""
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(document, schema)
