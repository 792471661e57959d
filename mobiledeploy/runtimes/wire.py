"""Messages between processes: a JSON object and arrays. Nothing is pickled.

A message is the length of the JSON text (4 bytes, little endian), the text, and then the arrays'
bytes, whose types and shapes stand in the text. Whoever receives trusts nothing of it: a process
that hostile bytes took over could write what it likes.
"""

import json
import math
import struct
from collections.abc import Mapping, Sequence
from typing import IO, Any, Final

import numpy as np

from mobiledeploy.runtimes import Array

LONGEST_TEXT: Final = 1 << 22
LARGEST_ARRAY: Final = 1 << 31
_TYPES: Final = frozenset({"int8", "uint8", "int32", "float32"})


class BrokenMessageError(Exception):
    """The other side said something that is no message."""


def send(stream: IO[bytes], body: Mapping[str, Any], arrays: Sequence[Array] = ()) -> None:
    """Write a message.

    Args:
        stream: Buffered.
        body: What JSON can hold.
        arrays: int8, uint8, int32 or float32.

    Raises:
        OSError: The other side is gone.
    """
    described = [[str(array.dtype), list(array.shape)] for array in arrays]
    text = json.dumps({"body": body, "arrays": described}).encode()
    stream.write(struct.pack("<I", len(text)) + text)
    for array in arrays:
        stream.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    stream.flush()


def receive(stream: IO[bytes]) -> tuple[dict[str, Any], list[Array]]:
    """Read a message.

    Raises:
        EOFError: The other side is gone.
        BrokenMessageError: What came is no message of ours, or an absurdly large one.
    """
    (length,) = struct.unpack("<I", _exactly(stream, 4))
    if length > LONGEST_TEXT:
        raise BrokenMessageError(f"a text of {length} bytes")
    text = _exactly(stream, length)
    try:
        message = json.loads(text)
        body, described = message["body"], message["arrays"]
        shapes = [(str(kind), tuple(map(int, shape))) for kind, shape in described]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BrokenMessageError(f"no message: {error}") from error
    if not isinstance(body, dict):
        raise BrokenMessageError("the body is no object")
    return body, [_array(stream, kind, shape) for kind, shape in shapes]


def _array(stream: IO[bytes], kind: str, shape: tuple[int, ...]) -> Array:
    if kind not in _TYPES or len(shape) > 8 or min(shape, default=0) < 0:
        raise BrokenMessageError(f"an array of {kind} with shape {shape}")
    if math.prod(shape) * np.dtype(kind).itemsize > LARGEST_ARRAY:
        raise BrokenMessageError(f"an array of shape {shape}")
    array = np.empty(shape, kind)
    if array.size:
        _fill(stream, array.reshape(-1).view(np.uint8).data)
    return array


def _exactly(stream: IO[bytes], size: int) -> bytes:
    data = bytearray(size)
    _fill(stream, memoryview(data))
    return bytes(data)


def _fill(stream: IO[bytes], space: memoryview) -> None:
    done = 0
    while done < len(space):
        count = stream.readinto(space[done:])  # type: ignore[attr-defined]
        if not count:
            raise EOFError
        done += count
