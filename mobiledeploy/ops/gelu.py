"""x * Phi(x) of each code, Phi the normal distribution function, or its tanh approximation: GELU.

TFLite looks codes up in a table that it computes in float32; XNNPACK leaves int8 to it. The
`.onnx` has that table: opset 17 has no such operator, and a chain of others rounds otherwise.

Sources: TFLite's tflite/kernels/activations.cc (`GeluPrepare`) and internal/reference/gelu.h;
Hendrycks and Gimpel, "Gaussian Error Linear Units", arXiv:1606.08415.
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from mobiledeploy.formats.onnx import OnnxOperator
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
from mobiledeploy.ops.ranges import Interval
from mobiledeploy.ops.stored import StoredLayer
from mobiledeploy.ops.tensors import Codes, Float32, Int8, QTensor, Shape, expect
from mobiledeploy.ops.tflite import Scope, TfliteInput, Version
from mobiledeploy.ops.tflite_reading import LayerSource
from mobiledeploy.ops.weights import Weights

LAYERS: tuple[str, ...] = ("gelu",)
TFLITE: Mapping[str, FileForm] = {
    "GELU": FileForm(versions={"int8": 2}, litert_own=True, computed=True)
}
FIXED_RANGE: Interval | None = None
IMAGES: bool = False
SYMMETRIC: bool = False
LITERT_KERNELS: tuple[Kernel, ...] = ("x86",)
TRIALS: Trials | None = Trials(
    layers="GELU", cases="{cases} codes, every one that there is in {layers}"
)

KERNELS: str = "TFLite's table and ONNX Runtime's lookup of it"
CASE: str = "code"
CASES: str = "codes"
ONE_CODE: bool = True

_NEGATIVE_ROOT_HALF: Final = np.float32(-math.sqrt(0.5))
_ROOT_TWO_OVER_PI: Final = np.float32(math.sqrt(2 / math.pi))
_CUBIC: Final = np.float32(0.044715)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Gelu(EachCode):
    """GELU of each element, exact or by its approximation with tanh."""

    approximate: bool


NODE: type[Gelu] = Gelu
kernel_shape = without_weights.kernel_shape
work = without_weights.work
operand_ranges = without_weights.operand_ranges
output_range = without_weights.output_range
scale_ratios = without_weights.scale_ratios
all_cases = each_code.all_cases
cases_of = each_code.cases_of
trials = each_code.trials
litert_limits = each_code.no_limits
ort_limits = each_code.no_limits
given_shape = stored.same_shape


def output_shape(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    """Return the input's shape; see `operator.Operator.output_shape`.

    The layer has the parameter `approximate`: whether tanh approximates the distribution function.
    """
    return each_code.checked_shape(layer, inputs, "approximate")


def quantise(
    layer: Layer, inputs: Sequence[Grid], output: QTensor, weights: Weights | None
) -> Gelu:
    """Return the node of a layer."""
    del inputs, weights
    return Gelu(
        input=layer.inputs[0], output=output, approximate=bool(layer.parameters["approximate"])
    )


def float_layer(node: Gelu, inputs: Sequence[QTensor]) -> Layer:
    """Return the layer of a node."""
    return layer_of("gelu", node, inputs, approximate=node.approximate)


def _function(node: Gelu) -> each_code.Function:
    return _approximate if node.approximate else _exact


def _exact(values: Float32) -> Float32:
    scaled = values * _NEGATIVE_ROOT_HALF
    tails = np.array([math.erfc(value) for value in scaled.ravel().tolist()], np.float32)
    result: Float32 = np.float32(0.5) * values * tails.reshape(values.shape)
    return result


def _approximate(values: Float32) -> Float32:
    inner = _ROOT_TWO_OVER_PI * (values + _CUBIC * values * values * values)
    curve = np.tanh(inner.astype(np.float64)).astype(np.float32)
    result: Float32 = np.float32(0.5) * values * (np.float32(1) + curve)
    return result


def certify(node: Gelu, inputs: Sequence[QTensor]) -> Certificate:
    """Return the certificate of a table, which is always exact."""
    cases = (all_codes(),)
    elsewhere = (*litert_cases(node, inputs, cases), *ort_cases(node, inputs, cases))
    return each_code.certify_table(node, inputs[0], elsewhere)


def litert_cases(
    node: Gelu, inputs: Sequence[QTensor], cases: Cases, form: str = ""
) -> tuple[Codes, ...]:
    """Return the codes of TFLite's table."""
    del form
    return (each_code.tflite_table(_function(node), cases[0], inputs[0], node.output),)


