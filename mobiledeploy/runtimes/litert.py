"""Run a `.tflite` in LiteRT, formerly TensorFlow Lite."""

from collections.abc import Sequence
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from mobiledeploy.base import quiet
from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.runtimes import Array, TensorInfo
from mobiledeploy.runtimes.batches import check, require_count, run_in_pieces

KernelSet: TypeAlias = Literal["xnnpack", "builtin", "reference"]

_RESOLVERS: Final[dict[KernelSet, tuple[str, str]]] = {
    "xnnpack": ("AUTO", "XNNPACK"),
    "builtin": ("BUILTIN_WITHOUT_DEFAULT_DELEGATES", "builtin kernels"),
    "reference": ("BUILTIN_REF", "reference kernels"),
}

_TYPES: Final = tuple(np.dtype(name) for name in ("int8", "uint8", "float32"))


def load(
    model: bytes,
    *,
    kernels: KernelSet = "xnnpack",
    threads: int = 1,
    inner_threads: int = 1,
    inputs: int = 1,
) -> "LiteRtSession":
    """Return a session for the bytes of a `.tflite`.

    Args:
        model: The file. LiteRT trusts it: parse an untrusted file with `formats.tflite` first.
        kernels: Phones use `xnnpack`; the other two round differently.
        threads: Number of interpreters, which share the images of a batch.
        inner_threads: Threads of each interpreter, which share each operator.
        inputs: How many inputs the file has.

    Raises:
        CorruptFileError: LiteRT cannot load it.
        RequestError: The file has another number of inputs.
    """
    return LiteRtSession(model, kernels, threads, inner_threads, inputs)


class LiteRtSession:
    """A `.tflite` in as many interpreters as there are threads; see `runtimes.Session`."""

    def __init__(
        self, model: bytes, kernels: KernelSet, threads: int, inner_threads: int, inputs: int
    ) -> None:
        import ai_edge_litert

        resolver, title = _RESOLVERS[kernels]
        self.runtime = f"LiteRT {ai_edge_litert.__version__} ({title})"
        self.options: tuple[str, ...] = ()
        self._interpreters = [
            _Interpreter(model, resolver, inner_threads, inputs) for _ in range(threads)
        ]
        self.inputs = self._interpreters[0].inputs
        self.outputs = self._interpreters[0].outputs

    @property
    def input(self) -> TensorInfo:
        """The first input."""
        return self.inputs[0]

    @property
    def output_names(self) -> tuple[str, ...]:
        """The names of the outputs, in their order."""
        return tuple(output.name for output in self.outputs)

    def run(self, *batches: Array) -> tuple[Array, ...]:
        """Return every output for a batch of any size; see `runtimes.Session.run`.

        Raises:
            RequestError: A batch is empty, or of another type or shape than its input.
        """
        check(batches, self.inputs)
        return run_in_pieces(
            batches,
            lambda worker, pieces: self._interpreters[worker].run(pieces),
            threads=len(self._interpreters),
        )


class _Interpreter:
    """One interpreter, resized whenever the batch size changes.

    A file that reshapes to a constant shape takes one image at a time, even after a resize.
    """

    def __init__(self, model: bytes, resolver: str, inner_threads: int, inputs: int) -> None:
        from ai_edge_litert import interpreter

        try:
            with quiet.native_stderr():  # allocating prints the delegate's name
                self._interpreter: Any = interpreter.Interpreter(
                    model_content=model,
                    num_threads=inner_threads,
                    experimental_op_resolver_type=getattr(interpreter.OpResolverType, resolver),
                )
                self._interpreter.allocate_tensors()
            sources = self._interpreter.get_input_details()
            outputs = self._interpreter.get_output_details()
        except (ValueError, RuntimeError) as error:
            raise CorruptFileError(f"LiteRT cannot load the model: {error}") from error
        self._sources = [source["index"] for source in require_count(sources, inputs)]
        self.inputs = tuple(_info(source) for source in sources)
        self._indices = [out["index"] for out in outputs]
        self.outputs = tuple(_info(out) for out in outputs)
        self._batch = 0
        self._any_batch = True

    def run(self, pieces: Sequence[Array]) -> Sequence[Array]:
        count = len(pieces[0])
        if not self._any_batch:
            return self._run_one_by_one(pieces)
        if count != self._batch:
            try:
                self._resize(count)
            except RuntimeError as error:
                if count == 1:
                    raise CorruptFileError(f"LiteRT cannot run the model: {error}") from error
                self._any_batch = False
                return self._run_one_by_one(pieces)
        return self._invoke(pieces)

    def _run_one_by_one(self, pieces: Sequence[Array]) -> Sequence[Array]:
        if self._batch != 1:
            try:
                self._resize(1)
            except RuntimeError as error:
                raise CorruptFileError(f"LiteRT cannot run the model: {error}") from error
        rows = [
            self._invoke([image[np.newaxis] for image in images])
            for images in zip(*pieces, strict=True)
        ]
        return [np.concatenate(output) for output in zip(*rows, strict=True)]

    def _resize(self, batch: int) -> None:
        for source, info in zip(self._sources, self.inputs, strict=True):
            self._interpreter.resize_tensor_input(source, (batch, *info.shape))
        self._interpreter.allocate_tensors()
        self._batch = batch

    def _invoke(self, pieces: Sequence[Array]) -> Sequence[Array]:
        try:
            for source, piece in zip(self._sources, pieces, strict=True):
                self._interpreter.set_tensor(source, piece)
            self._interpreter.invoke()
        except (ValueError, RuntimeError) as error:
            raise CorruptFileError(f"LiteRT cannot run the model: {error}") from error
        return [self._interpreter.get_tensor(index) for index in self._indices]


def _info(detail: dict[str, Any]) -> TensorInfo:
    dtype = np.dtype(detail["dtype"])
    if dtype not in _TYPES:
        raise CorruptFileError(
            f"tensor `{detail['name']}`: expected int8, uint8 or float32, received {dtype}"
        )
    return TensorInfo(
        name=detail["name"],
        dtype=dtype,
        shape=tuple(int(size) for size in detail["shape"][1:]),
    )
