"""Make an integer graph that computes what the layers of a finished file compute.

It keeps every weight, bias, zero point and scale of the file. Where LiteRT's kernel would not give
the codes that the file's own runtime gives, for some input, the graph has a table of all codes
instead. What fits no table is an obstacle: all of them are returned, by the layer.
"""

import dataclasses
import math
from collections.abc import Collection, Hashable, Iterator, Sequence
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.compare.same_function import codes_of_all_cases, needs_no_grid, on_any_grid
from mobiledeploy.integer.fold_padding import fold_padding
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.integer.in_floats import of_floats
from mobiledeploy.integer.mean_as_convolution import (
    codes_of_windows,
    mean_as_convolution,
    window_as_convolution,
)
from mobiledeploy.integer.sum_by_moved_scales import copies, moved_scales
from mobiledeploy.integer.table_as_convolution import table_as_convolution
from mobiledeploy.ops import conv, lookup, table
from mobiledeploy.ops.activation import clamp
from mobiledeploy.ops.architecture import Activation
from mobiledeploy.ops.average_pool import AveragePool
from mobiledeploy.ops.capabilities import Cases, Certified, GivesScores, MovesCodes
from mobiledeploy.ops.certificate import all_codes, neighbours
from mobiledeploy.ops.clamp import Clamp
from mobiledeploy.ops.constant_operand import BY_CPU
from mobiledeploy.ops.conv import Conv, per_channel
from mobiledeploy.ops.grid import activation_grid
from mobiledeploy.ops.mean import Mean
from mobiledeploy.ops.node import Node
from mobiledeploy.ops.onnx import IMAGE_AXES
from mobiledeploy.ops.operator import Operator, has_weights
from mobiledeploy.ops.requantise import by_floats, joined_by_tflite, requantised
from mobiledeploy.ops.reshape import Reshape
from mobiledeploy.ops.stored import (
    FULL,
    INPUT,
    LayerInput,
    StoredLayer,
    StoredTensor,
)
from mobiledeploy.ops.sum_operator import SumOperator
from mobiledeploy.ops.tensors import QMIN, Codes, Int8, QTensor, Shape
from mobiledeploy.reading.model import Reading

Form: TypeAlias = Literal[
    "operator", "table", "clamp", "scores", "convolution", "moved scales", "inexact"
]
"""What a layer became. `operator`: what it is in the file. `table`: one of all codes, or of all
pairs of codes. `clamp`: with an operator of its own that clips codes. `scores`: its output is on
TFLite's grid of scores. `convolution`: a mean or a line as a depthwise one. `moved scales`: a sum
of copies of its operands whose scales are some units in the last place off. `inexact`: what LiteRT
computes, and not what the file's runtime does."""

_ACTIVATIONS: Final[tuple[Activation, ...]] = ("none", "relu", "relu6")
_OF_VECTORS: Final = frozenset({"dense", "softmax"})
"""Kinds of layers that read vectors."""
_OF_SHAPES: Final = frozenset({"form", "groups", "operand", "output_shape"})
"""Fields whose faults may come from a shape that is not known."""
_SCALES_APART: Final = 1e-5
"""Most by which a scale that a kernel reads codes by may differ from the one they were written on,
to become part of the kernel's scales: more than what makes runtimes round alike, less than what
another grid is."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """A layer of a file that an integer graph cannot hold.

    Attributes:
        layer: Its index among the reading's layers; -1 for the file's input.
        reason: Why, in words.
        inexact: Whether an operator can stand for it that misses some of its codes.
    """

    layer: int
    reason: str
    inexact: bool = False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class OtherForm:
    """A layer of a file that is another operator in the graph, or another function elsewhere.

    Attributes:
        layer: Its index among the reading's layers.
        name: Name of what it writes, in the graph.
        form: What it became.
        cases: How many inputs were tried.
        differing: How many of them LiteRT's operator would give other codes for.
        lsb: By how much at most.
        by_cpu: How many of them the file's own runtime gives other codes for on other CPUs.
    """

    layer: int
    name: str
    form: Form
    cases: int = 0
    differing: int = 0
    lsb: int = 0
    by_cpu: int = 0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GraphOfReading:
    """The integer graph of a file's layers.

    Attributes:
        graph: The graph; None where there are obstacles.
        places: Index of the reading's layer that a node comes from, by the name of its output.
        forms: The layers that became another operator.
        obstacles: All layers that a graph cannot hold.
    """

    graph: IntegerGraph | None
    places: dict[str, int]
    forms: tuple[OtherForm, ...]
    obstacles: tuple[Obstacle, ...]


def graph_of(
    reading: Reading, *, inexact: bool = False, in_floats: Collection[str] = ()
) -> GraphOfReading:
    """Return the integer graph of a file's layers, or what stands in its way.

    Args:
        reading: The file's layers. Scores at its end are on the grid that TFLite has for them, on
            whatever grid the file puts them.
        inexact: Whether a layer that fits no table becomes LiteRT's operator, which misses some
            codes.
        in_floats: What layers write that the file's runtime computes in floats.
    """
    return _Maker(reading, inexact=inexact, in_floats=in_floats).finish()


class _InexactError(ConversionError):
    """LiteRT's operator gives other codes than the layer."""


