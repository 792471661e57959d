"""Read flatbuffers that may be damaged or hostile: every offset is checked before it is followed.

The format: https://flatbuffers.dev/internals. A table starts with the distance back to its vtable,
which gives each field's distance from the start of the table, 0 for an absent field.
"""

import dataclasses
import struct
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import CorruptFileError

MOST: Final = 16384
"""Most entries of a vector of tables, and most bytes of a string: several times what a network
needs. Tables may share their targets: without a limit a small file could take long to read."""


def root(data: bytes, identifier: bytes) -> "Table":
    """Return a file's root table.

    Raises:
        CorruptFileError: The file is too short, of another kind, or its root lies outside it.
    """
    if len(data) < 8 or data[4:8] != identifier:
        raise CorruptFileError(
            f"expected a file with the identifier {identifier.decode()} at byte 4, received "
            f"{len(data)} bytes that start with {data[:8].hex(' ') or 'nothing'}"
        )
    return Table.at(data, _unpack(data, "I", 0))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table in a buffer.

    Attributes:
        data: The whole file.
        position: Where the table starts.
        offsets: By slot: the field's distance from `position`; 0 if absent.
    """

    data: bytes = dataclasses.field(repr=False)
    position: int
    offsets: tuple[int, ...]

    @classmethod
    def at(cls, data: bytes, position: int) -> "Table":
        """Return the table at a position.

        Raises:
            CorruptFileError: It or its vtable lies outside the file.
        """
        vtable = position - _unpack(data, "i", position)
        size, extent = _unpack(data, "H", vtable), _unpack(data, "H", vtable + 2)
        _inside(data, vtable, size)
        _inside(data, position, extent)
        if size < 4 or size % 2:
            raise CorruptFileError(f"vtable at byte {vtable}: {size} is not a possible size")
        offsets = struct.unpack_from(f"<{size // 2 - 2}H", data, vtable + 4)
        return cls(data=data, position=position, offsets=offsets)

    def scalar(self, slot: int, kind: str, default: Any) -> Any:
        """Return a number; `kind` is its `struct` format character, `default` the schema's."""
        place = self.place(slot)
        return default if place is None else _unpack(self.data, kind, place)

    def table(self, slot: int) -> "Table | None":
        """Return the table that a field points to; None if absent."""
        place = self._follow(slot)
        return None if place is None else Table.at(self.data, place)

    def tables(self, slot: int) -> tuple["Table", ...]:
        """Return a vector of tables; empty if absent."""
        start, count = self._vector(slot, 4)
        if count > MOST:
            raise CorruptFileError(
                f"vector at byte {start}: expected at most {MOST} tables, received {count}"
            )
        places = range(start, start + 4 * count, 4)
        return tuple(
            Table.at(self.data, place + _unpack(self.data, "I", place)) for place in places
        )

    def numbers(self, slot: int, dtype: npt.DTypeLike) -> npt.NDArray[Any] | None:
        """Return a vector of numbers as a view of the file; None if absent."""
        if self.place(slot) is None:
            return None
        kind = np.dtype(dtype).newbyteorder("<")
        start, count = self._vector(slot, kind.itemsize)
        return np.frombuffer(self.data, kind, count, start)

    def text(self, slot: int) -> str:
        """Return a string; empty if absent."""
        start, count = self._vector(slot, 1)
        if count > MOST:
            raise CorruptFileError(f"string at byte {start}: {count} bytes are too many")
        try:
            return self.data[start : start + count].decode()
        except UnicodeDecodeError as error:
            raise CorruptFileError(f"string at byte {start} is not UTF-8") from error

    def place(self, slot: int) -> int | None:
        """Return the offset of a field in the file; None if absent."""
        offset = self.offsets[slot] if slot < len(self.offsets) else 0
        return self.position + offset if offset else None

    def _follow(self, slot: int) -> int | None:
        place = self.place(slot)
        return None if place is None else place + int(_unpack(self.data, "I", place))

    def _vector(self, slot: int, size: int) -> tuple[int, int]:
        """Return the offset of a vector's entries, and their number."""
        place = self._follow(slot)
        if place is None:
            return 0, 0
        count = int(_unpack(self.data, "I", place))
        _inside(self.data, place + 4, count * size)
        return place + 4, count


def _unpack(data: bytes, kind: str, place: int) -> Any:
    _inside(data, place, struct.calcsize(kind))
    return struct.unpack_from(f"<{kind}", data, place)[0]


def _inside(data: bytes, start: int, size: int) -> None:
    if start < 0 or start + size > len(data):
        raise CorruptFileError(
            f"expected bytes {start}..{start + size}, received a file of {len(data)} bytes",
            hint="the file was cut off or damaged",
        )
