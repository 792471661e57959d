"""The NumPy oracle as a runtime: computes a `.tflite` from its integers alone.

It shares no kernel with the runtimes that it is compared with. Means and softmaxes follow LiteRT's
kernels for this machine's CPU.
"""

import dataclasses
from collections.abc import Sequence
from typing import Final

import numpy as np

from mobiledeploy.base.errors import ConversionError, RequestError
from mobiledeploy.formats import tflite
from mobiledeploy.integer import oracle, tflite_reader
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.ops.tensors import QTensor
from mobiledeploy.runtimes import Array, Budget, Runtime, TensorInfo, cpu
from mobiledeploy.runtimes.batches import check


def load(
    model: bytes, *, threads: int = 1, inner_threads: int = 1, inputs: int = 1
) -> "OracleSession":
    """Return a session for the bytes of an int8 `.tflite`.

    Args:
        model: The file; activations may be further outputs.
        threads: How many images run at a time.
        inner_threads: Must be 1: operators are not shared between threads.
        inputs: Must be 1.

    Raises:
        CorruptFileError: The bytes are not a `.tflite`, or damaged.
        ConversionError: The file is not an integer graph, or a further output is not one of its
            activations.
        RequestError: `inner_threads` or `inputs` is not 1.
    """
    if (inputs, inner_threads) != (1, 1):
        raise RequestError(
            f"expected one input and one inner thread, received {inputs} and {inner_threads}"
        )
    file = tflite.parse(model)
    graph = tflite_reader.read(dataclasses.replace(file, outputs=file.outputs[:1]))
    names = [file.tensors[index].unique_name for index in file.outputs[1:]]
    last = file.operators[-1]
    if last.builtin in tflite_reader.CONVERTERS:
        # In the graph the output and the codes it is converted from share one name.
        inside = file.tensors[last.inputs[0]].unique_name
        names = [graph.output.name if name == inside else name for name in names]
    unknown = set(names) - set(graph.tensors())
    if unknown:
        raise ConversionError(
            f"expected activations as further outputs, received `{min(unknown)}`"
        )
    return OracleSession(graph, names, threads)


class OracleSession:
    """An integer graph in NumPy; see `runtimes.Session`. All tensors are int8, NHWC."""

    def __init__(self, graph: IntegerGraph, taps: Sequence[str], threads: int) -> None:
        tensors = graph.tensors()
        self.runtime = f"NumPy {np.__version__} (oracle)"
        self.options: tuple[str, ...] = ()
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
        """The names of the outputs, in their order."""
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


RUNTIME: Final = Runtime(
    name="numpy-oracle",
    module=__name__,
    title="NumPy oracle",
    engine="NumPy",
    kernels="NumPy",
    format="tflite",
    exact=True,
    partial=True,
    budget=Budget(macs=3e9),
    load=load,
)
