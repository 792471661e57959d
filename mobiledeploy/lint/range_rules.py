"""Rules on activations: codes that are never used, and scales that kernels refuse."""

import math
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.formats.model import CODES
from mobiledeploy.formats.tflite.quantisation import CARRIERS
from mobiledeploy.lint.graph import Graph
from mobiledeploy.lint.layers import Layer
from mobiledeploy.lint.rule import Place, Rule
from mobiledeploy.ops.capabilities import MovesCodes
from mobiledeploy.ops.grid import activation_grid
from mobiledeploy.ops.weights import WIDEST_MULTIPLIER

MOST_DEAD: Final = 0.05
"""Share of the codes that an activation may leave unused."""
LEAST_USED: Final = 0.5
"""Share of the codes that the weights must be able to reach."""
SAME_SCALE: Final = 1e-5
"""Relative difference of equal scales: those of certified additions differ by about 1e-6."""
INT32: Final = np.iinfo(np.int32).max
BLOCK: Final = 1 << 20
"""Weights that are checked at a time, so that a large file is not copied whole."""

_Sums: TypeAlias = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]


def _dead_codes(graph: Graph) -> Iterator[Place]:
    for layer in graph.layers:
        codes = layer.codes()
        if codes is None or layer.bounds is None or layer.output.tensor.dtype == "int16":
            continue  # int16 activations have zero point 0 by definition, so that half is unused
        lowest, highest = CODES[layer.output.tensor.dtype]
        dead = (codes[0] - lowest) + (highest - codes[1])
        if dead > MOST_DEAD * (highest - lowest + 1):
            low, high = (f"{bound:g}" for bound in layer.bounds)
            yield Place(
                where=layer.where,
                found=f"{dead} of {highest - lowest + 1} codes are outside {low}..{high}; "
                f"codes {codes[0]}..{codes[1]} are in use",
            )


def _wasted_range(graph: Graph) -> Iterator[Place]:
    for layer in graph.layers:
        codes, reached = layer.codes(), _reachable(graph, layer)
        if codes is None or reached is None or _dead_layer(layer):
            continue
        if layer.output.tensor.dtype == "int16":
            continue
        low, high = max(codes[0], reached[0]), min(codes[1], reached[1])
        used = max(high - low + 1, 0) / (codes[1] - codes[0] + 1)
        if used < LEAST_USED:
            yield Place(
                where=layer.where,
                found=f"no input gives codes outside {low}..{high}: {used:.0%} of the range",
            )


def _fixed_grid(graph: Graph) -> Iterator[Place]:
    if graph.model.format != "tflite":
        return
    for layer in graph.layers:
        fixed = None if layer.module is None else layer.module.FIXED_RANGE
        grid = layer.output.per_tensor
        dtype = layer.output.tensor.dtype
        if fixed is None or grid is None or not layer.integer or dtype == "int16":
            continue
        right = activation_grid(layer.where, *fixed)
        zero = right.zero_point + CODES[dtype][0] - CODES["int8"][0]
        if grid != (right.scale, zero):
            yield Place(
                where=layer.where,
                found=f"scale {grid[0]:.6g}, zero point {grid[1]}",
                expected=f"scale 1/{1 / right.scale:.6g}, zero point {zero}",
            )


def _changed_grid(graph: Graph) -> Iterator[Place]:
    for layer in graph.layers:
        moves = layer.operator.kind in CARRIERS or isinstance(layer.module, MovesCodes)
        if graph.model.format != "tflite" or not moves or not layer.integer:
            continue
        output = layer.output.per_tensor
        for source in (source.per_tensor for source in layer.sources):
            if source is not None and output is not None and source != output:
                yield Place(
                    where=layer.where,
                    found=f"({source[0]:.6g}, {source[1]}) becomes ({output[0]:.6g}, {output[1]})",
                )


def _multiplier(graph: Graph) -> Iterator[Place]:
    for layer in graph.layers:
        multipliers = layer.multipliers()
        if multipliers is None or not multipliers.size:
            continue
        worst = int(multipliers.argmax())
        if multipliers[worst] >= WIDEST_MULTIPLIER:
            yield Place(where=layer.where, found=f"{multipliers[worst]:.3g} in channel {worst}")


