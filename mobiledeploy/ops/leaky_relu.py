"""x where it is positive, else alpha * x, of each code: LEAKY_RELU.

XNNPACK multiplies codes by whole multiples of 1/256 on every architecture and rounds halves up.
Outside of the scales that it takes, TFLite's own kernel rounds twice. The `.onnx` has a table: of
100 random grids, QLinearLeakyRelu gives the same 256 codes on one.

Sources: XNNPACK's microparams-init.c (`xnn_init_qs8_lrelu_scalar_params`), qs8-vlrelu and
operators/unary-elementwise-nc.c for the limits; TFLite's internal/reference/leaky_relu.h; ONNX
Runtime's contrib_ops/cpu/quantization/qlinear_lookup_table.cc.
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from mobiledeploy.base.errors import ConversionError, RequestError
from mobiledeploy.formats.onnx import OnnxOperator
from mobiledeploy.formats.onnx.writer import OnnxWriter
from mobiledeploy.formats.tflite import TfliteOperator
from mobiledeploy.formats.tflite.writer import TfliteWriter
from mobiledeploy.ops import each_code, stored, tflite, without_weights
from mobiledeploy.ops.architecture import Layer
from mobiledeploy.ops.certificate import Certificate, all_codes
from mobiledeploy.ops.each_code import EachCode
from mobiledeploy.ops.file_form import FileForm
from mobiledeploy.ops.fixed_point import FixedPoint
from mobiledeploy.ops.grid import Grid
from mobiledeploy.ops.onnx import OnnxInput
from mobiledeploy.ops.onnx_reading import one_input
from mobiledeploy.ops.operator import Cases, Example, Kernel, Trials, layer_of
from mobiledeploy.ops.ranges import Interval, Ranges, step, wide_enough
from mobiledeploy.ops.stored import StoredLayer
from mobiledeploy.ops.tensors import QMAX, QMIN, Codes, Float32, Int8, QTensor, Shape, expect
from mobiledeploy.ops.tflite import Scope, TfliteInput, Version
from mobiledeploy.ops.tflite_reading import LayerSource
from mobiledeploy.ops.weights import Weights

LAYERS: tuple[str, ...] = ("leaky_relu",)
TFLITE: Mapping[str, FileForm] = {
    "LEAKY_RELU": FileForm(versions={"int8": 2, "int16": 2}, computed=True)
}
FIXED_RANGE: Interval | None = None
IMAGES: bool = False
SYMMETRIC: bool = False
LITERT_KERNELS: tuple[Kernel, ...] = ("x86",)
TRIALS: Trials | None = Trials(
    layers="leaky ReLU", cases="{cases} codes, every one that there is in {layers}"
)

KERNELS: str = "XNNPACK's kernel and ONNX Runtime's lookup of its codes"
CASE: str = "code"
CASES: str = "codes"
ONE_CODE: bool = True

QLINEAR: Final = "QLinearLeakyRelu"
"""ONNX Runtime's kernel of codes."""

NARROWEST: Final = 2.0**-8
WIDEST: Final = 2.0**7
"""Between these lies the input's scale over the output's, times alpha or not, in XNNPACK's kernel;
TFLite gives others to a kernel with another arithmetic."""

_STEEPEST: Final = float.fromhex("0x1.FFFCp+6")
"""Of a falling slope."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LeakyRelu(EachCode):
    """x where it is positive, else alpha * x, of each element."""

    alpha: float


NODE: type[LeakyRelu] = LeakyRelu
kernel_shape = without_weights.kernel_shape
work = without_weights.work
scale_ratios = without_weights.scale_ratios
all_cases = each_code.all_cases
cases_of = each_code.cases_of
trials = each_code.trials
ort_limits = each_code.no_limits
given_shape = stored.same_shape


def output_shape(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    """Return the input's shape; see `operator.Operator.output_shape`.

    Raises:
        RequestError: Its parameter `alpha` is no finite number other than 0.
    """
    shape = each_code.checked_shape(layer, inputs, "alpha")
    alpha = layer.parameters["alpha"]
    if not (math.isfinite(alpha) and np.float32(alpha)):
        raise RequestError(
            f"layer `{layer.name}` expects an alpha that is not 0, received {alpha}"
        )
    return shape


def operand_ranges(layer: Layer, ranges: Ranges) -> Ranges:
    """Return a range of the input whose step is not too small for the output's."""
    (source,) = layer.inputs
    flattest = min(1.0, abs(layer.parameters["alpha"]))
    limit = step(ranges, layer.name) * NARROWEST / flattest
    return {source: wide_enough(limit, source, ranges[source])}