class _OwnError(ConversionError):
    """A layer is refused for what it is, whatever it reads."""


class _Maker:
    """A graph while its nodes are added."""

    def __init__(self, reading: Reading, *, inexact: bool, in_floats: Collection[str]) -> None:
        self._in_floats = in_floats
        self._reading = reading
        self._inexact = inexact
        self._nodes: list[Node] = []
        self._names: set[str] = set()
        self._written: dict[int, QTensor | None] = {}
        self._again: dict[tuple[object, ...], QTensor] = {}
        self._places: dict[str, int] = {}
        self._forms: list[OtherForm] = []
        self._obstacles: list[Obstacle] = []
        self._refused: set[int] = set()

    def finish(self) -> GraphOfReading:
        """Return the graph of all layers."""
        reading = self._reading
        self._written[INPUT] = self._input()
        for index, layer in enumerate(reading.layers):
            behind = any(read.source in self._refused for read in layer.reads)
            if behind:
                self._refused.add(index)
            try:
                self._written[index] = self._layer(index, layer)
            except ConversionError as error:
                self._refused.add(index)
                # What a layer is refused for that reads a refused one may follow from that.
                if not behind or isinstance(error, _InexactError | _OwnError):
                    reason = str(error).removeprefix(f"`{layer.name}`: ")
                    self._obstacle(index, reason, inexact=isinstance(error, _InexactError))
            if self._written.get(index) is None:
                self._written[index] = self._as_stated(index, layer)
        if reading.other_outputs:
            self._obstacle(INPUT, f"further outputs: {', '.join(reading.other_outputs)}")
        graph = None if self._obstacles else self._graph()
        return GraphOfReading(
            graph=graph,
            places=self._places,
            forms=tuple(self._forms),
            obstacles=tuple(self._obstacles),
        )

    def _obstacle(self, index: int, reason: str, *, inexact: bool = False) -> None:
        self._obstacles.append(Obstacle(layer=index, reason=reason, inexact=inexact))

    def _graph(self) -> IntegerGraph | None:
        reading, image = self._reading, self._written[INPUT]
        last = self._written.get(reading.output_of)
        try:
            if image is not None and self._nodes and self._nodes[-1].output == last:
                name = reading.producer or reading.format
                graph = IntegerGraph(name=name, input=image, nodes=tuple(self._nodes))
                return fold_padding(graph)
            self._obstacle(reading.output_of, "its last layer does not give its output")
        except ConversionError as error:
            self._obstacle(reading.output_of, str(error))
        return None

    def _as_stated(self, index: int, layer: StoredLayer) -> QTensor | None:
        """Return what a layer that is an obstacle writes, to look at the layers behind it."""
        try:
            shape = layer.output.shape or (1,)
            return _on_grid(self._unique(layer.name or f"layer {index}"), shape, layer.output)
        except ConversionError:
            return None

    def _input(self) -> QTensor | None:
        source = self._reading.input
        try:
            shape = source.shape
            if len(shape) == 1 and source.axes == "NHWC":
                shape = (1, 1, *shape)  # an image of one pixel, as the file states it
            return _on_grid(self._unique(source.name or "input"), shape, source)
        except ConversionError as error:
            self._obstacle(INPUT, str(error))
            return None

    def _layer(self, index: int, layer: StoredLayer) -> QTensor | None:
        """Add the nodes of a layer; return what it writes, None if what it reads is not known."""
        if layer.faults:
            own = any(fault.field not in _OF_SHAPES for fault in layer.faults)
            detail = "; ".join(fault.detail for fault in layer.faults)
            raise _OwnError(detail) if own else ConversionError(detail)
        sources = [self._written.get(read.source) for read in layer.reads]
        known = [source for source in sources if source is not None]
        operator = table.of_kind(layer.kind)
        others = layer.table is not None or layer.kind == "quantize"
        if operator is None and not others:
            raise _OwnError(_not_taken(layer))
        if len(known) < len(sources):
            return None
        if needs_no_grid(layer):
            layer = on_any_grid(layer, known[0].scale, known[0].zero_point)
        elif layer.output.unstated:
            layer = dataclasses.replace(layer, output=self._with_grid(index, layer, known))
        if layer.table is not None or layer.kind == "quantize":
            return self._table(index, layer, known)
        if operator is None:
            raise ConversionError(f"`{layer.name}` has no operator")
        module: object = operator
        if isinstance(module, MovesCodes) and layer.kind != "concatenation":
            apart = self._behind_moved_codes(index, layer)
            if apart is not None:
                return apart
        output = self._output(index, operator, layer)
        scores = output.scale != layer.output.scale or output.zero_point != layer.output.zero_point
        if isinstance(module, Certified) and not scores:
            return self._certified(index, operator, module, layer, known, output)
        if not scores:
            known = [
                self._on_grid_of(source, read, weighted=has_weights(operator))
                for source, read in zip(known, layer.reads, strict=True)
            ]
        if layer.kind == "concatenation":
            dtype = layer.output.dtype
            known = [self._part(index, source, output, dtype) for source in known]
        inputs = self._shaped(operator, layer, known)
        node = _checked(operator, _on_written_scales(layer, known), inputs, output)
        if isinstance(node, Conv):
            node = dataclasses.replace(node, weights=per_channel(node.weights))
        if scores:
            self._forms.append(OtherForm(layer=index, name=output.name, form="scores"))
        return self._add(index, node, layer)

    def _behind_moved_codes(self, index: int, layer: StoredLayer) -> QTensor | None:
        """Add a layer that moves codes and puts them on another grid, as two; None if it is none.

        ONNX Runtime moves real values, so that their codes are quantised once.
        """
        (read, *_), out = layer.reads, layer.output
        stated = None not in (read.scale, read.zero_point, out.scale, out.zero_point)
        same = (read.scale, read.zero_point) == (out.scale, out.zero_point)
        if same or not stated or self._reading.format != "onnx" or len(layer.reads) != 1:
            return None
        before = dataclasses.replace(
            layer,
            output=dataclasses.replace(out, scale=read.scale, zero_point=read.zero_point),
            clamp=FULL,
        )
        source = self._layer(index, before)
        if source is None:
            return None
        output = _on_grid(self._unique(f"{layer.name}/on another grid"), source.shape, out)
        codes = np.clip(by_floats(source, output), *layer.clamp)
        self._note(index, output, "table", np.zeros(codes.size, np.int64), 0)
        return self._append(index, lookup.of_table(codes, [source], output))

    def _certified(
        self,
        index: int,
        operator: Operator[Any],
        module: Certified,
        layer: StoredLayer,
        known: list[QTensor],
        output: QTensor,
    ) -> QTensor:
        """Add a layer of which all inputs can be tried, or a table of its results."""
        inputs = self._shaped(operator, layer, known)
        shapes = [source.shape for source in inputs]
        tried = codes_of_all_cases(layer, self._reading.format, shapes)
        if tried is None and layer.kind == "average_pool":
            return self._averaged(index, operator, layer, inputs, output)
        if tried is None:
            raise ConversionError(
                f"what its runtime computes for {layer.op} of these shapes and scales is not known"
            )
        cases, (expected, *others) = tried
        if layer.name in self._in_floats:
            given = of_floats(layer, inputs, output)
            expected, others = (expected, others) if given is None else (given, [])
        by_cpu = int((np.stack([expected, *others]) != expected).any(axis=0).sum())
        try:
            node = _checked(operator, layer, inputs, output)
            if isinstance(node, Clamp):
                node = _clamp(node, layer.clamp)
            limits = [*module.litert_limits(node, inputs, next(iter(operator.TFLITE), ""))]
            off = np.zeros_like(expected)
            if not limits:
                node, off = self._compared(node, module, layer, inputs, cases, tried[1])
        except ConversionError as error:
            node, limits, off = None, [str(error)], np.zeros_like(expected)
        differing, lsb = int((off > 0).sum()), int(off.max())
        if node is not None and not limits and not differing:
            if by_cpu:
                self._note(index, output, "operator", off, by_cpu)
            return self._add(index, node, layer)
        pairs = len(inputs) == 2 and expected.size == lookup.CODES**2
        if node is not None and not limits and isinstance(operator, SumOperator):
            moved = self._with_moved_scales(operator.sign, node, inputs, expected)
            if moved is not None:
                self._note(index, output, "moved scales", off, by_cpu)
                return self._add(index, moved, layer)
        if pairs or module.ONE_CODE:
            shape = _broadcast(inputs)
            output = dataclasses.replace(output, shape=shape)
            self._note(index, output, "table", off, by_cpu)
            return self._append(index, lookup.of_table(expected, inputs, output))
        if isinstance(node, Mean) and layer.clamp == FULL:
            name = self._unique(f"{output.name}/mean")
            convolution = mean_as_convolution(node, inputs[0], name, expected)
            if convolution is not None:
                self._note(index, output, "convolution", off, by_cpu)
                self._append(index, convolution)
                return self._append(index, Reshape(input=name, output=node.output))
        if node is None or limits:
            raise ConversionError("; ".join(limits))
        if self._inexact:
            self._note(index, output, "inexact", off, by_cpu)
            return self._add(index, node, layer)
        raise _InexactError(
            f"LiteRT's {next(iter(operator.TFLITE))} gives other codes for {differing:,} of "
            f"{off.size:,} {module.CASES}, by {lsb} at most"
        )

    def _compared(
        self,
        node: Node,
        module: Certified,
        layer: StoredLayer,
        inputs: Sequence[QTensor],
        cases: Cases,
        expected: Sequence[Codes],
    ) -> tuple[Node, Codes]:
        """Return a node, or its twin of uint8 codes, and by how much LiteRT misses each case.

        Args:
            node: What the layer is in a graph of int8.
            module: Its operator.
            layer: The layer.
            inputs: What it reads.
            cases: All that it may read.
            expected: What each kernel of the file's own runtime gives.
        """

        def off(candidate: Node) -> Codes:
            codes = np.clip(module.litert_cases(candidate, inputs, cases), *layer.clamp)
            # Of one format, each kernel runs both.
            same = self._reading.format == "tflite" and len(codes) == len(expected)
            missed: Codes = np.abs(codes - (np.stack(expected) if same else expected[0])).max(0)
            return missed

        missed = off(node)
        pool = layer.op == "AVERAGE_POOL_2D" and self._reading.format == "tflite"
        if missed.any() and pool and isinstance(node, Mean):
            # It does not round like a mean, but is the pool that it is called.
            window = inputs[0].shape[0], inputs[0].shape[1]
            twin: Node = AveragePool(
                input=node.input,
                output=node.output,
                window=window,
                strides=window,
                padding="valid",
            )
            return twin, np.zeros_like(missed)
        unsigned = self._reading.format == "tflite" and layer.output.dtype == "uint8"
        if missed.any() and unsigned and isinstance(node, AveragePool | Mean):
            output = dataclasses.replace(node.output, unsigned=True)
            twin = dataclasses.replace(node, output=output)
            return twin, off(twin)
        return node, missed

    def _with_moved_scales(
        self, sign: int, node: Node, inputs: Sequence[QTensor], expected: Codes
    ) -> Node | None:
        """Return a sum that reads copies of its operands, with which it gives all codes.

        None where there are no such scales, or the operands are no images.
        """
        a, b = inputs
        if len(a.shape) != IMAGE_AXES or a.shape != b.shape:
            return None
        scales = moved_scales(expected, (a, b), node.output, sign=sign)
        if scales is None:
            return None
        names = self._unique(f"{a.name}/copied"), self._unique(f"{b.name}/copied")
        read = []
        for source, copy in zip(inputs, copies((a, b), scales, names), strict=True):
            if copy is not None:
                self._nodes.append(copy)
            read.append(source.name if copy is None else copy.output.name)
        made: Any = node
        moved: Node = dataclasses.replace(made, inputs=tuple(read))
        return moved

    def _averaged(
        self,
        index: int,
        operator: Operator[Any],
        layer: StoredLayer,
        inputs: Sequence[QTensor],
        output: QTensor,
    ) -> QTensor:
        """Add an average pooling that ONNX Runtime computes in float32, if it can or need be.

        Raises:
            ConversionError: It has to be.
        """
        (source,) = inputs
        if not any(layer.pads):
            codes, unsure = codes_of_windows(source, output, layer.window)
            pixels = _image(output)
            made = window_as_convolution(source, pixels, layer.window, layer.strides, codes)
            if made is not None and (self._inexact or not unsure):
                cases = np.zeros(codes.size, np.int64)
                cases[:unsure] = 1
                self._note(index, output, "inexact" if unsure else "convolution", cases, 0)
                return self._add(index, made, layer)
            if made is not None:
                raise _InexactError(
                    f"its runtime adds the window up in float32, and {unsure:,} of {codes.size:,} "
                    "sums are so close to a half that their code may be off by 1"
                )
        if not self._inexact:
            raise _InexactError(
                "its runtime adds the window up in float32 and rounds halves by chance, which no "
                "integers repeat: codes may miss its by 1"
            )
        self._note(index, output, "inexact", np.ones(1, np.int64), 0)
        if (source.scale, source.zero_point) == (output.scale, output.zero_point):
            return self._add(index, _checked(operator, layer, inputs, output), layer)
        name = self._unique(f"{output.name}/on the grid before")
        before = dataclasses.replace(
            output, name=name, scale=source.scale, zero_point=source.zero_point
        )
        pooled = self._append(index, _checked(operator, layer, inputs, before))
        codes = np.clip(by_floats(pooled, output), *layer.clamp)
        return self._append(index, lookup.of_table(codes, [pooled], output))

    def _note(self, index: int, output: QTensor, form: Form, off: Codes, by_cpu: int) -> None:
        self._forms.append(
            OtherForm(
                layer=index,
                name=output.name,
                form=form,
                cases=off.size,
                differing=int((off > 0).sum()),
                lsb=int(off.max()),
                by_cpu=by_cpu,
            )
        )

    def _table(self, index: int, layer: StoredLayer, known: list[QTensor]) -> QTensor:
        """Add a table of a file, or the operator whose results it holds."""
        source = known[0]
        name = self._unique(layer.name or f"layer {index}")
        output = _on_grid(name, source.shape, layer.output)
        codes: Codes | Int8
        if layer.table is None:
            before = self._tensor(layer.reads[0].source)
            codes = np.clip(requantised(layer, before, self._reading.format), *layer.clamp)
        else:
            codes = layer.table
        unary = len(known) == 1 and codes.ndim == 1
        # A QUANTIZE may be a leaky ReLU of slope 1, which an `.onnx` has as a table, too.
        moved = layer.table is None and self._reading.format == "tflite"
        node = _of_table(layer, codes, source, output) if unary and not moved else None
        if node is not None:
            return self._append(index, node)
        by_cpu = layer.parameter(BY_CPU) if layer.parameters else 0
        same = np.zeros(codes.size, np.int64)
        by_channel = layer.table is not None and layer.table.ndim > 1
        line = unary and len(source.shape) == IMAGE_AXES and self._reading.format == "onnx"
        if layer.table is not None and (by_channel or line):
            (pixels,) = self._shaped(conv, layer, known)
            vector = pixels.shape != source.shape
            pixel = self._unique(f"{name}/pixel") if vector else name
            image = dataclasses.replace(output, name=pixel, shape=pixels.shape)
            convolution = table_as_convolution(layer.table, pixels, image)
            if convolution is not None:
                self._note(index, output, "convolution", same, by_cpu)
                last = self._append(index, convolution)
                return self._append(index, Reshape(input=pixel, output=output)) if vector else last
        self._note(index, output, "table", same, by_cpu)
        return self._append(index, lookup.of_table(codes, known, output))

    def _with_grid(self, index: int, layer: StoredLayer, known: Sequence[QTensor]) -> StoredTensor:
        """Return the output of a layer on a grid, where no node of the file states one.

        Readers take such codes as they are, by tables or multipliers, or by a scale that is some
        units in the last place off. So any grid next to that gives the same codes; without one it
        is a grid with which a multiplication has its own multiplier, where there is one.
        """
        stored, reads = layer.output, list(self._reads(index))
        zeros = [read.zero_point for _, _, read in reads if read.zero_point is not None]
        zero = stored.zero_point if stored.zero_point is not None else next(iter(zeros), 0)
        scale = known[0].scale
        stated = [
            read.scale
            for reader, _, read in reads
            if reader.kind != _PRODUCT and read.scale is not None
        ]
        if stated:
            scale = stated[0]
        elif isinstance(table.of_kind(layer.kind), MovesCodes):
            zero = known[0].zero_point
        elif layer.kind == _PRODUCT and layer.multiplier is not None:
            scale = _output_scale(known[0].scale * known[1].scale, layer.multiplier)
        else:
            for reader, place, _ in reads:
                factor, out = reader.multiplier, reader.output.scale
                if reader.kind != _PRODUCT or factor is None or out is None:
                    continue
                other = self._written.get(reader.reads[1 - place].source)
                if other is not None:
                    scale = factor * out / other.scale
        return dataclasses.replace(stored, scale=scale, zero_point=zero, unstated=False)

    def _reads(self, index: int) -> Iterator[tuple[StoredLayer, int, LayerInput]]:
        """Yield what reads a layer's codes, also behind layers that keep its grid unstated."""
        for number, reader in enumerate(self._reading.layers):
            for place, read in enumerate(reader.reads):
                if read.source == index:
                    yield reader, place, read
                    if needs_no_grid(reader):
                        yield from self._reads(number)

    def _tensor(self, source: int) -> StoredTensor:
        reading = self._reading
        return reading.input if source == INPUT else reading.layers[source].output

    def _output(self, index: int, operator: Operator[Any], layer: StoredLayer) -> QTensor:
        module: object = operator
        stored, name = layer.output, layer.name or f"layer {index}"
        last = index == self._reading.output_of
        if last and self._reading.output.name not in self._names:
            name = self._reading.output.name or name
        if last and isinstance(module, GivesScores) and operator.FIXED_RANGE is not None:
            grid = activation_grid(name, *operator.FIXED_RANGE)
            stored = dataclasses.replace(
                stored, scale=np.float32(grid.scale), zero_point=grid.zero_point
            )
        return _on_grid(self._unique(name), stored.shape or (1,), stored)

    def _shaped(
        self, operator: Operator[Any], layer: StoredLayer, sources: Sequence[QTensor]
    ) -> list[QTensor]:
        """Return what a layer reads, in shapes that its operator takes."""
        if layer.kind in _OF_VECTORS:
            return [self._in_shape(each, (math.prod(each.shape),)) for each in sources]
        images = operator.IMAGES or any(len(each.shape) == IMAGE_AXES for each in sources)
        return [
            self._in_shape(each, (1, 1, *each.shape)) if images and len(each.shape) == 1 else each
            for each in sources
        ]

    def _in_shape(self, source: QTensor, shape: Shape) -> QTensor:
        if source.shape == shape:
            return source
        key = source.name, shape
        if key not in self._again:
            name = self._unique(f"{source.name}/{'vector' if len(shape) == 1 else 'pixel'}")
            output = dataclasses.replace(source, name=name, shape=shape)
            self._nodes.append(Reshape(input=source.name, output=output))
            self._again[key] = output
        return self._again[key]

    def _on_grid_of(self, source: QTensor, read: LayerInput, *, weighted: bool) -> QTensor:
        """Return codes on the grid by which they are read: their table, if that is another one."""
        if read.scale is None or read.zero_point is None:
            return source  # codes whose grid no node states
        apart = abs(float(read.scale) / float(source.scale) - 1)
        if read.zero_point == source.zero_point and (
            apart == 0 or (weighted and apart < _SCALES_APART)
        ):
            return source
        key = source.name, float(read.scale), read.zero_point
        if key not in self._again:
            output = dataclasses.replace(
                source,
                name=self._unique(f"{source.name}/on another grid"),
                scale=read.scale,
                zero_point=read.zero_point,
            )
            self._nodes.append(lookup.of_table(all_codes(), [source], output))
            self._again[key] = output
        return self._again[key]

    def _part(self, index: int, source: QTensor, output: QTensor, dtype: str) -> QTensor:
        """Return a part of a concatenation on the grid of the whole, by a table if need be.

        LiteRT does not load int8 parts on several grids.

        Raises:
            ConversionError: The arithmetic by which the file does this is not known.
        """
        grid = output.scale, output.zero_point
        if (source.scale, source.zero_point) == grid:
            return source
        if self._reading.format == "tflite" and dtype != "uint8":
            raise ConversionError(f"it joins `{source.name}` with tensors on other grids")
        key = source.name, float(output.scale), output.zero_point, "part"
        if key not in self._again:
            name = self._unique(f"{source.name}/part of {output.name}")
            part = dataclasses.replace(
                source, name=name, scale=output.scale, zero_point=output.zero_point
            )
            by = by_floats if self._reading.format == "onnx" else joined_by_tflite
            codes = by(source, part)
            self._note(index, part, "table", np.zeros(codes.size, np.int64), 0)
            self._nodes.append(lookup.of_table(codes, [source], part))
            self._again[key] = part
        return self._again[key]

    def _add(self, index: int, node: Node, layer: StoredLayer) -> QTensor:
        """Add a node, and what clips its codes if it cannot do that itself."""
        made: Any = node
        output = node.output
        try:
            activation = _activation(layer.clamp, output)
        except ConversionError:
            activation = None
        if activation == "none":
            return self._append(index, node)
        if isinstance(node, Clamp):
            return self._append(index, node)
        if activation is not None and hasattr(made, "activation"):
            return self._append(index, dataclasses.replace(made, activation=activation))
        before = dataclasses.replace(output, name=self._unique(f"{output.name}/before clamp"))
        self._append(index, dataclasses.replace(made, output=before))
        if activation is not None:
            self._forms.append(OtherForm(layer=index, name=output.name, form="clamp"))
            clipped = Clamp(input=before.name, output=output, activation=activation)
            return self._append(index, clipped)
        codes = np.clip(all_codes(), *layer.clamp)
        self._note(index, output, "table", np.zeros(codes.size, np.int64), 0)
        return self._append(index, lookup.of_table(codes, [before], output))

    def _append(self, index: int, node: Node) -> QTensor:
        self._nodes.append(node)
        self._places[node.output.name] = index
        return node.output

    def _unique(self, name: str) -> str:
        free, number = name, 0
        while free in self._names:
            number += 1
            free = f"{name}#{number}"
        self._names.add(free)
        return free


