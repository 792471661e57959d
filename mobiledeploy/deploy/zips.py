"""ZIP files with aligned entries, as Android maps them into memory.

Python's `zipfile` reads the directory. This module adds the offset of each entry's data, which has
to be aligned, and refuses a file that two readers could understand differently.
"""

import contextlib
import dataclasses
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

from mobiledeploy.base.errors import CorruptFileError

LARGEST: Final = 1 << 29
"""Most bytes of all entries together; an app with every ABI has a third of it."""
TIME: Final = (1981, 1, 1, 1, 1, 2)
"""Time of every entry that is written, so that equal content gives equal bytes."""
_LOCAL: Final = struct.Struct("<4s5H3I2H")
_PADDING: Final = 0xD935
"""Id of the extra field that Android's tools use for padding."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file in a ZIP.

    Attributes:
        name: Its path in the ZIP.
        stored: Whether its data are uncompressed.
        offset: Byte at which its data begin in the ZIP.
        size: Bytes of the uncompressed data.
    """

    name: str
    stored: bool
    offset: int
    size: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NewEntry:
    """A file to be written into a ZIP.

    Attributes:
        name: Its path in the ZIP.
        data: Its bytes.
        alignment: A number of bytes of which the data's offset must be a multiple; None compresses
            the data.
    """

    name: str
    data: bytes
    alignment: int | None


def entries(path: Path) -> tuple[Entry, ...]:
    """Return the entries of a ZIP, without folders.

    Raises:
        CorruptFileError: It is damaged, ambiguous, too large, or names paths outside itself.
    """
    with _reading(path), zipfile.ZipFile(path) as archive, path.open("rb") as file:
        end = file.seek(0, 2)
        infos = [info for info in archive.infolist() if not info.filename.endswith("/")]
        listed = tuple(
            Entry(
                name=_safe(info, path),
                stored=info.compress_type == zipfile.ZIP_STORED,
                offset=_offset(file, info, end, path),
                size=info.file_size,
            )
            for info in infos
        )
    names = [entry.name for entry in listed]
    if len(set(names)) != len(names):
        double = next(name for name in names if names.count(name) > 1)
        raise CorruptFileError(f"{path} holds {double} twice")
    if sum(entry.size for entry in listed) > LARGEST:
        raise CorruptFileError(f"{path} holds more than {LARGEST:,} bytes")
    return listed


def read(path: Path, names: Iterable[str]) -> dict[str, bytes]:
    """Return the uncompressed bytes of entries by name.

    Raises:
        CorruptFileError: An entry is missing or damaged.
    """
    with _reading(path), zipfile.ZipFile(path) as archive:
        try:
            return {name: archive.read(name) for name in names}
        except KeyError as error:
            raise CorruptFileError(f"{path} holds no {error.args[0]}") from error


def write(path: Path, content: Iterable[NewEntry]) -> None:
    """Write a ZIP; the same entries in the same order give the same bytes (with the same zlib)."""
    with zipfile.ZipFile(path, "w") as archive:
        for entry in content:
            info = zipfile.ZipInfo(entry.name, TIME)
            info.create_system = 3
            info.external_attr = 0o100644 << 16
            if entry.alignment is None:
                info.compress_type = zipfile.ZIP_DEFLATED
            else:
                start = archive.start_dir + _LOCAL.size + len(entry.name.encode())
                info.extra = _padding(start, entry.alignment)
            archive.writestr(info, entry.data)


def _padding(start: int, alignment: int) -> bytes:
    """Return an extra field after which data that would begin at `start` is aligned."""
    missing = -start % alignment
    if not missing:
        return b""
    head = struct.Struct("<3H")
    while missing < head.size:
        missing += alignment
    return head.pack(_PADDING, missing - 4, alignment) + bytes(missing - head.size)


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except zipfile.BadZipFile as error:
        raise CorruptFileError(f"{path} is not a complete ZIP file: {error}") from error
    except (EOFError, NotImplementedError, RuntimeError, ValueError, zlib.error) as error:
        # Cut off, of an unknown method, encrypted, with impossible offsets or names, garbled.
        raise CorruptFileError(f"{path} is damaged: {error}") from error
    except OSError as error:
        raise CorruptFileError(f"{path} cannot be read: {error.strerror or error}") from error


def _safe(info: zipfile.ZipInfo, path: Path) -> str:
    name = info.filename
    parts = name.split("/")
    if name != info.orig_filename or "\\" in name or {"", ".", ".."} & set(parts):
        raise CorruptFileError(f"{path} holds the unsafe name {info.orig_filename!r}")
    return name


def _offset(file: BinaryIO, info: zipfile.ZipInfo, end: int, path: Path) -> int:
    """Return the offset of an entry's data by its local header, which must match the directory."""
    if not 0 <= info.header_offset <= end - _LOCAL.size:
        raise CorruptFileError(f"{path}: {info.filename} lies outside the file")
    file.seek(info.header_offset)
    header = _LOCAL.unpack(file.read(_LOCAL.size))
    magic: bytes = header[0]
    method: int = header[3]
    name_length: int = header[-2]
    extra_length: int = header[-1]
    name = file.read(name_length)
    encoding = "utf-8" if info.flag_bits & 0x800 else "cp437"
    if magic != b"PK\3\4" or name != info.filename.encode(encoding):
        raise CorruptFileError(f"{path}: {info.filename} has another name in its local header")
    if method != info.compress_type:
        raise CorruptFileError(f"{path}: {info.filename} has another method in its local header")
    offset = info.header_offset + _LOCAL.size + name_length + extra_length
    if offset + info.compress_size > end:
        raise CorruptFileError(f"{path}: {info.filename} lies outside the file")
    if method == zipfile.ZIP_STORED and info.compress_size != info.file_size:
        raise CorruptFileError(f"{path}: {info.filename} is stored, but its two sizes differ")
    return offset
