"""Every n-th row, column or channel between two bounds, copied: STRIDED_SLICE.

A crop, half of the channels, or every second pixel. Input and output are on one grid. XNNPACK
takes slices without steps; others are copied by LiteRT's own kernel. Other tools also write SLICE,
and SPLIT and SPLIT_V, of which each output is a slice.

Sources: TFLite's tflite/kernels/strided_slice.cc, internal/strided_slice_logic.h
(`StridedSliceStartForAxis`) and slice.cc.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from mobiledeploy.base.errors import ConversionError, RequestError
from mobiledeploy.formats.onnx import OnnxOperator
from mobiledeploy.formats.onnx.writer import OnnxWriter
from mobiledeploy.formats.tflite import TfliteOperator
from mobiledeploy.formats.tflite.writer import TfliteWriter
from mobiledeploy.ops import one_grid, onnx, tflite, without_weights
from mobiledeploy.ops.architecture import Layer
from mobiledeploy.ops.certificate import Certificate, batches_of_all_codes
from mobiledeploy.ops.file_form import FileForm
from mobiledeploy.ops.grid import Grid
from mobiledeploy.ops.node import OneInput
from mobiledeploy.ops.onnx import OnnxInput
from mobiledeploy.ops.onnx_reader import OnnxReader
from mobiledeploy.ops.onnx_values import OnnxActivation
from mobiledeploy.ops.operator import Example, Kernel, Trials, layer_of
from mobiledeploy.ops.ranges import Interval
from mobiledeploy.ops.stored import StoredLayer, with_fault
from mobiledeploy.ops.tensors import Float32, Int8, QTensor, Shape, expect
from mobiledeploy.ops.tflite import Scope, TfliteInput, Version
from mobiledeploy.ops.tflite_reading import LayerSource
from mobiledeploy.ops.weights import Weights

LAYERS: tuple[str, ...] = ("strided_slice",)
TFLITE: Mapping[str, FileForm] = {
    "STRIDED_SLICE": FileForm(versions={"int8": 2, "int16": 6}),
    "SLICE": FileForm(versions={"int8": 2, "int16": 4}),
    "SPLIT": FileForm(inputs=(1,), versions={"int8": 2, "int16": 4}, parts=True),
    "SPLIT_V": FileForm(versions={"int8": 2}, parts=True),
}
FIXED_RANGE: Interval | None = None
IMAGES: bool = False
SYMMETRIC: bool = False
LITERT_KERNELS: tuple[Kernel, ...] = ("x86",)
TRIALS: Trials | None = Trials(layers="slice", cases="{cases} codes in {layers}")
MOVES: str = "it copies every n-th row, column or channel between two bounds"

_OTHER_MASKS: Final = ("ellipsis_mask", "new_axis_mask", "shrink_axis_mask", "offset")

_CONSTANTS: Final[Mapping[str, tuple[int, ...]]] = {
    "STRIDED_SLICE": (1, 2, 3),
    "SLICE": (1, 2),
    "SPLIT": (0,),
    "SPLIT_V": (1, 2),
}
"""Where each operator has its bounds among its inputs."""

FIVE_AXES: Final = 4
"""Axes, without the batch, from which STRIDED_SLICE has another version."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StridedSlice(OneInput):
    """Some rows, columns or channels of a tensor.

    Attributes:
        begin: Along each axis but the batch, where the first one is.
        end: Along each axis, one behind the last one.
        strides: Along each axis, the distance of one to the next, at least 1.
    """

    begin: Shape
    end: Shape
    strides: Shape

    def check(self, inputs: Sequence[QTensor]) -> None:
        """Check bounds and grids; see `node.Node.check`."""
        (source,) = inputs
        name, shape = self.output.name, source.shape
        for each in (self.begin, self.end, self.strides):
            expect(name, "number of axes", len(each), len(shape))
        bounds = zip(self.begin, self.end, self.strides, shape, strict=True)
        if not all(0 <= first < last <= size and step > 0 for first, last, step, size in bounds):
            raise ConversionError(
                f"`{name}`: expected a slice within {shape}, received {self.begin} to "
                f"{self.end} in steps of {self.strides}"
            )
        sizes = _sizes(self.begin, self.end, self.strides)
        expect(name, "output shape", self.output.shape, sizes)
        expect(name, "end of the slice", self.end, _ends(self.begin, sizes, self.strides))
        one_grid.expect_one_grid(self.output, inputs)


