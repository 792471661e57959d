"""ONNX's own checker beside this process: it needs as long to start as we need to read a file."""

import json
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, Self

from mobiledeploy.base import child_process

_SECONDS: Final = 15.0


class Checks:
    """What `onnx_check.check` says of files, each in a child process; also a context manager."""

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

    def of(self, path: Path) -> Any:
        """Return a file's `problem` and `shapes`.

        Raises:
            CorruptFileError: The bytes are no ONNX model, or the checker died of them.
        """
        self.begin(path)
        return json.loads(self._begun[path].result())

    def _begin(self, path: Path) -> Future[bytes]:
        return self._beside.submit(
            child_process.call,
            "mobiledeploy.lint.onnx_check",
            "check",
            str(path),
            seconds=_SECONDS,
        )
