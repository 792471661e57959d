"""Read HDF5 files safely: no external links, bounded sizes.

Only hard links are followed, so no other file is opened. The sizes of all data sets are summed up
before any is read. Every failure of the HDF5 library becomes a CorruptFileError.
"""

import contextlib
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NoReturn, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import CorruptFileError, MissingDependencyError, RequestError
from mobiledeploy.network.network import Float

Group: TypeAlias = Any
Dataset: TypeAlias = Any

SIGNATURE: Final = b"\x89HDF\r\n\x1a\n"
"""First bytes of an HDF5 file."""

MAX_VALUES: Final = 1 << 27
"""Most values read from one file: 512 MiB of float32, 20 times the largest MobileNet."""

MAX_DEPTH: Final = 16
"""Most levels of nested groups; a Keras model inside a model takes 3."""

MAX_OBJECTS: Final = 20_000
"""Most groups of a file, and most strings of an attribute."""


@contextlib.contextmanager
def _damage(where: object) -> Iterator[None]:
    # h5py turns the errors of the C library into these.
    try:
        yield
    except RequestError:
        raise  # the file is intact, but of a type that is not supported
    except (OSError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise CorruptFileError(f"{where} is damaged: {error}") from error


def _start(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(len(SIGNATURE))
    except OSError:
        return b""


@contextlib.contextmanager
def open_file(source: Path | bytes, name: str) -> Iterator[Group]:
    """Open a file, or its bytes, for reading.

    Raises:
        CorruptFileError: It is not HDF5.
        MissingDependencyError: h5py is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        raise MissingDependencyError(
            "reading Keras files needs h5py", hint="pip install 'mobiledeploy[build]'"
        ) from error
    try:
        if isinstance(source, bytes):
            file = h5py.File(h5py.h5f.open_file_image(source), "r")
        else:
            # Without a lock: it would fail on read-only storage, and we only read.
            file = h5py.File(source, "r", locking=False)
    except (OSError, RuntimeError, ValueError) as error:
        start = source[:8] if isinstance(source, bytes) else _start(source)
        if start == SIGNATURE:
            raise CorruptFileError(
                f"{name} is damaged: {error}", hint="get it again: its writing was cut off"
            ) from error
        raise CorruptFileError(
            f"{name} is not a Keras weights file: {error}",
            hint="expected .keras, .weights.h5 or .h5, as written by Keras",
        ) from error
    with file:
        yield file


def entry(group: Group, path: str) -> Group | Dataset | None:
    """Return the group or data set at `path` below a group, or None.

    Raises:
        CorruptFileError: A link on the way is not a hard link: it may lead out of the file.
    """
    import h5py

    current = group
    for part in path.split("/"):
        with _damage(group.name):
            if not isinstance(current, h5py.Group) or part not in current.keys():  # noqa: SIM118
                return None
            link = current.get(part, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise CorruptFileError(
                    f"`{current.name}/{part}` is a {type(link).__name__}, not data of this file"
                )
            current = current[part]
    return current


def groups(group: Group, path: str = "") -> Iterator[tuple[str, Group]]:
    """Yield every group below `group` with its path, each once.

    Raises:
        CorruptFileError: There are too many groups, or they are nested too deep.
    """
    import h5py

    seen = set()
    waiting = [(path, group)]
    while waiting:
        path, current = waiting.pop()
        with _damage(path):
            address = h5py.h5o.get_info(current.id).addr
            # h5py returns a name that is not UTF-8 as bytes.
            names = [_text(name) for name in current.keys()]  # noqa: SIM118
        if address in seen:
            continue
        seen.add(address)
        if len(seen) > MAX_OBJECTS or path.count("/") > MAX_DEPTH:
            raise CorruptFileError(f"`{path}`: more groups than any Keras model has")
        yield path, current
        for name in reversed(names):
            below = entry(current, name)
            if isinstance(below, h5py.Group):
                waiting.append((f"{path}/{name}" if path else name, below))


def strings(group: Group, attribute: str) -> list[str]:
    """Return a list of strings that Keras stored in an attribute, or in numbered parts of it."""
    with _damage(f"attribute `{attribute}` of `{group.name}`"):
        if attribute in group.attrs:
            pieces = [attribute]
        else:
            pieces = []
            while f"{attribute}{len(pieces)}" in group.attrs:
                pieces.append(f"{attribute}{len(pieces)}")
        return [_text(value) for piece in pieces for value in _attribute(group, piece, rank=1)]


def string(group: Group, attribute: str) -> str | None:
    """Return a string attribute, or None."""
    with _damage(f"attribute `{attribute}` of `{group.name}`"):
        if attribute not in group.attrs:
            return None
        return _text(_attribute(group, attribute, rank=0))


def _attribute(group: Group, name: str, *, rank: int) -> Any:
    """Read strings after a check of their type, which the C library takes as the file has it."""
    import h5py

    described = group.attrs.get_id(name)
    if h5py.check_string_dtype(described.dtype) is None:
        # An empty list of names is stored as an empty list of numbers.
        if described.shape == (0,):
            return ()
        raise TypeError(f"expected strings, received {described.dtype}")
    if len(described.shape) != rank or math.prod(described.shape) > MAX_OBJECTS:
        raise ValueError(f"expected few strings, received shape {described.shape}")
    return group.attrs[name]


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode()
    if not isinstance(value, str):
        raise TypeError(f"expected a string, received {type(value).__name__}")
    return value


def arrays(datasets: Mapping[str, Iterable[Dataset]]) -> dict[str, list[Float]]:
    """Read data sets as float32, by layer, after a check of their total size.

    Raises:
        CorruptFileError: They are too large, are stored in another file, or hold values that are
            not finite numbers.
        RequestError: They have a type that is not supported, such as int8.
    """
    chosen = {name: list(some) for name, some in datasets.items()}
    total = 0
    for name, some in chosen.items():
        for dataset in some:
            with _damage(f"`{name}`"):
                total += _checked(name, dataset)
    if total > MAX_VALUES:
        raise CorruptFileError(
            f"expected at most {MAX_VALUES:,} weights, received a file that holds {total:,}"
        )
    return {name: [_read(name, dataset) for dataset in some] for name, some in chosen.items()}


def numbers(datasets: Mapping[str, Dataset]) -> dict[str, npt.NDArray[Any]]:
    """Read data sets of any type of number, by path, after a check of their total size.

    Floats of all widths, bfloat16 too, become float32, which may be NaN or infinite; whole numbers
    keep their type. What is no number is left out.

    Raises:
        CorruptFileError: They are too large, or are stored in another file.
    """
    chosen = {path: dataset for path, dataset in datasets.items() if _is_number(path, dataset)}
    total = sum(int(dataset.size) for dataset in chosen.values())
    if total > MAX_VALUES:
        raise CorruptFileError(
            f"expected at most {MAX_VALUES:,} weights, received a file that holds {total:,}"
        )
    return {path: _number(path, dataset) for path, dataset in chosen.items()}


def _is_number(path: str, dataset: Dataset) -> bool:
    with _damage(f"`{path}`"):
        _in_this_file(path, dataset)
        return dataset.dtype.kind in "fiu" or _is_bfloat16(dataset.dtype)


def _number(path: str, dataset: Dataset) -> npt.NDArray[Any]:
    if _is_bfloat16(dataset.dtype):
        with _damage(f"`{path}`"):
            # bfloat16 is the upper half of a float32.
            halves = np.asarray(dataset[()]).view("<u2")
        values: Float = (halves.astype(np.uint32) << 16).view(np.float32)
        return values
    if dataset.dtype.kind == "f":
        return _float32(path, dataset)
    with _damage(f"`{path}`"):
        return np.asarray(dataset[()])


def _is_bfloat16(dtype: npt.DTypeLike) -> bool:
    # h5py has no bfloat16 and shows it as two bytes without a type.
    kind = np.dtype(dtype)
    return kind.kind == "V" and kind.itemsize == 2


def _checked(name: str, dataset: Dataset) -> int:
    import h5py

    if not isinstance(dataset, h5py.Dataset):
        raise CorruptFileError(f"`{name}` lacks its weights")
    _in_this_file(name, dataset)
    if dataset.dtype.kind != "f":
        _refuse_type(name, dataset.dtype)
    return int(dataset.size)


def _in_this_file(name: str, dataset: Dataset) -> None:
    if dataset.external or dataset.is_virtual:
        raise CorruptFileError(f"`{name}` keeps its weights in another file")


def _refuse_type(name: str, dtype: npt.DTypeLike) -> NoReturn:
    """Raise a RequestError for other types of numbers, a CorruptFileError for anything else."""
    kind = np.dtype(dtype)
    message = f"`{name}`: expected float16, float32 or float64 weights, received "
    if _is_bfloat16(kind):
        raise RequestError(
            f"{message}bfloat16",
            hint="save the model in float32 (`keras.config.set_dtype_policy`)",
        )
    if kind.kind in "iu":
        raise RequestError(
            f"{message}{kind}", hint="save the float model: mobiledeploy quantises it itself"
        )
    raise CorruptFileError(f"{message}{kind}")


def _float32(name: str, dataset: Dataset) -> Float:
    # What float32 cannot hold becomes infinite.
    with _damage(f"`{name}`"), np.errstate(over="ignore"):
        values: Float = dataset[()].astype(np.float32)
    return values


def _read(name: str, dataset: Dataset) -> Float:
    values = _float32(name, dataset)
    if not np.isfinite(values).all():
        raise CorruptFileError(f"`{name}` holds NaN or infinite weights")
    return values
