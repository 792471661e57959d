"""The mean over height and width, also called global average pooling.

All kernels compute `round(scale / positions * sum(code - zero point)) + zero point`; XNNPACK adds
the zero points as one constant before it rounds, ONNX Runtime rounds before it adds the output's.

A mean over n positions depends only on its sum, which has 255 n + 1 values, so it can be tried on
all of them. As with additions, a neighbouring float32 as the input's scale in the ONNX file makes
the kernels agree on sums close to a half.

Sources: XNNPACK's operators/reduce-nd.c and reference-utils.h; ONNX Runtime's
mlas/lib/qlgavgpool.cpp; for AVERAGE_POOL_2D TFLite's
tflite/kernels/internal/optimized/integer_ops/pooling.h.
"""

import dataclasses
import functools
import itertools
import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import ConversionError, RequestError
from mobiledeploy.formats.onnx import OnnxOperator
from mobiledeploy.formats.onnx.writer import OnnxWriter
from mobiledeploy.formats.tflite import TfliteOperator
from mobiledeploy.formats.tflite.writer import TfliteWriter
from mobiledeploy.ops import onnx, pools, reductions, tflite, without_weights
from mobiledeploy.ops.architecture import Layer
from mobiledeploy.ops.capabilities import Cases
from mobiledeploy.ops.certificate import REACH, Certificate, neighbours, required
from mobiledeploy.ops.file_form import FileForm
from mobiledeploy.ops.grid import Grid
from mobiledeploy.ops.node import OneInput
from mobiledeploy.ops.onnx import OnnxInput
from mobiledeploy.ops.onnx_reader import OnnxReader
from mobiledeploy.ops.onnx_reading import one_input
from mobiledeploy.ops.onnx_values import OnnxActivation, OnnxValue
from mobiledeploy.ops.operator import Example, Kernel, Trials, layer_of
from mobiledeploy.ops.padding import same_pads
from mobiledeploy.ops.products import batch_room
from mobiledeploy.ops.ranges import Interval, Ranges, step, wide_enough
from mobiledeploy.ops.stored import LayerInput, StoredLayer, on_grid_of, with_fault
from mobiledeploy.ops.tensors import (
    QMAX,
    QMIN,
    UINT8_OFFSET,
    Codes,
    Float32,
    Int8,
    QTensor,
    Shape,
    expect,
    is_scale,
)
from mobiledeploy.ops.tflite import Scope, TfliteInput
from mobiledeploy.ops.tflite_reading import LayerSource
from mobiledeploy.ops.weights import Weights

LAYERS: tuple[str, ...] = ("mean",)
TFLITE: Mapping[str, FileForm] = {
    "MEAN": FileForm(versions={"int8": 2, "int16": 3}, computed=True),
    "AVERAGE_POOL_2D": FileForm(versions={"int8": 2, "int16": 3}, litert_own=True, computed=True),
}
FIXED_RANGE: Interval | None = None
IMAGES: bool = True
SYMMETRIC: bool = False
LITERT_KERNELS: tuple[Kernel, ...] = ("x86", "arm64")
TRIALS: Trials | None = Trials(
    layers="mean",
    cases="{cases} sums of codes, from the lowest to the highest, in {layers}",
)

KERNELS: str = (
    "{form} (whether or not a compiler fuses multiply and add) and ONNX Runtime's kernel"
)
CASE: str = "sum of codes"
CASES: str = "sums of codes"
ONE_CODE: bool = False

QLINEAR: Final = "QLinearGlobalAveragePool"
"""ONNX Runtime's integer kernel."""
SUM: Final = "ReduceSum"
"""The node by which a mean in XNNPACK's own arithmetic is known."""

Floats: TypeAlias = npt.NDArray[np.float32]

NARROWEST: Final = 2.0**-32
WIDEST: Final = 2.0**8
"""Smallest and largest ratio of scales that ONNX Runtime accepts."""

NEAR_HALF: Final = 2.0**-7
"""Farther from a half, in steps, no kernel and no tried scale rounds a mean otherwise."""

