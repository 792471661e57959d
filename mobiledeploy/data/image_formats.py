"""Which image formats are read, and what a file is that is none of them."""

import importlib.util
from collections.abc import Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from PIL import Image

FORMATS: Final = (
    "JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "JPEG2000", "AVIF", "ICO", "QOI", "PSD",
    "SGI", "PCX", "DIB",
)  # fmt: skip
"""Pillow's names of the formats that are read. Others, such as EPS, run programs, or are
recognised by their suffix alone."""
HEIF: Final = "HEIF"
"""Name of the format that is read if the package `pillow-heif` is installed."""
LISTED: Final = "JPEG, PNG, WebP, AVIF, BMP, GIF, TIFF, JPEG 2000, PPM, PGM, PBM, ICO, QOI"
"""The usual ones, for messages."""
RAW: Final = frozenset({
    ".dng", ".raw", ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".erf", ".kdc", ".mef", ".mrw",
    ".nef", ".nrw", ".orf", ".pef", ".raf", ".rw2", ".sr2", ".srf", ".srw", ".x3f",
})  # fmt: skip
"""Suffixes of cameras' raw files, in which Pillow finds a small preview at best."""
_THUMBNAIL, _DNG_VERSION = 254, 50706
"""TIFF tags: NewSubfileType, whose first bit means a reduced image, and DNGVersion."""
_STARTS: Final[Mapping[bytes, str]] = {
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"\xff\x0a": "JPEG XL",
    b"%!PS": "PostScript",
    b"<svg": "SVG",
    b"<?xml": "XML, such as SVG",
    b"<!doctype html": "a web page",
    b"<html": "a web page",
    b"%PDF": "PDF",
}
_KINDS: Final[Mapping[str, str]] = {
    ".jxl": "JPEG XL", ".svg": "SVG", ".eps": "PostScript", ".ps": "PostScript",
    ".exr": "OpenEXR", ".hdr": "Radiance HDR", ".dcm": "DICOM", ".tga": "Targa",
    ".xcf": "a GIMP project", ".jxr": "JPEG XR", ".wdp": "JPEG XR", ".hdp": "JPEG XR",
    ".wmf": "a Windows metafile", ".emf": "a Windows metafile", ".dds": "a DirectDraw texture",
    ".fits": "FITS", ".fit": "FITS",
}  # fmt: skip
_HEIC: Final = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
"""Bytes 8 to 12 of HEIC files."""


def is_heic(data: bytes) -> bool:
    """Whether a file begins as HEIC files do."""
    return data[4:8] == b"ftyp" and data[8:12] in _HEIC and b"avif" not in data[8:32]


def readable(data: bytes) -> tuple[str, ...]:
    """Return the formats to try on a file, after loading the package that its format needs."""
    if is_heic(data) and importlib.util.find_spec("pillow_heif") is not None:
        import pillow_heif

        pillow_heif.register_heif_opener()
        return (HEIF,)
    return FORMATS


def refused(image: "Image.Image", name: str) -> str:
    """Return why an image that Pillow opens is none; empty if it is one.

    A raw file opens as a TIFF, whose first image may be a small preview.
    """
    tags = getattr(image, "tag_v2", {})
    if PurePath(name).suffix.lower() in RAW or _DNG_VERSION in tags:
        return "a camera's raw file, which is not read"
    reduced = tags.get(_THUMBNAIL, 0)
    if isinstance(reduced, int) and reduced & 1:
        return "a TIFF file that begins with a small preview, as raw files do"
    return ""


def kind(data: bytes, name: str) -> str:
    """Return what a file is that is not read, in words that follow "is"."""
    suffix = PurePath(name).suffix.lower()
    start = data[:16].lstrip().lower()
    if is_heic(data):
        return "HEIC, for which the package pillow-heif is needed"
    if suffix in RAW:
        return "a camera's raw file, which is not read"
    if not data:
        return "empty"
    for begin, what in _STARTS.items():
        if start.startswith(begin.lower()):
            return f"{what}, which is not read"
    if suffix in _KINDS:
        return f"{_KINDS[suffix]}, which is not read"
    return f"none of {LISTED}"
