"""x where it is positive, else x times a number for each channel: PRELU.

TFLite multiplies by 31-bit fractions and rounds twice, on every architecture; XNNPACK leaves int8
to it. The `.onnx` looks codes up in a table of 256 for each channel.

Sources: TFLite's internal/reference/prelu.h and tflite/kernels/activations.cc (`PreluPrepare`); He
et al., "Delving Deep into Rectifiers", arXiv:1502.01852.
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from mobiledeploy.base.errors import ConversionError, RequestError
from mobiledeploy.formats.onnx.writer import OnnxWriter
from mobiledeploy.formats.tflite import TfliteOperator
from mobiledeploy.formats.tflite.writer import TfliteWriter
from mobiledeploy.ops import each_code, onnx, stored, tflite, without_weights
from mobiledeploy.ops.architecture import Layer
from mobiledeploy.ops.capabilities import Cases
from mobiledeploy.ops.certificate import Certificate, all_codes, no_limits, required
from mobiledeploy.ops.each_code import EachCode
from mobiledeploy.ops.file_form import FileForm
from mobiledeploy.ops.fixed_point import FixedPoint
from mobiledeploy.ops.grid import Grid
from mobiledeploy.ops.onnx import IMAGE_AXES, OnnxInput
from mobiledeploy.ops.operator import Example, Kernel, Trials, layer_of
from mobiledeploy.ops.ranges import Interval, Ranges, step, wide_enough
from mobiledeploy.ops.stored import StoredLayer, with_fault
from mobiledeploy.ops.tensors import (
    QMAX,
    QMIN,
    Codes,
    Float32,
    Int8,
    QTensor,
    Shape,
    expect,
    tensors,
)
from mobiledeploy.ops.tflite import Scope, TfliteInput, Version, refusal
from mobiledeploy.ops.tflite_reading import LayerSource
from mobiledeploy.ops.weights import Weights

LAYERS: tuple[str, ...] = ("prelu",)
TFLITE: Mapping[str, FileForm] = {"PRELU": FileForm(litert_own=True, computed=True)}
ONNX: Mapping[str, FileForm] = {}
FIXED_RANGE: Interval | None = None
IMAGES: bool = False
SYMMETRIC: bool = False
LITERT_KERNELS: tuple[Kernel, ...] = ("x86",)
TRIALS: Trials | None = Trials(
    layers="PReLU", cases="{cases} codes of a channel, every one that there is in {layers}"
)

KERNELS: str = "TFLite's kernel and ONNX Runtime's lookup of its codes"
CASE: str = "code of a channel"
CASES: str = "codes of all channels"
ONE_CODE: bool = True

WIDEST = 2.0**8
"""Above the ratio of the scales with which the kernel's int32 products cannot overflow."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prelu(EachCode):
    """PReLU of each element.

    Attributes:
        input: What it reads.
        output: What it writes.
        alpha: int8 code of each channel's slope.
        alpha_scale: A float32 value.
        alpha_zero_point: The code of the slope 0.
    """

    alpha: tuple[int, ...]
    alpha_scale: float
    alpha_zero_point: int

    def check(self, inputs: Sequence[QTensor]) -> None:
        """Check shape and slopes; see `node.Node.check`."""
        EachCode.check(self, inputs)
        expect(self.output.name, "number of slopes", len(self.alpha), self.output.shape[-1])
        ratio = float(inputs[0].scale) / float(self.output.scale)
        if not ratio * max(1.0, self.alpha_scale) < WIDEST:
            raise ConversionError(
                f"`{self.output.name}`: expected an output scale above 1/{WIDEST:.0f} of the "
                f"input's and of that times the slopes' scale, received {self.output.scale}, "
                f"{inputs[0].scale} and {self.alpha_scale}"
            )

    @property
    def slopes(self) -> Float32:
        """The slopes as real values, shape (channels,)."""
        codes = np.array(self.alpha) - self.alpha_zero_point
        slopes: Float32 = codes.astype(np.float32) * np.float32(self.alpha_scale)
        return slopes


NODE: type[Prelu] = Prelu
kernel_shape = without_weights.kernel_shape
work = without_weights.work
operand_ranges = without_weights.operand_ranges
scale_ratios = without_weights.scale_ratios
litert_limits = no_limits
ort_limits = no_limits
given_shape = stored.same_shape


