"""The product of two tensors, of one shape or one of them 1x1xC: MUL.

All kernels compute `round(a_scale * b_scale / scale * (a - a_zero) * (b - b_zero)) + zero` from an
exact integer product. XNNPACK on x86 multiplies it by one float32 and rounds halves to even; on
arm64 it multiplies exactly by the same number and rounds halves up. The two differ on products
that are exactly a half. A range that has such products is widened by a few units in the last place
of its scale. Each multiplication is then tried on all 65,536 pairs of codes.

In an `.onnx`, the product of the codes minus their zero points is exact in float32, and is
multiplied by the same float32 as in XNNPACK. ONNX Runtime's own integer kernel, QLinearMul, adds
the zero point before it rounds, which gives other codes close to a half: the second Mul keeps ONNX
Runtime from fusing the first one into it.

Sources: XNNPACK's microparams-init.c, qs8-vmul, and subgraph/binary.c with
operators/binary-elementwise-nd.c for the limits; ONNX Runtime's mlas/lib/quantize.cpp; TFLite's
tools/versioning/op_version.cc.
"""

import dataclasses
import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from mobiledeploy.base.errors import ConversionError, RequestError
from mobiledeploy.formats.onnx import OnnxOperator
from mobiledeploy.formats.onnx.writer import OnnxWriter
from mobiledeploy.formats.tflite import TfliteOperator
from mobiledeploy.formats.tflite.writer import TfliteWriter
from mobiledeploy.ops import constant_operand, each_pair, onnx, tflite, without_weights
from mobiledeploy.ops.architecture import Layer
from mobiledeploy.ops.capabilities import Cases
from mobiledeploy.ops.certificate import Certificate, no_limits, required
from mobiledeploy.ops.each_pair import all_pairs, pairs_of_shapes
from mobiledeploy.ops.file_form import FileForm, ScaleRatio
from mobiledeploy.ops.fixed_point import FixedPoint, clipped
from mobiledeploy.ops.grid import Grid
from mobiledeploy.ops.onnx import OnnxInput
from mobiledeploy.ops.onnx_reader import OnnxReader
from mobiledeploy.ops.onnx_reading import dequantised_input, quantised_output
from mobiledeploy.ops.onnx_values import OnnxActivation, OnnxValue
from mobiledeploy.ops.operator import Example, Kernel, Trials, layer_of
from mobiledeploy.ops.ranges import Interval, Ranges, step, wide_enough
from mobiledeploy.ops.stored import Fault, LayerInput, StoredLayer, with_fault
from mobiledeploy.ops.tensors import (
    QMAX,
    QMIN,
    Codes,
    Float32,
    Int8,
    QTensor,
    Shape,
    expect,
    is_scale,
)
from mobiledeploy.ops.tflite import Scope, TfliteInput, Version
from mobiledeploy.ops.tflite_reading import LayerSource
from mobiledeploy.ops.weights import Weights

LAYERS: tuple[str, ...] = ("mul",)
TFLITE: Mapping[str, FileForm] = {
    "MUL": FileForm(inputs=(0, 1), versions={"int8": 2, "int16": 4}, computed=True),
}
FIXED_RANGE: Interval | None = None

QLINEAR: Final = "QLinearMul"
"""ONNX Runtime's integer kernel, also for a Mul between quantise/dequantise pairs on its own."""

IMAGES: bool = False
SYMMETRIC: bool = True
LITERT_KERNELS: tuple[Kernel, ...] = ("x86", "arm64")
TRIALS: Trials | None = Trials(
    layers="multiplication",
    cases="{cases} pairs of codes, every one that there is in {layers}",
)

KERNELS: str = "XNNPACK on x86 and on arm64, and ONNX Runtime's kernel,"
CASE: str = "pair of codes"
CASES: str = "pairs of codes"
ONE_CODE: bool = False

