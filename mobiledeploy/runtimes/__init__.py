"""Runtimes that can execute a file, one module each: LiteRT and ONNX Runtime.

In come a model's bytes and int8, uint8 or float32 batches; out go its output tensors. This room
knows nothing of what the numbers mean.
"""

import dataclasses
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TensorInfo:
    """An input or output of a loaded model.

    Attributes:
        name: In the file.
        dtype: int8, uint8 or float32.
        shape: Of one image, without the batch.
    """

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]


class Session(Protocol):
    """A loaded model.

    Attributes:
        runtime: The runtime's name and version, such as `LiteRT 2.3.0 (XNNPACK)`.
        inputs: In the file's order; one, but for a layer that was cut out of a file.
        outputs: In the file's order.
    """

    runtime: str
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]

    @property
    def output_names(self) -> tuple[str, ...]:
        """One an output."""
        ...

    @property
    def input(self) -> TensorInfo:
        """The first input."""
        ...

    def run(self, *batches: Array) -> tuple[Array, ...]:
        """Return every output for a batch of any size, shape (batch, ...).

        Args:
            *batches: One an input, all of one size.

        Raises:
            RequestError: A batch is empty, or of another type or shape than its input.
        """
        ...
