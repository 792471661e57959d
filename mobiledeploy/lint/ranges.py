"""Rules on activations: codes that nothing reaches, and grids that kernels do not take."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from mobiledeploy.formats.model import CODES
from mobiledeploy.lint.finding import Rule, Sight
from mobiledeploy.lint.graph import Graph
from mobiledeploy.lint.layer import Layer
from mobiledeploy.lint.reach import reachable, sums
from mobiledeploy.ops.add import NARROWEST, WIDEST
from mobiledeploy.ops.softmax import SOFTMAX_SCALE, SOFTMAX_ZERO_POINT
from mobiledeploy.ops.weights import WIDEST_MULTIPLIER

MOST_DEAD: Final = 0.05
"""Share of the codes that may stay unused behind an activation."""
LEAST_USED: Final = 0.5
"""Share of the codes that the weights must be able to reach."""
SAME_SCALE: Final = 1e-5
"""Relative: certified additions are read with scales that differ by some 1e-6."""
INT32: Final = np.iinfo(np.int32).max


def _dead_codes(graph: Graph) -> Iterator[Sight]:
    for layer in graph.layers:
        codes = layer.codes()
        if codes is None or layer.bounds is None or layer.output.tensor.dtype == "int16":
            continue  # int16 activations have zero point 0 by definition, so that half is unused
        lowest, highest = CODES[layer.output.tensor.dtype]
        dead = (codes[0] - lowest) + (highest - codes[1])
        if dead > MOST_DEAD * (highest - lowest + 1):
            low, high = (f"{bound:g}" for bound in layer.bounds)
            yield Sight(
                where=layer.where,
                found=f"{dead} of {highest - lowest + 1} codes lie outside {low}..{high}; "
                f"codes {codes[0]}..{codes[1]} are in use",
            )


def _wasted_range(graph: Graph) -> Iterator[Sight]:
    for layer in graph.layers:
        codes, reached = layer.codes(), reachable(graph, layer)
        if codes is None or reached is None or _dead_layer(layer):
            continue
        if layer.output.tensor.dtype == "int16":
            continue
        low, high = max(codes[0], reached[0]), min(codes[1], reached[1])
        used = max(high - low + 1, 0) / (codes[1] - codes[0] + 1)
        if used < LEAST_USED:
            yield Sight(
                where=layer.where,
                found=f"no input gives codes outside {low}..{high}: {used:.0%} of the range",
            )


def _softmax_grid(graph: Graph) -> Iterator[Sight]:
    if graph.model.format != "tflite":
        return
    for layer in graph.layers:
        single = layer.output.single
        if layer.kind != "softmax" or single is None or not layer.integer:
            continue
        dtype = layer.output.tensor.dtype
        if dtype == "int16":
            continue
        zero = SOFTMAX_ZERO_POINT if dtype == "int8" else 0
        if single != (float(SOFTMAX_SCALE), zero):
            yield Sight(
                where=layer.where,
                found=f"scale {single[0]:.6g}, zero point {single[1]}",
                expected=f"scale 1/256, zero point {zero}",
            )


def _regridded(graph: Graph) -> Iterator[Sight]:
    for layer in graph.layers:
        if layer.kind != "same" or not layer.integer or not layer.sources:
            continue
        source, output = layer.sources[0].single, layer.output.single
        if source is not None and output is not None and source != output:
            yield Sight(
                where=layer.where,
                found=f"({source[0]:.6g}, {source[1]}) becomes ({output[0]:.6g}, {output[1]})",
            )


def _multiplier(graph: Graph) -> Iterator[Sight]:
    for layer in graph.layers:
        multipliers = layer.multipliers()
        if multipliers is None or not multipliers.size:
            continue
        worst = int(multipliers.argmax())
        if multipliers[worst] >= WIDEST_MULTIPLIER:
            yield Sight(where=layer.where, found=f"{multipliers[worst]:.3g} in channel {worst}")


def _add_scales(graph: Graph) -> Iterator[Sight]:
    for layer in graph.layers:
        output = layer.output.single
        if layer.kind != "add" or output is None:
            continue
        for source in layer.sources:
            single = source.single
            if single is not None and not NARROWEST <= single[0] / output[0] < WIDEST:
                yield Sight(
                    where=layer.where,
                    found=f"`{source.tensor.name}` has {single[0] / output[0]:.3g} times the "
                    f"scale of the sum",
                )


def _overflow(graph: Graph) -> Iterator[Sight]:
    for layer in graph.layers:
        found = sums(graph, layer) if layer.integer else None
        if found is None or layer.output.tensor.dtype not in {"int8", "uint8"}:
            continue
        largest = np.maximum(-found[0], found[1])
        worst = int(largest.argmax())
        if largest[worst] > INT32:
            yield Sight(where=layer.where, found=f"{largest[worst]:.4g} in channel {worst}")


def _read_otherwise(graph: Graph) -> Iterator[Sight]:
    """Find codes that a layer reads on another grid than they were written on."""
    for layer in graph.layers:
        for source in layer.sources:
            written, read = source.tensor.grid, source.grid
            if written is None or read is None or written.scale.size != read.scale.size:
                continue
            off = float(np.abs(read.scale / written.scale - 1).max())
            if off > SAME_SCALE or (written.zero_point != read.zero_point).any():
                yield Sight(
                    where=layer.where,
                    found=f"`{source.tensor.name}` was written with ({written.scale[0]:.6g}, "
                    f"{written.zero_point[0]}), is read with ({read.scale[0]:.6g}, "
                    f"{read.zero_point[0]})",
                )


def _constant_output(graph: Graph) -> Iterator[Sight]:
    for layer in graph.layers:
        if _dead_layer(layer):
            yield Sight(where=layer.where, found="all weights are 0")


def _dead_layer(layer: Layer) -> bool:
    kernel = None if layer.kernel is None else layer.kernel.tensor.data
    return kernel is not None and kernel.size > 0 and not kernel.any()


RULES: Final = (
    Rule(
        id="MD201",
        severity="warning",
        title="dead codes: the activation cuts off a part of the range",
        expected="a range that ends where the activation cuts off, such as 0..6",
        hint="clip the calibrated range to the activation's bounds",
        look=_dead_codes,
    ),
    Rule(
        id="MD202",
        severity="warning",
        title="wasted range: the weights cannot reach it",
        expected="at least half of the codes in reach",
        hint="the scale is too large: calibrate on real images, and look at the ranges",
        look=_wasted_range,
    ),
    Rule(
        id="MD203",
        severity="error",
        title="softmax on another grid than TFLite's",
        expected="scale 1/256, the lowest code as zero point",
        hint="write the output with that grid: the kernel refuses others, or ignores them",
        look=_softmax_grid,
    ),
    Rule(
        id="MD204",
        severity="error",
        title="operator that cannot change the grid, with two grids",
        expected="one grid before and behind a pool, padding or reshape",
        hint="calibrate both tensors together",
        look=_regridded,
    ),
    Rule(
        id="MD205",
        severity="warning",
        title="layer outside XNNPACK's range",
        expected=f"input scale x weight scale / output scale below {WIDEST_MULTIPLIER}",
        hint="the output hardly varies, or its range was never calibrated: calibrate again",
        look=_multiplier,
    ),
    Rule(
        id="MD206",
        severity="warning",
        title="addition outside XNNPACK's range",
        expected="operand scales of 1/1024 to 256 times the scale of the sum",
        hint="one operand hardly varies against the other: calibrate again",
        look=_add_scales,
    ),
    Rule(
        id="MD207",
        severity="error",
        title="sums that can overflow the int32 accumulator",
        expected=f"sums up to {INT32:,}",
        hint="a bias is far outside the range of its layer: quantise again",
        look=_overflow,
    ),
    Rule(
        id="MD208",
        severity="error",
        title="codes read on another grid than they were written on",
        expected="one scale and zero point for all who write or read a tensor's codes",
        hint="write the pair of QuantizeLinear and DequantizeLinear from one grid",
        look=_read_otherwise,
    ),
    Rule(
        id="MD209",
        severity="error",
        title="layer whose output never varies",
        expected="weights other than 0",
        hint="the weights were lost on the way: convert again from the trained model",
        look=_constant_output,
    ),
)