NARROWEST: Final = 2.0**-16
WIDEST: Final = 2.0**8
"""Between these lies a_scale * b_scale / scale in XNNPACK's kernel; TFLite gives other products to
a kernel with another arithmetic."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mul:
    """A product of two tensors, each with its own grid."""

    inputs: tuple[str, str]
    output: QTensor

    def check(self, inputs: Sequence[QTensor]) -> None:
        """Check that the shapes fit; see `node.Node.check`."""
        name = self.output.name
        expect(name, "number of inputs", len(inputs), 2)
        a, b = (each.shape for each in inputs)
        shape = _product_shape(a, b)
        if shape is None:
            raise ConversionError(
                f"`{name}`: expected factors of one shape, or one of them 1x1xC, received {a} "
                f"and {b}"
            )
        expect(name, "output shape", self.output.shape, shape)


NODE: type[Mul] = Mul
kernel_shape = without_weights.kernel_shape
work = without_weights.work
all_cases = each_pair.all_cases
cases_of = each_pair.cases_of
ort_limits = no_limits


def output_shape(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    """Return the shape of the larger factor; see `operator.Operator.output_shape`."""
    without_weights.expect_inputs(layer, inputs, 2)
    shape = _product_shape(*inputs)
    if shape is None:
        raise RequestError(
            f"layer `{layer.name}` (mul) expects factors of one shape, or one of them 1x1xC, "
            f"received {inputs[0]} and {inputs[1]}"
        )
    return shape


def _product_shape(a: Shape, b: Shape) -> Shape | None:
    if a == b or _scales_channels(b, a):
        return a
    return b if _scales_channels(a, b) else None


def _scales_channels(factor: Shape, image: Shape) -> bool:
    return len(image) == onnx.IMAGE_AXES and factor == (1, 1, image[-1])


def operand_ranges(layer: Layer, ranges: Ranges) -> Ranges:
    """Return a range of the first factor whose step is not too small for the product's."""
    first, second = layer.inputs
    limit = step(ranges, layer.name) * NARROWEST / step(ranges, second)
    return {first: wide_enough(limit, first, ranges[first])}


def output_range(
    layer: Layer, ranges: Ranges, inputs: Sequence[Shape], weights: Weights | None
) -> Interval:
    """Return a range of the product whose step is not too small for the factors'."""
    del inputs, weights
    first, second = layer.inputs
    limit = step(ranges, first) * step(ranges, second) / WIDEST
    return wide_enough(limit, layer.name, ranges[layer.name])


def scale_ratios(inputs: Sequence[float], output: float) -> tuple[ScaleRatio, ...]:
    """Return the ratio that XNNPACK checks: product of the factors' scales over the output's."""
    value = math.prod(inputs) / output
    return (ScaleRatio(inputs=(0, 1), value=value, lowest=NARROWEST, limit=WIDEST),)


def quantise(
    layer: Layer, inputs: Sequence[Grid], output: QTensor, weights: Weights | None
) -> Mul:
    """Return the node of a layer."""
    del inputs, weights
    left, right = layer.inputs
    return Mul(inputs=(left, right), output=output)


def float_layer(node: Mul, inputs: Sequence[QTensor]) -> Layer:
    """Return the layer of a node."""
    return layer_of("mul", node, inputs)


def xnnpack_x86(products: Codes, multiplier: np.float32, zero: int) -> Codes:
    """Return XNNPACK's codes on x86.

    Args:
        products: Products of two codes minus their zero points.
        multiplier: See `multiplier`.
        zero: Zero point of the output.
    """
    values = products.astype(np.float32) * multiplier
    bounded = np.clip(values, np.float32(QMIN - zero), np.float32(QMAX - zero))
    codes: Codes = np.rint(bounded).astype(np.int64) + zero
    return codes


def xnnpack_arm64(products: Codes, multiplier: np.float32, zero: int) -> Codes:
    """Return XNNPACK's codes on arm64; arguments are those of `xnnpack_x86`."""
    fraction, exponent = np.frexp(np.float64(multiplier))
    # A float32 is a whole number of 24 bits times a power of two. A product of codes has 17 bits.
    factor, shift = int(fraction * 2**24), 24 - int(exponent)
    rounded = (products * factor + (1 << (shift - 1))) >> shift
    codes: Codes = np.clip(rounded + zero, QMIN, QMAX)
    return codes


