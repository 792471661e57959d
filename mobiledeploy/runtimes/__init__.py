"""Runtimes that can execute a file, one module each: LiteRT and ONNX Runtime.

In come a model's bytes and int8, uint8 or float32 batches; out go its output tensors. This room
knows nothing of what the numbers mean.
"""

from typing import Any, Protocol

import numpy.typing as npt

Array = npt.NDArray[Any]


class Session(Protocol):
    """A loaded model.

    Attributes:
        runtime: The runtime's name and version, such as `LiteRT 2.3.0 (XNNPACK)`.
        output_names: One an output.
    """

    runtime: str
    output_names: tuple[str, ...]

    def run(self, batch: Array) -> tuple[Array, ...]:
        """Return every output for a batch of any size, shape (batch, ...)."""
        ...
