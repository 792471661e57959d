"""A border of one code around an image: PAD, with real 0, and PADV2.

A convolution or pool takes over such a border where it can: see `capabilities.TakesPadding`.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal

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
from mobiledeploy.ops.onnx_reader import OnnxReader, code_of
from mobiledeploy.ops.onnx_values import OnnxActivation
from mobiledeploy.ops.operator import Example, Kernel, Trials, layer_of
from mobiledeploy.ops.padding import NO_PADS, Padding, Pads
from mobiledeploy.ops.ranges import Interval
from mobiledeploy.ops.stored import StoredLayer, StoredTensor, with_fault
from mobiledeploy.ops.tensors import (
    QMAX,
    QMIN,
    UINT8_OFFSET,
    Float32,
    Int8,
    QTensor,
    Shape,
    expect,
    expect_grid,
)
from mobiledeploy.ops.tflite import Scope, TfliteInput, refusal
from mobiledeploy.ops.tflite_reading import LayerSource
from mobiledeploy.ops.weights import Weights

LAYERS: tuple[str, ...] = ("pad",)
TFLITE: Mapping[str, FileForm] = {
    "PAD": FileForm(versions={"int8": 2, "int16": 3}),
    "PADV2": FileForm(versions={"int8": 2, "int16": 3}, litert_own=True),
}
FIXED_RANGE: Interval | None = None
IMAGES: bool = True
SYMMETRIC: bool = False
LITERT_KERNELS: tuple[Kernel, ...] = ("x86",)
TRIALS: Trials | None = Trials(
    layers="padding", cases="{cases} codes, every one that there is in {layers}"
)
MOVES: str = "it puts a border of one code around the image"

PADS: Final = "pads"
"""Parameter of a layer: how many zeros are added above, below, left and right."""
CODE: Final = "code"
"""Parameter of a layer of a file: the code of the border; of floats their value."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pad(OneInput):
    """A border around an image.

    Attributes:
        input: The image.
        output: On the image's grid.
        pads: How many pixels are added above, below, left and right.
        code: The code that they have: of real 0 in a PAD, any in a PADV2.
    """

    pads: Pads
    code: int

    def check(self, inputs: Sequence[QTensor]) -> None:
        """Check shape, grid and code; see `node.Node.check`."""
        (source,) = inputs
        name, out = self.output.name, self.output
        expect(name, "rank of the input", len(source.shape), 3)
        if min(self.pads) < 0 or not any(self.pads):
            raise ConversionError(f"`{name}`: expected a padding above 0, received {self.pads}")
        expect(name, "output shape", out.shape, _shape_after(source.shape, self.pads))
        expect_grid(out, source.scale, source.zero_point)
        if not QMIN <= self.code <= QMAX:
            raise ConversionError(f"`{name}`: expected a code of int8, received {self.code}")


NODE: type[Pad] = Pad
kernel_shape = without_weights.kernel_shape
tflite_version = tflite.second_version
work = without_weights.work
scale_ratios = without_weights.scale_ratios
operand_ranges = one_grid.operand_ranges
output_range = one_grid.output_range
trials = batches_of_all_codes