def ort(products: Codes, multiplier: np.float32, zero: int) -> Codes:
    """Return ONNX Runtime's codes, on every architecture; arguments are those of `xnnpack_x86`.

    The two float32 multiplications and the quantisation that `write_onnx` asks for.
    """
    # QuantizeLinear computes on uint8, divides by its scale, 1, and adds before it saturates.
    steps = np.rint(products.astype(np.float32) * multiplier)
    unsigned = np.clip(steps + np.float32(zero + onnx.OFFSET), 0, 255)
    codes: Codes = unsigned.astype(np.int64) - onnx.OFFSET
    return codes


def ort_qlinear(
    products: Codes, multiplier: np.float32, zero: int, *, fused: bool = False
) -> Codes:
    """Return the codes of ONNX Runtime's QLinearMul, which adds the zero point before it rounds.

    Args:
        products: Products of two codes minus their zero points.
        multiplier: See `multiplier`.
        zero: Zero point of the output.
        fused: Whether the compiler fuses the multiplication with the addition.
    """
    offset, exact = zero + onnx.OFFSET, products.astype(np.float32)
    if fused:
        # A product of two float32 is exact in float64, so one rounding remains.
        steps = (exact.astype(np.float64) * multiplier + offset).astype(np.float32)
    else:
        steps = exact * multiplier + np.float32(offset)
    codes: Codes = np.clip(np.rint(steps), 0, 255).astype(np.int64) - onnx.OFFSET
    return codes


def multiplier(a_scale: np.float32, b_scale: np.float32, scale: np.float32) -> np.float32:
    """Return the float32 by which every kernel multiplies, rounded as in XNNPACK."""
    return a_scale * b_scale / scale


def certify(node: Mul, inputs: Sequence[QTensor]) -> Certificate:
    """Return a certificate for one product.

    Raises:
        ConversionError: XNNPACK does not take the product, or rounds differently on x86 than on
            arm64. A wider range has no ties; see `integer.certify.exact_ranges`.
    """
    (a, b), out = inputs, node.output
    ratio = multiplier(a.scale, b.scale, out.scale)
    if not NARROWEST <= ratio < WIDEST:
        raise ConversionError(
            f"product `{out.name}`: expected the factors' scales over the output's within "
            f"{NARROWEST} and {WIDEST}, received {ratio:.3g}",
            hint="a factor is all but constant, or the product is: train or calibrate again",
        )
    cases = all_cases(node, inputs)
    expected, *elsewhere = (*litert_cases(node, inputs, cases), *ort_cases(node, inputs, cases))
    differing = int((np.stack(elsewhere) != expected).any(axis=0).sum())
    if differing:
        raise ConversionError(
            f"product `{out.name}`: {differing} of its {expected.size} pairs of codes are rounded "
            f"differently on x86 and on arm64, because multiples of {ratio} are halves exactly",
            hint="calibrate with other images, which moves the scales",
        )
    return Certificate(
        name=out.name,
        scales=(a.scale, b.scale),
        cases=expected.size,
        differing_before=0,
        differing_after=0,
    )


def litert_cases(
    node: Mul, inputs: Sequence[QTensor], cases: Cases, form: str = ""
) -> tuple[Codes, ...]:
    """Return XNNPACK's products: on x86, and on arm64."""
    del form
    return tuple(
        kernel(_products(inputs, cases), _multiplier(node, inputs), node.output.zero_point)
        for kernel in (xnnpack_x86, xnnpack_arm64)
    )


def litert_own(node: Mul, inputs: Sequence[QTensor], cases: Cases) -> Codes:
    """Return the codes of TFLite's own kernel, which takes all scales and rounds twice.

    Raises:
        ConversionError: See `fixed_point.clipped`.

    Source: TFLite's tflite/kernels/mul.cc.
    """
    (a, b), out = inputs, node.output
    factor = FixedPoint.of(float(a.scale) * float(b.scale) / float(out.scale))
    return clipped(factor.times(_products(inputs, cases)), out.zero_point)


