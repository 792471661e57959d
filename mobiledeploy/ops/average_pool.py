"""The mean of each window of an image on the image's own grid: AVERAGE_POOL_2D.

TFLite sums codes and divides by how many of them the window meets, padding not counted; halves go
away from code 0, which of uint8 codes means up. XNNPACK leaves it to that kernel. ONNX Runtime
rounds halves to even: with an output step slightly below 1 (`half_away`) it rounds them away from
code 0 too, and no other mean moves over a half. A pool depends only on a window's sum and count,
so all of them are tried.

Where no window hangs over the border, the `.onnx` has a convolution with weights of 1, which is
fused into an integer kernel; else an AveragePool, kept in float32 by the multiplication behind it,
because ONNX Runtime's integer kernel is twelve times slower than the convolution.

Sources: TFLite's tflite/kernels/internal/optimized/integer_ops/pooling.h; ONNX Runtime's
core/providers/cpu/nn/pool_functors.h and mlas/lib/pooling.cpp.
"""

import dataclasses
import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from mobiledeploy.base.errors import ConversionError, RequestError
from mobiledeploy.formats.onnx import OnnxOperator
from mobiledeploy.formats.onnx.writer import OnnxWriter
from mobiledeploy.formats.tflite import TfliteOperator, schema
from mobiledeploy.formats.tflite.writer import TfliteWriter
from mobiledeploy.ops import mean, one_grid, onnx, pad, padding, pools, tflite, without_weights
from mobiledeploy.ops.architecture import Layer
from mobiledeploy.ops.capabilities import Cases
from mobiledeploy.ops.certificate import Certificate
from mobiledeploy.ops.file_form import FileForm
from mobiledeploy.ops.grid import Grid
from mobiledeploy.ops.node import OneInput
from mobiledeploy.ops.onnx import OnnxInput
from mobiledeploy.ops.onnx_reader import OnnxReader
from mobiledeploy.ops.onnx_reading import one_input
from mobiledeploy.ops.onnx_values import OnnxActivation, OnnxValue, QuantisedConstant
from mobiledeploy.ops.operator import Example, Kernel, Trials, layer_of
from mobiledeploy.ops.padding import Pair
from mobiledeploy.ops.products import batch_room
from mobiledeploy.ops.ranges import Interval
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
    expect_grid,
)
from mobiledeploy.ops.tflite import Scope, TfliteInput, refusal
from mobiledeploy.ops.tflite_reading import LayerSource
from mobiledeploy.ops.weights import Weights

LAYERS: tuple[str, ...] = ("average_pool",)
TFLITE: Mapping[str, FileForm] = {"AVERAGE_POOL_2D": mean.TFLITE["AVERAGE_POOL_2D"]}
FIXED_RANGE: Interval | None = None
IMAGES: bool = True
SYMMETRIC: bool = False
LITERT_KERNELS: tuple[Kernel, ...] = ("x86",)
TRIALS: Trials | None = Trials(
    layers="average pool",
    cases="{cases} sums of codes, from the lowest to the highest, in {layers}",
)

KERNELS: str = "TFLite's kernel and ONNX Runtime's, convolution and average pool"
CASE: str = "sum of codes and number of them"
CASES: str = "sums of codes"
ONE_CODE: bool = False

MOST_TRIALS: Final = 64
"""Most images for the sums of a pool."""

_ONE, _MIDDLE = np.float32(1), np.uint8(onnx.OFFSET)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AveragePool(OneInput):
    """The mean of each window, padding not counted.

    Attributes:
        input: The image.
        output: On the image's grid; a vector if the window is the whole image.
        window: Height and width of the window.
        strides: Vertical and horizontal step.
        padding: SAME or VALID. For one that counts, pad the image before.
    """

    window: tuple[int, int]
    strides: tuple[int, int]
    padding: schema.Padding

    def check(self, inputs: Sequence[QTensor]) -> None:
        """Check shape, grid and window; see `node.Node.check`."""
        (source,) = inputs
        name, out = self.output.name, self.output
        expect(name, "rank of the input", len(source.shape), 3)
        if min(*self.window, *self.strides) < 1:
            raise ConversionError(f"`{name}`: expected a positive window and strides")
        if self.padding not in ("same", "valid"):
            raise ConversionError(f"`{name}`: expected SAME or VALID, received {self.padding}")
        sides = padding.sides_after(source.shape[:2], self.window, self.strides, self.padding)
        shape: Shape = (*sides, source.shape[2])
        if self.window == source.shape[:2] and sides == (1, 1):
            shape = shape[2:]
        expect(name, f"output shape, with padding {self.padding.upper()},", out.shape, shape)
        expect_grid(out, source.scale, source.zero_point)


