"""The hyperbolic tangent of each code, on the grid of scale 1/128, zero point 0: TANH.

XNNPACK looks codes up in a table, which it computes in float32 with the C library's `tanhf`. ONNX
Runtime computes a rational function in float32.

Sources: XNNPACK's reference/unary-elementwise.cc (`TanhOp`); TFLite's
tflite/kernels/activations.cc for the output's grid; ONNX Runtime's mlas/lib/tanh.cpp.
"""

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from mobiledeploy.formats.onnx.writer import OnnxWriter
from mobiledeploy.formats.tflite import TfliteOperator
from mobiledeploy.formats.tflite.writer import TfliteWriter
from mobiledeploy.ops import each_code, stored, tflite, without_weights
from mobiledeploy.ops.architecture import Layer
from mobiledeploy.ops.certificate import Certificate, all_codes
from mobiledeploy.ops.each_code import EachCode
from mobiledeploy.ops.file_form import FileForm
from mobiledeploy.ops.grid import Grid
from mobiledeploy.ops.onnx import OnnxInput
from mobiledeploy.ops.operator import Cases, Example, Kernel, Trials, layer_of
from mobiledeploy.ops.ranges import Interval, Ranges
from mobiledeploy.ops.stored import StoredLayer
from mobiledeploy.ops.tensors import Codes, Float32, Int8, QTensor, expect
from mobiledeploy.ops.tflite import Scope, TfliteInput, Version
from mobiledeploy.ops.tflite_reading import LayerSource
from mobiledeploy.ops.weights import Weights

LAYERS: tuple[str, ...] = ("tanh",)
TFLITE: Mapping[str, FileForm] = {
    "TANH": FileForm(versions={"int8": 2, "int16": 3}, computed=True)
}
FIXED_RANGE: Interval | None = (-1.0, 127 / 128)
IMAGES: bool = False
SYMMETRIC: bool = False
LITERT_KERNELS: tuple[Kernel, ...] = ("x86",)
TRIALS: Trials | None = Trials(
    layers="tanh", cases="{cases} codes, every one that there is in {layers}"
)

KERNELS: str = (
    "XNNPACK's table and ONNX Runtime's kernel (whether or not a compiler fuses multiply and add)"
)
CASE: str = "code"
CASES: str = "codes"
ONE_CODE: bool = True

SCALE: Final = np.float32(1 / 128)
ZERO_POINT: Final = 0

ROUNDING: Final = 1e-4
"""More than twice the error of ONNX Runtime's rational function, in steps of 1/128."""

_REACH: Final = np.float32(9)
_NUMERATOR: Final = (
    -2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11, 5.12229709037114e-08,
    1.48572235717979e-05, 6.37261928875436e-04, 4.89352455891786e-03,
)  # fmt: skip
_DENOMINATOR: Final = (
    1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03, 4.89352518554385e-03,
)  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tanh(EachCode):
    """The hyperbolic tangent of each element."""

    def check(self, inputs: Sequence[QTensor]) -> None:
        """Check shape and grid; see `operator.Node.check`."""
        EachCode.check(self, inputs)
        name, out = self.output.name, self.output
        expect(name, "scale", out.scale, SCALE)
        expect(name, "zero point", out.zero_point, ZERO_POINT)


NODE: type[Tanh] = Tanh
kernel_shape = without_weights.kernel_shape
work = without_weights.work
output_range = without_weights.output_range
scale_ratios = without_weights.scale_ratios
output_shape = each_code.output_shape
all_cases = each_code.all_cases
cases_of = each_code.cases_of
trials = each_code.trials
ort_limits = each_code.no_limits
given_shape = stored.same_shape


def operand_ranges(layer: Layer, ranges: Ranges) -> Ranges:
    """Return a range of the input with which ONNX Runtime's kernel rounds as LiteRT does."""
    out = QTensor(name=layer.name, shape=(1,), scale=SCALE, zero_point=ZERO_POINT)
    node = Tanh(input=layer.inputs[0], output=out)
    return each_code.ranges_without_table(layer, ranges, lambda source: certify(node, [source]))


def quantise(
    layer: Layer, inputs: Sequence[Grid], output: QTensor, weights: Weights | None
) -> Tanh:
    """Return the node of a layer."""
    del inputs, weights
    return Tanh(input=layer.inputs[0], output=output)


def float_layer(node: Tanh, inputs: Sequence[QTensor]) -> Layer:
    """Return the layer of a node."""
    return layer_of("tanh", node, inputs)


def _function(node: Tanh) -> each_code.Function:
    del node
    return lambda values: np.tanh(values.astype(np.float64)).astype(np.float32)