def _scale_ratios(graph: Graph) -> Iterator[Place]:
    for layer in graph.layers:
        output, module = layer.output.per_tensor, layer.module
        if (
            output is None
            or module is None
            or len(layer.sources) != len(layer.form.places(layer.operator))
        ):
            continue
        grids = [source.per_tensor for source in layer.sources]
        scales = [math.nan if grid is None else grid[0] for grid in grids]
        for ratio in module.scale_ratios(scales, output[0]):
            # NaN where a scale is not known: then the ratio is not checked.
            if ratio.value < ratio.lowest or ratio.value >= ratio.limit:
                names = " x ".join(f"`{layer.sources[n].tensor.name}`" for n in ratio.inputs)
                yield Place(
                    where=layer.where,
                    found=f"{names} has {ratio.value:.3g} times the scale of the output",
                    expected=f"{_number(ratio.lowest)} to {_number(ratio.limit)} times",
                )


def _number(ratio: float) -> str:
    """Return a bound of a ratio in words: small powers of two as fractions."""
    return f"1/{1 / ratio:,.0f}" if 0 < ratio < 1 else f"{ratio:,.0f}"


def _overflow(graph: Graph) -> Iterator[Place]:
    for layer in graph.layers:
        sums = _sums(graph, layer) if layer.integer else None
        if sums is None or layer.output.tensor.dtype not in {"int8", "uint8"}:
            continue
        largest = np.maximum(-sums[0], sums[1])
        worst = int(largest.argmax())
        if largest[worst] > INT32:
            yield Place(where=layer.where, found=f"{largest[worst]:.4g} in channel {worst}")


def _read_on_another_grid(graph: Graph) -> Iterator[Place]:
    """Find codes that a layer reads with another scale or zero point than their writer's."""
    for layer in graph.layers:
        for source in layer.sources:
            written, read = source.tensor.grid, source.grid
            if written is None or read is None or written.scale.size != read.scale.size:
                continue
            if written.scale.size == 1 and written.scale[0] == 1:
                continue  # products are written exactly in steps of 1
            off = float(np.abs(read.scale / written.scale - 1).max())
            if off > SAME_SCALE or (written.zero_point != read.zero_point).any():
                yield Place(
                    where=layer.where,
                    found=f"`{source.tensor.name}` was written with ({written.scale[0]:.6g}, "
                    f"{written.zero_point[0]}), is read with ({read.scale[0]:.6g}, "
                    f"{read.zero_point[0]})",
                )


def _constant_output(graph: Graph) -> Iterator[Place]:
    for layer in graph.layers:
        if _dead_layer(layer):
            yield Place(where=layer.where, found="all weights are 0")


def _dead_layer(layer: Layer) -> bool:
    kernel = None if layer.kernel is None else layer.kernel.tensor.data
    return kernel is not None and kernel.size > 0 and not kernel.any()


def _sums(graph: Graph, layer: Layer) -> _Sums | None:
    """Return the lowest and highest accumulator of each channel by interval arithmetic.

    The bias is included. Inputs count as independent: every code that the layer before can write
    is possible everywhere. None where weights, scales or zero points are not all known.
    """
    rows, source = layer.rows(), layer.sources[0].per_tensor if layer.sources else None
    kernel = None if layer.kernel is None else layer.kernel.grid
    if rows is None or source is None or kernel is None:
        return None
    low, high = _written(graph, layer)
    zeros = kernel.zero_point
    if zeros.size not in {1, layer.channels}:
        return None
    positive, negative = _signed_sums(rows, zeros)
    bias = np.zeros(layer.channels)
    if layer.bias is not None:
        values = layer.bias.tensor.data
        if values is None or values.size != layer.channels or values.dtype.kind != "i":
            return None
        bias = values.ravel().astype(np.float64)
    low, high = low - source[1], high - source[1]
    return positive * low + negative * high + bias, positive * high + negative * low + bias


