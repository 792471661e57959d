"""Runtimes that can execute a file: one module each, listed in `table`.

In come a model's bytes and int8, uint8 or float32 batches; out go its output tensors. This room
knows nothing of what the numbers mean.

* `table`: all runtimes, and which of them run a format.
* `litert_xnnpack`, `litert_builtin`, `litert_reference`, `numpy_oracle`: those of a `.tflite`.
* `ort_optimised`, `ort_unoptimised`: those of an `.onnx`.
* `litert`: sessions of LiteRT, with any of its kernels.
* `ort`: sessions of ONNX Runtime.
* `batches`: what all sessions do with a batch.
* `saturation`: keeps ONNX Runtime's int8 products from overflowing on x86 without VNNI.
* `child`: files run in processes of their own.
* `child_worker`: what such a process does.
* `cpu`: what this machine's processor can do.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.formats.model import Format as Format

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
        options: What the runtime was told to do, where results depend on it: an app has to tell
            its own the same.
        inputs: In the file's order; one, but for a layer that was cut out of a file.
        outputs: In the file's order.
    """

    runtime: str
    options: tuple[str, ...]
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
            RuntimeDiedError: The runtime died in its child process.
        """
        ...


class Load(Protocol):
    """Loads a file."""

    def __call__(
        self,
        model: bytes,
        *,
        threads: int = 1,
        inner_threads: int = 1,
        inputs: int = 1,
    ) -> Session:
        """Return a session, which gives all outputs of a file.

        Args:
            model: The file. A stranger's file belongs into `child.Children`, which load it the
                same way.
            threads: Images that run at a time.
            inner_threads: That share each operator.
            inputs: How many the file has.

        Raises:
            CorruptFileError: The file is damaged, or the runtime refuses it.
            ConversionError: The runtime does not run such files.
            RequestError: The file has another number of inputs.
        """
        ...


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FileLayer:
    """A layer of a file, as a runtime may be asked about it.

    Attributes:
        name: Of the tensor that it writes.
        operator: As the file calls it, such as `CONV_2D`.
        kind: What it computes, such as `conv`.
        weights: Name of the tensor of its weights; empty where it has none.
    """

    name: str
    operator: str
    kind: str
    weights: str


KernelReasons: TypeAlias = Callable[[bytes, Sequence[FileLayer]], list[tuple[str, ...]]]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How many images of a set a slow runtime takes.

    Attributes:
        macs: Multiplications that it may spend on a set, where time is short: about a second.
        fewest: Images that it takes in any case.
        most: Images that it takes at most, however small the network is.
    """

    macs: float
    fewest: int = 4
    most: int = 64

    def images(self, macs: int, *, factor: int = 1) -> int:
        """Return how many images of each set it takes.

        Args:
            macs: Multiplications an image.
            factor: How many times more may be spent.
        """
        return int(min(self.most * factor, max(self.fewest, self.macs * factor / max(macs, 1))))


def never() -> bool:
    """Say no: most runtimes' sums do not overflow."""
    return False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """One way in which files of a format can be run.

    Attributes:
        name: Short and unique.
        module: That holds it as `RUNTIME`: a child process imports nothing else.
        title: Unique, for people.
        engine: Whose it is, for people: `LiteRT`.
        kernels: Whose kernels compute convolutions, for people: `XNNPACK`.
        format: Of the files that it runs.
        primary: Whether apps use it; of each format one.
        exact: Whether it uses the arithmetic of the primary runtime, so that it has to give the
            same logits, bit for bit. The others round differently by design.
        budget: How many images it takes; None: all.
        partial: Whether it runs some files of the format only: others are left out with a
            `ConversionError`.
        load: Loads a file.
        saturates: Whether its int8 products overflow on this CPU unless it is told otherwise.
        saturation_option: What tells it so; empty where no CPU needs it. Our sessions tell it.
        kernel_reasons: From a file and its layers: for each layer, why the kernel that runs it is
            not the one that the proofs are about. None: its kernels are not known.
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
