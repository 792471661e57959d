"""The loadable segments of a native library: what decides on which page sizes it can run.

Layout: System V ABI, "Program Header". The files are untrusted: every offset is checked.
"""

import dataclasses
import struct
from typing import Final

from mobiledeploy.base.errors import CorruptFileError

MACHINES: Final = {"arm64-v8a": 183, "armeabi-v7a": 40, "x86": 3, "x86_64": 62}
"""`e_machine` by Android's name of the ABI."""
BITS: Final = {"arm64-v8a": 64, "armeabi-v7a": 32, "x86": 32, "x86_64": 64}
_LOAD: Final = 1


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A part of the file that is mapped into memory (`PT_LOAD`).

    Attributes:
        offset: In the file, bytes.
        address: In memory, bytes, relative to where the library is loaded.
        alignment: That both share, bytes.
    """

    offset: int
    address: int
    alignment: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """What an ELF header says.

    Attributes:
        bits: 32 or 64.
        machine: `e_machine`.
        segments: Those that are loaded.
    """

    bits: int
    machine: int
    segments: tuple[Segment, ...]

    def fits(self, page: int) -> bool:
        """Return whether every segment can be mapped where pages have `page` bytes.

        The loader maps whole pages: address and offset must be equal within a page, and the
        linker must have kept segments of different rights in pages of their own, which is what
        it promises by the alignment.
        """
        return all(
            segment.alignment >= page
            and segment.alignment % page == 0
            and (segment.address - segment.offset) % page == 0
            for segment in self.segments
        )


def read(data: bytes, *, where: str) -> Library:
    """Return a library's segments.

    Args:
        data: The whole file.
        where: Its name, for messages.

    Raises:
        CorruptFileError: It is no little-endian ELF file, or its header points outside it.
    """
    if len(data) < 20 or data[:4] != b"\x7fELF":
        raise CorruptFileError(f"{where} is no ELF library")
    if data[4] not in (1, 2) or data[5] != 1:
        raise CorruptFileError(f"{where}: expected a little-endian ELF file of 32 or 64 bits")
    wide = data[4] == 2
    try:
        (machine,) = struct.unpack_from("<H", data, 18)
        (table,) = struct.unpack_from("<Q" if wide else "<I", data, 32 if wide else 28)
        size, count = struct.unpack_from("<HH", data, 54 if wide else 42)
        layout = "<IIQQQQQQ" if wide else "<IIIIIIII"
        if count and size < struct.calcsize(layout):
            raise CorruptFileError(f"{where}: program headers of {size} bytes are too small")
        if table + count * size > len(data):
            raise CorruptFileError(f"{where}: its program headers lie outside the file")
        headers = [struct.unpack_from(layout, data, table + i * size) for i in range(count)]
    except struct.error as error:
        raise CorruptFileError(f"{where} is cut off") from error
    # The two widths order the fields differently; flags come second or second to last.
    segments = tuple(
        Segment(offset=row[2], address=row[3], alignment=row[7])
        if wide
        else Segment(offset=row[1], address=row[2], alignment=row[7])
        for row in headers
        if row[0] == _LOAD
    )
    if not segments:
        raise CorruptFileError(f"{where} has nothing that is loaded")
    for segment in segments:
        if segment.offset > len(data):
            raise CorruptFileError(f"{where}: a segment lies outside the file")
    return Library(bits=64 if wide else 32, machine=machine, segments=segments)