def ort_cases(
    node: Gelu, inputs: Sequence[QTensor], cases: Cases, form: str = ""
) -> tuple[Codes, ...]:
    """Return the codes of the float form in ONNX Runtime, computed as in LiteRT."""
    del form
    (source,), out = inputs, node.output
    return (each_code.ort(_function(node), cases[0], source, out, source.scale),)


def node_of(layer: StoredLayer, inputs: Sequence[QTensor], output: QTensor) -> Gelu:
    """Return the node of a layer in a file.

    Raises:
        ConversionError: It has another number of inputs.
    """
    expect(output.name, "number of inputs", len(inputs), 1)
    return Gelu(input=inputs[0].name, output=output, approximate=layer.parameter("approximate"))


def litert_codes(
    node: Gelu, inputs: Sequence[QTensor], codes: Sequence[Int8], *, kernel: Kernel
) -> Int8:
    """Return the codes that LiteRT looks up, on every architecture."""
    del kernel
    (table,) = litert_cases(node, inputs, (all_codes(),))
    return each_code.look_up(table, codes[0])


def float_values(
    node: Gelu, inputs: Sequence[Float32], weights: tuple[Float32, Float32] | None
) -> Float32:
    """Return the function of real values."""
    del weights
    return _function(node)(inputs[0])


def tflite_version(node: Gelu, inputs: Sequence[QTensor]) -> Version:
    """Return the version of int8."""
    del node, inputs
    return Version(number=2, runtime="2.9.0")


def write_tflite(
    model: TfliteWriter, node: Gelu, inputs: Sequence[TfliteInput], output: int
) -> None:
    """Add the operator."""
    version = tflite_version(node, []).number
    model.operator(
        "GELU",
        version,
        tflite.indices(inputs),
        output,
        "GeluOptions",
        Approximate=node.approximate,
    )


def read_tflite(operator: TfliteOperator, scope: Scope) -> Gelu:
    """Return the node of an operator."""
    source, target = tflite.ends(operator, inputs=1)
    read = scope.read(source, operator).name
    return Gelu(
        input=read, output=scope.write(target), approximate=bool(operator.option("approximate"))
    )


def write_onnx(
    model: OnnxWriter,
    node: Gelu,
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
        kind="gelu",
        parameters=(("approximate", bool(source.operator.option("approximate"))),),
    )


def _parameters(node: OnnxOperator) -> each_code.Parameters:
    return (("approximate", node.attributes.get("approximate") == "tanh"),)


ONNX: Mapping[str, FileForm] = {"Gelu": FileForm(read=each_code.reader("gelu", _parameters))}


def examples() -> Iterator[Example]:
    """Yield both forms."""
    for name, shape, scales, zeros, approximate in (
        ("image", (4, 6, 3), (0.0411, 0.0281), (3, -114), False),
        ("vector", (50,), (0.0617, 0.0293), (-11, -120), False),
        ("approximate", (4, 6, 3), (0.0411, 0.0281), (3, -114), True),
        ("wide, approximate", (4, 6, 3), (0.13, 0.11), (-40, -126), True),
    ):
        source, out = each_code.tensors(shape, scales, zeros)
        node = Gelu(input="image", output=out, approximate=approximate)
        yield Example(name=name, node=node, inputs=(source,))
