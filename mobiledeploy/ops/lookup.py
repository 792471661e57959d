"""A table that has the output's code for every code, or for every pair of codes: GATHER.

A finished file may hold what the other format's kernels round otherwise: a hard swish, a product,
a sum close to a half. All of its results fit a table: 256 codes of one operand (of each channel, if
these differ), or 65,536 of two. No kernel rounds anything then, in either runtime.

In a `.tflite` it is CAST and ADD, which make places of the codes, and GATHER; of two operands there
is a MUL by 256, too. XNNPACK takes none of these: they take twenty times as long as an ADD.
Networks that are quantised here never need it.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from mobiledeploy.base.errors import ConversionError, RequestError
from mobiledeploy.formats.onnx.writer import OnnxWriter
from mobiledeploy.formats.tflite import TfliteOperator, schema
from mobiledeploy.formats.tflite.writer import TfliteWriter
from mobiledeploy.ops import onnx, tflite, without_weights
from mobiledeploy.ops.architecture import Layer
from mobiledeploy.ops.certificate import Certificate
from mobiledeploy.ops.file_form import FileForm
from mobiledeploy.ops.grid import Grid
from mobiledeploy.ops.onnx import OFFSET, OnnxInput
from mobiledeploy.ops.operator import Example, Kernel, Trials, layer_of
from mobiledeploy.ops.ranges import Interval
from mobiledeploy.ops.stored import StoredLayer, same_shape
from mobiledeploy.ops.tensors import QMIN, Codes, Float32, Int8, QTensor, Shape, expect
from mobiledeploy.ops.tflite import Scope, TfliteInput, Version
from mobiledeploy.ops.tflite_reading import LayerSource
from mobiledeploy.ops.weights import Weights

LAYERS: tuple[str, ...] = ("lookup",)
TFLITE: Mapping[str, FileForm] = {}
"""None: `reading` and `integer.tflite_reader` know it by all of its operators."""
ONNX: Mapping[str, FileForm] = {}
FIXED_RANGE: Interval | None = None
IMAGES: bool = False
SYMMETRIC: bool = False
LITERT_KERNELS: tuple[Kernel, ...] = ("x86",)
TRIALS: Trials | None = None

CODES: Final = 256


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lookup:
    """A function of each code, or of each pair of codes, by its results.

    Attributes:
        codes: int8 codes of the output: for each code of the input, ascending; or that for each
            channel, one after the other; or for each code of the first input and each one of the
            second.
        grids: Scale and zero point of each input, by which real values become places in it.
    """

    inputs: tuple[str, ...]
    output: QTensor
    codes: tuple[int, ...]
    grids: tuple[tuple[float, int], ...]

    def check(self, inputs: Sequence[QTensor]) -> None:
        """Check shapes, grids and the number of codes; see `operator.Node.check`."""
        name, out = self.output.name, self.output
        grids = tuple((float(each.scale), each.zero_point) for each in inputs)
        expect(name, "grids", grids, self.grids)
        if len(inputs) == 1:
            expect(name, "output shape", out.shape, inputs[0].shape)
            channels = len(self.codes) // CODES
            if len(self.codes) != CODES * channels or channels not in {1, out.shape[-1]}:
                raise ConversionError(
                    f"`{name}`: expected {CODES} codes, or as many for each of "
                    f"{out.shape[-1]} channels, received {len(self.codes)}"
                )
            return
        expect(name, "number of inputs", len(inputs), 2)
        expect(name, "number of codes", len(self.codes), CODES**2)
        try:
            shape = np.broadcast_shapes(*(each.shape for each in inputs))
        except ValueError:
            shape = ()
        expect(name, "output shape", out.shape, shape)

    @property
    def table(self) -> Int8:
        """The codes; of shape (channels, 256) where each channel has its own."""
        codes = np.array(self.codes, np.int8)
        by_channel = len(self.inputs) == 1 and codes.size > CODES
        return codes.reshape(-1, CODES) if by_channel else codes


NODE: type[Lookup] = Lookup
kernel_shape = without_weights.kernel_shape
work = without_weights.work
scale_ratios = without_weights.scale_ratios
operand_ranges = without_weights.operand_ranges
output_range = without_weights.output_range
given_shape = same_shape


def output_shape(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    """Refuse: a float network has no tables.

    Raises:
        RequestError: Always.
    """
    raise RequestError(f"layer `{layer.name}` (lookup) has no float form")


def quantise(
    layer: Layer, inputs: Sequence[Grid], output: QTensor, weights: Weights | None
) -> Lookup:
    """Refuse: a float network has no tables.

    Raises:
        RequestError: Always.
    """
    raise RequestError(f"layer `{layer.name}` (lookup) has no float form")


def float_layer(node: Lookup, inputs: Sequence[QTensor]) -> Layer:
    """Return the layer of a node."""
    return layer_of("lookup", node, inputs)


def of_table(codes: Codes | Int8, inputs: Sequence[QTensor], output: QTensor) -> Lookup:
    """Return the node of a table.

    Args:
        codes: See `Lookup`; any shape.
        inputs: What it reads.
        output: What it writes.
    """
    return Lookup(
        inputs=tuple(each.name for each in inputs),
        output=output,
        codes=tuple(codes.ravel().tolist()),
        grids=tuple((float(each.scale), each.zero_point) for each in inputs),
    )


def litert_codes(
    node: Lookup, inputs: Sequence[QTensor], codes: Sequence[Int8], *, kernel: Kernel
) -> Int8:
    """Return the codes at these places."""
    del inputs, kernel
    places = [each.astype(np.int64) - QMIN for each in codes]
    table = node.table
    found: Int8
    if len(places) == 2:
        found = table[places[0] * CODES + places[1]]
    elif table.ndim == 1:
        found = table[places[0]]
    else:
        found = table[np.arange(len(table)), places[0]]
    return found


def float_values(
    node: Lookup, inputs: Sequence[Float32], weights: tuple[Float32, Float32] | None
) -> Float32:
    """Return the real values of the codes at the places next to real values."""
    del weights
    codes = [
        np.clip(np.rint(values / np.float32(scale) + zero), QMIN, QMIN + CODES - 1)
        for values, (scale, zero) in zip(inputs, node.grids, strict=True)
    ]
    results = litert_codes(node, [], [each.astype(np.int8) for each in codes], kernel="x86")
    out = node.output
    return (results.astype(np.float32) - np.float32(out.zero_point)) * out.scale


def tflite_version(node: Lookup, inputs: Sequence[QTensor]) -> Version:
    """Return the version of GATHER with int8 values."""
    del node, inputs
    return Version(number=2, runtime="1.14.0")


def write_tflite(
    model: TfliteWriter, node: Lookup, inputs: Sequence[TfliteInput], output: int
) -> None:
    """Add the operators that make places of codes, and the one that looks them up."""
    name, int32 = node.output.name, schema.TYPES.index("INT32")

    def number(what: str, values: int | Codes) -> int:
        return model.constant(f"{name}/{what}", np.asarray(values, np.int32))

    def computed(what: str, operator: str, operands: list[int], shape: Shape) -> int:
        target = model.activation(model.free(f"{name}/{what}"), np.int32, (1, *shape))
        options = {"MUL": "MulOptions", "ADD": "AddOptions"}
        model.operator(operator, 1, operands, target, options[operator])
        return target

    places = []
    for count, each in enumerate(inputs):
        target = model.activation(
            model.free(f"{name}/codes {count}"), np.int32, (1, *each.tensor.shape)
        )
        int8 = schema.TYPES.index("INT8")
        model.operator(
            "CAST", 1, [each.index], target, "CastOptions", InDataType=int8, OutDataType=int32
        )
        places.append(target)
    shape, table = node.output.shape, node.table
    if len(places) == 2:
        rows = computed("rows", "MUL", [places[0], number("256", CODES)], inputs[0].tensor.shape)
        pairs = computed("pairs", "ADD", [rows, places[1]], shape)
        first = number("first", OFFSET * CODES + OFFSET)
    else:
        pairs = places[0]
        first = number("first", OFFSET)
        if table.ndim > 1:
            first = number("first of each channel", OFFSET + CODES * np.arange(len(table)))
    place = computed("places", "ADD", [pairs, first], shape)
    out = node.output
    values = model.constant(
        f"{name}/table",
        table.ravel(),
        scale=np.array([out.scale]),
        zero_point=np.array([out.zero_point]),
    )
    model.operator(
        "GATHER", tflite_version(node, []).number, [values, place], output, "GatherOptions"
    )


def read_tflite(operator: TfliteOperator, scope: Scope) -> Lookup:
    """Refuse: no single operator of a `.tflite` is a table.

    Raises:
        ConversionError: Always.
    """
    del scope
    raise tflite.refusal(operator, "expected it behind CAST and ADD")


def layer_of_tflite(source: LayerSource) -> StoredLayer | None:
    """Return None: no single operator of a `.tflite` is a table."""
    del source
    return None


def write_onnx(
    model: OnnxWriter,
    node: Lookup,
    inputs: Sequence[OnnxInput],
    output: str,
    certificate: Certificate | None,
) -> None:
    """Add a table of all codes, or of all pairs."""
    del certificate
    codes = node.table.astype(np.int64)
    if len(inputs) == 1:
        onnx.look_up(model, node.output.name, inputs[0], codes, output)
    else:
        onnx.look_up_pairs(model, node.output, inputs, codes, output)


def node_of(layer: StoredLayer, inputs: Sequence[QTensor], output: QTensor) -> Lookup:
    """Return the node of a layer in a file.

    Raises:
        ConversionError: It has no table.
    """
    if layer.table is None:
        raise ConversionError(f"`{output.name}` has no table")
    return of_table(layer.table, inputs, output)


def trials(layer: StoredLayer, shapes: Sequence[Shape]) -> tuple[tuple[Int8, ...], int]:
    """Refuse: a table has nothing to round.

    Raises:
        ConversionError: Always.
    """
    del shapes
    raise ConversionError(f"`{layer.op}` has no extreme codes")


def examples() -> Iterator[Example]:
    """Yield nothing: what is tried with every operator is how a float network's are quantised."""
    yield from ()
