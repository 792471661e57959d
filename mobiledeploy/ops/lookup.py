"""A table that has the output's code for every code, or for every pair of codes: GATHER.

A finished file may hold what the other format's kernels round otherwise: a hard swish, a product,
a sum close to a half. All of its results fit a table: 256 codes of one operand (for each channel,
if these differ), or 65,536 of two. No kernel rounds anything then, in either runtime.

In a `.tflite` it is CAST and ADD, which make places of the codes, and GATHER; of two operands
there is a MUL by 256, too. XNNPACK takes none of these: they take twenty times as long as an ADD.
Networks that are quantised here never need it.

Sources: TFLite's tflite/kernels/gather.cc and cast.cc.
"""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import ConversionError, RequestError
from mobiledeploy.formats.onnx.writer import OnnxWriter
from mobiledeploy.formats.tflite import TfliteModel, TfliteOperator, schema
from mobiledeploy.formats.tflite.writer import TfliteWriter
from mobiledeploy.ops import onnx, tflite, without_weights
from mobiledeploy.ops.architecture import Layer
from mobiledeploy.ops.certificate import Certificate
from mobiledeploy.ops.file_form import FileForm
from mobiledeploy.ops.grid import Grid
from mobiledeploy.ops.onnx import OFFSET, OnnxInput
from mobiledeploy.ops.operator import Example, Kernel, Trials, layer_of
from mobiledeploy.ops.ranges import Interval
from mobiledeploy.ops.stored import StoredLayer, looked_up, same_shape
from mobiledeploy.ops.tensors import QMIN, Codes, Float32, Int8, QTensor, Shape, expect
from mobiledeploy.ops.tflite import Scope, TfliteInput, Version
from mobiledeploy.ops.tflite_reading import LayerSource
from mobiledeploy.ops.weights import Weights

LAYERS: tuple[str, ...] = ("lookup",)
TFLITE: Mapping[str, FileForm] = {"GATHER": FileForm(inputs=(1,), versions={"int8": 2})}
"""The last one of its operators; see `joined`."""
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
    del inputs
    raise RequestError(f"layer `{layer.name}` (lookup) has no float form")


def quantise(
    layer: Layer, inputs: Sequence[Grid], output: QTensor, weights: Weights | None
) -> Lookup:
    """Refuse: a float network has no tables.

    Raises:
        RequestError: Always.
    """
    del inputs, output, weights
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
    return looked_up(node.table, *codes)


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


JOINED: Final = "table"
"""Attribute of a GATHER that stands for all operators of a table: the codes."""


def joined(model: TfliteModel) -> tuple[TfliteOperator, ...]:
    """Return the operators of a file, those of a table as one GATHER of its operands.

    Args:
        model: The file.
    """
    if not any(operator.builtin == "GATHER" for operator in model.operators):
        return model.operators
    writers = {
        operator.outputs[0]: operator for operator in model.operators if len(operator.outputs) == 1
    }
    readers = Counter(index for operator in model.operators for index in operator.inputs)
    readers.update(model.outputs)
    kept, left_out = list[TfliteOperator](), set[int]()
    for operator in reversed(model.operators):
        if id(operator) in left_out:
            continue
        chain = _Chain(model, writers, readers)
        table = chain.table(operator) if operator.builtin == "GATHER" else None
        if table is None:
            kept.append(operator)
            continue
        left_out.update(map(id, chain.operators))
        attributes = {**operator.attributes, JOINED: table}
        operands = tuple(chain.operands)
        kept.append(dataclasses.replace(operator, inputs=operands, attributes=attributes))
    return tuple(reversed(kept))


def joined_operator(operator: TfliteOperator, source: int, codes: Int8) -> TfliteOperator:
    """Return a GATHER that stands for all operators of a table, as `joined` does.

    Args:
        operator: One that writes what it writes.
        source: Index of the tensor that it reads.
        codes: As in `StoredLayer.table`.
    """
    return dataclasses.replace(
        operator,
        kind="GATHER",
        builtin="GATHER",
        inputs=(source,),
        attributes={"axis": 0, "batch_dims": 0, JOINED: codes},
    )


class _Chain:
    """The operators before a GATHER, while they are followed."""

    def __init__(
        self, model: TfliteModel, writers: Mapping[int, TfliteOperator], readers: Counter[int]
    ) -> None:
        self._model, self._writers, self._readers = model, writers, readers
        self.operators: list[TfliteOperator] = []
        self.operands: list[int] = []

    def table(self, gather: TfliteOperator) -> Int8 | None:
        """Return the codes that a GATHER looks up; None if it is no table of codes."""
        values, places = self._constant(gather.input(0)), self._writer(gather.input(1), "ADD")
        plain = not (gather.option("axis") or gather.option("batch_dims"))
        if not plain or values is None or values.dtype != np.int8 or places is None:
            return None
        pairs, first = places.input(0), self._constant(places.input(1))
        if first is None or first.dtype != np.int32:
            return None
        channels = CODES * np.arange(values.size // CODES, dtype=np.int64) + OFFSET
        if self._codes(pairs) and values.size == CODES * max(first.size, 1):
            expected = channels[: first.size] if first.size > 1 else np.array(OFFSET)
            return (
                values.reshape(-1, CODES)[: first.size].squeeze()
                if np.array_equal(first.ravel(), expected.ravel())
                else None
            )
        joint = self._writer(pairs, "ADD")
        rows = None if joint is None else self._writer(joint.input(0), "MUL")
        if joint is None or rows is None or values.size != CODES**2:
            return None
        factor = self._constant(rows.input(1))
        right = factor is not None and factor.size == 1 and factor.ravel()[0] == CODES
        begins = first.size == 1 and first.ravel()[0] == OFFSET * CODES + OFFSET
        both = self._codes(rows.input(0)) and self._codes(joint.input(1))
        return values if right and begins and both else None

    def _constant(self, index: int) -> npt.NDArray[Any] | None:
        return None if index < 0 else self._model.tensors[index].data

    def _writer(self, index: int, builtin: str) -> TfliteOperator | None:
        """Return what writes a tensor that is read once, if it is such an operator."""
        operator = self._writers.get(index)
        if operator is None or operator.builtin != builtin or self._readers[index] != 1:
            return None
        if operator.activation != "none":
            return None
        self.operators.append(operator)
        return operator

    def _codes(self, index: int) -> bool:
        """Whether a tensor has int8 codes as int32; if so they are an operand."""
        operator = self._writer(index, "CAST")
        if operator is None:
            return False
        source = operator.input(0)
        types = [self._model.tensors[each].dtype for each in (source, index) if each >= 0]
        self.operands.append(source)
        return types == ["int8", "int32"]


def read_tflite(operator: TfliteOperator, scope: Scope) -> Lookup:
    """Return the node of a table.

    Raises:
        ConversionError: It gathers something else than codes.
    """
    codes = operator.attributes.get(JOINED)
    if codes is None or len(operator.outputs) != 1:
        raise tflite.refusal(operator, "expected it behind CAST and ADD, as a table of codes")
    inputs = [scope.read(index, operator) for index in operator.inputs]
    return of_table(codes, inputs, scope.write(operator.outputs[0]))


def layer_of_tflite(source: LayerSource) -> StoredLayer | None:
    """Return a table of codes; None for a GATHER of something else."""
    codes = source.operator.attributes.get(JOINED)
    if codes is None:
        return None
    return dataclasses.replace(source.layer, kind="table", table=codes)


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