def _signed_sums(rows: npt.NDArray[Any], zeros: npt.NDArray[np.int64]) -> _Sums:
    """Return each channel's sums of positive and of negative weights, zero point subtracted."""
    positive, negative = np.zeros(len(rows)), np.zeros(len(rows))
    step = max(BLOCK * len(rows) // rows.size, 1)
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        block = rows[part].reshape(rows[part].shape[0], -1).astype(np.int64)
        block -= zeros.reshape(-1, 1) if zeros.size == 1 else zeros[part].reshape(-1, 1)
        positive[part] = np.maximum(block, 0).sum(axis=1)
        negative[part] = np.minimum(block, 0).sum(axis=1)
    return positive, negative


def _reachable(graph: Graph, layer: Layer) -> tuple[int, int] | None:
    """Return the lowest and highest code for any input, before the activation."""
    output, sums, multiplier = layer.output.per_tensor, _sums(graph, layer), layer.multipliers()
    if output is None or sums is None or multiplier is None:
        return None
    ends = np.array([(sums[0] * multiplier).min(), (sums[1] * multiplier).max()])
    # Extreme scales of a damaged file may give 0 times infinity: then nothing is known.
    codes = np.nan_to_num(np.rint(ends)) + output[1]
    low, high = np.clip(codes, *CODES[layer.output.tensor.dtype])
    return int(low), int(high)


def _written(graph: Graph, layer: Layer) -> tuple[int, int]:
    """Return the lowest and highest code of a layer's input."""
    tensor = layer.sources[0].tensor
    before = graph.by_output.get(id(tensor))
    codes = None if before is None else before.codes()
    return CODES[tensor.dtype] if codes is None else codes


RULES: Final = (
    Rule(
        id="MD201",
        severity="warning",
        title="dead codes: the activation cuts off a part of the range",
        expected="a range that ends at the activation's bounds, such as 0..6",
        hint="clip the calibrated range to the activation's bounds",
        find=_dead_codes,
    ),
    Rule(
        id="MD202",
        severity="warning",
        title="wasted range: the weights cannot reach it",
        expected="at least half of the codes in reach",
        hint="the scale is too large: calibrate on real images, and look at the ranges",
        find=_wasted_range,
    ),
    Rule(
        id="MD203",
        severity="error",
        title="output on another grid than TFLite's",
        expected="the one scale and zero point that the kernel writes, as a softmax does",
        hint="write the output with these: the kernel refuses others, or ignores them",
        find=_fixed_grid,
    ),
    Rule(
        id="MD204",
        severity="error",
        title="operator that cannot change the grid, with two grids",
        expected="one scale and zero point before and after a pool, padding or reshape",
        hint="calibrate both tensors together",
        find=_changed_grid,
    ),
    Rule(
        id="MD205",
        severity="warning",
        title="layer outside XNNPACK's range",
        expected=f"input scale x weight scale / output scale below {WIDEST_MULTIPLIER}",
        hint="the output hardly varies, or its range was never calibrated: calibrate again",
        find=_multiplier,
    ),
    Rule(
        id="MD206",
        severity="warning",
        title="input scales outside the kernel's range",
        expected="scales that LiteRT's kernel accepts",
        hint="an input or the output hardly varies: calibrate again",
        find=_scale_ratios,
    ),
    Rule(
        id="MD207",
        severity="error",
        title="sums that can overflow the int32 accumulator",
        expected=f"sums up to {INT32:,}",
        hint="a bias is far outside the range of its layer: quantise again",
        find=_overflow,
    ),
    Rule(
        id="MD208",
        severity="error",
        title="codes read on another grid than they were written on",
        expected="one scale and zero point for all operators that use a tensor's codes",
        hint="give QuantizeLinear and DequantizeLinear the same scale and zero point",
        find=_read_on_another_grid,
    ),
    Rule(
        id="MD209",
        severity="error",
        title="layer whose output never varies",
        expected="weights other than 0",
        hint="the weights were lost on the way: convert again from the trained model",
        find=_constant_output,
    ),
)
