"""Find the layers of a model: operators with their scales, weights and activations.

A `.tflite` states everything in the operator and its tensors; in an `.onnx` a layer is an operator
with the quantise/dequantise operators around it. Its module in `ops` describes its form.
"""

import dataclasses
import math
from collections import defaultdict
from typing import Any, Final, assert_never

import numpy as np
import numpy.typing as npt

from mobiledeploy.formats.model import CODES, Activation, Grid, Model, Operator, Tensor
from mobiledeploy.formats.onnx import schema
from mobiledeploy.formats.onnx.quantisation import QLINEAR, grid_of, scale_places
from mobiledeploy.formats.tflite.quantisation import CARRIERS
from mobiledeploy.ops import table
from mobiledeploy.ops.capabilities import MovesCodes
from mobiledeploy.ops.file_form import FileForm
from mobiledeploy.ops.operator import Operator as OperatorModule

ONNX_ACTIVATIONS: Final = ("Relu", "Clip")
"""Operators that clip, and that ONNX Runtime may fuse into the layer before."""

_BOUNDS: Final[dict[Activation, tuple[float, float]]] = {
    "relu": (0.0, math.inf),
    "relu6": (0.0, 6.0),
    "relu_n1_to_1": (-1.0, 1.0),
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Links:
    """Writer and readers of each tensor.

    Attributes:
        writer: By the index of a tensor, the operator that writes it.
        readers: By the index of a tensor, the operators that read it.
        inputs: Indices of the graph's inputs.
        outputs: Indices of the graph's outputs.
    """

    writer: dict[int, Operator]
    readers: dict[int, list[Operator]]
    inputs: frozenset[int]
    outputs: frozenset[int]

    @classmethod
    def of(cls, model: Model) -> "Links":
        """Return the writers and readers of a model's tensors."""
        writer: dict[int, Operator] = {}
        readers: dict[int, list[Operator]] = defaultdict(list)
        for operator in model.operators:
            for index in operator.outputs:
                if index >= 0:
                    writer.setdefault(index, operator)
            for index in dict.fromkeys(operator.inputs):
                if index >= 0:
                    readers[index].append(operator)
        return cls(
            writer=writer,
            readers=dict(readers),
            inputs=frozenset(model.inputs),
            outputs=frozenset(model.outputs),
        )

    def only_reader(self, index: int) -> Operator | None:
        """Return the only operator that reads a tensor; None if others or the output use it."""
        readers = self.readers.get(index, [])
        return readers[0] if len(readers) == 1 and index not in self.outputs else None

    def at_border(self, operator: Operator) -> bool:
        """Whether an operator reads an input of the graph or writes an output."""
        return not (
            self.inputs.isdisjoint(operator.inputs) and self.outputs.isdisjoint(operator.outputs)
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LayerTensor:
    """A tensor, and the grid by which a layer reads its codes; None for real values."""

    tensor: Tensor
    grid: Grid | None

    @property
    def per_tensor(self) -> tuple[float, int] | None:
        """Scale and zero point if there is one of each and both are valid, else None."""
        grid = self.grid
        if grid is None or grid.scale.size != 1 or self.tensor.dtype not in CODES:
            return None
        scale = float(grid.scale[0])
        usable = np.isfinite(scale) and scale > 0
        return (scale, int(grid.zero_point[0])) if usable else None

    def per_channel(self, channels: int) -> npt.NDArray[np.float64] | None:
        """Return a kernel's or bias's scales, one per channel; None if their number is wrong."""
        if self.grid is None or not channels or self.grid.scale.size not in {1, channels}:
            return None
        scales = self.grid.scale.astype(np.float64)
        if not (np.isfinite(scales) & (scales > 0)).all():
            return None
        return np.broadcast_to(scales, (channels,))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layer:
    """A layer with its tensors, as the file states them, right or wrong.

    Attributes:
        operator: The operator in the file.
        module: Its module in `ops`; None for an operator that only moves codes.
        form: The positions of its weights and scales in the file.
        where: Its name in findings.
        sources: The activations that it reads.
        kernel: Its weights; None if it has none or they are computed.
        channel_axis: Axis of the output channels in the kernel.
        bias: Its bias; None if it has none.
        output: The tensor that it writes, with its grid.
        bounds: Lowest and highest real value that the activation keeps; None without activation.
        separate_activation: Name of an activation operator between the layer and its codes (ONNX
            only); empty if there is none.
    """

    operator: Operator
    module: OperatorModule[Any] | None
    form: FileForm
    where: str
    sources: tuple[LayerTensor, ...]
    output: LayerTensor
    kernel: LayerTensor | None = None
    channel_axis: int = 0
    bias: LayerTensor | None = None
    bounds: tuple[float, float] | None = None
    separate_activation: str = ""

    @property
    def weighted(self) -> bool:
        """Whether its operator has weights, constant or computed."""
        return self.form.kernel is not None

    @property
    def integer(self) -> bool:
        """Whether it reads and writes codes."""
        ends = (*self.sources, self.output)
        return bool(self.sources) and all(end.grid is not None for end in ends)

    @property
    def channels(self) -> int:
        """Number of output channels; 0 if the kernel is not known."""
        sizes = None if self.kernel is None else self.kernel.tensor.sizes
        inside = sizes is not None and self.channel_axis < len(sizes)
        return sizes[self.channel_axis] if sizes is not None and inside else 0

    def rows(self) -> npt.NDArray[Any] | None:
        """Return the integer kernel, output channels first; None if it has none."""
        kernel = None if self.kernel is None else self.kernel.tensor
        if kernel is None or kernel.data is None or not kernel.data.size or not self.channels:
            return None
        if kernel.data.dtype.kind not in "iu":
            return None
        return np.moveaxis(kernel.data, self.channel_axis, 0)

    def kernel_scales(self) -> npt.NDArray[np.float64] | None:
        """Return a scale for each output channel; None if the file's do not fit."""
        return None if self.kernel is None else self.kernel.per_channel(self.channels)

    def multipliers(self) -> npt.NDArray[np.float64] | None:
        """Return each channel's multiplier: output codes per unit of the accumulator."""
        scales, output = self.kernel_scales(), self.output.per_tensor
        source = self.sources[0].per_tensor if self.sources else None
        if scales is None or output is None or source is None:
            return None
        return source[0] * scales / output[0]

    def codes(self) -> tuple[int, int] | None:
        """Return the lowest and highest code that the activation keeps."""
        grid = self.output.per_tensor
        if grid is None:
            return None
        lowest, highest = CODES[self.output.tensor.dtype]
        if self.bounds is None:
            return lowest, highest
        scale, zero = grid
        # As XNNPACK computes it: in float32, halves to even.
        steps = np.array(self.bounds, np.float32) / np.float32(scale)
        low, high = np.clip(np.rint(steps + np.float32(zero)), lowest, highest)
        return int(low), int(high)

    def macs(self) -> int | None:
        """Return its multiply-accumulates for one image; None if not known.

        Every weight is used once for each value of its output channel. The file's own kernel
        counts, zeros that a writer added included.
        """
        if not self.weighted:
            return 0
        sizes = None if self.kernel is None else self.kernel.tensor.sizes
        shape = self.output.tensor.shape
        if sizes is None or not shape or not self.channels:
            return None
        known = [size for size in shape[1:] if isinstance(size, int) and size >= 0]
        places, rest = divmod(math.prod(known), self.channels)
        return None if rest or len(known) < len(shape) - 1 else math.prod(sizes) * places


def find_layers(model: Model, links: Links) -> tuple[Layer, ...]:
    """Return the layers of the main graph, in running order."""
    match model.format:
        case "tflite":
            layers = [_tflite_layer(model, operator) for operator in model.operators]
        case "onnx":
            layers = [_onnx_layer(model, links, operator) for operator in model.operators]
        case _:
            assert_never(model.format)
    return tuple(layer for layer in layers if layer is not None)


def is_dynamic(operator: Operator) -> bool:
    """Whether an operator quantises its input at run time, with a scale for each image."""
    module = table.of_file(operator.kind)
    return module is not None and table.form_of(operator.kind).dynamic


def _dequantised_input(model: Model, links: Links, index: int) -> LayerTensor | None:
    """Return an operator's input: the codes and grid before its DequantizeLinear, if any."""
    tensor = model.tensor(index)
    if tensor is None:
        return None
    writer = links.writer.get(index)
    if writer is not None and writer.kind == "DequantizeLinear" and writer.input(0) >= 0:
        codes = model.tensors[writer.inputs[0]]
        return LayerTensor(tensor=codes, grid=grid_of(writer, model.tensors, 1))
    return LayerTensor(tensor=tensor, grid=None)


def _constant(kernel: LayerTensor | None) -> LayerTensor | None:
    return kernel if kernel is not None and kernel.tensor.constant else None


def _tflite_layer(model: Model, operator: Operator) -> Layer | None:
    module = table.of_file(operator.kind)
    output = _with_its_grid(model, operator.output(0))
    if operator.domain or output is None:
        return None
    if module is None and operator.kind not in CARRIERS:
        return None
    form = FileForm() if module is None else table.form_of(operator.kind)
    sources = (_with_its_grid(model, operator.input(place)) for place in form.places(operator))
    kernel = _with_its_grid(model, operator.input(_place(form.kernel)))
    return Layer(
        operator=operator,
        module=module,
        form=form,
        where=model.named(operator),
        sources=tuple(source for source in sources if source is not None),
        output=output,
        kernel=_constant(kernel),
        channel_axis=_channel_axis(form, operator, kernel),
        bias=_with_its_grid(model, operator.input(_place(form.bias))),
        bounds=_BOUNDS.get(operator.activation),
    )


def _with_its_grid(model: Model, index: int) -> LayerTensor | None:
    tensor = model.tensor(index)
    return None if tensor is None else LayerTensor(tensor=tensor, grid=tensor.grid)


def _place(place: int | None) -> int:
    """Return a position among inputs, -1 for none."""
    return -1 if place is None else place


def _channel_axis(form: FileForm, operator: Operator, kernel: LayerTensor | None) -> int:
    return form.kernel_axis(operator, None if kernel is None else kernel.tensor.sizes)


def _onnx_layer(model: Model, links: Links, operator: Operator) -> Layer | None:
    module = table.of_file(operator.kind)
    if module is None:
        return None
    if operator.kind in QLINEAR:
        return _layer_on_codes(model, operator, module)
    if operator.domain:
        return None
    if isinstance(module, MovesCodes) and _is_on_grid(model, operator.input(0)):
        return _layer_of_codes_moved(model, operator, module)
    if table.form_of(operator.kind).dynamic:
        return _dynamic_layer(model, operator, module)
    return _layer_between_pairs(model, links, operator, module)


def _is_on_grid(model: Model, index: int) -> bool:
    tensor = model.tensor(index)
    return tensor is not None and tensor.grid is not None


def _layer_of_codes_moved(
    model: Model, operator: Operator, module: OperatorModule[Any]
) -> Layer | None:
    """Return the layer of an operator that takes codes on whatever grid they are."""
    form, output = table.form_of(operator.kind), _with_its_grid(model, operator.output(0))
    read = [_with_its_grid(model, operator.input(place)) for place in form.places(operator)]
    if output is None:
        return None
    return Layer(
        operator=operator,
        module=module,
        form=form,
        where=model.named(operator),
        sources=tuple(source for source in read if source is not None),
        output=output,
    )


def _layer_between_pairs(
    model: Model, links: Links, operator: Operator, module: OperatorModule[Any]
) -> Layer | None:
    """Return the layer of an operator that reads real values (QDQ form)."""
    if operator.output(0) < 0 or on_whole_numbers(links, operator):
        return None
    form = table.form_of(operator.kind)
    output, bounds, activation = _given(model, links, operator.outputs[0])
    read = [
        _dequantised_input(model, links, operator.input(place)) for place in form.places(operator)
    ]
    sources = tuple(source for source in read if source is not None)
    if len(read) > 1 and any(source.tensor.constant for source in sources):
        return None  # a separate bias or factor, not a junction of two branches
    kernel = _dequantised_input(model, links, operator.input(_place(form.kernel)))
    layer = Layer(
        operator=operator,
        module=module,
        form=form,
        where=model.named(operator)
        if output is None
        else f"{operator.kind} `{output.tensor.name}`",
        sources=sources,
        output=output or LayerTensor(tensor=model.tensors[operator.outputs[0]], grid=None),
        kernel=_constant(kernel),
        channel_axis=_channel_axis(form, operator, kernel),
        bias=_dequantised_input(model, links, operator.input(_place(form.bias))),
        bounds=bounds,
        separate_activation=activation,
    )
    return None if form.pairs_only and not layer.integer else layer


def on_whole_numbers(links: Links, operator: Operator, steps: int = 2) -> bool:
    """Whether an operator is a step of a layer that is computed in integers, not a layer itself.

    Args:
        links: Writers of the graph's tensors.
        operator: That may be a step.
        steps: So many operators before it, codes may have been cast to integers.
    """
    # What computes a sum has two operands at most.
    for index in operator.inputs[:2]:
        writer = links.writer.get(index)
        if writer is None or writer.kind == "DequantizeLinear":
            continue
        if to_whole_numbers(writer) or (steps > 1 and on_whole_numbers(links, writer, steps - 1)):
            return True
    return False


def to_whole_numbers(operator: Operator) -> bool:
    """Whether an operator casts codes, or sums of them, to integers of 32 bits."""
    return operator.kind == "Cast" and operator.number("to", 0) in _WHOLE


_WHOLE: Final = frozenset({schema.NUMBERS["int32"], schema.NUMBERS["uint32"]})


def _layer_on_codes(model: Model, operator: Operator, module: OperatorModule[Any]) -> Layer | None:
    """Return the layer of an operator that reads codes (QOperator form)."""
    form = table.form_of(operator.kind)
    inputs, output_scale = scale_places(operator)
    read: dict[int, LayerTensor] = {}
    for place, scale in inputs:
        tensor = model.tensor(operator.input(place))
        if tensor is not None:
            grid = grid_of(operator, model.tensors, scale)
            read[place] = LayerTensor(tensor=tensor, grid=grid)
    output = model.tensor(operator.output(0))
    if output is None or len(read) != len(inputs):
        return None
    kernel = None if form.kernel is None else _along_channels(form, operator, read[form.kernel])
    sources = tuple(
        layer_tensor
        for place, layer_tensor in read.items()
        if form.inputs is None or place in form.inputs
    )
    bias = model.tensor(operator.input(_place(form.bias)))
    return Layer(
        operator=operator,
        module=module,
        form=form,
        where=model.named(operator),
        sources=sources,
        output=LayerTensor(tensor=output, grid=grid_of(operator, model.tensors, output_scale)),
        kernel=_constant(kernel),
        channel_axis=_channel_axis(form, operator, kernel),
        bias=None
        if bias is None or kernel is None
        else LayerTensor(tensor=bias, grid=_accumulator_grid(sources[0], kernel)),
    )


def _dynamic_layer(model: Model, operator: Operator, module: OperatorModule[Any]) -> Layer | None:
    """Return the layer of an operator that quantises its input at run time."""
    form = table.form_of(operator.kind)
    places = [*form.places(operator), _place(form.kernel)]
    tensors = [model.tensor(operator.input(place)) for place in places]
    output = model.tensor(operator.output(0))
    read = [LayerTensor(tensor=tensor, grid=None) for tensor in tensors if tensor is not None]
    if len(read) != len(places) or output is None:
        return None
    *sources, kernel = read
    return Layer(
        operator=operator,
        module=module,
        form=form,
        where=model.named(operator),
        sources=tuple(sources),
        output=LayerTensor(tensor=output, grid=None),
        kernel=_constant(kernel),
        channel_axis=_channel_axis(form, operator, kernel),
    )


def _along_channels(form: FileForm, operator: Operator, kernel: LayerTensor) -> LayerTensor:
    """Return a kernel whose scales are along the output channels, as in these operators."""
    if kernel.grid is None:
        return kernel
    axis = _channel_axis(form, operator, kernel)
    return dataclasses.replace(kernel, grid=dataclasses.replace(kernel.grid, axis=axis))


def _accumulator_grid(source: LayerTensor, kernel: LayerTensor) -> Grid | None:
    """Return the accumulator's grid, which a bias without its own grid has."""
    if source.grid is None or kernel.grid is None or source.grid.scale.size != 1:
        return None
    scale = source.grid.scale * kernel.grid.scale
    return Grid(scale=scale, zero_point=np.zeros(scale.size, np.int64))


def _given(
    model: Model, links: Links, index: int
) -> tuple[LayerTensor | None, tuple[float, float] | None, str]:
    """Return a result's codes, the bounds of its activation, and the activation's name."""
    bounds, between = None, ""
    reader = links.only_reader(index)
    if reader is not None and reader.kind in ONNX_ACTIVATIONS:
        bounds, between = _bounds(model, reader), reader.kind
        index = reader.output(0)
        reader = links.only_reader(index)
    codes = -1 if reader is None else reader.output(0)
    if reader is None or reader.kind != "QuantizeLinear" or codes < 0:
        return None, bounds, between
    output = LayerTensor(tensor=model.tensors[codes], grid=grid_of(reader, model.tensors, 1))
    return output, bounds if between else _code_bounds(model, links, codes, output), between


def _bounds(model: Model, operator: Operator) -> tuple[float, float]:
    if operator.kind == "Relu":
        return 0.0, math.inf
    low, high = operator.number("min", -math.inf), operator.number("max", math.inf)
    values = [_number(model, operator.input(place)) for place in (1, 2)]
    return (
        float(low if values[0] is None else values[0]),
        float(high if values[1] is None else values[1]),
    )


def _code_bounds(
    model: Model, links: Links, index: int, output: LayerTensor
) -> tuple[float, float] | None:
    """Return the bounds, in real values, of a Clip on codes."""
    reader = links.only_reader(index)
    if reader is None or reader.kind != "Clip" or output.per_tensor is None:
        return None
    scale, zero = output.per_tensor
    low, high = _bounds(model, reader)
    return (low - zero) * scale, (high - zero) * scale


def _number(model: Model, index: int) -> float | None:
    tensor = model.tensor(index)
    return None if tensor is None else tensor.number