def output_shape(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    """Return the image's shape with its border; see `operator.Operator.output_shape`."""
    without_weights.expect_image(layer, inputs)
    pads: Pads = layer.parameters.get(PADS, NO_PADS)
    if min(pads) < 0 or not any(pads):
        raise RequestError(f"layer `{layer.name}` (pad): expected a padding above 0, not {pads}")
    return _shape_after(inputs[0], pads)


def quantise(
    layer: Layer, inputs: Sequence[Grid], output: QTensor, weights: Weights | None
) -> Pad:
    """Return the node of a layer: a border of zeros."""
    del inputs, weights
    pads: Pads = layer.parameters[PADS]
    return Pad(input=layer.inputs[0], output=output, pads=pads, code=output.zero_point)


def float_layer(node: Pad, inputs: Sequence[QTensor]) -> Layer:
    """Return the layer of a node, whose border counts as zeros."""
    return layer_of("pad", node, inputs, pads=node.pads)


def litert_codes(
    node: Pad, inputs: Sequence[QTensor], codes: Sequence[Int8], *, kernel: Kernel
) -> Int8:
    """Return the codes with their border."""
    del inputs, kernel
    return np.pad(codes[0], _amounts(node.pads), constant_values=node.code)


def float_values(
    node: Pad, inputs: Sequence[Float32], weights: tuple[Float32, Float32] | None
) -> Float32:
    """Return real values with a border of what its code stands for."""
    del weights
    real = (np.float32(node.code) - np.float32(node.output.zero_point)) * node.output.scale
    return np.pad(inputs[0], _amounts(node.pads), constant_values=real)


def _amounts(pads: Pads) -> tuple[tuple[int, int], ...]:
    top, bottom, left, right = pads
    return (0, 0), (top, bottom), (left, right), (0, 0)


def _shape_after(shape: Shape, pads: Pads) -> Shape:
    top, bottom, left, right = pads
    return shape[0] + top + bottom, shape[1] + left + right, shape[2]


def node_of(layer: StoredLayer, inputs: Sequence[QTensor], output: QTensor) -> Pad:
    """Return the node of a layer in a file."""
    (source,) = inputs
    code = int(layer.parameter(CODE))
    return Pad(input=source.name, output=output, pads=layer.pads, code=code)


def write_tflite(
    model: TfliteWriter, node: Pad, inputs: Sequence[TfliteInput], output: int
) -> None:
    """Add a PAD, or a PADV2 if its code is not that of real 0."""
    _write(model, node.output.name, inputs[0], node.pads, node.code, output)


def write_tflite_before(
    model: TfliteWriter,
    name: str,
    read: TfliteInput,
    padding: Padding,
    *,
    code: int | None = None,
) -> tuple[int, Literal["same", "valid"]]:
    """Add the padding of an operator that knows SAME and VALID only.

    Args:
        model: To add it to.
        name: Of the operator's output.
        read: What the operator reads.
        padding: Of the operator.
        code: Of the border; None for that of real 0.

    Returns:
        The index of the tensor that it has to read, and its own padding.
    """
    if isinstance(padding, str):
        return read.index, padding
    source = read.tensor
    output = model.activation(
        model.free(f"{name}/padded"),
        np.int8,
        (1, *_shape_after(source.shape, padding)),
        scale=source.scale,
        zero_point=source.zero_point,
    )
    _write(model, name, read, padding, source.zero_point if code is None else code, output)
    return output, "valid"


def _write(
    model: TfliteWriter, name: str, read: TfliteInput, pads: Pads, code: int, output: int
) -> None:
    amounts = model.constant(f"{name}/pads", np.array(_amounts(pads), np.int32))
    tensor = read.tensor
    if code == tensor.zero_point:
        model.operator("PAD", 2, [read.index, amounts], output, "PadOptions")
        return
    value = model.constant(
        f"{name}/border",
        np.array([code], np.int8),
        scale=np.array([tensor.scale]),
        zero_point=np.array([tensor.zero_point]),
    )
    model.operator("PADV2", 2, [read.index, amounts, value], output, "PadV2Options")


def read_tflite(operator: TfliteOperator, scope: Scope) -> Pad:
    """Return the node of an operator.

    Raises:
        ConversionError: It pads the channels, nothing or on another grid.
    """
    if operator.builtin == "PADV2":
        source, amounts, value, target = tflite.ends(operator, inputs=3)
    else:
        (source, amounts, target), value = tflite.ends(operator, inputs=2), -1
    read, output = scope.read(source, operator), scope.write(target)
    _, numbers = scope.constant(amounts, operator, np.int32)
    if numbers.shape != (4, 2) or numbers[[0, 3]].any() or len(read.shape) != 3:
        raise refusal(operator, "expected a padding above, below, left and right of an image")
    (top, bottom), (left, right) = numbers[1].tolist(), numbers[2].tolist()
    code = read.zero_point
    if value >= 0:
        _, border = scope.constant(value, operator, np.int8)
        if border.size != 1:
            raise refusal(operator, f"expected one value, received {border.size}")
        code = int(border.ravel()[0])
    return Pad(input=read.name, output=output, pads=(top, bottom, left, right), code=code)


def write_onnx(
    model: OnnxWriter,
    node: Pad,
    inputs: Sequence[OnnxInput],
    output: str,
    certificate: Certificate | None,
) -> None:
    """Add a Pad of codes."""
    del certificate
    top, bottom, left, right = node.pads
    pads = model.constant(
        f"{node.output.name}/pads", np.array([0, 0, top, left, 0, 0, bottom, right])
    )
    border = model.scalar(np.uint8(node.code + onnx.OFFSET))
    model.node("Pad", [inputs[0].codes, pads, border], output)


def layer_of_tflite(source: LayerSource) -> StoredLayer | None:
    """Return a padding of an image; None for one of channels, or of no constant numbers."""
    amounts = source.constant(1)
    if amounts is None or amounts.shape != (4, 2) or amounts.dtype.kind != "i":
        return None
    if amounts[[0, 3]].any() or amounts.min() < 0:
        return None
    (top, bottom), (left, right) = amounts[1].tolist(), amounts[2].tolist()
    before = source.inputs[0]
    layer = dataclasses.replace(source.layer, kind="pad", pads=(top, bottom, left, right))
    if (before.scale, before.zero_point) != (layer.output.scale, layer.output.zero_point):
        layer = with_fault(layer, "padding", "a padding cannot change scale or zero point")
    if source.tensor(2) is None:
        code: float = 0.0 if before.zero_point is None else before.zero_point
    else:
        value = source.constant(2)
        if value is None or value.size != 1:
            return with_fault(layer, "padding", "what it pads with is no constant number")
        border = value.ravel()[0]
        if before.zero_point is not None and not isinstance(border, np.integer):
            return with_fault(layer, "padding", f"pads with {border}, which is not real 0")
        code = _code(border, before)
    return dataclasses.replace(layer, parameters=((CODE, code),))


def _code(value: np.generic, tensor: StoredTensor) -> float:
    """Return a code of a tensor's type as an int8 code; a value of floats as it is."""
    if tensor.zero_point is None or not isinstance(value, np.integer):
        return float(value)
    return int(value) - UINT8_OFFSET * isinstance(value, np.uint8)


def given_shape(layer: StoredLayer, shapes: Sequence[Shape]) -> Shape | None:
    """Return the shape that a layer of a file gives; see `operator.Operator.given_shape`."""
    return _shape_after(shapes[0], layer.pads) if len(shapes[0]) == 3 else None


def _read_pad(reader: OnnxReader, node: OnnxOperator) -> OnnxActivation | None:
    """Read a Pad of an image, of its codes or of real values."""
    value = reader.value(node, 0)
    amounts = node.attributes.get("pads")
    numbers = reader.numbers(node, 1)
    if amounts is None and numbers is not None:
        amounts = tuple(int(amount) for amount in numbers.ravel())
    usual = node.attributes.get("mode", "constant") == "constant"
    if not isinstance(value, OnnxActivation) or amounts is None or len(amounts) != 8 or not usual:
        return None
    if not any(amounts):
        return value
    if len(value.axes) != 4 or value.pixels > 1:
        return None
    before = {axis: amounts[place] for place, axis in enumerate(value.axes)}
    after = {axis: amounts[place + 4] for place, axis in enumerate(value.axes)}
    if min(amounts) < 0 or any(before[axis] or after[axis] for axis in "NC"):
        return None
    number = reader.scalar(node, 2) if node.input(2) >= 0 else node.number("value", 0)
    if number is None:
        return None
    sizes = tuple(
        size + before[axis] + after[axis]
        for axis, size in zip(value.axes, value.sizes, strict=True)
    )
    out = dataclasses.replace(value, sizes=sizes)
    pads = before["H"], after["H"], before["W"], after["W"]
    if not value.real:
        code = int(number) - onnx.OFFSET * (value.dtype == "uint8")
        return reader.move_codes(node, "pad", [value], out, pads=pads, parameters=((CODE, code),))
    return _padded(reader, node, value, out, pads, number)


def before(
    reader: OnnxReader, node: OnnxOperator, value: OnnxActivation, pads: Pads
) -> OnnxActivation:
    """Add a padding with 0 that a node does before it computes something; return what it gives.

    Args:
        reader: Of the file.
        node: The node.
        value: Real values of an image, channels first.
        pads: Above, below, left and right.
    """
    batch, channels, high, wide = value.sizes
    sizes = batch, channels, high + sum(pads[:2]), wide + sum(pads[2:])
    return _padded(reader, node, value, dataclasses.replace(value, sizes=sizes), pads, 0)


def _padded(
    reader: OnnxReader,
    node: OnnxOperator,
    value: OnnxActivation,
    out: OnnxActivation,
    pads: Pads,
    number: float,
) -> OnnxActivation:
    """Add a padding of real values with a number."""
    border: float = number
    if value.scale is not None and value.zero_point is not None:
        border = code_of(number, value.scale, value.zero_point)
    opened = reader.add_layer(node, "pad", [value], out, pads=pads, parameters=((CODE, border),))
    # Padding keeps the grid: a convolution needs no QuantizeLinear in between.
    layer = reader.layers[opened.source]
    output = dataclasses.replace(
        layer.output, scale=value.scale, zero_point=value.zero_point, dtype="float32"
    )
    reader.layers.change(opened.source, output=output)
    return dataclasses.replace(opened, scale=value.scale, zero_point=value.zero_point)


ONNX: Mapping[str, FileForm] = {"Pad": FileForm(read=_read_pad)}


def examples() -> Iterator[Example]:
    """Yield borders of real 0 and of another code, on all sides and on some."""
    source = QTensor(name="image", shape=(5, 4, 3), scale=np.float32(0.031), zero_point=-7)
    pads: Pads
    for name, pads, code in (
        ("all around", (1, 1, 1, 1), -7),
        ("at the end", (0, 1, 0, 2), -7),
        ("another code", (2, 0, 1, 3), 90),
    ):
        out = dataclasses.replace(source, name="padded", shape=_shape_after(source.shape, pads))
        node = Pad(input="image", output=out, pads=pads, code=code)
        yield Example(name=name, node=node, inputs=(source,))
