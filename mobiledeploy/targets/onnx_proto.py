"""An `.onnx` as the protobuf that it is."""

from typing import Any

from mobiledeploy.errors import CorruptFileError


def parse(data: bytes) -> Any:
    """Return the `onnx.ModelProto` in a file; nothing in it is checked.

    Raises:
        CorruptFileError: The bytes are no ONNX model.
    """
    from google.protobuf.message import DecodeError
    from onnx import ModelProto

    model = ModelProto()
    try:
        model.ParseFromString(data)
    except DecodeError as error:
        raise CorruptFileError("the bytes are no ONNX model") from error
    return model
