"""Parse the bytes of an `.onnx` to a protobuf, or check its strings."""

from typing import Any, Final

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.formats.limits import StepLimit
from mobiledeploy.formats.model import Dimension

MOST_BYTES: Final = 2**31 - 1
"""Largest size of a protobuf."""
PARTS: Final = 2**17
"""Most messages and strings in a file: several times those of a large network."""


def message(data: bytes) -> Any:
    """Return the `onnx.ModelProto` of a file; its contents are not checked.

    Raises:
        CorruptFileError: The bytes are not an ONNX model.
    """
    from google.protobuf.message import DecodeError
    from onnx import ModelProto

    if len(data) > MOST_BYTES:
        raise CorruptFileError(
            f"expected at most {MOST_BYTES:,} bytes, the largest size of a protobuf, "
            f"received {len(data):,}"
        )
    model = ModelProto()
    try:
        model.ParseFromString(data)
    except DecodeError as error:
        raise CorruptFileError("the bytes are not an ONNX model") from error
    return model


def dimension(size: Any) -> Dimension:
    """Return a protobuf dimension: its size, its name, or -1 if it has neither."""
    if size.HasField("dim_value"):
        return int(size.dim_value)
    return str(size.dim_param) or -1


def require_texts(model: Any) -> None:
    """Refuse a `ModelProto` with strings that are not UTF-8, which protobuf returns as bytes.

    Raises:
        CorruptFileError: A string is not UTF-8, or there are too many messages and strings.
    """
    _require_texts_of(model, StepLimit(PARTS))


def _require_texts_of(part: Any, limit: StepLimit) -> None:
    limit.take(1)
    for field, value in part.ListFields():
        if field.type == field.TYPE_STRING:
            texts = (value,) if isinstance(value, str | bytes) else value
            limit.take(len(texts))
            if not all(isinstance(text, str) for text in texts):
                raise CorruptFileError(f"a string in the ONNX model ({field.name}) is not UTF-8")
        elif field.type == field.TYPE_MESSAGE:
            for inner in (value,) if hasattr(value, "ListFields") else value:
                _require_texts_of(inner, limit)
