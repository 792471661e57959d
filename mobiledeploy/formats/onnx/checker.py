"""What ONNX's own checker says of a file, shapes included: C++, in a process of its own."""

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
"""Characters of what ONNX says that are kept."""
_SECONDS: Final = 15.0
_THROWN: Final = (ValueError, IndexError, OverflowError, RuntimeError)
"""As what an exception of C++ arrives here: `vector::reserve` of a negative length, say."""


class Checks:
    """What `check` says of files, each in a child process; also a context manager.

    The child needs as long to start as we need to read a file: it runs beside this process.
    """

    def __init__(self, paths: Iterable[Path] = ()) -> None:
        """Begin.

        Args:
            paths: Files that are going to be asked about; others begin when they are.
        """
        self._beside = ThreadPoolExecutor(1)
        self._begun = {path: self._begin(path) for path in paths}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._beside.shutdown(cancel_futures=True)

    def begin(self, path: Path) -> None:
        """Begin with a file, if that has not been done."""
        if path not in self._begun:
            self._begun[path] = self._begin(path)

    def complete(self, path: Path, model: OnnxModel) -> OnnxModel:
        """Return a file with what can be inferred: inner types, shapes and grids.

        Args:
            path: The file.
            model: It, parsed.

        Returns:
            A model with `problem`, what the checker complains of.

        Raises:
            CorruptFileError: The checker died of the file, or a scale and its zero point do not
                have one shape.
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
        return self._beside.submit(
            child_process.call, __name__, "check", str(path), seconds=_SECONDS
        )


def check(path: str) -> bytes:
    """Return JSON: the checker's complaint, and each inner tensor's type number and shape.

    For the child process.

    Args:
        path: An `.onnx`; files beside it may hold its weights.

    Raises:
        CorruptFileError: The bytes are no ONNX model.
    """
    from onnx import checker

    model = protobuf.message(Path(path).read_bytes())
    problem, shapes = "", {}
    try:
        # By path, so that the checker looks at files that hold weights.
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
    """Return a `ModelProto` that describes its inner tensors, as far as ONNX can tell their types.

    What does so is C++: give it foreign models in a child process only.

    Raises:
        CorruptFileError: The model contradicts itself.
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
