"""Print what MediaPipe's own code of the schema reads from an entry of metadata: FILE."""

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any


def main(file: str) -> None:
    # The module alone: its package imports the whole of MediaPipe.
    package = importlib.util.find_spec("mediapipe")
    assert package is not None
    folder = Path(next(iter(package.submodule_search_locations or ())))
    path = folder / "tasks/metadata/metadata_schema_py_generated.py"
    spec = importlib.util.spec_from_file_location("metadata_schema", path)
    assert spec is not None
    assert spec.loader is not None
    schema: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(schema)
    data = Path(file).read_bytes()
    assert schema.ModelMetadata.ModelMetadataBufferHasIdentifier(data, 0)
    model = schema.ModelMetadataT.InitFromPackedBuf(bytearray(data))
    json.dump(plain(model), sys.stdout)


def plain(value: Any) -> Any:
    """Return objects as dicts of their fields, without empty ones."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, str | int | float) or value is None:
        return value
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, list):
        return [plain(each) for each in value]
    fields = {name: plain(each) for name, each in vars(value).items()}
    return {name: each for name, each in fields.items() if each not in (None, 0, [])}


if __name__ == "__main__":
    main(*sys.argv[1:])
