"""The larger or the smaller of two codes: `MAXIMUM`, `MINIMUM`.

Both operands and the output are on one grid, so that the larger code is the larger number.

Source: TFLite's tflite/kernels/maximum_minimum.cc.
"""

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from mobiledeploy.formats.onnx import OnnxOperator
from mobiledeploy.formats.onnx.writer import OnnxWriter
from mobiledeploy.formats.tflite import TfliteOperator
from mobiledeploy.formats.tflite.writer import TfliteWriter
from mobiledeploy.ops import constant_operand, each_pair, one_grid, stored, tflite, without_weights
from mobiledeploy.ops.architecture import Layer
from mobiledeploy.ops.certificate import Certificate
from mobiledeploy.ops.each_pair import all_pairs, pairs_of_shapes
from mobiledeploy.ops.file_form import FileForm
from mobiledeploy.ops.grid import Grid
from mobiledeploy.ops.node import TwoEqualInputs
from mobiledeploy.ops.onnx import OnnxInput
from mobiledeploy.ops.onnx_reader import OnnxReader
from mobiledeploy.ops.onnx_reading import both_activations
from mobiledeploy.ops.onnx_values import OnnxActivation
from mobiledeploy.ops.operator import Example, Kernel, Trials, layer_of
from mobiledeploy.ops.ranges import Interval
from mobiledeploy.ops.stored import StoredLayer
from mobiledeploy.ops.tensors import Float32, Int8, QTensor, Shape, expect
from mobiledeploy.ops.tflite import Scope, TfliteInput
from mobiledeploy.ops.tflite_reading import LayerSource
from mobiledeploy.ops.weights import Weights

LAYERS: tuple[str, ...] = ("maximum", "minimum")
TFLITE: Mapping[str, FileForm] = {
    name.upper(): FileForm(inputs=(0, 1), versions={"int8": 2, "int16": 3}) for name in LAYERS
}
FIXED_RANGE: Interval | None = None
IMAGES: bool = False
SYMMETRIC: bool = True
LITERT_KERNELS: tuple[Kernel, ...] = ("x86",)
TRIALS: Trials | None = Trials(
    layers="maximum or minimum",
    cases="{cases} pairs of codes, every one that there is in {layers}",
)
MOVES: str = "it takes the larger or the smaller of two codes"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Maximum(TwoEqualInputs):
    """The larger of each two elements of tensors of one shape and grid.

    Attributes:
        smaller: Whether it is the smaller one instead.
    """

    smaller: bool = False

    def check(self, inputs: Sequence[QTensor]) -> None:
        """Check shapes and grids; see `node.Node.check`."""
        TwoEqualInputs.check(self, inputs)
        one_grid.expect_one_grid(self.output, inputs)


NODE: type[Maximum] = Maximum
kernel_shape = without_weights.kernel_shape
tflite_version = tflite.second_version
work = without_weights.work
scale_ratios = without_weights.scale_ratios
operand_ranges = one_grid.operand_ranges
output_range = one_grid.output_range
output_shape = each_pair.output_shape
given_shape = stored.same_shape


def quantise(
    layer: Layer, inputs: Sequence[Grid], output: QTensor, weights: Weights | None
) -> Maximum:
    """Return the node of a layer."""
    del inputs, weights
    left, right = layer.inputs
    return Maximum(inputs=(left, right), output=output, smaller=layer.op == "minimum")


def _name(node: Maximum) -> str:
    return LAYERS[node.smaller]


def float_layer(node: Maximum, inputs: Sequence[QTensor]) -> Layer:
    """Return the layer of a node."""
    return layer_of(_name(node), node, inputs)


def litert_codes(
    node: Maximum, inputs: Sequence[QTensor], codes: Sequence[Int8], *, kernel: Kernel
) -> Int8:
    """Return the codes, each one of two."""
    del inputs, kernel
    return (np.minimum if node.smaller else np.maximum)(codes[0], codes[1])


def float_values(
    node: Maximum, inputs: Sequence[Float32], weights: tuple[Float32, Float32] | None
) -> Float32:
    """Return the real values, each one of two."""
    del weights
    chosen: Float32 = (np.minimum if node.smaller else np.maximum)(inputs[0], inputs[1])
    return chosen


