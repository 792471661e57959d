"""From the bytes of an `.onnx` to its protobuf, whose names are text and whose size is bounded.

Other than `reading.onnx_file`, which takes the classifiers that we compare, and as little of them
as decides what they compute, this takes any model.
"""

from typing import Any, Final

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.formats.work import Work
from mobiledeploy.targets import onnx_proto

PARTS: Final = 2**17
"""Messages and names of a file: several times those of a large network."""


def parse(data: bytes) -> Any:
    """Return the model's protobuf.

    Raises:
        CorruptFileError: The bytes are none, a name in it is no text, or it has too many parts.
    """
    model = onnx_proto.parse(data)
    _require_texts(model, Work(PARTS))
    if not model.HasField("graph") or not model.graph.node:
        raise CorruptFileError("expected an ONNX model with operators, received one without")
    return model


def _require_texts(message: Any, work: Work) -> None:
    """Refuse names that are no text: protobuf hands them out as bytes.

    Raises:
        CorruptFileError: Some string is not UTF-8, or there are too many.
    """
    work.take(1)
    for field, value in message.ListFields():
        if field.type == field.TYPE_STRING:
            texts = (value,) if isinstance(value, str | bytes) else value
            work.take(len(texts))
            if not all(isinstance(text, str) for text in texts):
                raise CorruptFileError(f"a text in the ONNX model ({field.name}) is not UTF-8")
        elif field.type == field.TYPE_MESSAGE:
            for inner in (value,) if hasattr(value, "ListFields") else value:
                _require_texts(inner, work)
