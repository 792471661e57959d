"""An `.onnx` while its nodes are read: the value behind each tensor name so far."""

import dataclasses
import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import numpy as np

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.formats.onnx import OnnxModel, OnnxOperator
from mobiledeploy.ops.onnx import OFFSET
from mobiledeploy.ops.onnx_values import OnnxActivation, OnnxConstant, OnnxGrid, OnnxValue
from mobiledeploy.ops.stored import (
    INPUT,
    Array,
    LayerInput,
    LayersSoFar,
    StoredLayer,
    StoredTensor,
    on_grid_of,
    with_clamp,
)

TYPES: Final = ("float32", "uint8", "int8", "int32", "uint32", "int64", "bool", "float64")
"""Types of tensors that are read; others are ignored."""

DeduceGrid: TypeAlias = Callable[[StoredLayer, Sequence[LayerInput]], StoredLayer]
"""Completes a layer whose file does not state its output's grid, from the grids with which its
readers take the output, the likeliest first. Its own inputs keep their grids. Where no reader
states a grid either, the output stays `unstated`."""


class OnnxReader:
    """An `.onnx` while its nodes are read.

    Attributes:
        layers: The layers read so far.
        values: The values behind the tensors, by index; None for what is not followed.
        bounds: Lowest and highest real value of layers that are not quantised yet.
        deduced: Layers that read and write codes whose grids their nodes do not state.
        moved: Indices of layers that only move codes, so that they write them on the grid on which
            they read them.
        own_steps: Indices of `deduced` layers whose codes the file quantises in steps of 1.
        outputs: Indices of what the graph gives.
        input_factor: Factor on the graph's input before it is quantised.
    """

    def __init__(self, file: OnnxModel, layers: LayersSoFar) -> None:
        """Begin with the file's constants that are not an operator's output."""
        self.layers = layers
        self._tensors = file.tensors
        given = {
            index for node in file.operators if node.op == "Constant" for index in node.outputs
        }
        self.values: dict[int, OnnxValue | None] = {
            index: self.constant(index)
            for index, tensor in enumerate(file.tensors)
            if tensor.constant and index not in given
        }
        self.bounds: dict[int, tuple[float, float]] = {}
        self.deduced: dict[int, DeduceGrid] = {}
        self.moved: list[int] = []
        self.own_steps: set[int] = set()
        self.input_factor: np.float32 | None = None
        self.outputs = frozenset(file.outputs)
        self._nodes = file.operators
        self._readers = Counter(index for node in file.operators for index in node.inputs)
        self._readers.update(file.outputs)

    def name(self, index: int) -> str:
        """Return a tensor's name; empty for one left out."""
        return self._tensors[index].name if index >= 0 else ""

    def written(self, node: OnnxOperator) -> str:
        """Return the name of a node's first output; empty if it has none."""
        return self.name(node.output(0))

    def constant(self, index: int) -> OnnxConstant | None:
        """Return the values that the file holds; None if they are of a type not looked into."""
        tensor = self._tensors[index]
        if tensor.data is None or tensor.dtype not in TYPES:
            return None
        return OnnxConstant(name=tensor.name, values=tensor.data)

    def read_once(self, index: int) -> bool:
        """Whether exactly one node reads a tensor."""
        return self._readers[index] == 1

    def reading(self, index: int) -> list[OnnxOperator]:
        """Return the nodes that read a tensor."""
        return [node for node in self._nodes if index in node.inputs]

    def value(self, node: OnnxOperator, place: int) -> OnnxValue | None:
        """Return the value behind an input; None if it is absent or not followed.

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
        """Return an input's values; None if it is not a constant."""
        value = self.value(node, place)
        return value.values if isinstance(value, OnnxConstant) else None

    def scalar(self, node: OnnxOperator, place: int) -> float | None:
        """Return an input's only value; None if it is not a constant of one value."""
        values = self.numbers(node, place)
        return float(values.ravel()[0]) if values is not None and values.size == 1 else None

    def grid(self, node: OnnxOperator, scale: int, zero: int) -> OnnxGrid | None:
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

    def read(self, activation: OnnxActivation) -> LayerInput:
        """Return how a layer reads an activation."""
        return LayerInput(
            source=activation.source, scale=activation.scale, zero_point=activation.zero_point
        )

    def add_layer(
        self,
        node: OnnxOperator,
        kind: str,
        activations: list[OnnxActivation],
        out: OnnxActivation,
        **more: Any,
    ) -> OnnxActivation:
        """Add a layer whose output is not quantised yet; return its output as real values.

        Args:
            node: The node that it is read from.
            kind: As in `StoredLayer`.
            activations: Its inputs.
            out: Axes and sizes of its output.
            more: Further fields of the layer.
        """
        name = self.name(next((output for output in node.outputs if output >= 0), -1))
        output = StoredTensor(
            name=name,
            shape=out.shape,
            dtype="float32",
            scale=None,
            zero_point=None,
            axes="" if out.is_plain else out.axes,
        )
        index = self.layers.add(
            StoredLayer(
                kind=kind,
                op=node.op,
                name=name,
                reads=tuple(self.read(activation) for activation in activations),
                output=output,
                **more,
            )
        )
        self.bounds[index] = (-math.inf, math.inf)
        return dataclasses.replace(
            out, source=index, scale=None, zero_point=None, real=True, factor=None, dtype=""
        )

    def quantise_layer(
        self, activation: OnnxActivation, name: str, grid: OnnxGrid
    ) -> OnnxActivation:
        """Set the grid of a layer's output; return the output as codes."""
        zero_point: int | None
        scale, zero_point, dtype = grid
        low, high = self.bounds.pop(activation.source)
        layer = self.layers[activation.source]
        output = dataclasses.replace(
            layer.output, name=name, dtype=dtype, scale=scale, zero_point=zero_point
        )
        clamp = code_of(low, scale, zero_point), code_of(high, scale, zero_point)
        completed = dataclasses.replace(layer, name=name, output=output)
        self.layers.replace(activation.source, with_clamp(completed, clamp))
        stated = None if activation.source in self.deduced else scale
        if activation.source in self.deduced and activation.source in (
            self.own_steps.union(self.moved)
        ):
            # The grid is that of the layer's input, or its reader's, and not what stands here.
            zero_point = None
        return dataclasses.replace(
            activation, scale=stated, zero_point=zero_point, real=False, dtype=dtype
        )

    def leave_without_grid(self, activation: OnnxActivation, dtype: str) -> OnnxActivation:
        """Note that the grid of a layer's output is not stated; return the output as codes."""
        self.bounds.pop(activation.source)
        output = self.layers[activation.source].output
        output = dataclasses.replace(output, dtype=dtype, unstated=True)
        self.layers.change(activation.source, output=output)
        return dataclasses.replace(activation, real=False, dtype=dtype)

    def move_codes(
        self,
        node: OnnxOperator,
        kind: str,
        activations: list[OnnxActivation],
        out: OnnxActivation,
        **more: Any,
    ) -> OnnxActivation | None:
        """Add a layer that writes codes as it reads them; return the codes that it gives.

        Args:
            node: That it comes from.
            kind: As in `StoredLayer`.
            activations: The codes that it takes.
            out: Axes and sizes of what it gives.
            more: Further fields of the layer.

        Returns:
            None where it takes something else than codes of one type.
        """
        types = {activation.dtype for activation in activations}
        if any(activation.real for activation in activations) or len(types) != 1:
            return None
        layer = self.add_layer(node, kind, activations, out, **more)
        self.moved.append(layer.source)
        first = activations[0]
        if any(read.scale is None or read.zero_point is None for read in activations):
            # A table of all codes, or a product of codes, states no grid.
            self.deduced[layer.source] = _on_the_grid_that_it_reads
        if first.scale is None or first.zero_point is None:
            return self.leave_without_grid(layer, first.dtype)
        grid = first.scale, first.zero_point, first.dtype
        return self.quantise_layer(layer, self.written(node), grid)

    def copy(
        self,
        node: OnnxOperator,
        kind: str,
        activations: list[OnnxActivation],
        out: OnnxActivation,
        **more: Any,
    ) -> OnnxActivation | None:
        """Add a layer that copies what it reads: codes, or the real values of codes of one grid.

        Arguments are those of `move_codes`.

        Returns:
            None where it takes something else.
        """
        if not any(activation.real for activation in activations):
            return self.move_codes(node, kind, activations, out, **more)
        first = activations[0]
        grids = {(each.scale, each.zero_point, each.real) for each in activations}
        if len(grids) != 1 or first.scale is None or first.zero_point is None:
            return None
        layer = self.add_layer(node, kind, activations, out, **more)
        # What is copied stays on its grid: a reader needs no QuantizeLinear in between.
        output = dataclasses.replace(
            self.layers[layer.source].output, scale=first.scale, zero_point=first.zero_point
        )
        self.layers.change(layer.source, output=output)
        return dataclasses.replace(layer, scale=first.scale, zero_point=first.zero_point)

    def deduce_grids(
        self, output: OnnxActivation, *, certified: Callable[[StoredLayer], bool]
    ) -> None:
        """Complete the layers whose nodes state no grid.

        Args:
            output: The graph's output.
            certified: Whether a layer may take codes by a certificate's scales, which may be some
                units in the last place off those of the codes.
        """
        others = [
            layer for index, layer in enumerate(self.layers.all()) if index not in self.deduced
        ]
        others.sort(key=lambda layer: layer.weights is None)
        # The input takes any scale rather than none.
        stated = [
            read
            for layer in others
            for read in layer.reads
            if read.source == INPUT or not certified(layer)
        ]
        taken: dict[int, list[LayerInput]] = {index: [] for index in (INPUT, *self.deduced)}
        for read in (*stated, self.read(output)):
            if read.source in taken and read.scale is not None:
                taken[read.source].append(read)
        # Who takes codes that were only moved takes those that stood there before.
        for index in reversed(self.moved):
            reads = self.layers[index].reads
            known = [read for read in reads if read.scale is not None]
            for read in reads:
                if read.source in taken:
                    taken[read.source].extend((*known, *taken.get(index, ())))
        by_codes = {
            (read.source, float(read.scale))
            for index in self.deduced
            for read in self.layers[index].reads
            if read.scale is not None
        }
        first = self.layers.input
        own = {read.scale for read in taken[INPUT] if self._is_inverse_factor(read)}
        if (INPUT, 1.0) in by_codes and first.scale == 1 and taken[INPUT]:
            # A product of codes reads them with the scale 1, whatever their own scale is.
            self.layers.input = dataclasses.replace(first, scale=taken[INPUT][0].scale)
        elif len(own) == 1:
            self.layers.input = dataclasses.replace(first, scale=own.pop())
        for index, deduce in self.deduced.items():
            layer = self.layers[index]
            reads = tuple(self._as_written(read) for read in layer.reads)
            completed = deduce(dataclasses.replace(layer, reads=reads), taken[index])
            self.layers.change(
                index,
                reads=completed.reads,
                output=completed.output,
                multiplier=completed.multiplier,
                faults=completed.faults,
            )

    def _is_inverse_factor(self, read: LayerInput) -> bool:
        """Whether the graph's input is multiplied by the inverse of the scale of a read."""
        scale, factor = read.scale, self.input_factor
        return factor is not None and scale is not None and np.float32(1) / scale == factor

    def _as_written(self, read: LayerInput) -> LayerInput:
        """Return a read of codes, on the grid that they were written on."""
        tensor = self.layers.tensor(read.source)
        zero_point = tensor.zero_point if read.zero_point is None else read.zero_point
        return dataclasses.replace(read, scale=tensor.scale, zero_point=zero_point)

    def is_unquantised(self, activation: OnnxActivation) -> bool:
        """Whether a value is a layer's output as real values, not quantised yet."""
        return activation.source != INPUT and activation.real and activation.source in self.bounds

    def rename(self, node: OnnxOperator, activation: OnnxActivation) -> None:
        """Give a layer the name and shape of a node that only moved its output's codes."""
        if activation.source != INPUT and not activation.real and self.read_once(node.inputs[0]):
            output = self.layers[activation.source].output
            output = dataclasses.replace(
                output, name=self.written(node), shape=activation.shape, axes=activation.axes
            )
            self.layers.change(activation.source, name=self.written(node), output=output)


def _on_the_grid_that_it_reads(layer: StoredLayer, taken: Sequence[LayerInput]) -> StoredLayer:
    known = [read for read in (*layer.reads, *taken) if read.scale is not None]
    if layer.output.scale is not None:
        return layer
    if not known:
        # A product of codes states its zero point, but not its scale.
        zeros = {read.zero_point for read in layer.reads}
        zero_point = zeros.pop() if len(zeros) == 1 else None
        output = dataclasses.replace(layer.output, zero_point=zero_point)
        return dataclasses.replace(layer, output=output)
    return on_grid_of(layer, known[0])


def code_of(real: float, scale: np.float32, zero_point: int) -> int:
    """Return the int8 code that a real value is stored as."""
    if not math.isfinite(real) or not scale > 0:
        return -OFFSET if real < 0 else OFFSET - 1
    steps = float(np.rint(np.float32(real) / scale))
    return int(min(max(steps + zero_point, -OFFSET), OFFSET - 1))


ReadOnnx: TypeAlias = Callable[[OnnxReader, OnnxOperator], OnnxValue | None]
"""Adds the layer of a node; returns the value that the node writes, or None if the function does
not support the node."""
