"""An `.onnx` as the protobuf that it is."""

from typing import Any, Final

from mobiledeploy.base.errors import CorruptFileError

MOST_SAID: Final = 400
"""Characters of what ONNX says that are kept."""
THROWN: Final = (ValueError, IndexError, OverflowError, RuntimeError)
"""As what an exception of C++ arrives here: `vector::reserve` of a negative length, say."""


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


def with_shapes(model: Any) -> Any:
    """Return a copy that describes its inner tensors, as far as ONNX can tell their types.

    What does so is C++: give it foreign models in a child process only.

    Raises:
        CorruptFileError: The model contradicts itself.
    """
    from onnx import checker, shape_inference

    try:
        return shape_inference.infer_shapes(model)
    except (shape_inference.InferenceError, checker.ValidationError, *THROWN) as error:
        said = " ".join(str(error).split())[:MOST_SAID]
        raise CorruptFileError(f"the ONNX model does not fit together: {said}") from error