def ort_cases(
    node: Mul, inputs: Sequence[QTensor], cases: Cases, form: str = ""
) -> tuple[Codes, ...]:
    """Return ONNX Runtime's products: of the form that `write_onnx` gives, or of QLinearMul."""
    products, zero = _products(inputs, cases), node.output.zero_point
    ratio = _multiplier(node, inputs)
    if form == QLINEAR:
        return tuple(ort_qlinear(products, ratio, zero, fused=fused) for fused in (False, True))
    return (ort(products, ratio, zero),)


def litert_limits(node: Mul, inputs: Sequence[QTensor], form: str) -> Iterator[str]:
    """Yield the ratio that XNNPACK does not accept."""
    del form
    ratio = _multiplier(node, inputs)
    if not NARROWEST <= ratio < WIDEST:
        yield f"the factors' scales over the output's are {ratio:.3g}: not for XNNPACK"


def node_of(layer: StoredLayer, inputs: Sequence[QTensor], output: QTensor) -> Mul:
    """Return the node of a layer in a file.

    Raises:
        ConversionError: It has another number of factors.
    """
    del layer
    expect(output.name, "number of inputs", len(inputs), 2)
    return Mul(inputs=(inputs[0].name, inputs[1].name), output=output)


def trials(layer: StoredLayer, shapes: Sequence[Shape]) -> tuple[tuple[Int8, ...], int]:
    """Return all pairs of codes.

    Raises:
        ConversionError: The factors' shapes do not fit.
    """
    del layer
    both = (shapes[0], shapes[-1])
    # In files an image of one pixel is a vector.
    images = any(len(shape) == onnx.IMAGE_AXES for shape in both)
    lifted = [(1, 1, *shape) if images and len(shape) == 1 else shape for shape in both]
    if _product_shape(*lifted) is None:
        raise ConversionError(f"its factors have the shapes {list(shapes)}")
    a, b = pairs_of_shapes(lifted)
    return (a.reshape(-1, *both[0]), b.reshape(-1, *both[1])), all_pairs()[0].size


def _products(inputs: Sequence[QTensor], cases: Cases) -> Codes:
    (a, b), (left, right) = inputs, cases
    products: Codes = (left - a.zero_point) * (right - b.zero_point)
    return products


def _multiplier(node: Mul, inputs: Sequence[QTensor]) -> np.float32:
    return multiplier(inputs[0].scale, inputs[1].scale, node.output.scale)


def litert_codes(
    node: Mul, inputs: Sequence[QTensor], codes: Sequence[Int8], *, kernel: Kernel
) -> Int8:
    """Return the codes that XNNPACK computes."""
    x86, arm64 = litert_cases(node, inputs, cases_of(node, inputs, codes))
    return (x86 if kernel == "x86" else arm64).astype(np.int8)


def float_values(
    node: Mul, inputs: Sequence[Float32], weights: tuple[Float32, Float32] | None
) -> Float32:
    """Return the product of real values."""
    del node, weights
    return inputs[0] * inputs[1]


def tflite_version(node: Mul, inputs: Sequence[QTensor]) -> Version:
    """Return the version: 3 where products are not scaled down."""
    if _multiplier(node, inputs) >= 1:
        return Version(number=3, runtime="1.15.0")
    return Version(number=2, runtime="1.14.0")


def write_tflite(
    model: TfliteWriter, node: Mul, inputs: Sequence[TfliteInput], output: int
) -> None:
    """Add the operator."""
    version = tflite_version(node, [each.tensor for each in inputs]).number
    model.operator("MUL", version, tflite.indices(inputs), output, "MulOptions")


