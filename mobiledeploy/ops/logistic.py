"""1 / (1 + exp(-x)) of each code, on the grid of scale 1/256, zero point -128: LOGISTIC.

LiteRT looks codes up in a table, which XNNPACK computes in float64 and rounds once to float32.
ONNX Runtime computes a rational function in float32, of which QLinearSigmoid makes a table too.

Sources: XNNPACK's reference/unary-elementwise.cc (`SigmoidOp`); TFLite's
tflite/kernels/activations.cc for the output's grid; ONNX Runtime's mlas/lib/logistic.cpp.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from mobiledeploy.formats.onnx.writer import OnnxWriter
from mobiledeploy.formats.tflite import TfliteOperator
from mobiledeploy.formats.tflite.writer import TfliteWriter
from mobiledeploy.ops import each_code, stored, tflite, without_weights
from mobiledeploy.ops.architecture import Layer
from mobiledeploy.ops.certificate import Certificate
from mobiledeploy.ops.each_code import EachCode
from mobiledeploy.ops.file_form import FileForm
from mobiledeploy.ops.grid import Grid
from mobiledeploy.ops.onnx import OnnxInput
from mobiledeploy.ops.onnx_reading import one_input
from mobiledeploy.ops.operator import Cases, Example, Kernel, Trials, layer_of
from mobiledeploy.ops.ranges import Interval, Ranges
from mobiledeploy.ops.stored import StoredLayer
from mobiledeploy.ops.tensors import Codes, Float32, Int8, QTensor, expect
from mobiledeploy.ops.tflite import Scope, TfliteInput, Version
from mobiledeploy.ops.tflite_reading import LayerSource
from mobiledeploy.ops.weights import Weights

LAYERS: tuple[str, ...] = ("logistic",)
TFLITE: Mapping[str, FileForm] = {
    "LOGISTIC": FileForm(versions={"int8": 2, "int16": 3}, computed=True)
}
FIXED_RANGE: Interval | None = (0.0, 255 / 256)
IMAGES: bool = False
SYMMETRIC: bool = False
LITERT_KERNELS: tuple[Kernel, ...] = ("x86",)
TRIALS: Trials | None = Trials(
    layers="logistic", cases="{cases} codes, every one that there is in {layers}"
)

KERNELS: str = (
    "XNNPACK's table and ONNX Runtime's kernel (whether or not a compiler fuses multiply and add)"
)
CASE: str = "code"
CASES: str = "codes"
ONE_CODE: bool = True

SCORES: str = "sigmoid"

SCALE: Final = np.float32(1 / 256)
ZERO_POINT: Final = -128

ROUNDING: Final = 1e-4
"""More than twice the error of ONNX Runtime's rational function, in steps of 1/256."""

QLINEAR: Final = "QLinearSigmoid"
"""ONNX Runtime's kernel of codes."""

_REACH: Final = np.float32(18)
_NUMERATOR: Final = (
    4.37031012579801e-11, 1.15627324459942e-07, 6.08574864600143e-05, 8.51377133304701e-03,
    2.48287947061529e-01,
)  # fmt: skip
_DENOMINATOR: Final = (
    6.10247389755681e-13, 5.76102136993427e-09, 6.29106785017040e-06, 1.70198817374094e-03,
    1.16817656904453e-01, 9.93151921023180e-01,
)  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Logistic(EachCode):
    """The logistic function of each element."""

    def check(self, inputs: Sequence[QTensor]) -> None:
        """Check shape and grid; see `operator.Node.check`."""
        EachCode.check(self, inputs)
        name, out = self.output.name, self.output
        expect(name, "scale", out.scale, SCALE)
        expect(name, "zero point", out.zero_point, ZERO_POINT)


NODE: type[Logistic] = Logistic
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
    node = Logistic(input=layer.inputs[0], output=out)
    return each_code.ranges_without_table(layer, ranges, lambda source: certify(node, [source]))


def quantise(
    layer: Layer, inputs: Sequence[Grid], output: QTensor, weights: Weights | None
) -> Logistic:
    """Return the node of a layer."""
    del inputs, weights
    return Logistic(input=layer.inputs[0], output=output)


def float_layer(node: Logistic, inputs: Sequence[QTensor]) -> Layer:
    """Return the layer of a node."""
    return layer_of("logistic", node, inputs)


def _in_float64(values: Float32) -> Float32:
    return _exact(values.astype(np.float64)).astype(np.float32)


def _exact(values: each_code.Exact) -> each_code.Exact:
    # Further out the result is 0 or 1 in float32.
    powers = np.exp(np.clip(values, -100, 100))
    shares: each_code.Exact = powers / (1 + powers)
    return shares


