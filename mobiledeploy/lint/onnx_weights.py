"""The bytes of an ONNX constant, wherever they are: in the file, or in another one beside it."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mobiledeploy.errors import CorruptFileError


def raw_bytes(proto: Any, folder: Path) -> tuple[npt.NDArray[np.uint8], bool]:
    """Return a constant's bytes, little endian, and whether they lie in another file.

    Args:
        proto: A `TensorProto`.
        folder: Of the model.

    Raises:
        CorruptFileError: The constant names a file outside the folder, one that is not there or
            too short, or its values do not fit its type.
    """
    from onnx import TensorProto, numpy_helper

    if proto.data_location == TensorProto.EXTERNAL:
        return _external(proto, folder), True
    if proto.HasField("raw_data"):
        return np.frombuffer(proto.raw_data, np.uint8), False
    if proto.data_type in {TensorProto.UNDEFINED, TensorProto.STRING}:
        return np.zeros(0, np.uint8), False
    try:
        values = numpy_helper.to_array(proto)
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise CorruptFileError(f"constant `{proto.name}`: its values do not fit it") from error
    return np.frombuffer(values.tobytes(), np.uint8), False


def _external(proto: Any, folder: Path) -> npt.NDArray[np.uint8]:
    entries = {entry.key: entry.value for entry in proto.external_data}
    location = entries.get("location", "")
    path = folder / location
    # Resolved, so that neither `..` nor a link leads out of the folder.
    if not location or not path.resolve().is_relative_to(folder.resolve()):
        raise CorruptFileError(
            f"constant `{proto.name}`: expected its bytes in the model's folder, received the "
            f"path {location!r}",
            hint="a model may not read other files of this machine",
        )
    try:
        offset, length = int(entries.get("offset", "0")), int(entries.get("length", "-1"))
    except ValueError as error:
        raise CorruptFileError(f"constant `{proto.name}`: damaged place of its bytes") from error
    if not path.is_file():
        raise CorruptFileError(
            f"constant `{proto.name}`: its bytes should lie in {location}, which is not there",
            hint="copy the file next to the model",
        )
    size = path.stat().st_size
    length = size - offset if length < 0 else length
    if offset < 0 or length < 0 or offset + length > size:
        raise CorruptFileError(
            f"constant `{proto.name}`: expected bytes {offset}..{offset + length} of {location}, "
            f"which has {size}"
        )
    return np.fromfile(path, np.uint8, count=length, offset=offset)