def output_range(
    layer: Layer, ranges: Ranges, inputs: Sequence[Shape], weights: Weights | None
) -> Interval:
    """Return a range of the output whose step is not too small for the input's."""
    del inputs, weights
    steepest = max(1.0, abs(layer.parameters["alpha"]))
    limit = step(ranges, layer.inputs[0]) * steepest / WIDEST
    return wide_enough(limit, layer.name, ranges[layer.name])


def _alpha(value: float) -> float:
    """Return the number that a file holds for alpha."""
    return float(np.float32(value))


def quantise(
    layer: Layer, inputs: Sequence[Grid], output: QTensor, weights: Weights | None
) -> LeakyRelu:
    """Return the node of a layer."""
    del inputs, weights
    return LeakyRelu(input=layer.inputs[0], output=output, alpha=_alpha(layer.parameters["alpha"]))


def float_layer(node: LeakyRelu, inputs: Sequence[QTensor]) -> Layer:
    """Return the layer of a node."""
    return layer_of("leaky_relu", node, inputs, alpha=node.alpha)


def _function(node: LeakyRelu) -> each_code.Function:
    return lambda values: np.where(values < 0, values * np.float32(node.alpha), values)


def xnnpack(codes: Codes, alpha: float, source: QTensor, out: QTensor) -> Codes:
    """Return XNNPACK's codes, on every architecture."""
    positive = source.scale / out.scale
    factors = [np.rint(np.float32(256) * each) for each in _ratios(alpha, positive)]
    centred = codes - source.zero_point
    products = centred * np.where(centred < 0, int(factors[1]), int(factors[0]))
    clipped: Codes = np.clip((products + (out.zero_point << 8) + 128) >> 8, QMIN, QMAX)
    return clipped


def tflite_own(codes: Codes, alpha: float, source: QTensor, out: QTensor) -> Codes:
    """Return the codes of TFLite's own kernel."""
    identity, flat = (
        FixedPoint.of(float(each))
        for each in (source.scale / out.scale, source.scale * np.float32(alpha) / out.scale)
    )
    centred = codes - source.zero_point
    values = np.where(centred >= 0, identity.times(centred), flat.times(centred))
    clipped: Codes = np.clip(values + out.zero_point, QMIN, QMAX)
    return clipped


def _ratios(alpha: float, positive: np.float32) -> tuple[np.float32, np.float32]:
    return positive, positive * np.float32(alpha)


def _is_for_xnnpack(alpha: float, source: QTensor, out: QTensor) -> bool:
    positive, negative = _ratios(alpha, source.scale / out.scale)
    steep = negative >= -_STEEPEST and negative <= WIDEST
    return bool(NARROWEST <= positive <= WIDEST and steep and abs(negative) >= NARROWEST)


def certify(node: LeakyRelu, inputs: Sequence[QTensor]) -> Certificate:
    """Return the certificate of a table, which is always exact.

    Raises:
        ConversionError: XNNPACK does not take the layer.
    """
    for reason in litert_limits(node, inputs, ""):
        raise ConversionError(
            f"`{node.output.name}`: {reason}",
            hint="its input is all but constant: train or calibrate again",
        )
    cases = (all_codes(),)
    elsewhere = (*litert_cases(node, inputs, cases), *ort_cases(node, inputs, cases))
    return each_code.certify_table(node, inputs[0], elsewhere)


def litert_cases(
    node: LeakyRelu, inputs: Sequence[QTensor], cases: Cases, form: str = ""
) -> tuple[Codes, ...]:
    """Return the codes of XNNPACK, or of TFLite's own kernel where XNNPACK does not take it."""
    del form
    (source,), out = inputs, node.output
    kernel = xnnpack if _is_for_xnnpack(node.alpha, source, out) else tflite_own
    return (kernel(cases[0], node.alpha, source, out),)


def ort_cases(
    node: LeakyRelu, inputs: Sequence[QTensor], cases: Cases, form: str = ""
) -> tuple[Codes, ...]:
    """Return the codes of the float form in ONNX Runtime, of which it makes a table."""
    del form
    (source,), out = inputs, node.output
    return (each_code.ort(_function(node), cases[0], source, out, source.scale),)