NODE: type[StridedSlice] = StridedSlice
kernel_shape = without_weights.kernel_shape
work = without_weights.work
scale_ratios = without_weights.scale_ratios
operand_ranges = one_grid.operand_ranges
output_range = one_grid.output_range
trials = batches_of_all_codes


def output_shape(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    """Return the shape of the slice; see `operator.Operator.output_shape`.

    The layer's parameters are `begin`, `end` and, unless all are 1, `strides`: along each axis but
    the batch.
    """
    without_weights.expect_inputs(layer, inputs, 1)
    begin, end, strides = _parameters(layer)
    (shape,) = inputs
    if {len(begin), len(end), len(strides)} != {len(shape)}:
        raise RequestError(
            f"layer `{layer.name}` (strided_slice) expects `begin`, `end` and `strides` of "
            f"{len(shape)} axes, received {begin}, {end} and {strides}"
        )
    for first, last, stride, size in zip(begin, end, strides, shape, strict=True):
        if not (0 <= first < last <= size and stride >= 1):
            raise RequestError(
                f"layer `{layer.name}` (strided_slice) expects a slice within {shape}, received "
                f"{begin} to {end} in steps of {strides}"
            )
    return _sizes(begin, end, strides)


def _parameters(layer: Layer) -> tuple[Shape, Shape, Shape]:
    """Return where a layer's slice begins, where it ends, and its strides.

    Raises:
        RequestError: The layer does not say.
    """
    given = layer.parameters
    missing = {"begin", "end"} - given.keys()
    if missing or given.keys() - {"begin", "end", "strides"}:
        raise RequestError(
            f"layer `{layer.name}` (strided_slice) expects the parameters `begin`, `end` and, if "
            f"any, `strides`, received {', '.join(sorted(given)) or 'none'}"
        )
    begin, end = tuple(given["begin"]), tuple(given["end"])
    return begin, end, tuple(given.get("strides", (1,) * len(begin)))


def _sizes(begin: Shape, end: Shape, strides: Shape) -> Shape:
    return tuple(
        max(-((first - last) // stride), 0)
        for first, last, stride in zip(begin, end, strides, strict=True)
    )


def _ends(begin: Shape, shape: Shape, strides: Shape) -> Shape:
    """Return where a slice of a shape ends: one behind what it takes last."""
    return tuple(
        first + (size - 1) * stride + 1
        for first, size, stride in zip(begin, shape, strides, strict=True)
    )


def quantise(
    layer: Layer, inputs: Sequence[Grid], output: QTensor, weights: Weights | None
) -> StridedSlice:
    """Return the node of a layer."""
    del inputs, weights
    begin, _, strides = _parameters(layer)
    return _node(layer.inputs[0], output, begin, strides)


def _node(source: str, output: QTensor, begin: Shape, strides: Shape) -> StridedSlice:
    """Return a slice of the output's shape."""
    end = _ends(begin, output.shape, strides)
    return StridedSlice(input=source, output=output, begin=begin, end=end, strides=strides)


def float_layer(node: StridedSlice, inputs: Sequence[QTensor]) -> Layer:
    """Return the layer of a node."""
    return layer_of(
        "strided_slice", node, inputs, begin=node.begin, end=node.end, strides=node.strides
    )


def _places(node: StridedSlice) -> tuple[slice, ...]:
    bounds = zip(node.begin, node.end, node.strides, strict=True)
    return (slice(None), *(slice(*each) for each in bounds))


def litert_codes(
    node: StridedSlice, inputs: Sequence[QTensor], codes: Sequence[Int8], *, kernel: Kernel
) -> Int8:
    """Return the codes, copied."""
    del inputs, kernel
    return np.ascontiguousarray(codes[0][_places(node)])


def float_values(
    node: StridedSlice, inputs: Sequence[Float32], weights: tuple[Float32, Float32] | None
) -> Float32:
    """Return the real values, copied."""
    del weights
    return np.ascontiguousarray(inputs[0][_places(node)])


def node_of(layer: StoredLayer, inputs: Sequence[QTensor], output: QTensor) -> StridedSlice:
    """Return the node of a layer in a file.

    Raises:
        ConversionError: It has another number of inputs.
    """
    expect(output.name, "number of inputs", len(inputs), 1)
    begin, strides = layer.parameter("begin"), layer.parameter("strides")
    shape = output.shape
    if len(shape) < len(begin):
        # In files an image of one pixel is a vector.
        shape = (*(1,) * (len(begin) - len(shape)), *shape)
    return _node(inputs[0].name, dataclasses.replace(output, shape=shape), begin, strides)


def tflite_version(node: StridedSlice, inputs: Sequence[QTensor]) -> Version:
    """Return the version: 4 for five axes."""
    del inputs
    if len(node.begin) == FIVE_AXES:
        return Version(number=4, runtime="2.2.0")
    return Version(number=2, runtime="1.14.0")


def write_tflite(
    model: TfliteWriter, node: StridedSlice, inputs: Sequence[TfliteInput], output: int
) -> None:
    """Add the operator."""
    name = node.output.name
    bounds = (
        ("begin", (0, *node.begin)),
        ("end", (1, *node.end)),
        ("strides", (1, *node.strides)),
    )
    constants = [
        model.constant(f"{name}/{what}", np.array(numbers, np.int32)) for what, numbers in bounds
    ]
    model.operator(
        "STRIDED_SLICE",
        tflite_version(node, []).number,
        [*tflite.indices(inputs), *constants],
        output,
        "StridedSliceOptions",
        # The whole batch, also where an app resizes it.
        BeginMask=1,
        EndMask=1,
    )


def read_tflite(operator: TfliteOperator, scope: Scope) -> StridedSlice:
    """Return the node of an operator.

    Raises:
        ConversionError: Its bounds are no constants, or it drops, adds or reverses axes, or takes
            some of the batch.
    """
    places = _CONSTANTS[operator.builtin]
    *_, target = tflite.ends(operator, inputs=len(places) + 1)
    (read,) = {*range(len(places) + 1)} - {*places}
    source = scope.read(operator.inputs[read], operator)
    numbers = [
        [
            int(number)
            for number in scope.constant(operator.inputs[place], operator, np.int32)[1].ravel()
        ]
        for place in places
    ]
    bounds = _bounds(operator, numbers, source.shape)
    output = scope.write(target)
    if bounds is None or _sizes(*bounds) != output.shape:
        raise tflite.refusal(operator, f"expected a slice of {source.shape} that keeps all axes")
    begin, _, strides = bounds
    return _node(source.name, output, begin, strides)


def _bounds(
    operator: TfliteOperator, numbers: Sequence[Sequence[int]], shape: Shape
) -> tuple[Shape, Shape, Shape] | None:
    """Return where a slice begins, where it ends, and its strides, along each axis but the batch.

    Args:
        operator: One of `TFLITE`.
        numbers: Its constants, batch included: begin and size; or begin, end and strides; or the
            axis; or sizes and the axis.
        shape: Of what it reads, without the batch.

    Returns:
        None if it changes, drops or reverses axes, or may take some of the batch only.
    """
    if operator.builtin in {"SPLIT", "SPLIT_V"}:
        return _part(operator, numbers, shape)
    if {len(each) for each in numbers} != {len(shape) + 1}:
        return None
    if operator.builtin == "SLICE":
        begin, sizes = (tuple(each) for each in numbers)
        rest = zip(begin[1:], sizes[1:], shape, strict=True)
        end = tuple(whole if size == -1 else first + size for first, size, whole in rest)
        whole_batch = begin[0] == 0 and sizes[0] in {-1, 1}
        bounds = begin[1:], end, (1,) * len(shape)
    else:
        if any(operator.option(name) for name in _OTHER_MASKS):
            return None
        masks = operator.option("begin_mask"), operator.option("end_mask")
        whole_batch = bool(masks[0] & 1 or numbers[0][0] == 0) and numbers[2][0] == 1
        whole_batch = whole_batch and bool(masks[1] & 1 or numbers[1][0] == 1)
        ends = [
            tuple(
                default if mask >> (place + 1) & 1 else min(number + size * (number < 0), size)
                for place, (number, size, default) in enumerate(
                    zip(each[1:], shape, defaults, strict=True)
                )
            )
            for each, mask, defaults in zip(
                numbers[:2], masks, ((0,) * len(shape), shape), strict=True
            )
        ]
        bounds = ends[0], ends[1], tuple(numbers[2][1:])
    begin, end, strides = bounds
    inside = all(
        0 <= first < last <= size and stride >= 1
        for first, last, stride, size in zip(begin, end, strides, shape, strict=True)
    )
    return bounds if whole_batch and inside else None


def _part(
    operator: TfliteOperator, numbers: Sequence[Sequence[int]], shape: Shape
) -> tuple[Shape, Shape, Shape] | None:
    """Return the same of a part that SPLIT or SPLIT_V gives."""
    axes, count = numbers[-1], operator.option("num_splits")
    rank = len(shape) + 1
    if count < 1 or count != operator.attributes.get("parts"):
        return None
    if len(axes) != 1 or not -rank <= axes[0] < rank or axes[0] % rank == 0:
        return None
    axis = axes[0] % rank - 1
    if operator.builtin == "SPLIT":
        sizes = [shape[axis] // count] * count
    else:
        rest = shape[axis] - sum(size for size in numbers[0] if size != -1)
        sizes = [rest if size == -1 else size for size in numbers[0]]
    return _part_of(shape, axis, sizes, int(operator.attributes.get("part", 0)))


def _part_of(
    shape: Shape, axis: int, sizes: Sequence[int], part: int
) -> tuple[Shape, Shape, Shape] | None:
    """Return where a part of a tensor begins, where it ends, and strides of 1.

    Args:
        shape: Of the tensor, without the batch.
        axis: That is split.
        sizes: Of all parts.
        part: Number of the part.

    Returns:
        None if the sizes do not fit.
    """
    if min(sizes, default=0) < 1 or sum(sizes) != shape[axis] or part >= len(sizes):
        return None
    begin, end = [0] * len(shape), [*shape]
    begin[axis] = sum(sizes[:part])
    end[axis] = begin[axis] + sizes[part]
    return tuple(begin), tuple(end), (1,) * len(shape)


def write_onnx(
    model: OnnxWriter,
    node: StridedSlice,
    inputs: Sequence[OnnxInput],
    output: str,
    certificate: Certificate | None,
) -> None:
    """Add a Slice of codes along the axes that it shortens."""
    del certificate
    name, shape = node.output.name, node.output.shape
    axes = onnx.axes_in_file(len(shape))
    sliced = [
        place
        for place, size in enumerate(inputs[0].tensor.shape)
        if (node.begin[place], node.strides[place], shape[place]) != (0, 1, size)
    ]
    constants = [
        model.constant(f"{name}/{what}", np.array([numbers[place] for place in sliced], np.int64))
        for what, numbers in (
            ("starts", node.begin),
            ("ends", node.end),
            ("axes", axes),
            ("steps", node.strides),
        )
    ]
    model.node("Slice", [inputs[0].codes, *constants], output)


def layer_of_tflite(source: LayerSource) -> StoredLayer | None:
    """Return a slice of constant bounds that keeps all axes."""
    places = _CONSTANTS[source.operator.builtin]
    constants = [source.constant(place) for place in places]
    index = source.operator.input(0 if 0 not in places else 1)
    if index < 0:
        return None
    shape = source.model.tensors[index].fixed_shape[1:]
    numbers = [
        [int(number) for number in each.ravel()]
        for each in constants
        if each is not None and each.dtype.kind == "i"
    ]
    if len(numbers) != len(places):
        return None
    bounds = _bounds(source.operator, numbers, shape)
    if bounds is None:
        detail = f"a slice of {shape} that does not keep all axes"
        return with_fault(source.layer, "form", detail)
    layer = dataclasses.replace(source.layer, kind="strided_slice")
    return dataclasses.replace(layer, parameters=_described(*bounds))


def _described(begin: Shape, end: Shape, strides: Shape) -> tuple[tuple[str, Any], ...]:
    """Return the parameters of a layer in a file: of one slice always the same numbers."""
    sizes = _sizes(begin, end, strides)
    single = tuple(1 if size == 1 else stride for size, stride in zip(sizes, strides, strict=True))
    return ("begin", begin), ("sizes", sizes), ("strides", single)


def given_shape(layer: StoredLayer, shapes: Sequence[Shape]) -> Shape | None:
    """Return the shape that a layer of a file gives; see `operator.Operator.given_shape`."""
    del shapes
    sizes: Shape = layer.parameter("sizes")
    return sizes


def _read(reader: OnnxReader, node: OnnxOperator) -> OnnxActivation | None:
    """Read a Slice with constant bounds of anything but the batch."""
    value = reader.value(node, 0)
    if not isinstance(value, OnnxActivation):
        return None
    starts, ends = (_numbers(reader, node, *which) for which in ((1, "starts"), (2, "ends")))
    if not value.axes or value.pixels != 1 or value.unrolled or starts is None or ends is None:
        return None
    axes = _numbers(reader, node, 3, "axes") or tuple(range(len(starts)))
    steps = _numbers(reader, node, 4, "steps") or (1,) * len(starts)
    rank = len(value.sizes)
    if not len(starts) == len(ends) == len(axes) == len(steps):
        return None
    bounds = {place: (0, size, 1) for place, size in enumerate(value.sizes)}
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        if not -rank <= axis < rank or axis % rank == 0 or step < 1:
            return None
        size = value.sizes[axis % rank]
        first, last = (min(max(at + size * (at < 0), 0), size) for at in (start, end))
        bounds[axis % rank] = first, last, step
    if any(first >= last for place, (first, last, _) in bounds.items() if place):
        return None
    sizes = tuple(max(-((a - b) // step), 0) for a, b, step in bounds.values())
    out = dataclasses.replace(value, sizes=(value.sizes[0], *sizes[1:]))
    starts, ends, steps = (
        tuple(bounds[place][which] for place in value.order) for which in range(3)
    )
    return reader.copy(
        node, "strided_slice", [value], out, parameters=_described(starts, ends, steps)
    )


def _numbers(
    reader: OnnxReader, node: OnnxOperator, place: int, name: str
) -> tuple[int, ...] | None:
    """Return numbers that are an input, or before opset 10 an attribute."""
    given = node.attributes.get(name)
    if given is not None:
        return tuple(given)
    numbers = reader.numbers(node, place)
    return None if numbers is None else tuple(int(number) for number in numbers.ravel())


def _read_split(reader: OnnxReader, node: OnnxOperator) -> OnnxActivation | None:
    """Read a part of a Split of anything but the batch."""
    value = reader.value(node, 0)
    if not isinstance(value, OnnxActivation) or not value.axes or value.pixels != 1:
        return None
    rank, axis = len(value.sizes), int(node.number("axis", 0))
    part, parts = int(node.attributes["part"]), int(node.attributes["parts"])
    if value.unrolled or not -rank <= axis < rank or axis % rank == 0:
        return None
    size = value.sizes[axis % rank]
    largest = -(-size // max(parts, 1))
    # Where sizes are not given, all parts but the last have one size.
    even = (*(largest,) * (parts - 1), size - largest * (parts - 1))
    sizes = _numbers(reader, node, 1, "split") or even
    order = value.order
    shape = tuple(value.sizes[place] for place in order)
    bounds = _part_of(shape, order.index(axis % rank), sizes, part)
    if bounds is None:
        return None
    new = [*value.sizes]
    new[axis % rank] = sizes[part]
    out = dataclasses.replace(value, sizes=tuple(new))
    return reader.copy(node, "strided_slice", [value], out, parameters=_described(*bounds))


ONNX: Mapping[str, FileForm] = {
    "Slice": FileForm(pairs_only=True, read=_read),
    "Split": FileForm(pairs_only=True, read=_read_split, parts=True),
}


def examples() -> Iterator[Example]:
    """Yield crops, halves of the channels, steps, and the part of a vector."""
    for name, shape, begin, end, strides in (
        ("crop", (5, 6, 3), (1, 1, 0), (5, 6, 3), (1, 1, 1)),
        ("first half", (5, 4, 6), (0, 0, 0), (5, 4, 3), (1, 1, 1)),
        ("second half", (5, 4, 6), (0, 0, 3), (5, 4, 6), (1, 1, 1)),
        ("steps", (7, 9, 5), (1, 0, 0), (7, 9, 5), (2, 3, 2)),
        ("everything in the middle", (6, 7, 8), (1, 2, 3), (4, 6, 7), (1, 1, 1)),
        ("vector", (40,), (4,), (37,), (3,)),
        ("five axes", (4, 3, 2, 5), (1, 0, 1, 1), (4, 3, 2, 4), (1, 1, 1, 1)),
    ):
        source = QTensor(name="image", shape=shape, scale=np.float32(0.031), zero_point=-7)
        sizes = _sizes(begin, end, strides)
        out = dataclasses.replace(source, name="slice", shape=sizes)
        yield Example(name=name, node=_node("image", out, begin, strides), inputs=(source,))