def _rational(values: Float32, *, fused: bool) -> Float32:
    reals = np.clip(values, -_REACH, _REACH)
    return each_code.rational(reals, _NUMERATOR, _DENOMINATOR, fused=fused)


def certify(node: Tanh, inputs: Sequence[QTensor]) -> Certificate:
    """Return a certificate of the float form, or of a table, which is always exact."""
    (expected,) = litert_cases(node, inputs, (all_codes(),))
    return each_code.certify(node, inputs[0], expected, np.tanh, ROUNDING)


def litert_cases(
    node: Tanh, inputs: Sequence[QTensor], cases: Cases, form: str = ""
) -> tuple[Codes, ...]:
    """Return the codes of XNNPACK's table."""
    del form
    return (each_code.xnnpack(_function(node), cases[0], inputs[0], node.output),)


def ort_cases(
    node: Tanh, inputs: Sequence[QTensor], cases: Cases, form: str = ""
) -> tuple[Codes, ...]:
    """Return ONNX Runtime's codes, for each choice of what is fused."""
    del form
    (source,), out = inputs, node.output
    return tuple(
        each_code.ort(
            functools.partial(_rational, fused=fused), cases[0], source, out, source.scale
        )
        for fused in (False, True)
    )


def litert_limits(node: Tanh, inputs: Sequence[QTensor], form: str) -> Iterator[str]:
    """Yield why TFLite refuses an output's grid."""
    del inputs, form
    out = node.output
    if (out.scale, out.zero_point) != (SCALE, ZERO_POINT):
        yield f"its output's grid is {out.scale} and {out.zero_point}, not 1/128 and 0"


def node_of(layer: StoredLayer, inputs: Sequence[QTensor], output: QTensor) -> Tanh:
    """Return the node of a layer in a file.

    Raises:
        ConversionError: It has another number of inputs.
    """
    del layer
    expect(output.name, "number of inputs", len(inputs), 1)
    return Tanh(input=inputs[0].name, output=output)


def litert_codes(
    node: Tanh, inputs: Sequence[QTensor], codes: Sequence[Int8], *, kernel: Kernel
) -> Int8:
    """Return the codes that LiteRT looks up, on every architecture."""
    del kernel
    (table,) = litert_cases(node, inputs, (all_codes(),))
    return each_code.look_up(table, codes[0])


def float_values(
    node: Tanh, inputs: Sequence[Float32], weights: tuple[Float32, Float32] | None
) -> Float32:
    """Return the function of real values."""
    del weights
    return _function(node)(inputs[0])


def tflite_version(node: Tanh, inputs: Sequence[QTensor]) -> Version:
    """Return the version of int8."""
    del node, inputs
    return Version(number=2, runtime="1.14.0")


def write_tflite(
    model: TfliteWriter, node: Tanh, inputs: Sequence[TfliteInput], output: int
) -> None:
    """Add the operator."""
    version = tflite_version(node, []).number
    model.operator("TANH", version, tflite.indices(inputs), output)


def read_tflite(operator: TfliteOperator, scope: Scope) -> Tanh:
    """Return the node of an operator."""
    source, target = tflite.ends(operator, inputs=1)
    read = scope.read(source, operator).name
    return Tanh(input=read, output=scope.write(target))


def write_onnx(
    model: OnnxWriter,
    node: Tanh,
    inputs: Sequence[OnnxInput],
    output: str,
    certificate: Certificate | None,
) -> None:
    """Add a Tanh, or a table of all codes where the certificate asks for one."""
    (table,) = litert_cases(node, [inputs[0].tensor], (all_codes(),))
    each_code.write_onnx(model, node, inputs, output, certificate, table=table, operator="Tanh")


def layer_of_tflite(source: LayerSource) -> StoredLayer:
    """Return the layer."""
    return dataclasses.replace(source.layer, kind="tanh")


ONNX: Mapping[str, FileForm] = {
    "Tanh": FileForm(read=each_code.reader("tanh"), computed=True),
}


def examples() -> Iterator[Example]:
    """Yield some that any float kernel computes."""
    for name, shape, scales, zeros in (
        ("image", (4, 6, 3), (0.0211, 1 / 128), (3, 0)),
        ("vector", (50,), (0.0617, 1 / 128), (-11, 0)),
        ("wide", (4, 6, 3), (0.13, 1 / 128), (-40, 0)),
    ):
        source, out = each_code.tensors(shape, scales, zeros)
        node = Tanh(input="image", output=out)
        yield Example(name=name, node=node, inputs=(source,))
