"""Run a `.tflite` in NumPy: the third opinion, which needs nothing but the file's integers.

Means and softmaxes are those that LiteRT has on the CPU that runs this.
"""

from collections.abc import Sequence

import numpy as np

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.integer import oracle, tflite_reader
from mobiledeploy.integer.graph import IntegerGraph, QTensor
from mobiledeploy.runtimes import Array, TensorInfo, cpu
from mobiledeploy.runtimes.batches import check


def load(model: bytes, *, taps: Sequence[str] | None = None, threads: int = 1) -> "OracleSession":
    """Return a session for the bytes of an int8 `.tflite`.

    Args:
        model: The file.
        taps: Activations to give out after the output; None: the logits if the graph ends in a
            softmax.
        threads: Images that run at a time.

    Raises:
        CorruptFileError: The bytes are no `.tflite`, or damaged.
        ConversionError: The file holds what an integer graph cannot, or has no such tensor.
    """
    graph = tflite_reader.read_file(model)
    if taps is None:
        taps = [graph.logits.name] if graph.logits != graph.output else []
    unknown = set(taps) - set(graph.tensors())
    if unknown:
        raise ConversionError(f"the file has no inner tensor `{min(unknown)}`")
    return OracleSession(graph, taps, threads)


class OracleSession:
    """An integer graph in NumPy; see `runtimes.Session`. All tensors are int8, NHWC."""

    def __init__(self, graph: IntegerGraph, taps: Sequence[str], threads: int) -> None:
        tensors = graph.tensors()
        self.runtime = f"NumPy {np.__version__} (oracle)"
        self.inputs: tuple[TensorInfo, ...] = (_info(graph.input),)
        self.outputs = (_info(graph.output), *(_info(tensors[name]) for name in taps))
        self._graph = graph
        self._threads = threads

    @property
    def input(self) -> TensorInfo:
        """The one input."""
        return self.inputs[0]

    @property
    def output_names(self) -> tuple[str, ...]:
        """One an output."""
        return tuple(output.name for output in self.outputs)

    def run(self, *batches: Array) -> tuple[Array, ...]:
        """Return every output for a batch of any size; see `runtimes.Session.run`.

        Raises:
            RequestError: The batch is empty, or of another type or shape than the input.
        """
        check(batches, self.inputs)
        (batch,) = batches
        names = self.output_names
        values = oracle.run(
            self._graph,
            batch,
            keep=set(names),
            threads=self._threads,
            kernels=cpu.this_architecture(),
        )
        return tuple(values[name] for name in names)


def _info(tensor: QTensor) -> TensorInfo:
    return TensorInfo(name=tensor.name, dtype=np.dtype(np.int8), shape=tensor.shape)
