"""The names of the classes in a DEX file.

Layout: source.android.com, "Dalvik executable format". The file is untrusted: every offset is
checked.
"""

import struct
from typing import Final

from mobiledeploy.base.errors import CorruptFileError

_HEADER: Final = 0x70
_CLASS_DEF: Final = 32


def class_names(data: bytes, *, where: str) -> frozenset[str]:
    """Return the classes that a DEX file defines, as `dev.mobiledeploy.demo.MainActivity`.

    Raises:
        CorruptFileError: It is no DEX file, or points outside itself.
    """
    if len(data) < _HEADER or data[:4] != b"dex\n":
        raise CorruptFileError(f"{where} is no DEX file")
    (size,) = struct.unpack_from("<I", data, 0x20)
    if size != len(data):
        raise CorruptFileError(f"{where} says that it has {size:,} bytes, it has {len(data):,}")
    strings, types, classes = (
        struct.unpack_from("<II", data, place) for place in (0x38, 0x40, 0x60)
    )
    try:
        return frozenset(
            _descriptor(data, strings, types, classes[1] + i * _CLASS_DEF)
            for i in range(classes[0])
        )
    except (struct.error, IndexError, UnicodeDecodeError, ValueError) as error:
        raise CorruptFileError(f"{where} is damaged: it points outside itself") from error


def _descriptor(data: bytes, strings: tuple[int, ...], types: tuple[int, ...], place: int) -> str:
    (kind,) = struct.unpack_from("<I", data, place)
    if kind >= types[0]:
        raise ValueError
    (string,) = struct.unpack_from("<I", data, types[1] + 4 * kind)
    if string >= strings[0]:
        raise ValueError
    (start,) = struct.unpack_from("<I", data, strings[1] + 4 * string)
    while data[start] & 0x80:  # the length in UTF-16 units, a number of 7 bits a byte
        start += 1
    text = data[start + 1 : data.index(0, start + 1)].decode("utf-8")
    if not (text.startswith("L") and text.endswith(";")):
        raise ValueError
    return text[1:-1].replace("/", ".")