def read_tflite(operator: TfliteOperator, scope: Scope) -> Mul:
    """Return the node of an operator.

    Raises:
        ConversionError: An activation would change codes.
    """
    sources, output = tflite.read_operands(operator, scope)
    return Mul(inputs=sources, output=output)


def write_onnx(
    model: OnnxWriter,
    node: Mul,
    inputs: Sequence[OnnxInput],
    output: str,
    certificate: Certificate | None,
) -> None:
    """Add the product of codes, multiplied once more, and quantised with the scale 1."""
    required(node.output.name, certificate)
    one = np.float32(1)
    product = model.node("Mul", onnx.dequantise(model, inputs, (one, one)))
    ratio = _multiplier(node, [each.tensor for each in inputs])
    steps = model.node("Mul", [product, model.scalar(ratio)])
    model.quantise(steps, one, onnx.zero_point(node.output), output)


def layer_of_tflite(source: LayerSource) -> StoredLayer:
    """Return a product of two activations, or the table of one and a constant."""
    if len(source.inputs) != 2:
        return constant_operand.table_of(source, Mul, litert_limits, litert_cases, litert_own)
    return source.as_kind("mul")


def given_shape(layer: StoredLayer, shapes: Sequence[Shape]) -> Shape | None:
    """Return the shape that a layer of a file gives; see `operator.Operator.given_shape`."""
    del layer
    a, b = (shape if len(shape) != 1 else (1, 1, *shape) for shape in shapes)
    if shapes[0] == shapes[1]:
        return shapes[0]
    return _product_shape(a, b)


def _read_mul(reader: OnnxReader, node: OnnxOperator) -> OnnxActivation | None:
    """Read a product of two activations, or the multiplication that ends one of their codes."""
    a, b = reader.value(node, 0), reader.value(node, 1)
    if isinstance(a, OnnxActivation) and isinstance(b, OnnxActivation):
        # A single Mul between quantise/dequantise pairs is fused into QLinearMul.
        return _product_of(reader, dataclasses.replace(node, kind=QLINEAR), a, b)
    if isinstance(a, OnnxActivation):
        return _product_of_codes(reader, node, a)
    return None


def _read_qlinear_mul(reader: OnnxReader, node: OnnxOperator) -> OnnxValue | None:
    """Read a, scale, zero, b, scale, zero, y scale, y zero."""
    a, b = dequantised_input(reader, node, 0), dequantised_input(reader, node, 3)
    if a is None or b is None:
        return None
    return quantised_output(reader, node, _product_of(reader, node, a, b), 6)


def _product_of(
    reader: OnnxReader, node: OnnxOperator, a: OnnxActivation, b: OnnxActivation
) -> OnnxActivation:
    faults: tuple[Fault, ...] = ()
    pairs = [*zip(a.sizes, b.sizes, strict=False)]
    fits = all(one == other or 1 in (one, other) for one, other in pairs)
    if a.axes != b.axes or len(a.sizes) != len(b.sizes) or a.pixels != b.pixels or not fits:
        detail = (
            f"axes {a.axes or 'unknown'} of {a.sizes} times {b.axes or 'unknown'} of {b.sizes}"
        )
        faults = (Fault(field="axis", detail=detail),)
    else:
        a = dataclasses.replace(a, sizes=tuple(max(pair) for pair in pairs))
    return reader.add_layer(node, "mul", [a, b], a, faults=faults)


def _product_of_codes(
    reader: OnnxReader, node: OnnxOperator, product: OnnxActivation
) -> OnnxActivation | None:
    """Complete the product that `write_onnx` writes: of codes, times the multiplier.

    The scales of its operands and its output are elsewhere in the file.
    """
    if not reader.is_unquantised(product) or not reader.read_once(node.inputs[0]):
        return None
    layer, ratio = reader.layers[product.source], reader.numbers(node, 1)
    whole = layer.kind == "mul" and all(read.scale == 1 for read in layer.reads)
    if not whole or ratio is None or ratio.size != 1 or ratio.dtype != np.float32:
        return None
    if product.source in reader.deduced or reader.bounds[product.source] != (-math.inf, math.inf):
        return None
    reader.layers.change(product.source, op=node.op)
    reader.deduced[product.source] = functools.partial(_with_scale, ratio=ratio.ravel()[0])
    return product


