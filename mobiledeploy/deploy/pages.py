"""Whether an app's native libraries run on phones with 16 KB memory pages.

The rule (developer.android.com, "Support 16 KB page sizes"): in the 64-bit ABIs every segment of
every library is aligned to 16 KB, and a library that is not compressed begins in the APK at a
multiple of 16 KB, since it is mapped from there. Phones of 32 bits have 4 KB pages only.
"""

from pathlib import Path
from typing import Final

from mobiledeploy.deploy import elf, zips

PAGE: Final = 16384
SMALL_PAGE: Final = 4096
MUST_ALIGN: Final = ("arm64-v8a", "x86_64")


def library_problem(data: bytes, abi: str, *, where: str, page: int = PAGE) -> str | None:
    """Return why a library cannot be taken, or None.

    Args:
        data: The whole library.
        abi: The folder that it is meant for.
        where: Its name, for messages.
        page: Bytes of a page in the 64-bit ABIs.

    Raises:
        CorruptFileError: It is no library.
    """
    library = elf.read(data, where=where)
    if library.machine != elf.MACHINES[abi] or library.bits != elf.BITS[abi]:
        return f"{where} is a library for another processor than {abi}"
    if not library.fits(page if abi in MUST_ALIGN else SMALL_PAGE):
        least = min(segment.alignment for segment in library.segments)
        return f"{where} is aligned for pages of {least:,} bytes, expected {page:,}"
    return None


def problems(apk: Path, *, page: int = PAGE) -> tuple[str, ...]:
    """Return what keeps an APK's libraries from running with pages of `page` bytes.

    Raises:
        CorruptFileError: The APK or a library is damaged, or a library lies at an unknown place.
    """
    found = []
    libraries = [entry for entry in zips.entries(apk) if entry.name.startswith("lib/")]
    contents = zips.read(apk, (entry.name for entry in libraries))
    for entry in libraries:
        _, abi, *_ = entry.name.split("/")
        if abi not in elf.MACHINES:
            found.append(f"{entry.name} is for an ABI that Android does not have")
            continue
        problem = library_problem(contents[entry.name], abi, where=entry.name, page=page)
        if problem:
            found.append(problem)
        if entry.stored and entry.offset % (page if abi in MUST_ALIGN else SMALL_PAGE):
            found.append(f"{entry.name} begins at byte {entry.offset:,}, no multiple of {page:,}")
    return tuple(found)
