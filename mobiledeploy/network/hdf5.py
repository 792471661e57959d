"""Read HDF5 that nobody vouches for.

Only hard links are followed, so nothing outside the file is opened; sizes are summed up before
anything is read; every failure of the HDF5 library becomes a CorruptFileError.
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

MAX_VALUES: Final = 1 << 27
"""How many values are read from one file: 512 MiB of float32, 20 times the largest MobileNet."""

MAX_DEPTH: Final = 16
"""How deep groups may be nested; a Keras model inside a model takes 3 levels."""

MAX_OBJECTS: Final = 20_000
"""How many groups are looked at."""


@contextlib.contextmanager
def _damage(where: object) -> Iterator[None]:
    # h5py raises whichever of these fits the C library's complaint.
    try:
        yield
    except RequestError:
        raise  # what is whole, and not for us
    except (OSError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise CorruptFileError(f"{where} is damaged: {error}") from error


@contextlib.contextmanager
def opened(source: Path | bytes, name: str) -> Iterator[Group]:
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
            # Nobody writes here: a lock would only fail on read-only and network storage.
            file = h5py.File(source, "r", locking=False)
    except (OSError, RuntimeError, ValueError) as error:
        raise CorruptFileError(
            f"{name} is not a Keras weights file: {error}",
            hint="expected .keras, .weights.h5 or .h5, as written by Keras",
        ) from error
    with file:
        yield file


def child(group: Group, path: str) -> Group | Dataset | None:
    """Return what lies at `path` below a group, or None.

    Raises:
        CorruptFileError: A link on the way leads elsewhere, perhaps out of the file.
    """
    import h5py

    found = group
    for part in path.split("/"):
        with _damage(group.name):
            if not isinstance(found, h5py.Group) or part not in found.keys():  # noqa: SIM118
                return None
            link = found.get(part, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise CorruptFileError(
                    f"`{found.name}/{part}` is a {type(link).__name__}, not data of this file"
                )
            found = found[part]
    return found


def groups(group: Group, path: str = "") -> Iterator[tuple[str, Group]]:
    """Yield every group below `group` with its path, each once.

    Raises:
        CorruptFileError: There are too many, or they are nested too deep.
    """
    import h5py

    seen = set()
    waiting = [(path, group)]
    while waiting:
        path, current = waiting.pop()
        with _damage(path):
            address = h5py.h5o.get_info(current.id).addr
            # What is not UTF-8, h5py gives as bytes.
            names = [_text(name) for name in current.keys()]  # noqa: SIM118
        if address in seen:
            continue
        seen.add(address)
        if len(seen) > MAX_OBJECTS or path.count("/") > MAX_DEPTH:
            raise CorruptFileError(f"`{path}`: more groups than any Keras model has")
        yield path, current
        for name in reversed(names):
            below = child(current, name)
            if isinstance(below, h5py.Group):
                waiting.append((f"{path}/{name}" if path else name, below))


def strings(group: Group, attribute: str) -> list[str]:
    """Return a list of strings that Keras stored in an attribute, or in numbered pieces of it."""
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
    """Read strings, after a look at the type: the C library trusts what a file says about it."""
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
    """Read data sets as float32, by layer, after a look at how large they all are.

    Raises:
        CorruptFileError: They are too large, lie outside the file, or hold something that is
            not a finite number.
        RequestError: They are of a type that is not read, such as int8.
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


def _checked(name: str, dataset: Dataset) -> int:
    import h5py

    if not isinstance(dataset, h5py.Dataset):
        raise CorruptFileError(f"`{name}` lacks its weights")
    if dataset.external or dataset.is_virtual:
        raise CorruptFileError(f"`{name}` keeps its weights in another file")
    if dataset.dtype.kind != "f":
        _refuse_type(name, dataset.dtype)
    return int(dataset.size)


def _refuse_type(name: str, dtype: npt.DTypeLike) -> NoReturn:
    """Say of whole numbers what they are; anything else is no weight at all."""
    kind = np.dtype(dtype)
    # h5py knows no bfloat16: two bytes of which it says nothing.
    bfloat16 = kind.kind == "V" and kind.itemsize == 2
    message = f"`{name}`: expected float16, float32 or float64 weights, received "
    if bfloat16:
        raise RequestError(
            f"{message}bfloat16",
            hint="save the model in float32 (`keras.config.set_dtype_policy`)",
        )
    if kind.kind in "iu":
        raise RequestError(
            f"{message}{kind}", hint="save the float model: a build quantises it itself"
        )
    raise CorruptFileError(f"{message}{kind}")


def _read(name: str, dataset: Dataset) -> Float:
    # What float32 cannot hold becomes infinite, and is refused by name below.
    with _damage(f"`{name}`"), np.errstate(over="ignore"):
        values: Float = dataset[()].astype(np.float32)
    if not np.isfinite(values).all():
        raise CorruptFileError(f"`{name}` holds NaN or infinite weights")
    return values