def rational(values: Float32, *, fused: bool = False) -> Float32:
    """Return ONNX Runtime's logistic function.

    Args:
        values: float32.
        fused: Whether the compiler fuses multiplications with the additions that follow.
    """
    reals = np.clip(values, -_REACH, _REACH)
    ratio = each_code.rational(reals, _NUMERATOR, _DENOMINATOR, fused=fused)
    shares: Float32 = np.clip(ratio + np.float32(0.5), np.float32(0), np.float32(1))
    return shares


def certify(node: Logistic, inputs: Sequence[QTensor]) -> Certificate:
    """Return a certificate of the float form, or of a table, which is always exact."""
    (expected,) = litert_cases(node, inputs, all_cases(node, inputs))
    return each_code.certify(node, inputs[0], expected, _exact, ROUNDING)


def litert_cases(
    node: Logistic, inputs: Sequence[QTensor], cases: Cases, form: str = ""
) -> tuple[Codes, ...]:
    """Return the codes of XNNPACK's table."""
    del form
    return (each_code.xnnpack(_in_float64, cases[0], inputs[0], node.output),)


def ort_cases(
    node: Logistic, inputs: Sequence[QTensor], cases: Cases, form: str = ""
) -> tuple[Codes, ...]:
    """Return ONNX Runtime's codes, for each choice of what is fused."""
    del form
    return tuple(
        each_code.ort(
            lambda values, fused=fused: rational(values, fused=fused),  # type: ignore[misc]
            cases[0],
            inputs[0],
            node.output,
            inputs[0].scale,
        )
        for fused in (False, True)
    )


def litert_limits(node: Logistic, inputs: Sequence[QTensor], form: str) -> Iterator[str]:
    """Yield why TFLite refuses an output's grid."""
    del inputs, form
    out = node.output
    if (out.scale, out.zero_point) != (SCALE, ZERO_POINT):
        yield f"its output's grid is {out.scale} and {out.zero_point}, not 1/256 and -128"


def node_of(layer: StoredLayer, inputs: Sequence[QTensor], output: QTensor) -> Logistic:
    """Return the node of a layer in a file.

    Raises:
        ConversionError: It has another number of inputs.
    """
    del layer
    expect(output.name, "number of inputs", len(inputs), 1)
    return Logistic(input=inputs[0].name, output=output)


def litert_codes(
    node: Logistic, inputs: Sequence[QTensor], codes: Sequence[Int8], *, kernel: Kernel
) -> Int8:
    """Return the codes that XNNPACK looks up, on every architecture."""
    del kernel
    (table,) = litert_cases(node, inputs, all_cases(node, inputs))
    return each_code.look_up(table, codes[0])


def float_values(
    node: Logistic, inputs: Sequence[Float32], weights: tuple[Float32, Float32] | None
) -> Float32:
    """Return the logistic function of real values."""
    del node, weights
    return _in_float64(inputs[0])


def tflite_version(node: Logistic, inputs: Sequence[QTensor]) -> Version:
    """Return the version of int8."""
    del node, inputs
    return Version(number=2, runtime="1.14.0")


def write_tflite(
    model: TfliteWriter, node: Logistic, inputs: Sequence[TfliteInput], output: int
) -> None:
    """Add the operator."""
    version = tflite_version(node, []).number
    model.operator("LOGISTIC", version, tflite.indices(inputs), output)


def read_tflite(operator: TfliteOperator, scope: Scope) -> Logistic:
    """Return the node of an operator."""
    source, target = tflite.ends(operator, inputs=1)
    return Logistic(input=scope.read(source, operator).name, output=scope.write(target))


def write_onnx(
    model: OnnxWriter,
    node: Logistic,
    inputs: Sequence[OnnxInput],
    output: str,
    certificate: Certificate | None,
) -> None:
    """Add a Sigmoid, or a table of all codes where the certificate asks for one."""
    grids = [inputs[0].tensor]
    (table,) = litert_cases(node, grids, all_cases(node, grids))
    each_code.write_onnx(model, node, inputs, output, certificate, table=table, operator="Sigmoid")


def layer_of_tflite(source: LayerSource) -> StoredLayer:
    """Return a logistic function."""
    return dataclasses.replace(source.layer, kind="logistic")


_read: Any = each_code.reader("logistic")

ONNX: Mapping[str, FileForm] = {
    "Sigmoid": FileForm(read=_read, computed=True, ort_kernel=QLINEAR),
    QLINEAR: FileForm(read=one_input(_read), computed=True, ort_kernel=QLINEAR),
}


def examples() -> Iterator[Example]:
    """Yield one that any float kernel computes, and one for which a table is needed."""
    for name, shape, scale, zero in (
        ("image", (4, 6, 3), 0.0411, 3),
        ("vector", (50,), 0.0617, -11),
        ("wide", (4, 6, 3), 0.31, -40),
    ):
        source, out = each_code.tensors(shape, (scale, float(SCALE)), (zero, ZERO_POINT))
        yield Example(name=name, node=Logistic(input="image", output=out), inputs=(source,))