def _not_taken(layer: StoredLayer) -> str:
    """Return why a layer is refused that has no operator."""
    if layer.kind == "dequantize":
        return "from here the file computes in float32, and not one element from one code alone"
    if table.of_file(layer.op) is not None:
        return f"{layer.op} can be converted in other forms, but not in this one"
    return f"{layer.op} cannot be converted"


_PRODUCT: Final = "mul"
"""Kind of a layer that an `.onnx` may describe by its multiplier."""
_NEAR: Final = np.arange(-4, 5)
"""Neighbours of a scale among which the one is that gives a multiplier."""


def _output_scale(product: np.float32, multiplier: np.float32) -> np.float32:
    """Return a scale for which the product of both operands' scales is a multiplier of it."""
    tried = neighbours(product / multiplier, _NEAR)
    exact = np.flatnonzero(product / tried == multiplier)
    return np.float32(tried[exact[0]] if exact.size else product / multiplier)


def _image(output: QTensor) -> QTensor:
    """Return a tensor in the shape of an image."""
    shape = output.shape if len(output.shape) == IMAGE_AXES else (1, 1, *output.shape)
    return dataclasses.replace(output, shape=shape)


def _broadcast(inputs: Sequence[QTensor]) -> Shape:
    """Return the shape that tensors have together.

    Raises:
        ConversionError: They do not fit.
    """
    shapes = [each.shape for each in inputs]
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError as error:
        raise ConversionError(f"its operands have the shapes {shapes}") from error


