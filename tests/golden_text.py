"""How golden files are written, so that people can read and compare them."""

import json
from typing import Any


def one_case_a_line(document: dict[str, Any]) -> str:
    """JSON with one line for each item of each list at the top."""
    parts = []
    for key, value in document.items():
        text = json.dumps(value)
        if isinstance(value, list):
            text = "[\n" + ",\n".join(f"  {json.dumps(case)}" for case in value) + "\n ]"
        parts.append(f' "{key}": {text}')
    return "{\n" + ",\n".join(parts) + "\n}\n"
