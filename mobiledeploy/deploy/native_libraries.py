"""Check that an app's native libraries load on phones with 16 KB memory pages.

The rule (developer.android.com, "Support 16 KB page sizes"): in the 64-bit ABIs every segment of
every library is aligned to 16 KB, and a library that is stored uncompressed begins in the APK at a
multiple of 16 KB, since it is mapped from there. 32-bit phones have 4 KB pages only.

The layout of an ELF file: System V ABI, "Program Header". The files are untrusted: every offset is
checked.
"""

import dataclasses
import struct
from pathlib import Path
from typing import Final

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.deploy import zips

PAGE: Final = 16384
"""Bytes of a memory page on newer 64-bit phones."""
SMALL_PAGE: Final = 4096
"""Bytes of a memory page on all other phones."""
MUST_ALIGN: Final = ("arm64-v8a", "x86_64")
"""ABIs of phones that may have 16 KB pages."""
MACHINES: Final = {"arm64-v8a": 183, "armeabi-v7a": 40, "x86": 3, "x86_64": 62}
"""`e_machine` in the ELF header, by Android's name of the ABI."""
BITS: Final = {"arm64-v8a": 64, "armeabi-v7a": 32, "x86": 32, "x86_64": 64}
_LOAD: Final = 1


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A part of the file that is mapped into memory (`PT_LOAD`).

    Attributes:
        offset: Offset in the file, in bytes.
        address: Address in memory, in bytes, relative to where the library is loaded.
        alignment: Alignment of offset and address, in bytes.
    """

    offset: int
    address: int
    alignment: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NativeLibrary:
    """The part of an ELF header that decides where a library can be loaded.

    Attributes:
        bits: 32 or 64.
        machine: `e_machine`.
        segments: The segments that are mapped into memory.
    """

    bits: int
    machine: int
    segments: tuple[Segment, ...]

    def fits(self, page: int) -> bool:
        """Return whether every segment can be mapped where pages have `page` bytes.

        The loader maps whole pages, so address and offset must be equal modulo a page. Segments
        with different access rights must not share a page, which the linker states by `alignment`.
        """
        return all(
            segment.alignment >= page
            and segment.alignment % page == 0
            and (segment.address - segment.offset) % page == 0
            for segment in self.segments
        )


def read_elf(data: bytes, *, where: str) -> NativeLibrary:
    """Return a library's segments.

    Args:
        data: The whole file.
        where: Its name, for messages.

    Raises:
        CorruptFileError: It is not a little-endian ELF file, or its header points outside it.
    """
    if len(data) < 20 or data[:4] != b"\x7fELF":
        raise CorruptFileError(f"{where} is not an ELF library")
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
        raise CorruptFileError(f"{where} has no segment that is loaded into memory")
    for segment in segments:
        if segment.offset > len(data):
            raise CorruptFileError(f"{where}: a segment lies outside the file")
    return NativeLibrary(bits=64 if wide else 32, machine=machine, segments=segments)


def library_problem(data: bytes, abi: str, *, where: str, page: int = PAGE) -> str | None:
    """Return why a library cannot go into an APK; None if it can.

    Args:
        data: The whole library.
        abi: The ABI that it is meant for.
        where: Its name, for messages.
        page: Bytes of a page in the 64-bit ABIs.

    Raises:
        CorruptFileError: It is not a library.
    """
    library = read_elf(data, where=where)
    if library.machine != MACHINES[abi] or library.bits != BITS[abi]:
        return f"{where} is a library for another processor, expected {abi}"
    if not library.fits(page if abi in MUST_ALIGN else SMALL_PAGE):
        least = min(segment.alignment for segment in library.segments)
        return f"{where} is aligned for pages of {least:,} bytes, expected {page:,}"
    return None


def apk_problems(apk: Path, *, page: int = PAGE) -> tuple[str, ...]:
    """Return why an APK's libraries cannot be loaded with pages of `page` bytes, one text each.

    Raises:
        CorruptFileError: The APK or a library is damaged, or a library lies at an unknown place.
    """
    problems = []
    libraries = [entry for entry in zips.entries(apk) if entry.name.startswith("lib/")]
    contents = zips.read(apk, (entry.name for entry in libraries))
    for entry in libraries:
        _, abi, *_ = entry.name.split("/")
        if abi not in MACHINES:
            problems.append(
                f"{entry.name} is for an unknown ABI, expected one of {', '.join(MACHINES)}"
            )
            continue
        problem = library_problem(contents[entry.name], abi, where=entry.name, page=page)
        if problem:
            problems.append(problem)
        if entry.stored and entry.offset % (page if abi in MUST_ALIGN else SMALL_PAGE):
            problems.append(
                f"{entry.name} begins at byte {entry.offset:,}, expected a multiple of {page:,}"
            )
    return tuple(problems)
