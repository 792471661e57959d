"""What the child process of `runtimes.child` does: load files, run batches, until nobody asks."""

import itertools
import os
import sys
from collections.abc import Callable
from typing import Any

from mobiledeploy.base import child_process
from mobiledeploy.base.errors import CorruptFileError, MobileDeployError
from mobiledeploy.runtimes import Array, Session, TensorInfo, kinds, wire

Answer = tuple[dict[str, Any], list[Array]]


def work() -> None:
    """Answer requests from stdin on stdout."""
    child_process.limit_memory()
    # What a library reads or prints must not be mistaken for requests and answers.
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    tasks = _tasks()
    while True:
        try:
            body, arrays = wire.receive(requests)
        except EOFError:
            return
        try:
            answer, found = tasks[body["do"]](body, arrays)
        except MobileDeployError as error:
            answer, found = _refusal(error), []
        except MemoryError:
            most = f"{child_process.MAX_MEMORY:,} bytes"
            answer, found = _refusal(CorruptFileError(f"takes more memory than {most}")), []
        try:
            wire.send(answers, answer, found)
        except BrokenPipeError:
            sys.exit(0)


def _tasks() -> dict[str, Callable[[dict[str, Any], list[Array]], Answer]]:
    sessions: dict[int, Session] = {}
    numbers = itertools.count()

    def load(body: dict[str, Any], arrays: list[Array]) -> Answer:
        session = kinds.load(
            body["kind"],
            arrays[0].tobytes(),
            taps=body["taps"],
            threads=body["threads"],
            inputs=body["inputs"],
        )
        number = next(numbers)
        sessions[number] = session
        return {
            "session": number,
            "runtime": session.runtime,
            "inputs": [_described(source) for source in session.inputs],
            "outputs": [_described(output) for output in session.outputs],
        }, []

    def run(body: dict[str, Any], arrays: list[Array]) -> Answer:
        return {}, list(sessions[body["session"]].run(*arrays))

    def drop(body: dict[str, Any], _: list[Array]) -> Answer:
        del sessions[body["session"]]
        return {}, []

    return {"load": load, "run": run, "drop": drop}


def _described(info: TensorInfo) -> dict[str, Any]:
    return {"name": info.name, "dtype": str(info.dtype), "shape": list(info.shape)}


def _refusal(error: MobileDeployError) -> dict[str, Any]:
    return {"status": error.exit_status, "message": str(error), "hint": error.hint}