MOST_POSITIONS: Final = 2**14
"""Most positions for which all sums are tried; float32 holds them exactly."""

MOST_TRIALS: Final = 64
"""Most images for the sums of a mean: each channel of each image has another sum."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mean(OneInput):
    """The mean over height and width, also called global average pooling."""

    @property
    def keep_dims(self) -> bool:
        """Whether the output is an image of one pixel."""
        return len(self.output.shape) == onnx.IMAGE_AXES

    def check(self, inputs: Sequence[QTensor]) -> None:
        """Check that an image becomes a vector; see `node.Node.check`."""
        (source,) = inputs
        expect(self.output.name, "rank of the input", len(source.shape), 3)
        vector = source.shape[-1:]
        expected = (1, 1, *vector) if self.keep_dims else vector
        expect(self.output.name, "output shape", self.output.shape, expected)


NODE: type[Mean] = Mean
kernel_shape = without_weights.kernel_shape
tflite_version = tflite.second_version
work = without_weights.work
scale_ratios = without_weights.scale_ratios
given_shape = reductions.given_shape
operand_ranges = without_weights.operand_ranges


def output_shape(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    """Return the shape of the means; see `operator.Operator.output_shape`.

    With the parameter `keep_dims` they are an image of one pixel, else a vector.
    """
    if len(inputs) != 1 or len(inputs[0]) != 3:
        raise RequestError(
            f"layer `{layer.name}` (mean) expects an image, received {list(inputs)}"
        )
    unknown = sorted({*layer.parameters} - {"keep_dims"})
    if unknown:
        raise RequestError(
            f"layer `{layer.name}` (mean) has the parameter keep_dims, received {unknown[0]}"
        )
    vector = inputs[0][-1:]
    return (1, 1, *vector) if layer.parameters.get("keep_dims") else vector


def output_range(
    layer: Layer, ranges: Ranges, inputs: Sequence[Shape], weights: Weights | None
) -> Interval:
    """Return a range whose step is not too small for the input's."""
    del weights
    limit = step(ranges, layer.inputs[0]) / math.prod(inputs[0][:2]) / WIDEST
    return wide_enough(limit, layer.name, ranges[layer.name])


def quantise(
    layer: Layer, inputs: Sequence[Grid], output: QTensor, weights: Weights | None
) -> Mean:
    """Return the node of a layer."""
    del inputs, weights
    return Mean(input=layer.inputs[0], output=output)


def float_layer(node: Mean, inputs: Sequence[QTensor]) -> Layer:
    """Return the layer of a node."""
    kept = {"keep_dims": True} if node.keep_dims else {}
    return layer_of("mean", node, inputs, **kept)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sums:
    """The sums of a mean.

    Attributes:
        codes: Sums of a channel's int8 codes over all positions, zero point not subtracted.
        positions: Height times width.
        zeros: Zero points of input and output.
        offset: What the kernel's codes and zero points are more than these.
    """

    codes: Codes
    positions: int
    zeros: tuple[int, int]
    offset: int = 0


def xnnpack(
    sums: Sums,
    input_scale: Floats,
    scale: np.float32,
    *,
    fused: bool = False,
    fused_constant: bool = False,
) -> Codes:
    """Return XNNPACK's codes of the means.

    Args:
        sums: To take the means of.
        input_scale: Scale of the input; broadcasts against the sums.
        scale: Scale of the output.
        fused: Whether the compiler fuses the multiplication of a sum with the addition that
            follows, as it may for arm64.
        fused_constant: Whether it also fuses the computation of the constant that is added.
            LiteRT 2.3's wheel for aarch64 fuses both, that for x86 neither.
    """
    codes = (sums.codes + sums.positions * sums.offset).astype(np.float32)
    zeros = sums.zeros[0] + sums.offset, sums.zeros[1] + sums.offset
    ratio, constant = _line(sums.positions, zeros, input_scale, scale, fused=fused_constant)
    means = (_fused if fused else _unfused)(codes, ratio, constant)
    return _clip(np.rint(means) - sums.offset)