NODE: type[AveragePool] = AveragePool
kernel_shape = without_weights.kernel_shape
tflite_version = tflite.second_version
work = without_weights.work
scale_ratios = without_weights.scale_ratios
given_shape = pools.given_shape
operand_ranges = one_grid.operand_ranges
output_range = one_grid.output_range


def output_shape(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    """Return height, width and channels of the output; see `operator.Operator.output_shape`."""
    shape = pools.shape_of_windows(layer, inputs)
    if layer.padding not in ("same", "valid"):
        raise RequestError(
            f"layer `{layer.name}` (average_pool): expected SAME or VALID, received "
            f"{layer.padding}",
            hint="for padding that is counted, put a layer `pad` before it",
        )
    if layer.kernel == inputs[0][:2] and shape[:2] == (1, 1):
        return shape[2:]
    return shape


def quantise(
    layer: Layer, inputs: Sequence[Grid], output: QTensor, weights: Weights | None
) -> AveragePool | mean.Mean:
    """Return the node of a layer: a mean where that is the same function, as it is when read."""
    del inputs, weights
    around: schema.Padding = "same" if layer.padding == "same" else "valid"
    strides = layer.strides
    if len(output.shape) == 1:
        if _is_mean(output, layer.kernel):
            return mean.Mean(input=layer.inputs[0], output=output)
        # Where there is one window, its steps do not matter.
        strides, around = layer.kernel, "valid"
    return AveragePool(
        input=layer.inputs[0],
        output=output,
        window=layer.kernel,
        strides=strides,
        padding=around,
    )


def _is_mean(output: QTensor, window: Pair) -> bool:
    """Whether the pool of a whole image gives the code of its mean for every sum."""
    return mean.average_pool_is_mean(
        output.name,
        positions=math.prod(window),
        scale=output.scale,
        zero_point=output.zero_point,
    )


def float_layer(node: AveragePool, inputs: Sequence[QTensor]) -> Layer:
    """Return the layer of a node."""
    return dataclasses.replace(
        layer_of("average_pool", node, inputs),
        kernel=node.window,
        strides=node.strides,
        padding=node.padding,
    )


def ort_average_pool(
    sums: Codes, counts: Codes, most: int, *, inverse: bool, unsigned: bool = False
) -> Codes:
    """Return ONNX Runtime's codes of means by an average pool in float32.

    Args:
        sums: Sums of int8 codes.
        counts: How many codes each is of.
        most: The largest count there is.
        inverse: Whether a kernel multiplies by 1 / count.
        unsigned: Whether it counts uint8 codes.
    """
    offset = UINT8_OFFSET if unsigned else 0
    real, number = (sums + counts * offset).astype(np.float32), counts.astype(np.float32)
    means = real * (_ONE / number) if inverse else real / number
    step = _step(most, unsigned=unsigned)
    codes: Codes = np.rint(means * (_ONE / step)).astype(np.int64) - offset
    return np.clip(codes, QMIN, QMAX)


def _step(count: int, *, unsigned: bool) -> np.float32:
    """Return the step by which ONNX Runtime rounds means of at most so many codes as TFLite."""
    return mean.half_away(count, farthest=QMAX - QMIN if unsigned else -QMIN)


def _counts(node: AveragePool, size: Sequence[int]) -> Codes:
    """Return how many pixels each window meets, shape (height, width)."""
    rows, columns = (
        np.minimum(starts + extent, length) - np.maximum(starts, 0)
        for starts, extent, length in (
            (
                np.arange(-(-(length + before + after - extent + 1) // stride)) * stride - before,
                extent,
                length,
            )
            for length, extent, stride, (before, after) in zip(
                size,
                node.window,
                node.strides,
                padding.pads(tuple(size), node.window, node.strides, node.padding),
                strict=True,
            )
        )
    )
    counts: Codes = rows[:, None] * columns
    return counts


def _hangs_over(node: AveragePool, source: QTensor) -> bool:
    """Whether a window meets padding."""
    return bool(_counts(node, source.shape[:2]).min() < math.prod(node.window))


def certify(node: AveragePool | mean.Mean, inputs: Sequence[QTensor]) -> Certificate:
    """Return a certificate: of all sums, for each number of pixels that a window meets.

    Raises:
        ConversionError: The window is too large to try all sums, or some kernel rounds otherwise.
    """
    if isinstance(node, mean.Mean):
        return mean.certify(node, inputs)
    cases = all_cases(node, inputs)
    (expected,) = litert_cases(node, inputs, cases)
    differing = int((np.stack(ort_cases(node, inputs, cases)) != expected).any(axis=0).sum())
    if differing:
        raise ConversionError(
            f"`{node.output.name}`: {differing} of {expected.size} sums are rounded differently "
            "by the runtimes"
        )
    return Certificate(
        name=node.output.name,
        scales=(inputs[0].scale,),
        cases=expected.size,
        differing_before=0,
        differing_after=0,
    )


def all_cases(node: AveragePool, inputs: Sequence[QTensor]) -> Cases:
    """Return all sums of codes, and of how many codes each is.

    Raises:
        ConversionError: The window is too large to try all sums.
    """
    counts = np.unique(_counts(node, inputs[0].shape[:2]))
    if counts[-1] > mean.MOST_POSITIONS:
        raise ConversionError(
            f"`{node.output.name}`: expected a window of at most {mean.MOST_POSITIONS} pixels, "
            f"received {node.window}"
        )
    sums = [np.arange(QMIN * count, QMAX * count + 1) for count in counts.tolist()]
    numbers = [np.full(each.size, count) for each, count in zip(sums, counts, strict=True)]
    return np.concatenate(sums), np.concatenate(numbers)


def cases_of(node: AveragePool, inputs: Sequence[QTensor], codes: Sequence[Int8]) -> Cases:
    """Return the sum of each window of images, and how many codes it is of."""
    shape = (len(codes[0]), *node.output.shape)
    counts = _counts(node, inputs[0].shape[:2])[..., None]
    sums = _sums(node, codes[0].astype(np.int64))
    return sums.reshape(shape), np.broadcast_to(counts, sums.shape).reshape(shape)


def _sums(node: AveragePool, image: padding.Array) -> padding.Array:
    """Return the sum of each window, shape (batch, height, width, channels)."""
    size = image.shape[1:3]
    around = padding.pads(size, node.window, node.strides, node.padding)
    sides = padding.sides_after(size, node.window, node.strides, node.padding)
    bordered = np.pad(image, ((0, 0), *around, (0, 0)))
    views = padding.windows(bordered, node.window, node.strides, sides)
    total = next(views)[0].copy()
    for view, _, _ in views:
        total += view
    return total


def litert_cases(
    node: AveragePool, inputs: Sequence[QTensor], cases: Cases, form: str = ""
) -> tuple[Codes, ...]:
    """Return TFLite's codes."""
    del inputs, form
    sums, counts = cases
    return (mean.tflite_average_pool(sums, counts, unsigned=node.output.unsigned),)


def ort_cases(
    node: AveragePool, inputs: Sequence[QTensor], cases: Cases, form: str = ""
) -> tuple[Codes, ...]:
    """Return the codes of the form that `write_onnx` gives it, for each way to divide."""
    del form
    sums, counts = cases
    up = node.output.unsigned
    if not _hangs_over(node, inputs[0]):
        return (mean.ort_convolution(sums, math.prod(node.window), unsigned=up),)
    most = int(_counts(node, inputs[0].shape[:2]).max())
    return tuple(
        ort_average_pool(sums, counts, most, inverse=inverse, unsigned=up)
        for inverse in (False, True)
    )


def litert_limits(node: AveragePool, inputs: Sequence[QTensor], form: str) -> Iterator[str]:
    """Yield that it has two grids, of which TFLite's kernel knows one."""
    del form
    yield from _grid_limits(node, inputs)


def ort_limits(node: AveragePool, inputs: Sequence[QTensor], form: str) -> Iterator[str]:
    """Yield that it has two grids, or the form of other tools, whose rounding is not known."""
    yield from _grid_limits(node, inputs)
    if not ONNX[form].computed:
        yield f"how {form} rounds halves is not known"


def _grid_limits(node: AveragePool, inputs: Sequence[QTensor]) -> Iterator[str]:
    (source,), out = inputs, node.output
    if (source.scale, source.zero_point) != (out.scale, out.zero_point):
        yield "an average pooling with two grids"


def node_of(layer: StoredLayer, inputs: Sequence[QTensor], output: QTensor) -> AveragePool:
    """Return the node of a layer in a file.

    Raises:
        ConversionError: Its padding is neither SAME nor VALID.
    """
    (source,) = inputs
    around = padding.padding_from(source.shape[:2], layer.window, layer.strides, layer.pads)
    if around not in ("same", "valid"):
        raise ConversionError(f"`{output.name}`: expected SAME or VALID, received {layer.pads}")
    shape = output.shape
    if len(shape) == 1:
        # Of a window that is the whole image, or of any other that gives one pixel.
        shape = shape if layer.window == source.shape[:2] else (1, 1, *shape)
    return AveragePool(
        input=source.name,
        output=dataclasses.replace(mean.unsigned_as_stated(layer, output), shape=shape),
        window=layer.window,
        strides=layer.strides,
        padding=around,
    )


def trials(layer: StoredLayer, shapes: Sequence[Shape]) -> tuple[tuple[Int8, ...], int]:
    """Return images whose windows have sums spread from the lowest to the highest."""
    shape = shapes[0] if len(shapes[0]) == 3 else (1, 1, *shapes[0])
    positions = math.prod(layer.window)
    lowest, highest = QMIN * positions, QMAX * positions
    images = min(MOST_TRIALS, batch_room(shape))
    cells = [-(-length // extent) for length, extent in zip(shape[:2], layer.window, strict=True)]
    count = min(highest - lowest + 1, images * math.prod(cells) * shape[2])
    images = -(-count // (math.prod(cells) * shape[2]))
    wanted = np.resize(
        np.rint(np.linspace(lowest, highest, count)).astype(np.int64),
        (images, cells[0], cells[1], shape[2]),
    )
    codes, rest = np.divmod(wanted, positions)
    height, width = layer.window
    order = np.arange(positions).reshape(1, 1, height, 1, width, 1)
    # Of a sum that does not divide evenly, some pixels get one more.
    spread = codes[:, :, None, :, None] + (order < rest[:, :, None, :, None])
    whole = spread.reshape(images, cells[0] * height, cells[1] * width, shape[2])
    batch = whole[:, : shape[0], : shape[1]].astype(np.int8)
    return (np.ascontiguousarray(batch).reshape(-1, *shapes[0]),), count


def litert_codes(
    node: AveragePool, inputs: Sequence[QTensor], codes: Sequence[Int8], *, kernel: Kernel
) -> Int8:
    """Return the codes that TFLite's own kernel computes, on every architecture."""
    del kernel
    (means,) = litert_cases(node, inputs, cases_of(node, inputs, codes))
    return means.astype(np.int8)


def float_values(
    node: AveragePool, inputs: Sequence[Float32], weights: tuple[Float32, Float32] | None
) -> Float32:
    """Return the means of real values."""
    del weights
    counts = _counts(node, inputs[0].shape[1:3])[..., None].astype(np.float32)
    means = np.divide(_sums(node, inputs[0]), counts, dtype=np.float32)
    return means.reshape(len(means), *node.output.shape)


def write_tflite(
    model: TfliteWriter, node: AveragePool, inputs: Sequence[TfliteInput], output: int
) -> None:
    """Add the operator; behind it a RESHAPE if its output is a vector.

    Raises:
        ConversionError: It is of uint8 codes.
    """
    mean.refuse_unsigned(node.output)
    pooled, out = output, node.output
    if len(out.shape) == 1:
        pooled = model.activation(
            model.free(f"{out.name}/pooled"),
            np.int8,
            (1, 1, 1, *out.shape),
            scale=out.scale,
            zero_point=out.zero_point,
        )
    model.operator(
        "AVERAGE_POOL_2D",
        tflite_version(node, []).number,
        tflite.indices(inputs),
        pooled,
        "Pool2DOptions",
        **pools.options(node.window, node.strides, node.padding),
    )
    if pooled != output:
        shape = model.constant(f"{out.name}/shape", np.array([-1, *out.shape], np.int32))
        model.operator("RESHAPE", 1, [pooled, shape], output, "ReshapeOptions")


def read_tflite(operator: TfliteOperator, scope: Scope) -> AveragePool | mean.Mean:
    """Return the node of an operator: a mean where that is the same function.

    Raises:
        ConversionError: It has an activation, or changes the grid.
    """
    source, target = tflite.ends(operator, inputs=1)
    read = scope.read(source, operator)
    window, strides = pools.window_of(operator), pools.strides_of(operator)
    around = schema.padding(operator.option("padding"))
    whole = (
        len(read.shape) == 3
        and read.shape[:2] == window
        and around is not None
        and min(strides) > 0
        and padding.sides_after(window, window, strides, around) == (1, 1)
    )
    output = scope.write(target, vector=whole)
    tflite.refuse_activation(operator, output)
    if (read.scale, read.zero_point) != (output.scale, output.zero_point):
        raise refusal(operator, "expected input and output on one grid")
    if around is None:
        raise refusal(operator, "expected SAME or VALID")
    if whole and len(output.shape) > 1:
        raise refusal(operator, f"a window over the whole image gives no {output.shape}")
    if whole:
        if _is_mean(output, window):
            return mean.Mean(input=read.name, output=output)
        # Where there is one window, its steps do not matter.
        strides, around = window, "valid"
    return AveragePool(
        input=read.name, output=output, window=window, strides=strides, padding=around
    )


def write_onnx(
    model: OnnxWriter,
    node: AveragePool,
    inputs: Sequence[OnnxInput],
    output: str,
    certificate: Certificate | None,
) -> None:
    """Add a convolution with weights of 1, or an average pool in float32.

    Codes are read on the grid on which code 0, of int8 or of uint8, is 0: halves go away from it.
    """
    del certificate
    (read,), name, out = inputs, node.output.name, node.output
    up, zero = node.output.unsigned, np.uint8(0) if node.output.unsigned else _MIDDLE
    real = model.dequantise(read.codes, _ONE, zero)
    size, channels = read.tensor.shape[:2], read.tensor.shape[2]
    begins, ends = zip(*padding.pads(size, node.window, node.strides, node.padding), strict=True)
    options: dict[str, Any] = {"kernel_shape": node.window, "strides": node.strides}
    if _hangs_over(node, read.tensor):
        most = int(_counts(node, size).max())
        means = model.node(
            "AveragePool", [real], pads=[*begins, *ends], count_include_pad=0, **options
        )
        real = model.node("Mul", [means, model.scalar(_ONE / _step(most, unsigned=up))])
        step = _ONE
    else:
        count = math.prod(node.window)
        ones = model.node(
            "DequantizeLinear",
            [
                model.constant(f"{name}/kernel", np.ones((channels, 1, *node.window), np.int8)),
                model.constant(f"{name}/scale", np.array(1, np.float32)),
                model.constant(f"{name}/zero_point", np.array(0, np.int8)),
            ],
        )
        real = model.node("Conv", [real, ones], pads=[0, 0, 0, 0], group=channels, **options)
        step = np.float32(count) * _step(count, unsigned=up)
    if len(out.shape) == 1:
        model.node("Flatten", [model.quantise(real, step, zero)], output)
        return
    model.quantise(real, step, zero, output)


def layer_of_tflite(source: LayerSource) -> StoredLayer | None:
    """Return a pool; a mean where the window is the whole image, None if it makes no sense."""
    whole = mean.layer_of_tflite(source)
    unsigned = source.inputs[0].dtype == "uint8"
    if whole is not None and (not unsigned or math.prod(whole.window) % 2):
        return whole  # of an odd number of codes, no mean is a half
    return pools.layer_of_tflite(source, "average_pool")


def read_convolution(
    reader: OnnxReader,
    node: OnnxOperator,
    value: OnnxActivation,
    kernel: OnnxValue | None,
    *,
    biased: bool,
) -> OnnxActivation | None:
    """Read the convolution with weights of 1 that `write_onnx` writes.

    Args:
        reader: Of the file.
        node: A convolution.
        value: What it reads.
        kernel: Its kernel.
        biased: Whether it has a bias.

    Returns:
        None where it is another convolution.
    """
    if biased or not isinstance(kernel, QuantisedConstant) or kernel.codes.ndim != 4:
        return None
    ones = kernel.scale.size == 1 and kernel.scale[0] == 1 and not kernel.zero.any()
    groups = int(node.number("group", 1))
    plain = kernel.codes.shape[:2] == (groups, 1) and value.size("C") == groups
    if not (ones and plain and (kernel.codes == 1).all()) or not _counts_codes(value):
        return None
    stated = dict(node.attributes) | {"kernel_shape": kernel.codes.shape[2:]}
    pooled = pools.pool_of(reader, dataclasses.replace(node, attributes=stated))
    if pooled is None:
        return None
    value, window, strides, around = pooled
    if any(around):
        return None
    count, up = math.prod(window), value.zero_point == QMIN
    step = np.float32(count) * _step(count, unsigned=up)
    return _pool(reader, node, value, window, strides, around, step=step, unsigned=up)


def _counts_codes(value: OnnxActivation) -> bool:
    """Whether a value counts from code 0, of int8 or of uint8, in steps of 1."""
    return value.real and value.scale == 1 and value.zero_point in {0, QMIN}


def _pool(
    reader: OnnxReader,
    node: OnnxOperator,
    value: OnnxActivation,
    window: Pair,
    strides: Pair,
    around: padding.Pads,
    *,
    step: np.float32 | None,
    unsigned: bool = False,
) -> OnnxActivation:
    """Add a pool; a mean where the window is the whole image.

    Args:
        reader: Of the file.
        node: That it is read from.
        value: What it reads.
        window: Height and width of the window.
        strides: Vertical and horizontal step.
        around: The padding.
        step: Of the grid on which the file puts means of codes; None where the file states the
            grids of input and output.
        unsigned: Whether it is one of uint8 codes.
    """
    out = pools.output_of(value, window, strides, around)
    if step is not None:
        value = dataclasses.replace(value, scale=None, zero_point=None)
    even = unsigned and math.prod(window) % 2 == 0
    if window == value.sizes[2:] and not any(around) and not even:
        pooled = reader.add_layer(node, "mean", [value], out, window=window)
    else:
        pooled = reader.add_layer(
            node,
            "average_pool",
            [value],
            out,
            window=window,
            strides=strides,
            pads=around,
            parameters=mean.UNSIGNED if unsigned else (),
        )
    if step is not None:
        reader.moved.append(pooled.source)
        zero = QMIN if unsigned else 0
        reader.deduced[pooled.source] = functools.partial(
            _on_its_own_grid, step=step, zero_point=zero
        )
    return pooled


def _on_its_own_grid(
    layer: StoredLayer, taken: Sequence[LayerInput], *, step: np.float32, zero_point: int
) -> StoredLayer:
    """Return a pool of codes on the grid that it reads them by.

    Args:
        layer: The pool of codes, on a grid of about 1 or the number of codes.
        taken: How other layers read it.
        step: Scale of that grid for halves to go away from its zero point.
        zero_point: The code 0 of int8 or of uint8.
    """
    if layer.output.scale != step or layer.output.zero_point != zero_point:
        detail = f"means of codes are put on a grid of scale {layer.output.scale}, expected {step}"
        return with_fault(layer, "form", detail)
    (read,) = layer.reads
    known = [each for each in (read, *taken) if each.scale is not None]
    if not known:
        # It is of the codes of a table, say, and what reads it states no scale for certain.
        output = dataclasses.replace(
            layer.output, scale=None, zero_point=read.zero_point, unstated=True
        )
        return dataclasses.replace(layer, output=output)
    return on_grid_of(layer, known[0])


def by_codes(layer: StoredLayer) -> bool:
    """Whether a pool is one of codes, on whatever grid; see `capabilities.CountsCodes`."""
    return layer.op in ONNX and ONNX[layer.op].computed


def _read_average_pool(reader: OnnxReader, node: OnnxOperator) -> OnnxActivation | None:
    """Read AveragePool; padding that it counts is a layer of its own."""
    pooled = pools.pool_of(reader, node)
    if pooled is None or not pooled[0].real:
        return None
    value, window, strides, around = pooled
    if any(around) and node.number("count_include_pad", 0):
        # Sizes that are rounded up add padding that is not counted.
        if node.number("ceil_mode", 0) or value.scale is None:
            return None
        value, around = pad.before(reader, node, value, around), (0, 0, 0, 0)
    return _pool(reader, node, value, window, strides, around, step=None)


def _read_scaled(reader: OnnxReader, node: OnnxOperator) -> OnnxActivation | None:
    """Complete the average pool in float32 that `write_onnx` writes, by what multiplies it."""
    means, factor = reader.value(node, 0), reader.numbers(node, 1)
    if not isinstance(means, OnnxActivation) or not reader.is_unquantised(means):
        return None
    layer = reader.layers[means.source]
    if layer.kind != "average_pool" or not reader.read_once(node.inputs[0]):
        return None
    (read,) = layer.reads
    source = dataclasses.replace(means, scale=read.scale, zero_point=read.zero_point)
    if not _counts_codes(source) or factor is None or means.source in reader.deduced:
        return None
    if factor.size != 1 or reader.bounds[means.source] != (-math.inf, math.inf):
        return None
    numbers, up = range(1, math.prod(layer.window) + 1), read.zero_point == QMIN
    if factor.ravel()[0] not in {_ONE / _step(count, unsigned=up) for count in numbers}:
        return None
    unknown = dataclasses.replace(read, scale=None, zero_point=None)
    parameters = mean.UNSIGNED if up else ()
    reader.layers.change(means.source, op=node.op, reads=(unknown,), parameters=parameters)
    reader.moved.append(means.source)
    reader.deduced[means.source] = functools.partial(
        _on_its_own_grid, step=_ONE, zero_point=QMIN if up else 0
    )
    return means


ONNX: Mapping[str, FileForm] = {
    "AveragePool": FileForm(pairs_only=True, read=_read_average_pool),
    "QLinearAveragePool": FileForm(read=one_input(_read_average_pool)),
    "Conv": FileForm(pairs_only=True, computed=True),
    "Mul": FileForm(pairs_only=True, read=_read_scaled, computed=True),
}


def examples() -> Iterator[Example]:
    """Yield pools with and without padding, of odd and of even windows."""
    for name, size, window, strides, around in _EXAMPLES:
        source = QTensor(name="image", shape=(*size, 3), scale=np.float32(0.031), zero_point=-17)
        sides = padding.sides_after(size, window, strides, around)
        node = AveragePool(
            input="image",
            output=dataclasses.replace(source, name="pooled", shape=(*sides, 3)),
            window=window,
            strides=strides,
            padding=around,
        )
        yield Example(name=name, node=node, inputs=(source,))


_EXAMPLES: tuple[tuple[str, Pair, Pair, Pair, schema.Padding], ...] = (
    ("2x2 valid", (8, 6), (2, 2), (2, 2), "valid"),
    ("3x3 valid", (9, 7), (3, 3), (1, 2), "valid"),
    ("3x3 same", (9, 7), (3, 3), (1, 1), "same"),
    ("4x2 same", (9, 7), (4, 2), (2, 3), "same"),
)
