"""The softmax of a vector: SOFTMAX, with the fixed output grid of scale 1/256, zero point -128.

TFLite has two int8 kernels, for x86 and for arm64. Both look up the exponential of each logit
minus the largest, and multiply by the inverse of the sum. On x86 the table, the sum and the
product are float32; on arm64 the table holds 16-bit integers, and the product is rounded twice.
They sometimes differ by one step, as does ONNX Runtime, and by more on adversarial logits of a
thousand classes, whose many small exponentials a 16-bit table rounds alike. Therefore parity is
judged before the softmax.

Sources, all in LiteRT (formerly tensorflow/lite): tflite/kernels/activations.cc, where
`TFLITE_SOFTMAX_USE_UINT16_LUT` (clang on aarch64: phones, and the wheels) chooses the kernel;
tflite/kernels/internal/optimized/optimized_ops.h, `Softmax` with `PopulateSoftmaxLookupTable`,
and `SoftmaxInt8LUT` with `PopulateSoftmaxUInt8LookupTable`; tflite/kernels/internal/common.h,
`MultiplyByQuantizedMultiplier`, rounding twice. XNNPACK leaves this softmax to them.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, assert_never

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import ConversionError, RequestError
from mobiledeploy.formats.onnx import OnnxOperator
from mobiledeploy.formats.onnx.writer import OnnxWriter
from mobiledeploy.formats.tflite import TfliteOperator
from mobiledeploy.formats.tflite.writer import TfliteWriter
from mobiledeploy.ops import onnx, stored, tflite, without_weights
from mobiledeploy.ops.architecture import Layer
from mobiledeploy.ops.certificate import Certificate
from mobiledeploy.ops.expf import expf
from mobiledeploy.ops.file_form import FileForm
from mobiledeploy.ops.grid import Grid
from mobiledeploy.ops.node import OneInput
from mobiledeploy.ops.onnx import OnnxInput
from mobiledeploy.ops.onnx_reader import OnnxReader
from mobiledeploy.ops.onnx_reading import one_input
from mobiledeploy.ops.onnx_values import OnnxActivation, OnnxValue
from mobiledeploy.ops.operator import Example, Kernel, Trials, layer_of
from mobiledeploy.ops.ranges import Interval
from mobiledeploy.ops.stored import Fault, StoredLayer
from mobiledeploy.ops.tensors import (
    QMAX,
    QMIN,
    Codes,
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

LAYERS: tuple[str, ...] = ("softmax",)
TFLITE: Mapping[str, FileForm] = {
    "SOFTMAX": FileForm(versions={"int8": 2, "int16": 3}, litert_own=True),
}
FIXED_RANGE: Interval | None = (0.0, 255 / 256)
IMAGES: bool = False
SYMMETRIC: bool = False
LITERT_KERNELS: tuple[Kernel, ...] = ("x86", "arm64")
TRIALS: Trials | None = None

SCORES: str = "softmax"
SAMPLES: str = "vectors of logits"
WITHIN: int = 1
"""Steps of 1/256."""

NOISE: Final = 256
NEAR_TIES: Final = 256
CANDIDATES: Final = 4096
MOST_LOGITS: Final = 4_000_000
"""Of all samples; it bounds the time for files with many classes."""

SOFTMAX_SCALE = np.float32(1 / 256)
SOFTMAX_ZERO_POINT = -128

WIDEST: Final = 2**31 // 2**16
"""Most classes for which arm64's int32 sum cannot overflow, for any logits."""

_ALL: Final = np.arange(QMAX - QMIN + 1, dtype=np.float32)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Softmax(OneInput):
    """The softmax of a vector."""

    def check(self, inputs: Sequence[QTensor]) -> None:
        """Check shape and grid; see `node.Node.check`."""
        (source,) = inputs
        name, out = self.output.name, self.output
        expect(name, "rank of the input", len(source.shape), 1)
        expect(name, "output shape", out.shape, source.shape)
        expect_grid(out, SOFTMAX_SCALE, SOFTMAX_ZERO_POINT)


NODE: type[Softmax] = Softmax
kernel_shape = without_weights.kernel_shape
tflite_version = tflite.second_version
work = without_weights.work
scale_ratios = without_weights.scale_ratios
operand_ranges = without_weights.operand_ranges
output_range = without_weights.output_range