def _with_scale(
    layer: StoredLayer, taken: Sequence[LayerInput], *, ratio: np.float32
) -> StoredLayer:
    """Return a product with the scale of its output, or its multiplier where no scale gives that.

    Args:
        layer: The product of codes, on a grid of scale 1.
        taken: How other layers read it.
        ratio: The multiplier of the product of the codes.
    """
    if layer.output.scale != 1:
        detail = f"a product of codes is put on a grid of scale {layer.output.scale}, expected 1"
        return with_fault(layer, "form", detail)
    if not is_scale(ratio):
        return with_fault(layer, "form", f"no scales give the multiplier {ratio}")
    likeliest = _on_scale(layer, None)
    for read in taken:
        stated = _on_scale(layer, read.scale)
        match multiplier_of(stated):
            case None:
                # A factor's scale is not stated: nothing tells whether the reader's is right.
                likeliest = stated
                break
            case same if same == ratio:
                return stated
    return dataclasses.replace(likeliest, multiplier=ratio)


def _on_scale(layer: StoredLayer, scale: np.float32 | None) -> StoredLayer:
    output = dataclasses.replace(layer.output, scale=scale, unstated=scale is None)
    return dataclasses.replace(layer, output=output)


def multiplier_of(layer: StoredLayer) -> np.float32 | None:
    """Return the multiplier of a product's codes; see `capabilities.StatesMultiplier`."""
    if layer.multiplier is not None or len(layer.reads) != 2:
        return layer.multiplier
    (a, b), out = (read.scale for read in layer.reads), layer.output.scale
    return None if a is None or b is None or out is None else multiplier(a, b, out)


def by_multiplier(layer: StoredLayer) -> StoredLayer:
    """Return a product on scales that give its multiplier; see `capabilities.StatesMultiplier`."""
    ratio, one = layer.multiplier, np.float32(1)
    if ratio is None or len(layer.reads) != 2:
        return layer
    first, second = layer.reads
    return dataclasses.replace(
        layer,
        reads=(dataclasses.replace(first, scale=ratio), dataclasses.replace(second, scale=one)),
        output=dataclasses.replace(layer.output, scale=one),
        multiplier=None,
    )


ONNX: Mapping[str, FileForm] = {
    "Mul": FileForm(inputs=(0, 1), pairs_only=True, read=_read_mul, computed=True),
    QLINEAR: FileForm(inputs=(0, 3), read=_read_qlinear_mul, computed=True, ort_kernel=QLINEAR),
}


def examples() -> Iterator[Example]:
    """Yield products of one shape, of channels with an image, and of large steps."""
    for name, shapes, scales, zeros in (
        ("one shape", ((5, 4, 3), (5, 4, 3)), (0.0513, 0.0317, 0.0629), (-128, 5, -20)),
        ("channels", ((5, 4, 3), (1, 1, 3)), (0.0511, 0.00393, 0.0412), (-8, -128, -2)),
        ("channels first", ((1, 1, 3), (5, 4, 3)), (0.0041, 0.0207, 0.0131), (-128, 7, 0)),
        ("vectors", ((12,), (12,)), (0.0203, 0.0709, 0.0831), (3, -4, 5)),
        ("scaled up", ((5, 4, 3), (5, 4, 3)), (1.71, 1.31, 0.917), (-1, 1, -20)),
    ):
        a, b = (
            QTensor(name=tensor, shape=shape, scale=np.float32(scale), zero_point=zero)
            for tensor, shape, scale, zero in zip("ab", shapes, scales, zeros, strict=False)
        )
        product = QTensor(
            name="product",
            shape=max(shapes),
            scale=np.float32(scales[2]),
            zero_point=zeros[2],
        )
        yield Example(name=name, node=Mul(inputs=("a", "b"), output=product), inputs=(a, b))