def output_shape(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    """Return the input's shape; see `operator.Operator.output_shape`.

    Raises:
        RequestError: Its parameter `alpha` is not one finite number for each channel.
    """
    shape = each_code.checked_shape(layer, inputs, "alpha")
    alpha = layer.parameters["alpha"]
    if len(alpha) != shape[-1] or not all(map(math.isfinite, alpha)):
        raise RequestError(
            f"layer `{layer.name}` (prelu) expects {shape[-1]} finite numbers as alpha, received "
            f"{len(alpha)} numbers"
        )
    return shape


def output_range(
    layer: Layer, ranges: Ranges, inputs: Sequence[Shape], weights: Weights | None
) -> Interval:
    """Return a range whose step is not too small for the input's."""
    del inputs, weights
    _, scale = _quantised(layer)
    limit = step(ranges, layer.inputs[0]) * max(1.0, float(scale)) / WIDEST
    return wide_enough(limit, layer.name, ranges[layer.name])


def _quantised(layer: Layer) -> tuple[tuple[int, ...], np.float32]:
    """Return a layer's slopes as codes, and their scale; the zero point is 0."""
    alpha = np.array(layer.parameters["alpha"], np.float32)
    largest = np.abs(alpha).max()
    scale = np.float32(largest / QMAX) if largest > 0 else np.float32(1)
    return tuple(np.rint(alpha / scale).astype(int).tolist()), scale


def quantise(
    layer: Layer, inputs: Sequence[Grid], output: QTensor, weights: Weights | None
) -> Prelu:
    """Return the node of a layer."""
    del inputs, weights
    alpha, scale = _quantised(layer)
    return Prelu(
        input=layer.inputs[0],
        output=output,
        alpha=alpha,
        alpha_scale=float(scale),
        alpha_zero_point=0,
    )


def float_layer(node: Prelu, inputs: Sequence[QTensor]) -> Layer:
    """Return the layer of a node."""
    return layer_of("prelu", node, inputs, alpha=tuple(node.slopes.tolist()))


def certify(node: Prelu, inputs: Sequence[QTensor]) -> Certificate:
    """Return the certificate of a table, which is always exact."""
    cases = all_cases(node, inputs)
    (expected,), (other,) = litert_cases(node, inputs, cases), ort_cases(node, inputs, cases)
    return Certificate(
        name=node.output.name,
        scales=(inputs[0].scale,),
        cases=expected.size,
        differing_before=int((expected != other).sum()),
        differing_after=0,
        table=True,
    )


def all_cases(node: Prelu, inputs: Sequence[QTensor]) -> Cases:
    """Return all codes of the first channel, of the second and so on; and the channels."""
    del inputs
    return stored.cases_of_channels(len(node.alpha))


def cases_of(node: Prelu, inputs: Sequence[QTensor], codes: Sequence[Int8]) -> Cases:
    """Return the codes of a tensor, and their channels."""
    del inputs
    values = codes[0].astype(np.int64)
    return values, np.broadcast_to(np.arange(len(node.alpha)), values.shape)


def litert_cases(
    node: Prelu, inputs: Sequence[QTensor], cases: Cases, form: str = ""
) -> tuple[Codes, ...]:
    """Return the codes of TFLite's kernel."""
    del form
    (source,), out = inputs, node.output
    ratio = float(source.scale) / float(out.scale)
    codes, channels = cases
    slopes = np.array(node.alpha, np.int64) - node.alpha_zero_point
    centred = codes - source.zero_point
    flat = float(source.scale) * node.alpha_scale / float(out.scale)
    below = FixedPoint.of(flat).times(centred * slopes[channels])
    values = np.where(centred >= 0, FixedPoint.of(ratio).times(centred), below)
    return (np.clip(values + out.zero_point, QMIN, QMAX),)


def ort_cases(
    node: Prelu, inputs: Sequence[QTensor], cases: Cases, form: str = ""
) -> tuple[Codes, ...]:
    """Return the codes of the float form in ONNX Runtime."""
    del form
    codes, channels = cases
    slopes = node.slopes[channels]
    (source,), out = inputs, node.output

    def function(values: Float32) -> Float32:
        return np.where(values < 0, values * slopes, values)

    return (each_code.ort(function, codes, source, out, source.scale),)


def trials(layer: StoredLayer, shapes: Sequence[Shape]) -> tuple[tuple[Int8, ...], int]:
    """Return all codes for each channel."""
    del layer
    *sides, channels = shapes[0]
    places = math.prod(sides)
    images = -(-all_codes().size // places)
    codes = np.resize(all_codes().astype(np.int8), images * places)
    batch = np.repeat(codes[:, None], channels, axis=1).reshape(images, *shapes[0])
    return (batch,), all_codes().size * channels


def node_of(layer: StoredLayer, inputs: Sequence[QTensor], output: QTensor) -> Prelu:
    """Return the node of a layer in a file.

    Raises:
        ConversionError: It has another number of inputs.
    """
    expect(output.name, "number of inputs", len(inputs), 1)
    return Prelu(
        input=inputs[0].name,
        output=output,
        alpha=layer.parameter("alpha"),
        alpha_scale=layer.parameter("alpha_scale"),
        alpha_zero_point=layer.parameter("alpha_zero_point"),
    )


def _table(node: Prelu, source: QTensor) -> Int8:
    """Return the output code of each channel's codes, shape (channels, 256)."""
    (codes,) = litert_cases(node, [source], all_cases(node, [source]))
    return codes.astype(np.int8).reshape(len(node.alpha), -1)


def litert_codes(
    node: Prelu, inputs: Sequence[QTensor], codes: Sequence[Int8], *, kernel: Kernel
) -> Int8:
    """Return the codes that TFLite's own kernel computes, on every architecture."""
    del kernel
    return stored.looked_up(_table(node, inputs[0]), codes[0])


def float_values(
    node: Prelu, inputs: Sequence[Float32], weights: tuple[Float32, Float32] | None
) -> Float32:
    """Return PReLU of real values."""
    del weights
    values: Float32 = np.where(inputs[0] < 0, inputs[0] * node.slopes, inputs[0])
    return values


def tflite_version(node: Prelu, inputs: Sequence[QTensor]) -> Version:
    """Return the operator's only version."""
    del node, inputs
    return Version(number=1, runtime="1.8.0")


def write_tflite(
    model: TfliteWriter, node: Prelu, inputs: Sequence[TfliteInput], output: int
) -> None:
    """Add the operator with its slopes."""
    image = len(node.output.shape) == IMAGE_AXES
    alpha = model.constant(
        f"{node.output.name}/alpha",
        np.array(node.alpha, np.int8).reshape((1, 1, -1) if image else -1),
        scale=np.array([node.alpha_scale], np.float32),
        zero_point=np.array([node.alpha_zero_point], np.int64),
    )
    version = tflite_version(node, []).number
    model.operator("PRELU", version, [*tflite.indices(inputs), alpha], output)


def read_tflite(operator: TfliteOperator, scope: Scope) -> Prelu:
    """Return the node of an operator.

    Raises:
        ConversionError: It has not one slope for each channel, all on one scale.
    """
    source, slopes, target = tflite.ends(operator, inputs=2)
    read = scope.read(source, operator)
    tensor, codes = scope.constant(slopes, operator, np.int8)
    if codes.size != codes.shape[-1] or codes.size != read.shape[-1] or tensor.scale.size != 1:
        raise refusal(operator, "expected one slope for each channel, all on one scale")
    return Prelu(
        input=read.name,
        output=scope.write(target),
        alpha=tuple(codes.ravel().tolist()),
        alpha_scale=float(tensor.scale[0]),
        alpha_zero_point=int(tensor.zero_point[0]),
    )


def write_onnx(
    model: OnnxWriter,
    node: Prelu,
    inputs: Sequence[OnnxInput],
    output: str,
    certificate: Certificate | None,
) -> None:
    """Add a table of the codes of each channel."""
    required(node.output.name, certificate)
    table = _table(node, inputs[0].tensor).astype(np.int64)
    onnx.look_up(model, node.output.name, inputs[0], table, output)


def layer_of_tflite(source: LayerSource) -> StoredLayer:
    """Return PReLU."""
    tensor, codes = source.tensor(1), source.constant(1)
    layer = dataclasses.replace(source.layer, kind="prelu")
    if tensor is None or codes is None or codes.size != codes.shape[-1]:
        return with_fault(layer, "parameter", "its slopes are not one constant for each channel")
    if codes.dtype != np.int8 or tensor.scale.size != 1:
        return with_fault(layer, "parameter", f"its slopes are {tensor.dtype}, expected int8")
    parameters = (
        ("alpha", tuple(codes.ravel().tolist())),
        ("alpha_scale", float(tensor.scale[0])),
        ("alpha_zero_point", int(tensor.zero_point[0])),
    )
    return dataclasses.replace(layer, parameters=parameters)


def examples() -> Iterator[Example]:
    """Yield slopes of either sign, of an image and of a vector, and a single channel."""
    for name, shape, alpha, zero in (
        ("image", (4, 6, 3), (64, -127, 3), 0),
        ("vector", (50,), tuple(range(-40, 60, 2)), 0),
        ("one channel", (12, 5, 1), (91,), 0),
        ("slopes with a zero point", (4, 6, 3), (64, -127, 3), -5),
    ):
        source, out = tensors(("image", "result"), shape, (0.0411, 0.0281), (3, -60))
        node = Prelu(
            input="image",
            output=out,
            alpha=alpha,
            alpha_scale=float(np.float32(0.0053)),
            alpha_zero_point=zero,
        )
        yield Example(name=name, node=node, inputs=(source,))
