"""The names of the classes in a DEX file, and the refusal of damaged ones."""

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.deploy.check_apk import dex_class_names

NAMES = ("Ldev/mobiledeploy/Main;", "La;", "Lüber/Größe;")


def dex_file(names: tuple[str, ...] = NAMES) -> bytes:
    """Return a DEX file that defines classes of these names and nothing else."""
    strings = 0x70
    types = strings + 4 * len(names)
    classes = types + 4 * len(names)
    texts = classes + 32 * len(names)
    places, data = [], b""
    for name in names:
        places.append(texts + len(data))
        data += bytes([len(name)]) + name.encode() + b"\0"
    order = range(len(names))
    body = struct.pack(f"<{len(names)}I", *places) + struct.pack(f"<{len(names)}I", *order)
    body += b"".join(struct.pack("<8I", number, *[0] * 7) for number in order) + data
    head = bytearray(0x70)
    head[:8] = b"dex\n039\0"
    struct.pack_into("<I", head, 0x20, 0x70 + len(body))
    for place, start in ((0x38, strings), (0x40, types), (0x60, classes)):
        struct.pack_into("<II", head, place, len(names), start)
    return bytes(head) + body


def test_all_classes_are_named() -> None:
    expected = {"dev.mobiledeploy.Main", "a", "über.Größe"}
    assert dex_class_names(dex_file(), where="classes.dex") == expected
    assert dex_class_names(dex_file(()), where="classes.dex") == frozenset()


@pytest.mark.parametrize("data", [b"", b"dex\n", dex_file()[:-1], b"PK\3\4" + dex_file()[4:]])
def test_a_file_that_is_not_a_complete_dex_file_is_refused(data: bytes) -> None:
    with pytest.raises(CorruptFileError, match="classes"):
        dex_class_names(data, where="classes.dex")


@given(
    st.lists(
        st.tuples(st.integers(0x38, len(dex_file()) - 1), st.integers(0, 255)),
        min_size=1,
        max_size=8,
    )
)
def test_changed_bytes_give_names_or_a_corrupt_file_error(changes: list[tuple[int, int]]) -> None:
    data = bytearray(dex_file())
    for place, value in changes:
        data[place] = value
    with contextlib.suppress(CorruptFileError):
        assert all(dex_class_names(bytes(data), where="classes.dex"))
