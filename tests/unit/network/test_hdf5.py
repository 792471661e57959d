"""Hostile HDF5 files can neither open other files nor fill the memory."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from mobiledeploy.base.errors import CorruptFileError, RequestError
from mobiledeploy.network import hdf5


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "weights.h5"


def read(path: Path, name: str = "layer") -> Any:
    with hdf5.open_file(path, path.name) as file:
        return hdf5.arrays({name: [hdf5.entry(file, name)]})[name][0]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_are_read_as_float32(path: Path, dtype: Any) -> None:
    with h5py.File(path, "w") as file:
        file["layer"] = np.arange(6, dtype=dtype).reshape(2, 3)
    values = read(path)
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, np.arange(6).reshape(2, 3))
    with hdf5.open_file(path.read_bytes(), "in memory") as file:
        entry = hdf5.entry(file, "layer")
        assert entry is not None
        assert entry.shape == (2, 3)


def soft_link(file: Any) -> None:
    file["elsewhere"] = np.ones(3, np.float32)
    file["layer"] = h5py.SoftLink("/elsewhere")


def external_link(file: Any) -> None:
    file["layer"] = h5py.ExternalLink("/etc/passwd", "/")


def external_storage(file: Any) -> None:
    file.create_dataset("layer", (16,), np.float32, external=[("/etc/passwd", 0, 64)])


def virtual(file: Any) -> None:
    layout = h5py.VirtualLayout((4,), np.float32)
    layout[:] = h5py.VirtualSource("other.h5", "data", (4,))
    file.create_virtual_dataset("layer", layout)


def endless(file: Any) -> None:
    file.create_dataset("layer", (1 << 20, 1 << 20), np.float32, chunks=(64, 64))


def a_group(file: Any) -> None:
    file.create_group("layer")


def integers(file: Any) -> None:
    file["layer"] = np.ones(3, np.int32)


def bfloats(file: Any) -> None:
    file["layer"] = np.zeros(3, "V2")


def text(file: Any) -> None:
    file["layer"] = "a kernel"


def not_a_number(file: Any) -> None:
    file["layer"] = np.array([1, np.nan], np.float32)


def beyond_float32(file: Any) -> None:
    file["layer"] = np.array([1e300])


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (soft_link, "SoftLink"),
        (external_link, "ExternalLink"),
        (external_storage, "another file"),
        (virtual, "another file"),
        (endless, "at most 134,217,728 weights, received a file that holds 1,099,511,627,776"),
        (a_group, "`layer` lacks its weights"),
        (text, "float64 weights, received object"),
        (not_a_number, "NaN or infinite"),
        (beyond_float32, "NaN or infinite"),
    ],
)
def test_only_finite_numbers_in_the_file_itself_are_accepted(
    path: Path, write: Callable[[Any], None], message: str
) -> None:
    with h5py.File(path, "w") as file:
        write(file)
    with pytest.raises(CorruptFileError, match=message):
        read(path)


@pytest.mark.parametrize(
    ("write", "message", "hint"),
    [
        (integers, "float64 weights, received int32", "float model"),
        (bfloats, "float64 weights, received bfloat16", "float32"),
    ],
)
def test_an_error_names_the_unsupported_type(
    path: Path, write: Callable[[Any], None], message: str, hint: str
) -> None:
    with h5py.File(path, "w") as file:
        write(file)
    with pytest.raises(RequestError, match=message) as caught:
        read(path)
    assert hint in str(caught.value.hint)


def test_the_limit_applies_to_the_sum_of_all_arrays(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hdf5, "MAX_VALUES", 10)
    with h5py.File(path, "w") as file:
        file["a"] = file["b"] = np.ones(6, np.float32)
    with (
        hdf5.open_file(path, "w") as file,
        pytest.raises(CorruptFileError, match="holds 12"),
    ):
        hdf5.arrays({name: [hdf5.entry(file, name)] for name in "ab"})


def test_groups_that_contain_themselves_are_visited_once(path: Path) -> None:
    with h5py.File(path, "w") as file:
        for name in ("a", "b", "c"):
            file.create_group(name)["loop"] = file["/"]
    with hdf5.open_file(path, "loop") as file:
        assert [name for name, _ in hdf5.groups(file)] == ["", "a", "b", "c"]


def test_too_many_and_too_deep_groups_are_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with h5py.File(path, "w") as file:
        file.create_group("/".join("x" * 40))
    with (
        hdf5.open_file(path, "deep") as file,
        pytest.raises(CorruptFileError, match="more groups"),
    ):
        list(hdf5.groups(file))
    monkeypatch.setattr(hdf5, "MAX_OBJECTS", 3)
    with (
        hdf5.open_file(path, "many") as file,
        pytest.raises(CorruptFileError, match="more groups"),
    ):
        list(hdf5.groups(file))


def test_lists_of_names_in_several_parts_are_joined(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.attrs["names0"] = np.array([b"a", b"b"])
        file.attrs["names1"] = ["c"]
        file.attrs["numbers"] = np.arange(3)
    with hdf5.open_file(path, "names") as file:
        assert hdf5.strings(file, "names") == ["a", "b", "c"]
        assert hdf5.strings(file, "absent") == []
        with pytest.raises(CorruptFileError, match="numbers"):
            hdf5.strings(file, "numbers")


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89HDF\r\n\x1a\n" + bytes(200)])
def test_a_file_that_is_not_hdf5_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    for source in (path, content):
        with (
            pytest.raises(CorruptFileError, match=r"not a Keras weights file|it is damaged"),
            hdf5.open_file(source, "it"),
        ):
            pass
