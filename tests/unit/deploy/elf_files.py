"""Hand-made ELF libraries: the headers that a loader reads before it maps anything."""

import struct

MACHINES = {"arm64-v8a": 183, "armeabi-v7a": 40, "x86": 3, "x86_64": 62}


def library(
    abi: str = "arm64-v8a",
    *,
    alignments: tuple[int, ...] = (16384, 16384),
    skew: int = 0,
    kind: int = 1,
) -> bytes:
    """Return a library with one segment for each alignment; `skew` moves addresses off offsets."""
    wide = abi in {"arm64-v8a", "x86_64"}
    head, entry = (64, 56) if wide else (52, 32)
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1, 1]) + bytes(9)
    pointer = "Q" if wide else "I"
    rest = struct.pack(
        f"<HHI3{pointer}IHHHHHH",
        *(3, MACHINES[abi], 1, 0, head, 0, 0),
        *(head, entry, len(alignments), 0, 0, 0),
    )
    rows = b""
    for number, alignment in enumerate(alignments):
        offset, address = number * 64, number * max(alignment, 1) + number * 64 + skew
        if wide:
            rows += struct.pack("<IIQQQQQQ", kind, 5, offset, address, address, 64, 64, alignment)
        else:
            rows += struct.pack("<IIIIIIII", kind, offset, address, address, 64, 64, 5, alignment)
    return ident + rest + rows + bytes(64 * len(alignments))