def output_shape(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    """Return the number of classes; see `operator.Operator.output_shape`."""
    if len(inputs) != 1 or len(inputs[0]) != 1:
        raise RequestError(
            f"layer `{layer.name}` (softmax) expects a vector, received {list(inputs)}"
        )
    return inputs[0]


def quantise(
    layer: Layer, inputs: Sequence[Grid], output: QTensor, weights: Weights | None
) -> Softmax:
    """Return the node of a layer."""
    del inputs, weights
    return Softmax(input=layer.inputs[0], output=output)


def float_layer(node: Softmax, inputs: Sequence[QTensor]) -> Layer:
    """Return the layer of a node."""
    return layer_of("softmax", node, inputs)


def litert_codes(
    node: Softmax, inputs: Sequence[QTensor], codes: Sequence[Int8], *, kernel: Kernel
) -> Int8:
    """Return the codes that TFLite's own kernel computes: XNNPACK leaves this softmax to it."""
    del node
    return softmax_codes(codes[0], inputs[0].scale, kernel=kernel)


def softmax_codes(logits: Int8, scale: np.float32, *, kernel: Kernel = "x86") -> Int8:
    """Return the codes of the softmax, on the grid that it always has.

    Args:
        logits: int8, shape (batch, classes).
        scale: Scale of the logits; their zero point cancels out.
        kernel: The architecture whose kernel is computed.
    """
    below = logits.max(axis=-1, keepdims=True).astype(np.int64) - logits
    match kernel:
        case "x86":
            steps = _x86(below, scale)
        case "arm64":
            steps = _arm64(below, scale)
        case _:
            assert_never(kernel)
    codes: Int8 = np.clip(steps + SOFTMAX_ZERO_POINT, QMIN, QMAX).astype(np.int8)
    return codes


def _x86(below: Codes, scale: np.float32) -> Codes:
    powers = expf(-scale * _ALL)[below]
    # One after the other, in float32, as the kernel adds.
    total = np.add.accumulate(powers, axis=-1, dtype=np.float32)[..., -1:]
    steps = powers * (np.float32(1) / (total * SOFTMAX_SCALE))
    return np.floor(steps.astype(np.float64) + 0.5).astype(np.int64)


def _arm64(below: Codes, scale: np.float32) -> Codes:
    exponents = expf(scale * -_ALL) * np.float32(np.iinfo(np.uint16).max)
    table = (exponents.astype(np.float64) + 0.5).astype(np.int64)
    powers = table[below]
    total = powers.sum(axis=-1, keepdims=True).astype(np.float32)
    inverse = np.float32(1) / (total * SOFTMAX_SCALE)
    # The inverse lies below 1/128: as fraction * 2**-shift both are positive, and with nothing
    # negative in sight a rounding half up is the kernel's on vectors as on the rest.
    fraction, exponent = np.frexp(inverse.astype(np.float64))
    multiplier, shift = (fraction * 2.0**31).astype(np.int64), -exponent.astype(np.int64)
    doubled = (powers * multiplier + 2**30) >> 31
    rounded: Codes = (doubled + (np.int64(1) << (shift - 1))) >> shift
    return rounded


def node_of(layer: StoredLayer, inputs: Sequence[QTensor], output: QTensor) -> Softmax:
    """Return the node of a layer in a file.

    Raises:
        ConversionError: It has another beta than 1.
    """
    expect(output.name, "beta", layer.beta, 1)
    return Softmax(input=inputs[0].name, output=output)


def trials(layer: StoredLayer, shapes: Sequence[Shape]) -> tuple[tuple[Int8, ...], int]:
    """Refuse: a softmax is sampled; see `samples`.

    Raises:
        ConversionError: Always.
    """
    del shapes
    raise ConversionError(f"`{layer.op}` has no extreme codes")


def same_numbers(a: StoredLayer, b: StoredLayer) -> bool:
    """Whether two layers multiply differences of logits by the same number: zero points cancel."""
    return _exponent(a) == _exponent(b) and (a.output.scale, a.output.zero_point) == (
        b.output.scale,
        b.output.zero_point,
    )


def _exponent(layer: StoredLayer) -> object:
    scale = layer.reads[0].scale
    return None if scale is None else np.float32(layer.beta) * scale


def samples(node: Softmax, inputs: Sequence[QTensor]) -> Int8:
    """Return logits on which kernels tend to differ, shape (vectors, classes).

    All equal, each end alone, steps of every height and several widths (where many small
    exponentials add up to something), noise of every width, and of many vectors those for
    which some score lies next to a half.
    """
    (classes,), scale = node.output.shape, inputs[0].scale
    random = np.random.default_rng(classes)
    rows = [np.full(classes, code) for code in (QMIN, 0, QMAX)]
    widths = sorted({1, 2, max(1, classes // 2), max(1, classes - 1)} & set(range(1, classes + 1)))
    places = np.arange(classes)
    for width in widths:
        rows += [np.where(places < width, QMAX, QMAX - gap) for gap in range(1, 256)]
    rows += list(_noise(classes, NOISE, random))
    most = max(1, MOST_LOGITS // classes)
    candidates = _noise(classes, min(CANDIDATES, most), random)
    from_half = np.abs(np.mod(_steps(candidates, scale), 1) - 0.5).min(axis=1)
    nearest = candidates[np.argsort(from_half, kind="stable")[:NEAR_TIES]]
    return np.concatenate([np.array(rows[:most], np.int8), nearest])


def exact_codes(node: Softmax, inputs: Sequence[QTensor], codes: Int8) -> Int8:
    """Return the codes of the softmax, correctly rounded (halves up)."""
    del node
    rounded = np.floor(_steps(codes, inputs[0].scale) + 0.5).astype(np.int64) + SOFTMAX_ZERO_POINT
    exact: Int8 = np.clip(rounded, QMIN, QMAX).astype(np.int8)
    return exact


def _noise(classes: int, count: int, random: np.random.Generator) -> Int8:
    deviations = 2.0 ** random.uniform(0, 7, (count, 1))
    noise = random.normal(random.uniform(-60, 60, (count, 1)), deviations, (count, classes))
    codes: Int8 = np.clip(np.rint(noise), QMIN, QMAX).astype(np.int8)
    return codes


def _steps(logits: Int8, scale: np.float32) -> npt.NDArray[np.float64]:
    """Return the softmax in steps of its grid, right to about 1e-13."""
    below = logits.max(axis=1, keepdims=True).astype(np.int64) - logits
    powers = np.exp(-below * float(scale))
    steps: npt.NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return steps / float(SOFTMAX_SCALE)


def float_values(
    node: Softmax, inputs: Sequence[Float32], weights: tuple[Float32, Float32] | None
) -> Float32:
    """Return the softmax of real values."""
    del node, weights
    powers = np.exp(inputs[0] - inputs[0].max(axis=-1, keepdims=True))
    shares: Float32 = powers / powers.sum(axis=-1, keepdims=True)
    return shares


def write_tflite(
    model: TfliteWriter, node: Softmax, inputs: Sequence[TfliteInput], output: int
) -> None:
    """Add the operator."""
    version = tflite_version(node, []).number
    model.operator("SOFTMAX", version, tflite.indices(inputs), output, "SoftmaxOptions", Beta=1.0)


def read_tflite(operator: TfliteOperator, scope: Scope) -> Softmax:
    """Return the node of an operator.

    Raises:
        ConversionError: Its beta is not 1.
    """
    source, target = tflite.ends(operator, inputs=1)
    if operator.option("beta") != 1.0:
        raise refusal(operator, "expected beta 1")
    return Softmax(
        input=scope.read(source, operator).name, output=scope.write(target, vector=True)
    )


def write_onnx(
    model: OnnxWriter,
    node: Softmax,
    inputs: Sequence[OnnxInput],
    output: str,
    certificate: Certificate | None,
) -> None:
    """Add a Softmax, which ONNX Runtime fuses into QLinearSoftmax."""
    del certificate
    real = model.node("Softmax", onnx.dequantise(model, inputs), axis=-1)
    onnx.quantise(model, real, node.output, output)


def layer_of_tflite(source: LayerSource) -> StoredLayer:
    """Return a softmax."""
    beta = float(source.operator.option("beta"))
    return dataclasses.replace(source.layer, kind="softmax", beta=beta)


given_shape = stored.same_shape


def _read_softmax(reader: OnnxReader, node: OnnxOperator) -> OnnxValue | None:
    """Read a softmax over the classes."""
    value = reader.value(node, 0)
    if not isinstance(value, OnnxActivation):
        return None
    axis = int(node.attributes.get("axis", -1) or 0)
    faults: tuple[Fault, ...] = ()
    if axis not in {-1, len(value.sizes) - 1}:
        faults = (Fault(field="axis", detail=f"the softmax runs along axis {axis}"),)
    return reader.add_layer(node, "softmax", [value], value, faults=faults)


ONNX: Mapping[str, FileForm] = {
    "Softmax": FileForm(read=_read_softmax, ort_kernel="QLinearSoftmax"),
    "QLinearSoftmax": FileForm(read=one_input(_read_softmax), ort_kernel="QLinearSoftmax"),
}


def examples() -> Iterator[Example]:
    """Yield softmaxes of few and of many classes."""
    for classes, scale, zero in ((5, 0.11, 3), (300, 0.02, -50)):
        logits = QTensor(name="logits", shape=(classes,), scale=np.float32(scale), zero_point=zero)
        scores = QTensor(
            name="scores", shape=(classes,), scale=SOFTMAX_SCALE, zero_point=SOFTMAX_ZERO_POINT
        )
        node = Softmax(input="logits", output=scores)
        yield Example(name=f"{classes} classes", node=node, inputs=(logits,))
