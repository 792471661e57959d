"""What ONNX's own checker and shape inference say: run in a child process, they are C++."""

import json
from pathlib import Path
from typing import Any

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.targets import onnx_proto


def check(path: str) -> bytes:
    """Return JSON: the checker's complaint, and each tensor's type number and shape.

    Args:
        path: An `.onnx`; files beside it may hold its weights.

    Raises:
        CorruptFileError: The bytes are no ONNX model.
    """
    from onnx import checker

    model = onnx_proto.parse(Path(path).read_bytes())
    problem, shapes = "", {}
    try:
        # By path, so that the checker looks at files that hold weights.
        checker.check_model(path)
    except (checker.ValidationError, *onnx_proto.THROWN) as error:
        problem = " ".join(str(error).split())[: onnx_proto.MOST_SAID]
    try:
        inferred = onnx_proto.with_shapes(model)
    except CorruptFileError as error:
        problem = problem or str(error)
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
