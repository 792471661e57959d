"""What ONNX's own checker and shape inference say: run in a child process, they are C++."""

import json
from pathlib import Path
from typing import Any

from mobiledeploy.errors import CorruptFileError

MOST_PROBLEM = 400
"""Characters of the checker's message that are kept."""


def check(path: str) -> bytes:
    """Return JSON: the checker's complaint, and each tensor's type number and shape.

    Args:
        path: An `.onnx`; files beside it may hold its weights.

    Raises:
        CorruptFileError: The bytes are no ONNX model.
    """
    from google.protobuf.message import DecodeError
    from onnx import ModelProto, checker, shape_inference

    model = ModelProto()
    try:
        model.ParseFromString(Path(path).read_bytes())
    except DecodeError as error:
        raise CorruptFileError(f"{path}: the bytes are no ONNX model") from error
    problem, shapes = "", {}
    # What C++ throws at a damaged model arrives as one of the latter: `vector::reserve`, say.
    thrown = (
        *(checker.ValidationError, shape_inference.InferenceError),
        *(ValueError, IndexError, OverflowError, RuntimeError),
    )
    try:
        # By path, so that the checker looks at files that hold weights.
        checker.check_model(path)
    except thrown as error:
        problem = " ".join(str(error).split())[:MOST_PROBLEM]
    try:
        inferred = shape_inference.infer_shapes(model)
    except thrown as error:
        problem = problem or " ".join(str(error).split())[:MOST_PROBLEM]
    else:
        shapes = {info.name: _described(info) for info in inferred.graph.value_info}
    return json.dumps({"problem": problem, "shapes": shapes}).encode()


def _described(info: Any) -> tuple[int, list[int | str] | None]:
    tensor = info.type.tensor_type
    if not tensor.HasField("shape"):
        return tensor.elem_type, None
    return tensor.elem_type, [dimension(size) for size in tensor.shape.dim]


def dimension(size: Any) -> int | str:
    """Return a protobuf dimension: its size, its name, or -1 if it has neither."""
    if size.HasField("dim_value"):
        return int(size.dim_value)
    return str(size.dim_param) or -1
