"""The bytes of an ONNX constant, wherever they are: in the file, or in another one beside it."""

import math
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.base import files
from mobiledeploy.base.errors import CorruptFileError

MOST_OUTSIDE: Final = 1 << 31
"""Bytes in other files together: as many as a file itself may have."""


class Weights:
    """The bytes of a model's constants.

    Attributes:
        outside: Bytes that lie in other files.
    """

    def __init__(self, folder: Path) -> None:
        """Begin with nothing read.

        Args:
            folder: Of the model.
        """
        self.outside = 0
        self._folder = folder
        self._read: dict[tuple[Path, int, int], npt.NDArray[np.uint8]] = {}
        self._left: dict[Path, int] = {}

    def of(self, proto: Any) -> npt.NDArray[np.uint8]:
        """Return a constant's bytes, little endian.

        Args:
            proto: A `TensorProto`.

        Raises:
            CorruptFileError: The constant names a file outside the folder, one that is not there
                or too short, or its values do not fit its type.
        """
        from onnx import TensorProto, numpy_helper

        if proto.data_location == TensorProto.EXTERNAL:
            return self._external(proto)
        if proto.HasField("raw_data"):
            return np.frombuffer(proto.raw_data, np.uint8)
        if proto.data_type in {TensorProto.UNDEFINED, TensorProto.STRING}:
            return np.zeros(0, np.uint8)
        try:
            values = numpy_helper.to_array(proto)
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            raise CorruptFileError(f"constant `{proto.name}`: its values do not fit it") from error
        return np.frombuffer(values.tobytes(), np.uint8)

    def _external(self, proto: Any) -> npt.NDArray[np.uint8]:
        place = _place(proto, self._folder)
        if place in self._read:
            return self._read[place]
        path, offset, length = place
        _check_length(proto, length)
        if self.outside + length > MOST_OUTSIDE:
            raise CorruptFileError(
                f"constant `{proto.name}`: expected at most {MOST_OUTSIDE:,} bytes in other files"
            )
        # Parts that overlap would let a small file fill the memory.
        self._left.setdefault(path, path.stat().st_size)
        self._left[path] -= length
        if self._left[path] < 0:
            raise CorruptFileError(f"constant `{proto.name}`: its bytes overlap those of others")
        self._read[place] = np.fromfile(path, np.uint8, count=length, offset=offset)
        self.outside += length
        return self._read[place]


def _check_length(proto: Any, length: int) -> None:
    """Compare bytes that lie elsewhere with the constant's shape, before they are read.

    Raises:
        CorruptFileError: They do not fit.
    """
    from onnx import TensorProto, helper

    if proto.data_type not in TensorProto.DataType.values():
        return
    try:
        size = helper.tensor_dtype_to_np_dtype(proto.data_type).itemsize
    except KeyError:  # text, or nothing at all
        size = 0
    # Narrow types share bytes, so that fewer than one each may be right.
    expected = math.prod(proto.dims) * size
    if length > expected:
        raise CorruptFileError(
            f"constant `{proto.name}`: expected {expected} bytes for its shape, received {length}"
        )


def _place(proto: Any, folder: Path) -> tuple[Path, int, int]:
    """Return file, offset and length of bytes that lie elsewhere; they are there."""
    entries = {entry.key: entry.value for entry in proto.external_data}
    location = entries.get("location", "")
    path = files.below(folder, location)
    if path is None:
        raise CorruptFileError(
            f"constant `{proto.name}`: expected its bytes in the model's folder, received the "
            f"path {location[: files.MOST_NAME]!r}",
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
    return path, offset, length
