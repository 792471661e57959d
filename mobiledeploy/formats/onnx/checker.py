"""Run ONNX's own checker with shape inference (C++) on a file, in a child process."""

import dataclasses
import json
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, Self

from mobiledeploy.base import child_process
from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.formats.onnx import protobuf, quantisation, schema
from mobiledeploy.formats.onnx.model import OnnxModel

MOST_SAID: Final = 400
"""Characters of ONNX's message that are kept."""
_SECONDS: Final = 15.0
_THROWN: Final = (ValueError, IndexError, OverflowError, RuntimeError)
"""Python types of C++ exceptions, as from `vector::reserve` of a negative length."""


class Checks:
    """Runs `check` on files, each in a child process; also a context manager.

    The children run in parallel to this process: one takes as long to start as we take to read a
    file.
    """

    def __init__(self, paths: Iterable[Path] = ()) -> None:
        """Start to check files.

        Args:
            paths: Files that `complete` will be called with; it starts others itself.
        """
        self._executor = ThreadPoolExecutor(1)
        self._begun = {path: self._begin(path) for path in paths}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown(cancel_futures=True)

    def begin(self, path: Path) -> None:
        """Start to check a file, unless that was done."""
        if path not in self._begun:
            self._begun[path] = self._begin(path)

    def complete(self, path: Path, model: OnnxModel) -> OnnxModel:
        """Return a model with inferred types, shapes and grids of inner tensors.

        Args:
            path: The file.
            model: The parsed file.

        Returns:
            The model, with the checker's complaint as `problem`.

        Raises:
            CorruptFileError: The checker crashed on the file, or a scale and its zero point
                differ in shape.
        """
        self.begin(path)
        answer = json.loads(self._begun[path].result())
        tensors = []
        for tensor in model.tensors:
            inferred = answer["shapes"].get(tensor.name)
            if inferred is not None and not tensor.dtype and tensor.shape is None:
                number, sizes = inferred
                tensor = dataclasses.replace(  # noqa: PLW2901
                    tensor,
                    dtype=schema.element_type(number),
                    shape=None if sizes is None else tuple(sizes),
                )
            tensors.append(tensor)
        return dataclasses.replace(
            model,
            tensors=quantisation.with_grids(tuple(tensors), model.operators),
            problem=answer["problem"],
        )

    def _begin(self, path: Path) -> Future[bytes]:
        return self._executor.submit(
            child_process.call, __name__, "check", str(path), seconds=_SECONDS
        )


def check(path: str) -> bytes:
    """Return JSON: the checker's complaint, and each inner tensor's type number and shape.

    This runs in the child process.

    Args:
        path: An `.onnx`; its weights may be in files next to it.

    Raises:
        CorruptFileError: The bytes are not an ONNX model.
    """
    from onnx import checker

    model = protobuf.message(Path(path).read_bytes())
    problem, shapes = "", {}
    try:
        # By path, so that the checker also reads external data.
        checker.check_model(path)
    except (checker.ValidationError, *_THROWN) as error:
        problem = _short(error)
    try:
        inferred = with_shapes(model)
    except CorruptFileError as error:
        problem = problem or str(error)
    else:
        shapes = {info.name: _described(info) for info in inferred.graph.value_info}
    return json.dumps({"problem": problem, "shapes": shapes}).encode()


def with_shapes(model: Any) -> Any:
    """Return a `ModelProto` with the types and shapes of inner tensors that ONNX can infer.

    ONNX's shape inference is C++: call this on untrusted models only in a child process.

    Raises:
        CorruptFileError: The types or shapes contradict each other.
    """
    from onnx import checker, shape_inference

    try:
        return shape_inference.infer_shapes(model)
    except (shape_inference.InferenceError, checker.ValidationError, *_THROWN) as error:
        raise CorruptFileError(f"the ONNX model does not fit together: {_short(error)}") from error


def _described(info: Any) -> tuple[int, list[int | str] | None]:
    tensor = info.type.tensor_type
    if not tensor.HasField("shape"):
        return tensor.elem_type, None
    return tensor.elem_type, [protobuf.dimension(size) for size in tensor.shape.dim]


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:MOST_SAID]