def _line(
    positions: int,
    zeros: tuple[int, int],
    input_scale: Floats,
    scale: np.float32,
    *,
    fused: bool = False,
) -> tuple[Floats, Floats]:
    """Return by what XNNPACK multiplies a sum of codes, and what it adds."""
    source_zero, zero = (np.float32(value) for value in zeros)
    count = np.float32(positions)
    ratio = input_scale / scale * (np.float32(1) / count)
    return ratio, (_fused if fused else _unfused)(-(count * source_zero), ratio, zero)


def ort(sums: Sums, input_scale: Floats, scale: np.float32) -> Codes:
    """Return the int8 codes of ONNX Runtime's means, on every architecture."""
    source_zero, zero = sums.zeros
    count = np.float32(sums.positions)
    centred = sums.codes - sums.positions * source_zero
    return _clip(np.rint(centred.astype(np.float32) * (input_scale / (scale * count))) + zero)


def tflite_average_pool(sums: Codes, positions: Codes | int, *, unsigned: bool = False) -> Codes:
    """Return TFLite's codes of an average pooling: halves go away from code 0.

    Args:
        sums: Sums of int8 codes.
        positions: How many codes each is of.
        unsigned: Whether they go away from 0 of uint8 codes, that is, up.
    """
    if unsigned:
        return (sums + positions // 2) // positions
    away: Codes = np.copysign((np.abs(sums) + positions // 2) // positions, sums).astype(np.int64)
    return away


def half_away(positions: int, *, farthest: int = -QMIN) -> np.float32:
    """Return a step below 1 that sends halves away from 0, and moves no other mean over a half.

    Args:
        positions: How many codes the means are of, at most.
        farthest: How far from 0 codes may be.
    """
    return np.float32(1 - 2.0 ** math.floor(math.log2(0.4 / positions / farthest)))


def ort_convolution(sums: Codes, positions: int, *, unsigned: bool = False) -> Codes:
    """Return ONNX Runtime's codes of an average pooling by a convolution with weights of 1.

    Args:
        sums: Sums of int8 codes.
        positions: How many codes each is of.
        unsigned: Whether it counts uint8 codes.
    """
    offset, farthest = (UINT8_OFFSET, QMAX - QMIN) if unsigned else (0, -QMIN)
    step = half_away(positions, farthest=farthest)
    factor = np.float32(1) / (np.float32(positions) * step)
    counted = (sums + positions * offset).astype(np.float32)
    return _clip(np.rint(counted * factor) - offset)


def _unfused(x: Floats | np.float32, y: Floats, addend: Floats | np.float32) -> Floats:
    return x * y + addend


def _fused(x: Floats | np.float32, y: Floats, addend: Floats | np.float32) -> Floats:
    # A product of two float32 is exact in float64, so one rounding remains.
    return (np.asarray(x, np.float64) * y + addend).astype(np.float32)


def _clip(codes: npt.NDArray[np.floating]) -> Codes:
    clipped: Codes = np.clip(codes, QMIN, QMAX).astype(np.int64)
    return clipped


def certify_scales(
    name: str,
    *,
    positions: int,
    scales: tuple[np.float32, np.float32],
    zeros: tuple[int, int],
) -> Certificate:
    """Return a certificate for one mean.

    Args:
        name: For the error.
        positions: Height times width.
        scales: Scales of input and output.
        zeros: Their zero points.

    Raises:
        ConversionError: ONNX Runtime does not take the mean, XNNPACK itself rounds differently
            from one architecture to another, or no scale nearby makes the two agree. See
            `integer.certify.exact_ranges`.
    """
    input_scale, scale = scales
    _require_ratio(name, positions, scales)
    sums = _all_sums(name, positions, zeros)
    expected = xnnpack(sums, np.full(1, input_scale), scale)
    unsteady = _unsteady(sums, expected, scales)
    before = _differing(sums, expected, input_scale, scale)
    neighbour = None if unsteady else _agreeing(sums, expected, scales)
    if neighbour is None:
        raise ConversionError(
            f"mean `{name}`: {max(before, unsteady)} of its {sums.codes.size} sums are rounded "
            f"differently by the runtimes, and no scale within {REACH} units in the last place of "
            f"{input_scale} mends it",
            hint="calibrate with other images, which moves the scales",
        )
    return Certificate(
        name=name,
        scales=(neighbour,),
        cases=sums.codes.size,
        differing_before=before,
        differing_after=0,
    )


def _require_ratio(name: str, positions: int, scales: tuple[np.float32, np.float32]) -> None:
    ratio = scales[0] / (scales[1] * np.float32(positions))
    if not NARROWEST <= ratio < WIDEST:
        raise ConversionError(
            f"mean `{name}`: expected input scale / (output scale * positions) within {NARROWEST} "
            f"and {WIDEST}, received {ratio:.3g}",
            hint="the mean is all but constant: train or calibrate again",
        )


def _unsteady(sums: Sums, expected: Codes, scales: tuple[np.float32, np.float32]) -> int:
    """Return how many sums XNNPACK rounds otherwise where a compiler fuses operations."""
    elsewhere = [
        xnnpack(sums, np.full(1, scales[0]), scales[1], fused=fused, fused_constant=constant)
        for fused, constant in itertools.product((False, True), repeat=2)
    ]
    return int((np.stack(elsewhere) != expected).any(axis=0).sum())


def _agreeing(
    sums: Sums, expected: Codes, scales: tuple[np.float32, np.float32]
) -> np.float32 | None:
    """Return the nearest scale of the input by which ONNX Runtime gives certain codes, if any."""
    input_scale, scale = scales
    steps = np.arange(2 * REACH + 1)
    # 0, 1, -1, 2, -2 ...: the nearest first.
    tried = neighbours(input_scale, (steps + 1) // 2 * np.where(steps % 2, 1, -1))
    exact = (sums.codes - sums.positions * sums.zeros[0]) * (
        float(input_scale) / float(scale) / sums.positions
    )
    near = np.abs(np.mod(exact, 1) - 0.5) < NEAR_HALF
    few = dataclasses.replace(sums, codes=sums.codes[near])
    for neighbour in tried:
        if _differing(few, expected[near], neighbour, scale):
            continue
        if not _differing(sums, expected, neighbour, scale):
            return np.float32(neighbour)
    return None


def certify_x86(node: Mean, inputs: Sequence[QTensor]) -> Certificate:
    """Return a certificate for LiteRT on x86: of a scale, or of XNNPACK's own arithmetic."""
    (source,), out = inputs, node.output
    scales = source.scale, out.scale
    cases = all_cases(node, inputs)
    sums, expected = _sums(node, inputs, cases), litert_cases(node, inputs, cases)[0]
    ratio = scales[0] / (scales[1] * np.float32(sums.positions))
    neighbour = None
    if NARROWEST <= ratio < WIDEST:
        neighbour = _agreeing(sums, expected, scales)
    return Certificate(
        name=out.name,
        scales=(source.scale if neighbour is None else neighbour,),
        cases=sums.codes.size,
        differing_before=_differing(sums, expected, *scales),
        differing_after=0,
        integers=neighbour is None,
    )


def average_pool_is_mean(name: str, *, positions: int, scale: np.float32, zero_point: int) -> bool:
    """Whether TFLite's average pooling gives the code of a mean, for every possible sum.

    With an odd number of positions there are no halves that could be rounded differently.

    Args:
        name: For the error.
        positions: Height times width.
        scale: Scale of input and output, which have the same grid.
        zero_point: Zero point of input and output.

    Raises:
        ConversionError: There are too many positions to try all sums.
    """
    sums = _all_sums(name, positions, (zero_point, zero_point))
    mean = xnnpack(sums, np.full(1, scale), scale)
    return np.array_equal(tflite_average_pool(sums.codes, positions), mean)


def _differing(sums: Sums, expected: Codes, input_scale: np.float32, scale: np.float32) -> int:
    return int((ort(sums, np.full(1, input_scale), scale) != expected).sum())


def _all_sums(name: str, positions: int, zeros: tuple[int, int]) -> Sums:
    if positions > MOST_POSITIONS:
        raise ConversionError(
            f"mean `{name}`: expected at most {MOST_POSITIONS} positions, received {positions}",
            hint="choose a smaller image size",
        )
    codes: Codes = np.arange(QMIN * positions, QMAX * positions + 1, dtype=np.int64)
    return Sums(codes=codes, positions=positions, zeros=zeros)


def certify(node: Mean, inputs: Sequence[QTensor]) -> Certificate:
    """Return a certificate for one mean; see `certify_scales`."""
    (source,), out = inputs, node.output
    if out.unsigned:
        raise ConversionError(f"mean `{out.name}`: LiteRT's means of uint8 codes are of one CPU")
    return certify_scales(
        out.name,
        positions=math.prod(source.shape[:2]),
        scales=(source.scale, out.scale),
        zeros=(source.zero_point, out.zero_point),
    )


def all_cases(node: Mean, inputs: Sequence[QTensor]) -> Cases:
    """Return all sums of codes.

    Raises:
        ConversionError: There are too many positions to try all sums.
    """
    zeros = (inputs[0].zero_point, node.output.zero_point)
    return (_all_sums(node.output.name, math.prod(inputs[0].shape[:2]), zeros).codes,)


def cases_of(node: Mean, inputs: Sequence[QTensor], codes: Sequence[Int8]) -> Cases:
    """Return the sum of each channel of images."""
    del inputs
    return (codes[0].sum(axis=(1, 2), dtype=np.int64, keepdims=node.keep_dims),)


def litert_cases(
    node: Mean, inputs: Sequence[QTensor], cases: Cases, form: str = ""
) -> tuple[Codes, ...]:
    """Return XNNPACK's means for each choice of what is fused, or TFLite's average pooling."""
    if form == "AVERAGE_POOL_2D":
        positions = math.prod(inputs[0].shape[:2])
        return (tflite_average_pool(cases[0], positions, unsigned=node.output.unsigned),)
    sums, own = _sums(node, inputs, cases), np.full(1, inputs[0].scale)
    return tuple(
        xnnpack(sums, own, node.output.scale, fused=fused, fused_constant=constant)
        for fused, constant in itertools.product((False, True), repeat=2)
    )


def ort_cases(
    node: Mean, inputs: Sequence[QTensor], cases: Cases, form: str = ""
) -> tuple[Codes, ...]:
    """Return ONNX Runtime's means, or an average pooling by a convolution with weights of 1."""
    if form == "Conv":
        return (ort_convolution(cases[0], math.prod(inputs[0].shape[:2])),)
    sums = _sums(node, inputs, cases)
    if form == SUM:
        return (xnnpack(sums, np.full(1, inputs[0].scale), node.output.scale),)
    return (ort(sums, np.full(1, inputs[0].scale), node.output.scale),)


def litert_limits(node: Mean, inputs: Sequence[QTensor], form: str) -> Iterator[str]:
    """Yield why it is not TFLite's average pooling, which has one grid."""
    if form == "AVERAGE_POOL_2D" and inputs[0].scale != node.output.scale:
        yield "an average pooling with two scales"


def ort_limits(node: Mean, inputs: Sequence[QTensor], form: str) -> Iterator[str]:
    """Yield the values that ONNX Runtime does not accept."""
    if form == "Conv" and inputs[0].scale != node.output.scale:
        yield "an average pooling with two scales"
    positions = math.prod(inputs[0].shape[:2])
    ratio = float(inputs[0].scale) / (float(node.output.scale) * positions)
    if not NARROWEST <= ratio < WIDEST:
        yield f"input scale / (output scale * positions) is {ratio:.3g}"


def node_of(layer: StoredLayer, inputs: Sequence[QTensor], output: QTensor) -> Mean:
    """Return the node of a layer in a file.

    Raises:
        ConversionError: Its window is not the whole image.
    """
    (source,) = inputs
    expect(output.name, "window", layer.window, source.shape[:2])
    return Mean(input=source.name, output=unsigned_as_stated(layer, output))


UNSIGNED: Final[tuple[tuple[str, Hashable], ...]] = (("unsigned", True),)
"""Parameters of a mean or pool of an `.onnx` that is computed of uint8 codes."""


def unsigned_as_stated(layer: StoredLayer, output: QTensor) -> QTensor:
    """Return what a mean or pool writes, `unsigned` where it is computed of uint8 codes."""
    return dataclasses.replace(output, unsigned=output.unsigned or layer.parameters == UNSIGNED)


def refuse_unsigned(output: QTensor) -> None:
    """Check that a mean or pool is not one of uint8 codes.

    Raises:
        ConversionError: It is.
    """
    if output.unsigned:
        raise ConversionError(
            f"`{output.name}`: LiteRT rounds some means of uint8 codes otherwise than of int8",
            hint="convert the file to an `.onnx`, which is exact",
        )


def trials(layer: StoredLayer, shapes: Sequence[Shape]) -> tuple[tuple[Int8, ...], int]:
    """Return images whose channels have every possible sum of codes.

    If these are too many, sums spread evenly from the lowest to the highest.
    """
    del layer
    height, width, channels = shapes[0] if len(shapes[0]) == 3 else (1, 1, *shapes[0])
    positions = height * width
    lowest, highest = QMIN * positions, QMAX * positions
    images = min(MOST_TRIALS, batch_room(shapes[0]))
    count = min(highest - lowest + 1, images * channels)
    # Whole images: the last one is filled up with the highest sum.
    places = -(-count // channels) * channels
    wanted = np.full(places, highest)
    wanted[:count] = np.rint(np.linspace(lowest, highest, count)).astype(np.int64)
    codes, rest = np.divmod(wanted, positions)
    # Of a sum that does not divide evenly, some positions get one more.
    spread = codes.astype(np.int8) + (np.arange(positions)[:, None] < rest)
    batch: Int8 = spread.reshape(height, width, -1, channels).transpose(2, 0, 1, 3)
    return (np.ascontiguousarray(batch).reshape(-1, *shapes[0]),), count


def by_codes(layer: StoredLayer) -> bool:
    """Whether a mean is an average pool of codes; see `capabilities.CountsCodes`.

    The sum of codes in XNNPACK's arithmetic is none: its numbers come from its scales.
    """
    return layer.op == "Conv"


def _sums(node: Mean, inputs: Sequence[QTensor], cases: Cases) -> Sums:
    return Sums(
        codes=cases[0],
        positions=math.prod(inputs[0].shape[:2]),
        zeros=(inputs[0].zero_point, node.output.zero_point),
        offset=UINT8_OFFSET if node.output.unsigned else 0,
    )


def litert_codes(
    node: Mean, inputs: Sequence[QTensor], codes: Sequence[Int8], *, kernel: Kernel
) -> Int8:
    """Return the codes of XNNPACK in LiteRT's wheels, which fuse for arm64 and not for x86."""
    fused = kernel == "arm64"
    sums = _sums(node, inputs, cases_of(node, inputs, codes))
    own = np.full(1, inputs[0].scale)
    means = xnnpack(sums, own, node.output.scale, fused=fused, fused_constant=fused)
    return means.astype(np.int8)


def float_values(
    node: Mean, inputs: Sequence[Float32], weights: tuple[Float32, Float32] | None
) -> Float32:
    """Return the mean of real values."""
    del weights
    mean: Float32 = inputs[0].mean(axis=(1, 2), dtype=np.float32, keepdims=node.keep_dims)
    return mean


def write_tflite(
    model: TfliteWriter, node: Mean, inputs: Sequence[TfliteInput], output: int
) -> None:
    """Add the operator with its axes.

    Raises:
        ConversionError: It is of uint8 codes.
    """
    refuse_unsigned(node.output)
    sources = reductions.write_axes(model, node.output.name, inputs)
    version = tflite_version(node, []).number
    model.operator("MEAN", version, sources, output, "ReducerOptions", KeepDims=node.keep_dims)


def read_tflite(operator: TfliteOperator, scope: Scope) -> Mean:
    """Return the node of a MEAN; `average_pool` reads pools.

    Raises:
        ConversionError: It is over other axes.
    """
    read, target = reductions.read_tflite(operator, scope, "mean")
    return Mean(input=read.name, output=scope.write(target))


def write_onnx(
    model: OnnxWriter,
    node: Mean,
    inputs: Sequence[OnnxInput],
    output: str,
    certificate: Certificate | None,
) -> None:
    """Add a GlobalAveragePool, which ONNX Runtime fuses into QLinearGlobalAveragePool.

    Or XNNPACK's own arithmetic in float32, in which a sum of codes is exact.
    """
    proof, out = required(node.output.name, certificate), node.output
    step, zero = out.scale, onnx.zero_point(out)
    if proof.integers:
        step, zero = np.float32(1), np.uint8(0 if out.unsigned else onnx.OFFSET)
        codes = model.dequantise(inputs[0].codes, step, zero)
        axes = model.constant(f"{out.name}/axes", np.array([2, 3]))
        total = model.node(SUM, [codes, axes], keepdims=1)
        source, offset = inputs[0].tensor, UINT8_OFFSET if out.unsigned else 0
        zeros = source.zero_point + offset, out.zero_point + offset
        line = _line(math.prod(source.shape[:2]), zeros, np.full(1, source.scale), out.scale)
        scaled = model.node("Mul", [total, model.scalar(line[0][0])])
        real = model.node("Add", [scaled, model.scalar(line[1][0])])
    else:
        real = model.node("GlobalAveragePool", onnx.dequantise(model, inputs, proof.scales))
    if node.keep_dims:
        model.quantise(real, step, zero, output)
    else:
        model.node("Flatten", [model.quantise(real, step, zero)], output)


def layer_of_tflite(source: LayerSource) -> StoredLayer | None:
    """Return a mean over height and width; None for a pool over less than the whole image."""
    operator, before = source.operator, source.inputs[0]
    if operator.builtin == "AVERAGE_POOL_2D":
        window, strides = pools.window_of(operator), pools.strides_of(operator)
        if min(*strides, *window) < 1 or before.shape[:-1] != window or len(before.shape) != 3:
            return None
        padded = source.padding() == "same"
        if padded and any(same_pads(window, window, strides, (1, 1))):
            return None
        return dataclasses.replace(source.as_kind("mean"), window=window)
    return reductions.layer_of_tflite(source, "mean") or source.layer


def _read_mean(reader: OnnxReader, node: OnnxOperator) -> OnnxValue | None:
    """Read GlobalAveragePool, and ReduceMean over height and width."""
    reduced = reductions.over_height_and_width(reader, node, whole=node.op != "ReduceMean")
    if reduced is None:
        return None
    value, out, window = reduced
    return reader.add_layer(node, "mean", [value], out, window=window)


def _read_sum(reader: OnnxReader, node: OnnxOperator) -> OnnxActivation | None:
    """Read the sum of codes of a mean in XNNPACK's arithmetic, as `write_onnx` writes it."""
    reduced = reductions.over_height_and_width(reader, node, whole=False)
    if reduced is None or not node.attributes.get("keepdims", 1):
        return None
    value, out, window = reduced
    factor = _number_behind(reader, node, "Mul")
    addend = None if factor is None else _number_behind(reader, factor[0], "Add")
    counted = value.real and value.scale == 1 and value.zero_point in {0, QMIN}
    if factor is None or addend is None or not counted:
        return None
    unsigned = value.zero_point == QMIN
    unknown = dataclasses.replace(value, scale=None, zero_point=None)
    parameters = UNSIGNED if unsigned else ()
    total = reader.add_layer(node, "mean", [unknown], out, window=window, parameters=parameters)
    reader.own_steps.add(total.source)
    reader.deduced[total.source] = functools.partial(
        _on_the_grid_of_its_line, line=(factor[1], addend[1])
    )
    return total


def _number_behind(
    reader: OnnxReader, node: OnnxOperator, op: str
) -> tuple[OnnxOperator, np.float32] | None:
    """Return the only node that reads a node's output, and the number that it has besides."""
    if not reader.read_once(node.output(0)):
        return None
    (behind,) = reader.reading(node.output(0)) or (None,)
    if behind is None or behind.op != op:
        return None
    number = reader.numbers(behind, 1) if behind.input(0) == node.output(0) else None
    if number is None or number.size != 1 or number.dtype != np.float32:
        return None
    return behind, np.float32(number.ravel()[0])


def _read_step_of_sum(reader: OnnxReader, node: OnnxOperator) -> OnnxActivation | None:
    """Read the multiplication and the addition behind a sum, which it was read with."""
    value = reader.value(node, 0)
    if not isinstance(value, OnnxActivation) or not reader.is_unquantised(value):
        return None
    layer = reader.layers[value.source]
    return value if (layer.kind, layer.op) == ("mean", SUM) else None


def _on_the_grid_of_its_line(
    layer: StoredLayer, taken: Sequence[LayerInput], *, line: tuple[np.float32, np.float32]
) -> StoredLayer:
    """Return a mean on the grid on which it is read, if its numbers are those of that grid."""
    unsigned = layer.parameters == UNSIGNED
    if layer.output.scale != 1 or layer.output.zero_point != (QMIN if unsigned else 0):
        return with_fault(layer, "form", "means are put on another grid than that of codes")
    (read,), offset = layer.reads, UINT8_OFFSET if unsigned else 0
    if read.scale is None or read.zero_point is None or not taken:
        output = dataclasses.replace(layer.output, scale=None, zero_point=None, unstated=True)
        return dataclasses.replace(layer, output=output)
    for each in taken:
        if each.scale is None or each.zero_point is None or not is_scale(each.scale):
            continue
        zeros = read.zero_point + offset, each.zero_point + offset
        own = _line(math.prod(layer.window), zeros, np.full(1, read.scale), each.scale)
        if (own[0][0], own[1][0]) == line:
            return on_grid_of(layer, each)
    return with_fault(layer, "form", "a mean has other numbers than its grids give")


ONNX: Mapping[str, FileForm] = {
    "GlobalAveragePool": FileForm(read=_read_mean, computed=True, ort_kernel=QLINEAR),
    "AveragePool": FileForm(ort_kernel=QLINEAR),
    "QLinearAveragePool": FileForm(ort_kernel=QLINEAR),
    "Conv": FileForm(computed=True),
    QLINEAR: FileForm(read=one_input(_read_mean), ort_kernel=QLINEAR),
    "ReduceMean": FileForm(read=_read_mean, ort_kernel=QLINEAR),
    SUM: FileForm(read=_read_sum, computed=True),
    "Mul": FileForm(pairs_only=True, read=_read_step_of_sum, computed=True),
    "Add": FileForm(pairs_only=True, read=_read_step_of_sum, computed=True),
}


def examples() -> Iterator[Example]:
    """Yield means of an odd and of an even number of positions; one needs another scale."""
    for name, size, scales, zeros in (
        ("7x7", (7, 7), (0.0235, 0.0117), (-128, -128)),
        ("4x4", (4, 4), (0.1013, 0.0307), (5, -77)),
        ("3x11", (3, 11), (0.16657242, 0.14370768), (-128, -128)),
        ("keep_dims", (6, 5), (0.0731, 0.0417), (-8, 3)),
    ):
        source = QTensor(
            name="image", shape=(*size, 3), scale=np.float32(scales[0]), zero_point=zeros[0]
        )
        shape = (1, 1, 3) if name == "keep_dims" else (3,)
        mean = QTensor(name="mean", shape=shape, scale=np.float32(scales[1]), zero_point=zeros[1])
        yield Example(name=name, node=Mean(input="image", output=mean), inputs=(source,))