def _checked(
    operator: Operator[Any], layer: StoredLayer, inputs: Sequence[QTensor], output: QTensor
) -> Node:
    """Return the node of a layer, whose output may be a vector or an image of one pixel.

    Raises:
        ConversionError: It fits neither.
    """
    shapes = [output.shape]
    if len(output.shape) == 1:
        shapes.append((1, 1, *output.shape))
    elif output.shape[:-1] == (1, 1):
        shapes.append(output.shape[-1:])
    errors = []
    for shape in shapes:
        try:
            node: Node = operator.node_of(layer, inputs, dataclasses.replace(output, shape=shape))
            node.check(inputs)
        except ConversionError as error:
            errors.append(error)
            continue
        return node
    raise errors[0]


_UNARY: Final[tuple[tuple[str, tuple[tuple[str, Hashable], ...]], ...]] = (
    ("logistic", ()),
    ("tanh", ()),
    ("hard_swish", ()),
    ("elu", ()),
    ("gelu", (("approximate", False),)),
    ("gelu", (("approximate", True),)),
)
"""Layers whose results a table may hold, and their parameters."""


def _of_table(
    layer: StoredLayer, codes: Codes | Int8, source: QTensor, output: QTensor
) -> Node | None:
    """Return the operator that gives the codes of a table; None if none does."""
    for kind, parameters in (*_UNARY, *_slopes(codes, source, output)):
        operator: Any = table.of_kind(kind)
        named = dataclasses.replace(layer, kind=kind, parameters=parameters, table=None)
        try:
            node = _checked(operator, named, [source], output)
        except ConversionError:
            continue
        if [*operator.litert_limits(node, [source], next(iter(operator.TFLITE)))]:
            continue
        (computed, *_) = operator.litert_cases(node, [source], (all_codes(),))
        if np.array_equal(computed, codes):
            return node
    return None


