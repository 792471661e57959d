"""The graph of an `.onnx` while its nodes are read: what each name stands for so far."""

import dataclasses
import math
from collections import Counter
from typing import Any, Final

import numpy as np

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.formats.onnx import OnnxModel, OnnxOperator
from mobiledeploy.reading.draft import Draft
from mobiledeploy.reading.model import INPUT, Array, Kind, Layer, Read, Tensor
from mobiledeploy.reading.onnx_values import Constant, Flow, Value

OFFSET = 128
TYPES: Final = ("float32", "uint8", "int8", "int32", "int64", "bool", "float64")
"""Of tensors that are looked into; of other types nothing is said."""


class State:
    """Values by name, layers so far, and bounds of layers whose grid is not known yet."""

    def __init__(self, file: OnnxModel, draft: Draft) -> None:
        """Begin with the file's constants, but for those that an operator gives."""
        self.draft = draft
        self._tensors = file.tensors
        given = {
            index for node in file.operators if node.op == "Constant" for index in node.outputs
        }
        self.values: dict[int, Value | None] = {
            index: self.constant(index)
            for index, tensor in enumerate(file.tensors)
            if tensor.constant and index not in given
        }
        self.bounds: dict[int, tuple[float, float]] = {}
        self.input_factor: np.float32 | None = None
        self._readers = Counter(index for node in file.operators for index in node.inputs)
        self._readers.update(file.outputs)

    def name(self, index: int) -> str:
        """Return a tensor's name; empty for one left out."""
        return self._tensors[index].name if index >= 0 else ""

    def written(self, node: OnnxOperator) -> str:
        """Return the name of a node's first output; empty if it has none."""
        return self.name(node.output(0))

    def constant(self, index: int) -> Constant | None:
        """Return the values that the file holds; None if they are of a type not looked into."""
        tensor = self._tensors[index]
        if tensor.data is None or tensor.dtype not in TYPES:
            return None
        return Constant(name=tensor.name, values=tensor.data)

    def alone(self, index: int) -> bool:
        """Whether only one node reads a tensor."""
        return self._readers[index] == 1

    def value(self, node: OnnxOperator, place: int) -> Value | None:
        """Return what an input stands for; None if it is absent or nothing that we follow.

        Raises:
            CorruptFileError: Nothing wrote it.
        """
        index = node.input(place)
        if index < 0:
            return None
        if index not in self.values:
            raise CorruptFileError(f"{node.op} reads `{self.name(index)}`, which nothing wrote")
        return self.values[index]

    def numbers(self, node: OnnxOperator, place: int) -> Array | None:
        """Return an input's values where it is a constant."""
        value = self.value(node, place)
        return value.values if isinstance(value, Constant) else None

    def scalar(self, node: OnnxOperator, place: int) -> float | None:
        """Return an input's only value where it is a constant."""
        values = self.numbers(node, place)
        return float(values.ravel()[0]) if values is not None and values.size == 1 else None

    def grid(
        self, node: OnnxOperator, scale: int, zero: int
    ) -> tuple[np.float32, int, str] | None:
        """Return scale, zero point as an int8 code, and type of codes, from two inputs.

        None where they are no single constants. A zero point left out is 0 of uint8.
        """
        scales = self.numbers(node, scale)
        if scales is None or scales.size != 1 or scales.dtype != np.float32:
            return None
        zeros = self.numbers(node, zero)
        if zeros is None:
            return (scales.ravel()[0], -OFFSET, "uint8") if not node.inputs[zero:] else None
        if zeros.size != 1 or zeros.dtype not in (np.int8, np.uint8):
            return None
        offset = OFFSET * (zeros.dtype == np.uint8)
        return scales.ravel()[0], int(zeros.ravel()[0]) - offset, str(zeros.dtype)

    def read(self, flow: Flow) -> Read:
        """Return how a layer that takes a flow reads it."""
        return Read(source=flow.source, scale=flow.scale, zero_point=flow.zero_point)

    def begin(
        self, node: OnnxOperator, kind: Kind, flows: list[Flow], out: Flow, **more: Any
    ) -> Flow:
        """Add a layer whose output's grid is not known yet; return the flow of its values."""
        name = self.name(next((output for output in node.outputs if output >= 0), -1))
        output = Tensor(
            name=name, shape=out.shape, dtype="float32", scale=None, zero_point=None, axes=out.axes
        )
        index = self.draft.add(
            Layer(
                kind=kind,
                op=node.op,
                name=name,
                reads=tuple(self.read(flow) for flow in flows),
                output=output,
                **more,
            )
        )
        self.bounds[index] = (-math.inf, math.inf)
        return dataclasses.replace(
            out, source=index, scale=None, zero_point=None, real=True, factor=None
        )

    def close(self, flow: Flow, name: str, grid: tuple[np.float32, int, str]) -> Flow:
        """Give a layer the grid on which its output is stored; return the flow of its codes."""
        scale, zero_point, dtype = grid
        low, high = self.bounds.pop(flow.source)
        layer = self.draft.layers[flow.source]
        output = dataclasses.replace(
            layer.output, name=name, dtype=dtype, scale=scale, zero_point=zero_point
        )
        clamp = code_of(low, scale, zero_point), code_of(high, scale, zero_point)
        before = layer.clamp
        both = max(before[0], clamp[0]), min(before[1], clamp[1])
        self.draft.change(flow.source, name=name, output=output, clamp=both)
        return dataclasses.replace(flow, scale=scale, zero_point=zero_point, real=False)

    def is_open(self, flow: Flow) -> bool:
        """Whether a flow is what a layer computed, before it is quantised."""
        return flow.source != INPUT and flow.real and flow.source in self.bounds

    def rename(self, node: OnnxOperator, flow: Flow) -> None:
        """Let a layer go by the name of the tensor that a node moved its codes to."""
        if flow.source != INPUT and not flow.real and self.alone(node.inputs[0]):
            output = self.draft.layers[flow.source].output
            output = dataclasses.replace(
                output, name=self.written(node), shape=flow.shape, axes=flow.axes
            )
            self.draft.change(flow.source, name=self.written(node), output=output)


def code_of(real: float, scale: np.float32, zero_point: int) -> int:
    """Return the int8 code that a real value is stored as."""
    if not math.isfinite(real) or not scale > 0:
        return -OFFSET if real < 0 else OFFSET - 1
    steps = float(np.rint(np.float32(real) / scale))
    return int(min(max(steps + zero_point, -OFFSET), OFFSET - 1))
