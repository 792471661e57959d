"""External data: weights in files next to an `.onnx`, read from the model's folder only.

Format: https://onnx.ai/onnx/repo-docs/ExternalData.html. A location is a path relative to the
model; one that leads elsewhere would let a model read any of the user's files.
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.base import files
from mobiledeploy.base.errors import ConversionError, CorruptFileError, RequestError
from mobiledeploy.formats.onnx import schema

MOST_BYTES: Final = 1 << 31
"""Most bytes in all external files together: as many as a model file may have."""
MOST_INSIDE: Final = 1 << 30
"""Most bytes of external data that are put into the model, one message of at most 2^31 bytes."""
DEEPEST: Final = 32
"""Deepest nesting of graphs."""

StatedPlace: TypeAlias = tuple[str, str, str]
"""Location, offset and length, as a tensor states them."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ExternalFile:
    """A file beside a model that holds values of it.

    Attributes:
        name: Its path relative to the model, as the model states it.
        size: Bytes of the file.
        sha256: Hexadecimal digest of the file.
    """

    name: str
    size: int
    sha256: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExternalData:
    """The values of a model that are in other files.

    Attributes:
        contents: The bytes, by the place that tensors state.
        size: Number of bytes; those that several tensors share count once.
        paths: The files, by the location that tensors state.
    """

    contents: Mapping[StatedPlace, npt.NDArray[np.uint8]]
    size: int
    paths: dict[str, Path]

    def files(self) -> tuple[ExternalFile, ...]:
        """Return each file once, in the order in which the model names them.

        Raises:
            CorruptFileError: A file is larger than all values together may be.
            RequestError: A file cannot be read any more.
        """
        first_names = {path: name for name, path in reversed(self.paths.items())}
        try:
            return tuple(
                _described(first_names[path], path) for path in dict.fromkeys(self.paths.values())
            )
        except OSError as error:
            raise RequestError(
                f"cannot read {error.filename}: {error.strerror}",
                hint="leave the files beside the model as they are while it is read",
            ) from error

    def of(self, tensor: Any) -> npt.NDArray[np.uint8]:
        """Return the bytes of a `TensorProto` whose values are in another file."""
        return self.contents[_stated(tensor)]

    def inside(self, model: Any) -> Any:
        """Return the `ModelProto` with all values inside; itself if none are external."""
        if not self.contents:
            return model
        copy = type(model)()
        copy.CopyFrom(model)
        for tensor in filter(is_external, _tensors(copy)):
            tensor.raw_data = self.of(tensor).tobytes()
            tensor.ClearField("external_data")
            tensor.ClearField("data_location")
        return copy

    def whole(self, model: Any) -> bytes:
        """Return the bytes of a `ModelProto` with all values inside.

        Raises:
            ConversionError: There are too many bytes for one message.
        """
        if self.size > MOST_INSIDE:
            raise ConversionError(
                f"expected at most {MOST_INSIDE:,} bytes of external data, received {self.size:,}",
                hint="no phone has room for them",
            )
        data: bytes = self.inside(model).SerializeToString(deterministic=True)
        return data


def read(model: Any, folder: Path | None) -> ExternalData:
    """Return the values that a model keeps in other files.

    Args:
        model: A `ModelProto` whose strings were checked.
        folder: The folder of the model; None if that is not known.

    Raises:
        CorruptFileError: A tensor names a file that is outside the folder, missing or too short,
            or its bytes do not fit its shape, overlap those of others, or are too many.
        RequestError: There are such tensors and no folder to look in, or a file cannot be read.
    """
    contents: dict[StatedPlace, npt.NDArray[np.uint8]] = {}
    paths: dict[str, Path] = {}
    known: dict[tuple[Path, int, int], npt.NDArray[np.uint8]] = {}
    left: dict[Path, int] = {}
    total = 0
    for tensor in filter(is_external, _tensors(model)):
        stated = _stated(tensor)
        location = stated[0]
        if location not in paths:
            paths[location] = _path(tensor.name, location, folder)
        place = _place(tensor.name, paths[location], stated)
        path, _, length = place
        _check_length(tensor, length)
        if place not in known:
            total += length
            if total > MOST_BYTES:
                raise CorruptFileError(
                    f"constant `{tensor.name}`: expected at most {MOST_BYTES:,} bytes in other "
                    "files",
                    hint="no phone has room for them",
                )
            # Overlapping parts would let a small file fill the memory.
            left.setdefault(path, path.stat().st_size)
            left[path] -= length
            if left[path] < 0:
                raise CorruptFileError(
                    f"constant `{tensor.name}`: its bytes overlap those of others"
                )
            known[place] = _read(tensor.name, place)
        contents[stated] = known[place]
    return ExternalData(contents=contents, size=total, paths=paths)