_DIGITS: Final = (1, 2, 3, 4)
"""Decimals of slopes that are tried."""


def _slopes(
    codes: Codes | Int8, source: QTensor, output: QTensor
) -> Iterator[tuple[str, tuple[tuple[str, Hashable], ...]]]:
    """Yield leaky ReLUs whose slope is about that of a table below 0, in few decimals."""
    width = (QMIN - source.zero_point) * float(source.scale)
    if width:
        slope = (int(codes[0]) - output.zero_point) * float(output.scale) / width
        for alpha in dict.fromkeys(round(slope, digits) for digits in _DIGITS):
            yield "leaky_relu", (("alpha", float(np.float32(alpha))),)


def _activation(bounds: tuple[int, int], output: QTensor) -> Activation:
    """Return the activation that clips codes to bounds.

    Raises:
        ConversionError: There is none.
    """
    if bounds == FULL:
        return "none"
    for activation in _ACTIVATIONS:
        if clamp(activation, output) == bounds:
            return activation
    raise ConversionError(f"no activation clips codes to {bounds[0]}..{bounds[1]}")


def _clamp(node: Clamp, bounds: tuple[int, int]) -> Clamp:
    """Return a clamp with the activation that clips codes to bounds.

    Raises:
        ConversionError: There is none, or it only moves codes to another grid.
    """
    activation = _activation(bounds, node.output)
    if activation == "none":
        raise ConversionError("it clips nothing")
    return dataclasses.replace(node, activation=activation)


def _on_written_scales(layer: StoredLayer, sources: Sequence[QTensor]) -> StoredLayer:
    """Return a layer whose kernel's scales hold what its input is read by other than written."""
    if layer.weights is None:
        return layer
    (source,), (read,), weights = sources, layer.reads, layer.weights
    scale = weights.kernel_scale
    if read.scale is not None and read.scale != source.scale:
        scale = (read.scale.astype(np.float64) * scale / source.scale).astype(np.float32)
    return dataclasses.replace(
        layer,
        weights=dataclasses.replace(weights, kernel_scale=scale, bias_scale=source.scale * scale),
    )


def _on_grid(name: str, shape: Shape, grid: StoredTensor) -> QTensor:
    if grid.scale is None or grid.zero_point is None:
        held = f"{grid.dtype} without a scale" if "8" in grid.dtype else grid.dtype
        raise ConversionError(f"`{name}` holds {held}, not codes of 8 bits")
    return QTensor(name=name, shape=shape, scale=grid.scale, zero_point=grid.zero_point)