def node_of(layer: StoredLayer, inputs: Sequence[QTensor], output: QTensor) -> Maximum:
    """Return the node of a layer in a file.

    Raises:
        ConversionError: It has another number of operands.
    """
    expect(output.name, "number of inputs", len(inputs), 2)
    names = inputs[0].name, inputs[1].name
    return Maximum(inputs=names, output=output, smaller=layer.kind == "minimum")


def trials(layer: StoredLayer, shapes: Sequence[Shape]) -> tuple[tuple[Int8, ...], int]:
    """Return all pairs of codes."""
    del layer
    return pairs_of_shapes((shapes[0], shapes[0])), all_pairs()[0].size


def write_tflite(
    model: TfliteWriter, node: Maximum, inputs: Sequence[TfliteInput], output: int
) -> None:
    """Add the operator."""
    model.operator(
        _name(node).upper(),
        tflite_version(node, []).number,
        tflite.indices(inputs),
        output,
        "MaximumMinimumOptions",
    )


def read_tflite(operator: TfliteOperator, scope: Scope) -> Maximum:
    """Return the node of an operator."""
    a, b, target = tflite.ends(operator, inputs=2)
    names = scope.read(a, operator).name, scope.read(b, operator).name
    smaller = operator.builtin == "MINIMUM"
    return Maximum(inputs=names, output=scope.write(target), smaller=smaller)


def write_onnx(
    model: OnnxWriter,
    node: Maximum,
    inputs: Sequence[OnnxInput],
    output: str,
    certificate: Certificate | None,
) -> None:
    """Add a Max or Min of codes."""
    del certificate
    model.node("Min" if node.smaller else "Max", [each.codes for each in inputs], output)


def _grid_limits(node: Maximum, inputs: Sequence[QTensor], form: str) -> Iterator[str]:
    """Yield that it has several grids: TFLite compares codes."""
    del form
    out = node.output
    if {(each.scale, each.zero_point) for each in inputs} != {(out.scale, out.zero_point)}:
        yield "its operands and its output are on several grids"


def layer_of_tflite(source: LayerSource) -> StoredLayer | None:
    """Return the larger or smaller of two activations of one shape, or of one and a constant."""
    if len(source.inputs) == 1 and source.operator.inputs[1:]:
        smaller = source.operator.builtin == "MINIMUM"
        return constant_operand.table_of(
            source,
            functools.partial(Maximum, smaller=smaller),
            _grid_limits,
            lambda node, _, codes: ((np.minimum if node.smaller else np.maximum)(*codes),),
        )
    shapes = {tensor.shape for tensor in source.inputs}
    if len(source.inputs) != len(source.operator.inputs) or len(shapes) != 1:
        return None
    return dataclasses.replace(source.layer, kind=source.operator.builtin.lower())


def _read(reader: OnnxReader, node: OnnxOperator) -> OnnxActivation | None:
    """Read a Max or Min of two activations of one shape and grid."""
    both = both_activations(reader, node)
    if both is None or node.inputs[2:]:
        return None
    a, b = both
    if (a.axes, a.sizes, a.pixels, a.unrolled) != (b.axes, b.sizes, b.pixels, b.unrolled):
        return None
    return reader.copy(node, "maximum" if node.op == "Max" else "minimum", [a, b], a)


ONNX: Mapping[str, FileForm] = {
    name: FileForm(inputs=(0, 1), pairs_only=True, read=_read) for name in ("Max", "Min")
}


def examples() -> Iterator[Example]:
    """Yield both of images, and one of vectors."""
    for name, shape, smaller in (
        ("larger", (5, 4, 3), False),
        ("smaller", (5, 4, 3), True),
        ("larger, of vectors", (12,), False),
    ):
        a, b, out = (
            QTensor(name=tensor, shape=shape, scale=np.float32(0.041), zero_point=-9)
            for tensor in ("a", "b", "chosen")
        )
        node = Maximum(inputs=("a", "b"), output=out, smaller=smaller)
        yield Example(name=name, node=node, inputs=(a, b))
