"""Find the image files under a folder, without following links out of it."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from mobiledeploy.base.errors import RequestError
from mobiledeploy.base.files import printable
from mobiledeploy.data.image_formats import RAW, is_heic

_SUFFIXES: Final = RAW | {
    ".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".mpo", ".png", ".apng", ".webp", ".bmp", ".dib",
    ".gif", ".heic", ".heif", ".heics", ".heifs", ".hif", ".avif", ".avifs", ".tif", ".tiff",
    ".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx", ".jpm", ".jxl", ".jxr", ".hdp", ".wdp", ".ppm",
    ".pgm", ".pbm", ".pnm", ".pam", ".pfm", ".ico", ".cur", ".icns", ".psd", ".tga", ".icb",
    ".vda", ".vst", ".pcx", ".dcx", ".dds", ".exr", ".hdr", ".qoi", ".svg", ".xcf", ".xbm", ".xpm",
    ".ras", ".sgi", ".rgb", ".rgba", ".bw", ".dcm", ".eps", ".ps", ".wmf", ".emf", ".fits", ".fit",
    ".pcd", ".blp", ".msp", ".im", ".fli", ".flc", ".ftu", ".ftc", ".pxr", ".gbr",
}  # fmt: skip
"""Suffixes of images. Those that cannot be decoded count as unreadable instead of being
ignored."""
_SIGNATURES: Final = (
    b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*",
    b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51", b"\0\0\0\x0cJXL ", b"\xff\x0a", b"8BPS\0\1", b"qoif",
    *(b"P%d%c" % (kind, blank) for kind in range(1, 7) for blank in b" \t\r\n"),
)  # fmt: skip
"""First bytes of JPEG, PNG, GIF, TIFF, JPEG 2000, JPEG XL, Photoshop, QOI, PBM, PGM and PPM."""
_AVIF: Final = (b"avif", b"avis")
"""Bytes 8 to 12 of AVIF files."""
_IGNORED: Final = (".", "__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information")
"""Prefixes of names that are ignored: hidden files, and folders of operating systems (`@eaDir`
holds thumbnails)."""


def entries(folder: Path) -> list[Path]:
    """Return the entries of a folder, sorted by name, without hidden files and folders.

    Raises:
        RequestError: The folder cannot be listed.
    """
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith(_IGNORED))
    except OSError as error:
        raise RequestError(
            f"cannot list the folder {printable(folder)}: {error.strerror}",
            hint="check the folder's name, and whether you may read it",
        ) from error


def visible_entries(folder: Path, root: Path) -> list[Path]:
    """Return `entries`, after checking the links among them.

    Args:
        folder: The folder.
        root: The resolved folder that no symbolic link may lead out of.

    Raises:
        RequestError: The folder cannot be listed, or see `check_link`.
    """
    paths = entries(folder)
    for path in paths:
        if path.is_symlink():
            check_link(path, root)
    return paths


def images_and_others(folder: Path, root: Path) -> tuple[list[Path], list[Path]]:
    """Return the images anywhere under `folder`, and the other files, both sorted by name.

    Raises:
        RequestError: See `visible_entries` and `is_image`.
    """
    images: list[Path] = []
    others: list[Path] = []
    for path in visible_entries(folder, root):
        if path.is_dir():
            inside = images_and_others(path, root)
            images += inside[0]
            others += inside[1]
        elif path.is_file():
            (images if is_image(path) else others).append(path)
    return images, others


def counts_by_suffix(paths: Sequence[Path]) -> dict[str, int]:
    """Return the number of files by suffix, the most frequent first.

    >>> counts_by_suffix([Path("a.txt"), Path("b.TXT"), Path("c")])
    {'.txt': 2, 'without a suffix': 1}
    """
    counts = Counter(printable(path.suffix.lower()) or "without a suffix" for path in paths)
    return dict(counts.most_common())


def in_words(counts: Mapping[str, int]) -> str:
    """Return numbers of files by suffix in words.

    >>> in_words({".txt": 2, "without a suffix": 1})
    '2 .txt, 1 without a suffix'
    """
    return ", ".join(f"{count} {suffix}" for suffix, count in counts.items())


def is_image(path: Path) -> bool:
    """Whether a file has the suffix of an image or, with another suffix, begins like one.

    Raises:
        RequestError: The file cannot be read.
    """
    if path.suffix.lower() in _SUFFIXES:
        return True
    try:
        with path.open("rb") as handle:
            start = handle.read(12)
    except OSError as error:
        raise RequestError(
            f"cannot read {printable(path)}: {error.strerror}",
            hint="check whether you may read the file",
        ) from error
    return (
        start.startswith(_SIGNATURES)
        or (start[:4] == b"RIFF" and start[8:] == b"WEBP")
        or (start[4:8] == b"ftyp" and start[8:] in _AVIF)
        or is_heic(start)
    )


def check_link(path: Path, root: Path) -> None:
    """Check that a symbolic link leads to a file below a folder.

    Args:
        path: The link.
        root: The resolved folder.

    Raises:
        RequestError: It is broken, leads out of the folder, or leads to a folder.
    """
    target = Path(os.path.realpath(path))
    if not path.exists():
        raise RequestError(
            f"{printable(path)} is a broken link to {printable(target)}",
            hint="delete the link, or copy the image into the folder",
        )
    if not target.is_relative_to(root):
        raise RequestError(
            f"{printable(path)} links to {printable(target)}, outside the data folder",
            hint="copy the images into the folder",
        )
    if target.is_dir():
        raise RequestError(
            f"{printable(path)} links to a folder, expected images or folders of images",
            hint="copy the images into the folder",
        )
