"""Read `.npz` files safely: no pickles, bounded sizes.

The files may come from anywhere. Each array has a header with its type and shape, and the ZIP
states each array's unpacked size: both are checked before memory is allocated.
"""

import math
import struct
import sys
import tokenize
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import CorruptFileError

MAX_RATIO: Final = 100
"""Largest ratio of the arrays' size to the file's. Photos have one or two, drawings twenty."""
ALWAYS_ALLOWED: Final = 1 << 28
"""Bytes that the arrays may have at any ratio."""
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""The compression methods that NumPy uses."""
_PIECE: Final = 1 << 24
_KINDS: Final = "biufU"
"""The `dtype.kind`s that our files hold: booleans, numbers and text."""
_DAMAGE: Final = (
    OSError, EOFError, KeyError, ValueError, TypeError, OverflowError, SyntaxError, RuntimeError,
    struct.error, tokenize.TokenError, zlib.error, zipfile.BadZipFile,
)  # fmt: skip
"""What `zipfile` and NumPy's reader of headers raise on damaged files: an encrypted entry is a
RuntimeError, and a header is parsed as a Python literal."""


def read(path: Path, names: Sequence[str], *, what: str) -> dict[str, npt.NDArray[Any]]:
    """Return arrays of an `.npz` file by name.

    Args:
        path: The file.
        names: The arrays to read; others are ignored.
        what: What the file holds, for messages.

    Raises:
        CorruptFileError: The file is missing or damaged, lacks an array, holds one that is not
            of numbers or text, or unpacks to more than `MAX_RATIO` allows.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [archive.getinfo(f"{name}.npy") for name in names]
            total, most = sum(entry.file_size for entry in entries), _max_bytes(path)
            if total > most:
                raise CorruptFileError(
                    f"{path} cannot be read as {what}: its arrays would have {total:,} bytes, "
                    f"expected at most {most:,}"
                )
            arrays = {}
            for name, entry in zip(names, entries, strict=True):
                if entry.compress_type not in _METHODS:
                    raise ValueError(f"compressed by method {entry.compress_type}")
                with archive.open(entry) as handle:
                    arrays[name] = _array(handle, entry.file_size)
    except _DAMAGE as error:
        raise _damaged(path, what, error) from error
    return arrays


def stored(path: Path, *, what: str) -> tuple[str, ...]:
    """Return the names of the arrays of an `.npz` file.

    Args:
        path: The file.
        what: What it holds, for messages.

    Raises:
        CorruptFileError: The file is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return tuple(name.removesuffix(".npy") for name in archive.namelist())
    except _DAMAGE as error:
        raise _damaged(path, what, error) from error


def read_array(path: Path, *, what: str) -> npt.NDArray[Any]:
    """Return the array of an `.npy` file.

    Args:
        path: The file.
        what: What it holds, for messages.

    Raises:
        CorruptFileError: The file is damaged, or its array is not of numbers or text.
    """
    try:
        with path.open("rb") as handle:
            return _array(handle, path.stat().st_size)
    except _DAMAGE as error:
        raise _damaged(path, what, error) from error


def _damaged(path: Path, what: str, error: BaseException) -> CorruptFileError:
    return CorruptFileError(
        f"{path} cannot be read as {what}: {' '.join(str(error).split())[:200]}",
        hint="the file is damaged: copy the folder again, or build again",
    )


def _max_bytes(path: Path) -> int:
    return max(ALWAYS_ALLOWED, MAX_RATIO * path.stat().st_size)


def _array(handle: Any, size: int) -> npt.NDArray[Any]:
    """Return the array in an entry of `size` bytes."""
    shape, fortran, dtype = _header(handle)
    wanted = math.prod(shape) * dtype.itemsize
    if dtype.kind not in _KINDS or min(shape, default=0) < 0 or wanted > size:
        raise ValueError(f"{size} bytes cannot hold {dtype} of shape {shape}")
    data = np.empty(wanted, np.uint8)
    place = 0
    while place < wanted:
        read = handle.readinto(data.data[place : place + _PIECE])
        if not read:
            raise ValueError(f"{place} bytes cannot hold {dtype} of shape {shape}")
        place += read
    if handle.read(1):  # reading to the end also checks the checksum
        raise ValueError(f"more bytes than {dtype} of shape {shape} has")
    values = data.view(dtype) if wanted else np.empty(0, dtype)
    letters = np.dtype(np.uint32).newbyteorder(dtype.byteorder)
    if dtype.kind == "U" and wanted and data.view(letters).max() > sys.maxunicode:
        raise ValueError("text with numbers that are no characters")
    whole = values.reshape(shape, order="F" if fortran else "C")
    return whole.astype(dtype.newbyteorder("="), copy=False)


def _header(handle: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(handle)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(handle)
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0(handle)
    raise ValueError(f"version {version} of the format of arrays")
