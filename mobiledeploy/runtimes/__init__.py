"""Runtimes that run a file: one module each, listed in `table`.

In come a model's bytes and int8, uint8 or float32 batches; out go its output tensors, without any
interpretation.

* `table`: lists all runtimes, and selects those of a format.
* `litert_xnnpack`, `litert_builtin`, `litert_reference`, `numpy_oracle`: runtimes of `.tflite`.
* `ort_optimised`, `ort_unoptimised`: runtimes of `.onnx`.
* `litert`: sessions of LiteRT, with any of its kernels.
* `ort`: sessions of ONNX Runtime.
* `batches`: checks batches and runs them in pieces, for all sessions.
* `saturation`: keeps ONNX Runtime's int8 products from overflowing on x86 without VNNI.
* `child`: runs files in child processes.
* `child_worker`: the program of such a child process.
* `cpu`: name and architecture of this machine's CPU.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.formats.model import Format as Format

Array = npt.NDArray[Any]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TensorInfo:
    """An input or output of a loaded model.

    Attributes:
        name: The tensor's name in the file.
        dtype: int8, uint8 or float32.
        shape: Shape for one image, without the batch.
    """

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]


class Session(Protocol):
    """A loaded model.

    Attributes:
        runtime: The runtime's name and version, such as `LiteRT 2.3.0 (XNNPACK)`.
        options: Session options that change results: an app must set the same.
        inputs: The inputs in the file's order; one, except for a layer that was cut out of a file.
        outputs: The outputs in the file's order.
    """

    runtime: str
    options: tuple[str, ...]
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]

    @property
    def output_names(self) -> tuple[str, ...]:
        """The names of the outputs, in their order."""
        ...

    @property
    def input(self) -> TensorInfo:
        """The first input."""
        ...

    def run(self, *batches: Array) -> tuple[Array, ...]:
        """Return every output for a batch of any size, shape (batch, ...).

        Args:
            *batches: One batch for each input, all of the same size.

        Raises:
            RequestError: A batch is empty, or of another type or shape than its input.
            RuntimeDiedError: The runtime crashed in its child process.
        """
        ...


class Load(Protocol):
    """A function that loads a file into a session."""

    def __call__(
        self,
        model: bytes,
        *,
        threads: int = 1,
        inner_threads: int = 1,
        inputs: int = 1,
    ) -> Session:
        """Return a session, which returns all outputs of a file.

        Args:
            model: The file. Load untrusted files with `child.Children` instead.
            threads: How many images run at a time.
            inner_threads: How many threads share each operator.
            inputs: How many inputs the file has.

        Raises:
            CorruptFileError: The file is damaged, or the runtime refuses it.
            ConversionError: The runtime cannot run this file.
            RequestError: The file has another number of inputs.
        """
        ...


IN_FLOATS: Final = "ONNX Runtime fuses it into no integer kernel: it computes in float32"
"""The reason of a layer that is known to be computed in floats; see `Runtime.kernel_reasons`."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FileLayer:
    """Identifies a layer of a file for `Runtime.kernel_reasons`.

    Attributes:
        name: Name of the tensor that it writes.
        operator: The operator's name in the file, such as `CONV_2D`.
        kind: What it computes, such as `conv`.
        weights: Name of its weights tensor; empty if it has none.
    """

    name: str
    operator: str
    kind: str
    weights: str


KernelReasons: TypeAlias = Callable[[bytes, Sequence[FileLayer]], list[tuple[str, ...]]]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Limits how many images of a set a slow runtime runs.

    Attributes:
        macs: Multiply-accumulates that it may spend on a set: about one second of work.
        fewest: Fewest images that it runs, however large the network is.
        most: Most images that it runs, however small the network is.
    """

    macs: float
    fewest: int = 4
    most: int = 64

    def images(self, macs: int, *, factor: int = 1) -> int:
        """Return how many images of each set the runtime runs.

        Args:
            macs: Multiply-accumulates of the network for one image.
            factor: Multiplies the budget.
        """
        return int(min(self.most * factor, max(self.fewest, self.macs * factor / max(macs, 1))))


def never() -> bool:
    """Return False: most runtimes' sums do not overflow."""
    return False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """One way to run files of a format: an engine with a choice of kernels.

    Attributes:
        name: Short, unique name.
        module: Module that holds it as `RUNTIME`; a child process imports only this one.
        title: Unique title for messages.
        engine: Name of the engine for messages: `LiteRT`.
        kernels: Name of the library that computes convolutions, for messages: `XNNPACK`.
        format: Format of the files that it runs.
        primary: Whether apps use it; each format has one primary runtime.
        exact: Whether it has the arithmetic of the primary runtime, so that its logits must be
            equal, bit for bit. Other runtimes round differently by design.
        budget: Limits how many images it runs; None: no limit.
        partial: Whether it runs only some files of the format, and refuses others with a
            `ConversionError`.
        load: Loads a file into a session.
        saturates: Returns whether its int8 products overflow on this CPU without the option.
        saturation_option: Session option that prevents the overflow, which our sessions set; empty
            if no CPU needs it.
        kernel_reasons: From a file and its layers, returns for each layer why another kernel runs
            it than the proven one. None if the runtime's kernels are not known.
    """

    name: str
    module: str
    title: str
    engine: str
    kernels: str
    format: Format
    primary: bool = False
    exact: bool = False
    budget: Budget | None = None
    partial: bool = False
    load: Load
    saturates: Callable[[], bool] = never
    saturation_option: str = ""
    kernel_reasons: KernelReasons | None = None
