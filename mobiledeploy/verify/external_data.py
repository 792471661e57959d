"""ONNX files that keep tensors beside them: the bytes are brought in, from their folder only.

The format: https://onnx.ai/onnx/repo-docs/ExternalData.html. A location is a path relative to the
model; one that leads elsewhere would let a model read any file of its user.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from mobiledeploy.base import files
from mobiledeploy.base.errors import CorruptFileError

MOST_BYTES: Final = 1 << 30
DEEPEST: Final = 32
"""Graphs inside of graphs."""


def embedded(model: bytes, folder: Path | None) -> bytes:
    """Return an `.onnx` with all of its tensors inside; the same bytes where they are already.

    Args:
        model: The file.
        folder: Where it lies; None allows nothing outside.

    Raises:
        CorruptFileError: The bytes are no ONNX model, or a tensor's bytes are missing, lie
            outside of the folder, or are too many.
    """
    from google.protobuf.message import DecodeError
    from onnx import ModelProto, TensorProto

    found = ModelProto()
    try:
        found.ParseFromString(model)
    except DecodeError as error:
        raise CorruptFileError("the bytes are neither a .tflite nor an .onnx") from error
    if not found.graph.node:
        raise CorruptFileError("the bytes are no .tflite, and an .onnx without any operator")
    outside = [
        tensor for tensor in _tensors(found) if tensor.data_location == TensorProto.EXTERNAL
    ]
    if not outside:
        return model
    budget = MOST_BYTES
    for tensor in outside:
        tensor.raw_data = _content(tensor, folder, budget)
        budget -= len(tensor.raw_data)
        tensor.ClearField("external_data")
        tensor.ClearField("data_location")
    whole: bytes = found.SerializeToString(deterministic=True)
    return whole


def _content(tensor: Any, folder: Path | None, budget: int) -> bytes:
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    path = _inside(location, folder)
    try:
        offset, size = int(entries.get("offset", "0")), path.stat().st_size
        length = int(entries.get("length", str(size - offset)))
    except ValueError as error:
        raise CorruptFileError(f"tensor `{tensor.name}`: {error}") from error
    if min(offset, length) < 0 or offset + length > size:
        raise CorruptFileError(
            f"tensor `{tensor.name}`: expected bytes {offset}..{offset + length} of `{location}`, "
            f"which has {size}"
        )
    if length > budget:
        raise CorruptFileError(f"the tensors beside the model have more than {MOST_BYTES:,} bytes")
    with path.open("rb") as handle:
        handle.seek(offset)
        return handle.read(length)


def _inside(location: str, folder: Path | None) -> Path:
    """Return the file at a location, if it is one and lies in the folder, links followed."""
    refusal = CorruptFileError(
        f"the model keeps tensors in `{location[: files.MOST_NAME]}`, which is no file in the "
        "model's folder",
        hint="save the model with its tensors inside",
    )
    path = None if folder is None else files.below(folder, location)
    if path is None or not path.is_file():
        raise refusal
    return path


def _tensors(model: Any) -> Iterator[Any]:
    yield from _of_graph(model.graph, DEEPEST)
    for function in model.functions:
        for node in function.node:
            yield from _of_node(node, DEEPEST)


def _of_graph(graph: Any, depth: int) -> Iterator[Any]:
    if depth == 0:
        raise CorruptFileError(f"expected at most {DEEPEST} graphs inside of each other")
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        yield from _of_node(node, depth)


def _of_node(node: Any, depth: int) -> Iterator[Any]:
    for attribute in node.attribute:
        yield from (attribute.t, *attribute.tensors)
        for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
            yield from (sparse.values, sparse.indices)
        for graph in (attribute.g, *attribute.graphs):
            if graph.node or graph.initializer or graph.sparse_initializer:
                yield from _of_graph(graph, depth - 1)
