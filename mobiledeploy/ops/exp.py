"""The exponential function of each code: EXP.

TFLite looks codes up in a table that it computes in float32; XNNPACK leaves int8 to it. The
`.onnx` has that table.

Sources: TFLite's tflite/kernels/exp.cc.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

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
from mobiledeploy.ops.ranges import Interval
from mobiledeploy.ops.stored import StoredLayer
from mobiledeploy.ops.tensors import Codes, Float32, Int8, QTensor, expect
from mobiledeploy.ops.tflite import Scope, TfliteInput, Version
from mobiledeploy.ops.tflite_reading import LayerSource
from mobiledeploy.ops.weights import Weights

LAYERS: tuple[str, ...] = ("exp",)
TFLITE: Mapping[str, FileForm] = {
    "EXP": FileForm(versions={"int8": 2, "int16": 2}, litert_own=True, computed=True)
}
FIXED_RANGE: Interval | None = None
IMAGES: bool = False
SYMMETRIC: bool = False
LITERT_KERNELS: tuple[Kernel, ...] = ("x86",)
TRIALS: Trials | None = Trials(
    layers="exponential", cases="{cases} codes, every one that there is in {layers}"
)

KERNELS: str = "TFLite's table and ONNX Runtime's lookup of it"
CASE: str = "code"
CASES: str = "codes"
ONE_CODE: bool = True


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Exp(EachCode):
    """The exponential function of each element."""


NODE: type[Exp] = Exp
kernel_shape = without_weights.kernel_shape
work = without_weights.work
operand_ranges = without_weights.operand_ranges
output_range = without_weights.output_range
scale_ratios = without_weights.scale_ratios
output_shape = each_code.output_shape
all_cases = each_code.all_cases
cases_of = each_code.cases_of
trials = each_code.trials
litert_limits = each_code.no_limits
ort_limits = each_code.no_limits
given_shape = stored.same_shape


def quantise(
    layer: Layer, inputs: Sequence[Grid], output: QTensor, weights: Weights | None
) -> Exp:
    """Return the node of a layer."""
    del inputs, weights
    return Exp(input=layer.inputs[0], output=output)


def float_layer(node: Exp, inputs: Sequence[QTensor]) -> Layer:
    """Return the layer of a node."""
    return layer_of("exp", node, inputs)


def _function(node: Exp) -> each_code.Function:
    del node
    return lambda values: np.exp(values.astype(np.float64)).astype(np.float32)


def certify(node: Exp, inputs: Sequence[QTensor]) -> Certificate:
    """Return the certificate of a table, which is always exact."""
    cases = (all_codes(),)
    elsewhere = (*litert_cases(node, inputs, cases), *ort_cases(node, inputs, cases))
    return each_code.certify_table(node, inputs[0], elsewhere)


def litert_cases(
    node: Exp, inputs: Sequence[QTensor], cases: Cases, form: str = ""
) -> tuple[Codes, ...]:
    """Return the codes of TFLite's table."""
    del form
    return (each_code.tflite_table(_function(node), cases[0], inputs[0], node.output),)


def ort_cases(
    node: Exp, inputs: Sequence[QTensor], cases: Cases, form: str = ""
) -> tuple[Codes, ...]:
    """Return the codes of the float form in ONNX Runtime, computed as in LiteRT."""
    del form
    (source,), out = inputs, node.output
    return (each_code.ort(_function(node), cases[0], source, out, source.scale),)


def node_of(layer: StoredLayer, inputs: Sequence[QTensor], output: QTensor) -> Exp:
    """Return the node of a layer in a file.

    Raises:
        ConversionError: It has another number of inputs.
    """
    del layer
    expect(output.name, "number of inputs", len(inputs), 1)
    return Exp(input=inputs[0].name, output=output)


def litert_codes(
    node: Exp, inputs: Sequence[QTensor], codes: Sequence[Int8], *, kernel: Kernel
) -> Int8:
    """Return the codes that LiteRT looks up, on every architecture."""
    del kernel
    (table,) = litert_cases(node, inputs, (all_codes(),))
    return each_code.look_up(table, codes[0])


def float_values(
    node: Exp, inputs: Sequence[Float32], weights: tuple[Float32, Float32] | None
) -> Float32:
    """Return the function of real values."""
    del weights
    return _function(node)(inputs[0])


def tflite_version(node: Exp, inputs: Sequence[QTensor]) -> Version:
    """Return the version of int8."""
    del node, inputs
    return Version(number=2, runtime="2.12.0")


def write_tflite(
    model: TfliteWriter, node: Exp, inputs: Sequence[TfliteInput], output: int
) -> None:
    """Add the operator."""
    version = tflite_version(node, []).number
    model.operator("EXP", version, tflite.indices(inputs), output, "ExpOptions")


def read_tflite(operator: TfliteOperator, scope: Scope) -> Exp:
    """Return the node of an operator."""
    source, target = tflite.ends(operator, inputs=1)
    read = scope.read(source, operator).name
    return Exp(input=read, output=scope.write(target))


def write_onnx(
    model: OnnxWriter,
    node: Exp,
    inputs: Sequence[OnnxInput],
    output: str,
    certificate: Certificate | None,
) -> None:
    """Add a table of all codes."""
    (table,) = litert_cases(node, [inputs[0].tensor], (all_codes(),))
    each_code.write_onnx(model, node, inputs, output, certificate, table=table)


def layer_of_tflite(source: LayerSource) -> StoredLayer:
    """Return the layer."""
    return dataclasses.replace(source.layer, kind="exp")


ONNX: Mapping[str, FileForm] = {"Exp": FileForm(read=each_code.reader("exp"))}


def examples() -> Iterator[Example]:
    """Yield an image, a vector and a coarse grid."""
    for name, shape, scales, zeros in (
        ("image", (4, 6, 3), (0.0211, 0.0281), (3, -128)),
        ("vector", (50,), (0.0217, 0.0293), (60, -120)),
        ("wide", (4, 6, 3), (0.043, 0.11), (50, -128)),
    ):
        source, out = each_code.tensors(shape, scales, zeros)
        node = Exp(input="image", output=out)
        yield Example(name=name, node=node, inputs=(source,))
