"""Run an `.onnx` in ONNX Runtime."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.runtimes import Array, TensorInfo, saturation
from mobiledeploy.runtimes.batches import check, require_count, run_in_pieces

_FATAL: Final = 4
"""ONNX Runtime's log level: its errors reach us as exceptions."""

_TYPES: Final[dict[str, np.dtype[Any]]] = {
    "tensor(int8)": np.dtype(np.int8),
    "tensor(uint8)": np.dtype(np.uint8),
    "tensor(float)": np.dtype(np.float32),
}


def load(
    model: bytes,
    *,
    optimised: bool = True,
    threads: int = 1,
    inner_threads: int = 1,
    inputs: int = 1,
    save: Path | None = None,
) -> "OrtSession":
    """Return a session for the bytes of an `.onnx`.

    On x86 without VNNI the session asks for kernels that do not saturate, so that results are
    the same on every CPU.

    Args:
        model: The file.
        optimised: Whether ONNX Runtime may fuse quantise/dequantise pairs into integer kernels;
            otherwise it computes in float32 between them, as the ONNX specification says, which
            is several times slower.
        threads: Python threads that share the images of a batch.
        inner_threads: ONNX Runtime's own threads, which share each operator.
        inputs: How many inputs the file has.
        save: Path to write the graph to, as ONNX Runtime has optimised it for this machine.

    Raises:
        CorruptFileError: ONNX Runtime cannot load it.
        RequestError: The file has another number of inputs.
    """
    return OrtSession(
        model,
        optimised=optimised,
        threads=threads,
        inner_threads=inner_threads,
        inputs=inputs,
        save=save,
    )


class OrtSession:
    """An `.onnx` in one session that several threads call; see `runtimes.Session`."""

    def __init__(
        self,
        model: bytes,
        *,
        optimised: bool,
        threads: int,
        inner_threads: int,
        inputs: int,
        save: Path | None,
    ) -> None:
        import onnxruntime

        title = "optimised" if optimised else "not optimised"
        self._session, how, self.options = _open(
            model, optimised=optimised, threads=inner_threads, save=save
        )
        with _refusals("load"):
            sources = require_count(self._session.get_inputs(), inputs)
            self.inputs = tuple(_info(source) for source in sources)
            fixed = [source.shape[0] for source in sources if isinstance(source.shape[0], int)]
            self._fixed_batch = max(fixed, default=0)
            self.outputs = tuple(_info(output) for output in self._session.get_outputs())
        words = ", ".join(filter(None, (title, how)))
        self.runtime = f"ONNX Runtime {onnxruntime.__version__} ({words})"
        self._threads = threads

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
        with _refusals("run"):
            return run_in_pieces(
                batches, lambda _, pieces: self._run(pieces), threads=self._threads
            )

    def _run(self, pieces: Sequence[Array]) -> Sequence[Array]:
        if not self._fixed_batch:
            return self._invoke(pieces)
        size = self._fixed_batch
        rows = [
            # All of a batch are the same image, of which the first result is taken.
            [
                output[:1] if len(output) == size else output
                for output in self._invoke(
                    [np.repeat(image[np.newaxis], size, axis=0) for image in images]
                )
            ]
            for images in zip(*pieces, strict=True)
        ]
        return [np.concatenate(output) for output in zip(*rows, strict=True)]

    def _invoke(self, pieces: Sequence[Array]) -> Sequence[Array]:
        names = [info.name for info in self.inputs]
        outputs: Sequence[Array] = self._session.run(None, dict(zip(names, pieces, strict=True)))
        return outputs


def _open(
    model: bytes, *, optimised: bool, threads: int, save: Path | None
) -> tuple[Any, str, tuple[str, ...]]:
    """Return the session, words on how it avoids saturation, and the options that do so.

    Raises:
        CorruptFileError: ONNX Runtime cannot load the file in any way.
    """
    options = _options(optimised=optimised, threads=threads, save=save)
    if not saturation.this_cpu_saturates():
        return _create(model, options), "", ()
    precise = _options(optimised=optimised, threads=threads, save=save)
    precise.add_session_config_entry(saturation.KEY, "1")
    for data, words in saturation.variants(model):
        with contextlib.suppress(CorruptFileError):
            return _create(data, precise), words, (saturation.OPTION,)
    return _create(model, options), f"{saturation.KEY} refused", ()


def _options(*, optimised: bool, threads: int, save: Path | None) -> Any:
    import onnxruntime

    levels = onnxruntime.GraphOptimizationLevel
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _FATAL
    options.graph_optimization_level = (
        levels.ORT_ENABLE_ALL if optimised else levels.ORT_DISABLE_ALL
    )
    if save is not None:
        options.optimized_model_filepath = str(save)
    return options


def _create(model: bytes, options: Any) -> Any:
    import onnxruntime

    with _refusals("load"):
        # Without `enable_fallback=0` ONNX Runtime prints a failure and tries again.
        return onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"], enable_fallback=0
        )


@contextlib.contextmanager
def _refusals(what: str) -> Iterator[None]:
    """Turn ONNX Runtime's errors on a model into `CorruptFileError`."""
    from onnxruntime.capi import onnxruntime_pybind11_state as states

    failures = (
        states.Fail,
        states.InvalidArgument,
        states.InvalidGraph,
        states.InvalidProtobuf,
        states.NotImplemented,
        states.RuntimeException,
        # The message quotes a damaged name.
        UnicodeDecodeError,
    )
    try:
        yield
    except failures as error:
        raise CorruptFileError(f"ONNX Runtime cannot {what} the model: {error}") from error


def _info(node: Any) -> TensorInfo:
    if node.type not in _TYPES:
        raise CorruptFileError(
            f"tensor `{node.name}`: expected int8, uint8 or float32, received {node.type}"
        )
    # A size that is a name or unknown becomes 0, which fits no batch.
    sizes = tuple(size if isinstance(size, int) else 0 for size in node.shape[1:])
    return TensorInfo(name=node.name, dtype=_TYPES[node.type], shape=sizes)