def _described(name: str, path: Path) -> ExternalFile:
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise CorruptFileError(
            f"expected at most {MOST_BYTES:,} bytes beside the model, received {name} of {size:,}",
            hint="no phone has room for it: save the values of this model only",
        )
    return ExternalFile(name=files.printable(name), size=size, sha256=files.sha256(path))


def is_external(tensor: Any) -> bool:
    """Whether the values of a `TensorProto` are in another file."""
    return bool(tensor.data_location == schema.EXTERNAL)


def _tensors(model: Any) -> Iterator[Any]:
    """Yield every `TensorProto` in a model: constants, and those in attributes."""
    yield from _of_graph(model.graph, DEEPEST)
    for function in model.functions:
        for node in function.node:
            yield from _of_node(node, DEEPEST)


def _of_graph(graph: Any, depth: int) -> Iterator[Any]:
    if depth == 0:
        raise CorruptFileError(f"expected graphs nested at most {DEEPEST} deep")
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        yield from _of_node(node, depth)


def _of_node(node: Any, depth: int) -> Iterator[Any]:
    for attribute in node.attribute:
        if attribute.HasField("t"):
            yield attribute.t
        yield from attribute.tensors
        own = (attribute.sparse_tensor,) if attribute.HasField("sparse_tensor") else ()
        for sparse in (*own, *attribute.sparse_tensors):
            yield from (sparse.values, sparse.indices)
        for graph in (*((attribute.g,) if attribute.HasField("g") else ()), *attribute.graphs):
            yield from _of_graph(graph, depth - 1)


def _stated(tensor: Any) -> StatedPlace:
    entries = {entry.key: entry.value for entry in tensor.external_data}
    return entries.get("location", ""), entries.get("offset", ""), entries.get("length", "")


def _path(name: str, location: str, folder: Path | None) -> Path:
    """Return the file at a location, after checking that it is in the folder, links followed."""
    if folder is None:
        raise RequestError(
            f"constant `{name}` is in another file, `{location[: files.MOST_NAME]}`",
            hint="give the model by its path, or save it in one file",
        )
    path = files.path_inside(folder, location)
    if path is None:
        raise CorruptFileError(
            f"constant `{name}`: expected its bytes in the model's folder, received the path "
            f"{location[: files.MOST_NAME]!r}",
            hint="a model may not read other files of this machine",
        )
    if not path.exists():
        raise CorruptFileError(
            f"constant `{name}`: its bytes should be in the model's folder, in {location}, "
            "which is not there",
            hint="copy the file next to the model",
        )
    if not path.is_file():
        raise CorruptFileError(
            f"constant `{name}`: its bytes should be in the model's folder, in {location}, "
            "which is not a file",
            hint="save the model in one file",
        )
    return path


def _place(name: str, path: Path, stated: StatedPlace) -> tuple[Path, int, int]:
    """Return file, offset and length, after checking that they are within the file."""
    location, size = stated[0], path.stat().st_size
    try:
        offset = int(stated[1] or "0")
        length = int(stated[2]) if stated[2] else size - offset
    except ValueError as error:
        raise CorruptFileError(f"constant `{name}`: damaged place of its bytes") from error
    if offset < 0 or length < 0 or offset + length > size:
        raise CorruptFileError(
            f"constant `{name}`: expected bytes {offset}..{offset + length} of {location}, "
            f"which has {size}"
        )
    return path, offset, length


def _read(name: str, place: tuple[Path, int, int]) -> npt.NDArray[np.uint8]:
    path, offset, length = place
    try:
        content = np.fromfile(path, np.uint8, count=length, offset=offset)
    except OSError as error:
        raise RequestError(
            f"constant `{name}`: cannot read {path}: {error.strerror}",
            hint="check that the file is yours to read",
        ) from error
    if content.size != length:
        raise CorruptFileError(f"constant `{name}`: {path} became shorter as it was read")
    return content


def _check_length(tensor: Any, length: int) -> None:
    """Compare the number of bytes with the tensor's shape, before reading them."""
    kind = schema.ELEMENT_TYPES.get(tensor.data_type)
    if kind is None or (not kind.bits and kind.unit):
        return  # a type of unknown size; the total is bounded
    expected = -(-math.prod(tensor.dims) * kind.bits // 8)
    if length > expected:
        raise CorruptFileError(
            f"constant `{tensor.name}`: expected {expected} bytes for its shape, received {length}"
        )
