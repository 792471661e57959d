"""`Buffers`: where a `.tflite` keeps its values, in the flatbuffer or behind it."""

from collections import Counter

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.formats.model import Buffer
from mobiledeploy.formats.tflite import schema
from mobiledeploy.formats.tflite.flatbuffer import Table


class Buffers:
    """A file's buffers, with the tensors that use them.

    Attributes:
        outside: Number of bytes behind the flatbuffer.
    """

    def __init__(self, data: bytes, tables: tuple[Table, ...]) -> None:
        """Find the buffers' bytes.

        Args:
            data: The file.
            tables: The tables of its buffers.

        Raises:
            CorruptFileError: A buffer lies outside the file, or they overlap.
        """
        self.outside = 0
        self._users: Counter[int] = Counter()
        self._names: dict[int, str] = {}
        self._contents = [self._content(data, table) for table in tables]
        # Buffers may be shared, but no converter's file has more in total than its size;
        # without this check the time to read a file would have no bound.
        distinct = {(place, content.size) for place, content in self._contents}
        total = sum(size for _, size in distinct)
        if total > len(data):
            raise CorruptFileError(
                f"expected buffers within the file's {len(data)} bytes, received buffers that "
                f"overlap: {total} bytes"
            )

    def use(self, number: int, name: str) -> npt.NDArray[np.uint8]:
        """Return a buffer's bytes, and record the user's name.

        Raises:
            CorruptFileError: There is no such buffer.
        """
        if number >= max(len(self._contents), 1):
            raise CorruptFileError(
                f"`{name}`: expected a buffer below {len(self._contents)}, received {number}"
            )
        self._users[number] += 1
        self._names.setdefault(number, name)
        return self._contents[number][1] if self._contents else np.zeros(0, np.uint8)

    def place(self, number: int) -> int:
        """Return the offset of a buffer's bytes in the file."""
        return self._contents[number][0]

    def filled(self) -> tuple[Buffer, ...]:
        """Return all buffers that are not empty."""
        return tuple(
            Buffer(
                name=self._names.get(number, f"buffer {number}"),
                users=self._users[number],
                place=place,
                content=content,
            )
            for number, (place, content) in enumerate(self._contents)
            if content.size
        )

    def _content(self, data: bytes, table: Table) -> tuple[int, npt.NDArray[np.uint8]]:
        offset = table.scalar(schema.Buffer.OFFSET, "Q", 0)
        size = table.scalar(schema.Buffer.SIZE, "Q", 0)
        # 0 and 1 mean "not behind the flatbuffer", as in TFLite's own reader.
        if offset > 1 and size > 0:
            if offset + size > len(data):
                raise CorruptFileError(
                    f"expected a buffer at bytes {offset}..{offset + size}, received a file of "
                    f"{len(data)} bytes",
                    hint="the file was cut off or damaged",
                )
            self.outside += size
            return offset, np.frombuffer(data, np.uint8, size, offset)
        content = table.numbers(schema.Buffer.DATA, np.uint8)
        if content is None or not content.size:
            return 0, np.zeros(0, np.uint8)
        return content.ctypes.data - np.frombuffer(data, np.uint8).ctypes.data, content
