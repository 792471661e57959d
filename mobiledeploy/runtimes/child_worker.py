"""The program of a child process of `runtimes.child`: answers requests with one runtime.

A message is the length of a JSON text (4 bytes, little endian), the text, and then the bytes of
arrays, whose types and shapes are in the text. Nothing is pickled, and the receiver checks it all:
a process that a hostile file has taken over could send anything.
"""

import importlib
import itertools
import json
import math
import os
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any, Final

import numpy as np

from mobiledeploy.base import child_process, heap
from mobiledeploy.base.errors import MobileDeployError
from mobiledeploy.runtimes import Array, FileLayer, Runtime, Session, TensorInfo

LONGEST_TEXT: Final = 1 << 22
LARGEST_ARRAY: Final = 1 << 31
_TYPES: Final = frozenset({"int8", "uint8", "int32", "float32"})
_Answer = tuple[dict[str, Any], list[Array]]


class BrokenMessageError(Exception):
    """The other process sent something that is not a message."""


def answer_requests(module: str) -> None:
    """Answer requests from stdin on stdout, until there are no more.

    Args:
        module: Name of the module whose `RUNTIME` answers.
    """
    child_process.limit_memory()
    heap.share()
    # What a library reads or prints must not mix with requests and answers.
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    tasks = _tasks(importlib.import_module(module).RUNTIME)
    while True:
        try:
            body, arrays = receive(requests)
        except EOFError:
            return
        answer: dict[str, Any]
        try:
            answer, outputs = tasks[body["do"]](body, arrays)
        except MobileDeployError as error:
            answer, outputs = (
                {
                    "status": error.exit_status,
                    "message": str(error),
                    "hint": error.hint,
                },
                [],
            )
        except MemoryError:
            answer, outputs = {"memory": child_process.MAX_MEMORY}, []
        try:
            send(answers, answer, outputs)
        except BrokenPipeError:
            sys.exit(0)


def _tasks(runtime: Runtime) -> dict[str, Callable[[dict[str, Any], list[Array]], _Answer]]:
    sessions: dict[int, Session] = {}
    numbers = itertools.count()

    def load(body: dict[str, Any], arrays: list[Array]) -> _Answer:
        session = runtime.load(
            arrays[0].tobytes(),
            threads=body["threads"],
            inner_threads=body["inner_threads"],
            inputs=body["inputs"],
        )
        number = next(numbers)
        sessions[number] = session
        return {
            "session": number,
            "runtime": session.runtime,
            "options": list(session.options),
            "inputs": [_described(source) for source in session.inputs],
            "outputs": [_described(output) for output in session.outputs],
        }, []

    def run(body: dict[str, Any], arrays: list[Array]) -> _Answer:
        return {}, list(sessions[body["session"]].run(*arrays))

    def drop(body: dict[str, Any], _: list[Array]) -> _Answer:
        del sessions[body["session"]]
        return {}, []

    def kernel_reasons(body: dict[str, Any], arrays: list[Array]) -> _Answer:
        ask = runtime.kernel_reasons
        layers = [FileLayer(**layer) for layer in body["layers"]]
        reasons = None if ask is None else ask(arrays[0].tobytes(), layers)
        return {"reasons": reasons}, []

    def tap(body: dict[str, Any], arrays: list[Array]) -> _Answer:
        from mobiledeploy.formats import model_file

        copied = model_file.tap(runtime.format, arrays[0].tobytes(), body["tensors"])
        return {}, [np.frombuffer(copied, np.uint8)]

    return {"load": load, "run": run, "drop": drop, "tap": tap, "kernel_reasons": kernel_reasons}


def _described(info: TensorInfo) -> dict[str, Any]:
    return {"name": info.name, "dtype": str(info.dtype), "shape": list(info.shape)}


def send(stream: IO[bytes], body: Mapping[str, Any], arrays: Sequence[Array] = ()) -> None:
    """Write a message.

    Args:
        stream: A buffered stream.
        body: A JSON object.
        arrays: Arrays of int8, uint8, int32 or float32.

    Raises:
        OSError: The other process is gone.
    """
    described = [[str(array.dtype), list(array.shape)] for array in arrays]
    text = json.dumps({"body": body, "arrays": described}).encode()
    stream.write(struct.pack("<I", len(text)) + text)
    for array in arrays:
        stream.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    stream.flush()


def receive(stream: IO[bytes]) -> tuple[dict[str, Any], list[Array]]:
    """Read a message.

    Raises:
        EOFError: The other process is gone.
        BrokenMessageError: The bytes are not a message, or an absurdly large one.
    """
    (length,) = struct.unpack("<I", _exactly(stream, 4))
    if length > LONGEST_TEXT:
        raise BrokenMessageError(f"a text of {length} bytes")
    text = _exactly(stream, length)
    try:
        message = json.loads(text)
        body, described = message["body"], message["arrays"]
        shapes = [(str(kind), tuple(map(int, shape))) for kind, shape in described]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BrokenMessageError(f"not a message: {error}") from error
    if not isinstance(body, dict):
        raise BrokenMessageError("the body is not a JSON object")
    return body, [_array(stream, kind, shape) for kind, shape in shapes]


def _array(stream: IO[bytes], kind: str, shape: tuple[int, ...]) -> Array:
    if kind not in _TYPES or len(shape) > 8 or min(shape, default=0) < 0:
        raise BrokenMessageError(f"an array of {kind} with shape {shape}")
    if math.prod(shape) * np.dtype(kind).itemsize > LARGEST_ARRAY:
        raise BrokenMessageError(f"an array of shape {shape}")
    array = np.empty(shape, kind)
    if array.size:
        _fill(stream, array.reshape(-1).view(np.uint8).data)
    return array


def _exactly(stream: IO[bytes], size: int) -> bytes:
    data = bytearray(size)
    _fill(stream, memoryview(data))
    return bytes(data)


def _fill(stream: IO[bytes], space: memoryview) -> None:
    done = 0
    while done < len(space):
        count = stream.readinto(space[done:])  # type: ignore[attr-defined]
        if not count:
            raise EOFError
        done += count