def litert_limits(node: LeakyRelu, inputs: Sequence[QTensor], form: str) -> Iterator[str]:
    """Yield the ratio that XNNPACK does not accept."""
    del form
    (source,), out = inputs, node.output
    if not _is_for_xnnpack(node.alpha, source, out):
        ratio = float(source.scale) / float(out.scale)
        yield f"its scales' ratio {ratio:.3g} and alpha {node.alpha:.3g} are not for XNNPACK"


def node_of(layer: StoredLayer, inputs: Sequence[QTensor], output: QTensor) -> LeakyRelu:
    """Return the node of a layer in a file.

    Raises:
        ConversionError: It has another number of inputs.
    """
    expect(output.name, "number of inputs", len(inputs), 1)
    return LeakyRelu(input=inputs[0].name, output=output, alpha=layer.parameter("alpha"))


def litert_codes(
    node: LeakyRelu, inputs: Sequence[QTensor], codes: Sequence[Int8], *, kernel: Kernel
) -> Int8:
    """Return the codes that LiteRT looks up, on every architecture."""
    del kernel
    (table,) = litert_cases(node, inputs, (all_codes(),))
    return each_code.look_up(table, codes[0])


def float_values(
    node: LeakyRelu, inputs: Sequence[Float32], weights: tuple[Float32, Float32] | None
) -> Float32:
    """Return the function of real values."""
    del weights
    return _function(node)(inputs[0])


def tflite_version(node: LeakyRelu, inputs: Sequence[QTensor]) -> Version:
    """Return the version of int8."""
    del node, inputs
    return Version(number=2, runtime="2.3.0")


def write_tflite(
    model: TfliteWriter, node: LeakyRelu, inputs: Sequence[TfliteInput], output: int
) -> None:
    """Add the operator."""
    version = tflite_version(node, []).number
    model.operator(
        "LEAKY_RELU", version, tflite.indices(inputs), output, "LeakyReluOptions", Alpha=node.alpha
    )


def read_tflite(operator: TfliteOperator, scope: Scope) -> LeakyRelu:
    """Return the node of an operator."""
    source, target = tflite.ends(operator, inputs=1)
    read = scope.read(source, operator).name
    return LeakyRelu(
        input=read, output=scope.write(target), alpha=_alpha(operator.option("alpha"))
    )


def write_onnx(
    model: OnnxWriter,
    node: LeakyRelu,
    inputs: Sequence[OnnxInput],
    output: str,
    certificate: Certificate | None,
) -> None:
    """Add a table of all codes."""
    (table,) = litert_cases(node, [inputs[0].tensor], (all_codes(),))
    each_code.write_onnx(model, node, inputs, output, certificate, table=table)


def layer_of_tflite(source: LayerSource) -> StoredLayer:
    """Return the layer."""
    return dataclasses.replace(
        source.layer,
        kind="leaky_relu",
        parameters=(("alpha", _alpha(source.operator.option("alpha"))),),
    )


def _parameters(node: OnnxOperator) -> each_code.Parameters:
    return (("alpha", _alpha(node.number("alpha", 0.01))),)


_read: Final = each_code.reader("leaky_relu", _parameters)

ONNX: Mapping[str, FileForm] = {
    "LeakyRelu": FileForm(read=_read, computed=True, ort_kernel=QLINEAR),
    QLINEAR: FileForm(read=one_input(_read), computed=True, ort_kernel=QLINEAR),
}


def examples() -> Iterator[Example]:
    """Yield flat, steep and falling slopes."""
    for name, shape, scales, zeros, alpha in (
        ("image", (4, 6, 3), (0.0411, 0.0281), (3, -64), 0.3),
        ("vector", (50,), (0.0617, 0.0393), (-11, -100), 0.01),
        ("falling", (4, 6, 3), (0.13, 0.11), (-40, -70), -0.2),
        ("steep", (4, 6, 3), (0.031, 0.052), (10, 9), 1.5),
    ):
        source, out = each_code.tensors(shape, scales, zeros)
        node = LeakyRelu(input="image", output=out, alpha=_alpha(alpha))
        yield Example(name=name, node=node, inputs=(source,))
