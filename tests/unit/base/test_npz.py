"""`.npz` files are read without pickles and within a size limit."""

import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mobiledeploy.base import npz
from mobiledeploy.base.errors import CorruptFileError

VALUES = {
    "a": np.arange(6, dtype=np.float32).reshape(2, 3),
    "b": np.array(["one", "zwölf"]),
    "c": np.asfortranarray(np.arange(6, dtype=">i4").reshape(3, 2)),
    "d": np.zeros((0, 4), np.uint8),
    "e": np.array(7),
}


def entry(values: object) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asanyarray(values), allow_pickle=True)
    return buffer.getvalue()


def header(text: str, version: int = 1) -> bytes:
    size = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + size + text.encode()


def claim(shape: object, descr: object = "|u1") -> bytes:
    return header(repr({"descr": descr, "fortran_order": False, "shape": shape}) + "\n")


def archive(path: Path, content: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.npy", content)
    return path


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_files_of_numpy_are_read(tmp_path: Path, save: Callable[..., None]) -> None:
    path = tmp_path / "x.npz"
    save(path, **VALUES)
    arrays = npz.read(path, tuple(VALUES), what="values")
    for name, values in VALUES.items():
        assert np.array_equal(arrays[name], values)
        assert arrays[name].dtype == values.dtype.newbyteorder("=")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        entry([{}]),
        entry(np.array(["2020-01-01"], "M8[D]")),
        entry(np.zeros(2, [("x", "i4")])),
        entry(np.zeros(9))[:-1],
        entry(np.zeros(9)) + b"x",
        claim((2**62,)),
        claim((2**40, 2**40), "<i8"),
        claim((-1,)),
        claim("x"),
        claim((3,), "no type"),
        header("{'descr': 'x'"),
        header("(" * 9000),
        header("__import__('os').abort()\n"),
        header("{}", version=3),
        claim((1,), "<U1") + b"\xff\xff\xff\xff",
        b"\x80\x04cos\nabort\n)R.",
    ],
)
def test_an_error_names_an_invalid_array(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(CorruptFileError, match=r"x\.npz cannot be read as values") as caught:
        npz.read(archive(tmp_path / "x.npz", content), ("a",), what="values")
    assert caught.value.hint


def test_an_archive_above_the_compression_limit_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file,
        file.open("a.npy", "w", force_zip64=True) as into,
    ):
        into.write(claim((npz.ALWAYS_ALLOWED + 1,)))
        for _ in range(npz.ALWAYS_ALLOWED >> 24):
            into.write(bytes(1 << 24))
        into.write(b"\0")
    with pytest.raises(CorruptFileError, match="would have 268,435,"):
        npz.read(path, ("a",), what="values")


def test_damaged_archives_are_refused(tmp_path: Path) -> None:
    whole = archive(tmp_path / "whole.npz", entry(np.arange(99))).read_bytes()
    path = tmp_path / "x.npz"
    directory = whole.index(b"PK\x01\x02")
    encrypted, unknown, twisted = bytearray(whole), bytearray(whole), bytearray(whole)
    lzma = bytearray(whole)
    lzma[8] = lzma[directory + 10] = zipfile.ZIP_LZMA
    encrypted[6] |= 1
    encrypted[directory + 8] |= 1
    unknown[8] = unknown[directory + 10] = 99
    twisted[60] ^= 255
    for data in (b"", b"PK", whole[: len(whole) // 2], encrypted, unknown, lzma, twisted):
        path.write_bytes(data)
        with pytest.raises(CorruptFileError, match="cannot be read as values"):
            npz.read(path, ("a",), what="values")
    with pytest.raises(CorruptFileError, match="cannot be read as values"):
        npz.read(tmp_path / "none.npz", ("a",), what="values")
    with pytest.raises(CorruptFileError, match=r"no item named 'b\.npy'"):
        npz.read(tmp_path / "whole.npz", ("b",), what="values")
