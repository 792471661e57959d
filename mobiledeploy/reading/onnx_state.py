"""The graph of an `.onnx` while its nodes are read: what each name stands for so far."""

import dataclasses
import math
from collections import Counter
from typing import Any

import numpy as np

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.reading.draft import Draft
from mobiledeploy.reading.model import INPUT, Array, Kind, Layer, Read, Tensor
from mobiledeploy.reading.onnx_file import OnnxFile, OnnxNode
from mobiledeploy.reading.onnx_values import Constant, Flow, Value

OFFSET = 128


class State:
    """Values by name, layers so far, and bounds of layers whose grid is not known yet."""

    def __init__(self, file: OnnxFile, draft: Draft) -> None:
        """Begin with the file's constants."""
        self.draft = draft
        self.values: dict[str, Value | None] = {
            name: None if values is None else Constant(name=name, values=values)
            for name, values in file.constants.items()
        }
        self.bounds: dict[int, tuple[float, float]] = {}
        self.input_factor: np.float32 | None = None
        self._readers = Counter(name for node in file.nodes for name in node.inputs)
        self._readers.update(name for name, _ in file.outputs)

    def alone(self, name: str) -> bool:
        """Whether only one node reads a tensor."""
        return self._readers[name] == 1

    def value(self, node: OnnxNode, place: int) -> Value | None:
        """Return what an input stands for; None if it is absent or nothing that we follow.

        Raises:
            CorruptFileError: Nothing wrote it.
        """
        if place >= len(node.inputs) or not node.inputs[place]:
            return None
        name = node.inputs[place]
        if name not in self.values:
            raise CorruptFileError(f"{node.op} reads `{name}`, which nothing wrote")
        return self.values[name]

    def numbers(self, node: OnnxNode, place: int) -> Array | None:
        """Return an input's values where it is a constant."""
        value = self.value(node, place)
        return value.values if isinstance(value, Constant) else None

    def scalar(self, node: OnnxNode, place: int) -> float | None:
        """Return an input's only value where it is a constant."""
        values = self.numbers(node, place)
        return float(values.ravel()[0]) if values is not None and values.size == 1 else None

    def grid(self, node: OnnxNode, scale: int, zero: int) -> tuple[np.float32, int, str] | None:
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

    def begin(self, node: OnnxNode, kind: Kind, flows: list[Flow], out: Flow, **more: Any) -> Flow:
        """Add a layer whose output's grid is not known yet; return the flow of its values."""
        name = next((output for output in node.outputs if output), "")
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

    def rename(self, node: OnnxNode, flow: Flow) -> None:
        """Let a layer go by the name of the tensor that a node moved its codes to."""
        if flow.source != INPUT and not flow.real and self.alone(node.inputs[0]):
            output = self.draft.layers[flow.source].output
            output = dataclasses.replace(
                output, name=node.outputs[0], shape=flow.shape, axes=flow.axes
            )
            self.draft.change(flow.source, name=node.outputs[0], output=output)


def code_of(real: float, scale: np.float32, zero_point: int) -> int:
    """Return the int8 code that a real value is stored as."""
    if not math.isfinite(real) or not scale > 0:
        return -OFFSET if real < 0 else OFFSET - 1
    steps = float(np.rint(np.float32(real) / scale))
    return int(min(max(steps + zero_point, -OFFSET), OFFSET - 1))
