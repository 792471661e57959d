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
        input: The one input.
        outputs: In the file's order.
    """

    runtime: str
    input: TensorInfo
    outputs: tuple[TensorInfo, ...]

    @property
    def output_names(self) -> tuple[str, ...]:
        """One an output."""
        ...

    def run(self, batch: Array) -> tuple[Array, ...]:
        """Return every output for a batch of any size, shape (batch, ...).

        Raises:
            RequestError: The batch is empty, or of another type or shape than the input.
        """
        ...
