"""Prove that an addition or mean is one function in both files, by computing every case.

Both files' own scales and zero points go into the arithmetic of each kernel that may run them:
`ops.add` and `ops.mean` name the sources, `same_function` computes. An
addition of two int8 codes has 65,536 cases, a mean over n positions 255 n + 1.
"""

import dataclasses
import math
from collections.abc import Iterator
from typing import Final

import numpy as np

from mobiledeploy.compare.same_function import Verdict, compare_additions, compare_means
from mobiledeploy.ops import add as certify_add
from mobiledeploy.ops import mean as certify_mean
from mobiledeploy.ops.add import KERNELS
from mobiledeploy.ops.tensors import QMAX, QMIN
from mobiledeploy.reading import Layer
from mobiledeploy.reading.model import Format
from mobiledeploy.runtimes import table
from mobiledeploy.verify.proof import Finding

FORMATS: Final[tuple[Format, Format]] = ("tflite", "onnx")
PAIRS: Final = (QMAX - QMIN + 1) ** 2


def prove_add(first: Layer, second: Layer, *, swapped: bool) -> Finding:
    """Return whether two additions give one code for every pair of codes.

    Args:
        first: Of the `.tflite`.
        second: Of the `.onnx`.
        swapped: Whether the second reads the operands the other way round.
    """
    one, two = (table.primary(file) for file in FORMATS)
    if swapped:
        # The first file's kernel gives the same sum either way; not so all of the second's.
        first = dataclasses.replace(first, reads=first.reads[::-1])
    reasons = list(_grid_reasons(first, second))
    if not reasons:
        ratios = [float(read.scale or 0) / float(first.output.scale or 1) for read in first.reads]
        reasons = [
            f"operand scale / output scale is {ratio:.3g}: not for {one.kernels}"
            for ratio in ratios
            if not certify_add.NARROWEST <= ratio < certify_add.WIDEST
        ]
    if reasons:
        return Finding(method="enumeration", reasons=tuple(reasons))
    return _finding(
        compare_additions(first, second, FORMATS),
        PAIRS,
        f"{one.kernels} and {len(KERNELS[two.format])} kernels of {two.kernels} (x86 with and "
        "without AVX2, ARM, portable) give one code for each pair of codes",
    )


def prove_mean(first: Layer, second: Layer, source: tuple[int, ...]) -> Finding:
    """Return whether two means give one code for every sum of codes.

    Args:
        first: Of the `.tflite`.
        second: Of the `.onnx`.
        source: Shape of what they read, (height, width, channels).
    """
    # An image of one pixel is described as a vector.
    size = source[:2] if len(source) == 3 else (1, 1)
    positions = math.prod(size)
    reasons = list(_grid_reasons(first, second))
    if first.op not in {"MEAN", "AVERAGE_POOL_2D"} or second.op != "GlobalAveragePool":
        reasons.append(f"the arithmetic of {first.op} and {second.op} is not known")
    if first.op == "AVERAGE_POOL_2D" and first.reads[0].scale != first.output.scale:
        reasons.append("an average pooling with two scales")
    if first.window != size or second.window != size:
        reasons.append(f"windows {first.window} and {second.window} on an image of {size}")
    if not 0 < positions <= certify_mean.MOST_POSITIONS:
        reasons.append(f"a mean over {positions} positions is not enumerated")
    if not reasons:
        read, out = float(second.reads[0].scale or 0), float(second.output.scale or 1)
        ratio = read / (out * positions)
        if not certify_mean.NARROWEST <= ratio < certify_mean.WIDEST:
            reasons.append(f"input scale / (output scale * positions) is {ratio:.3g}")
    if reasons:
        return Finding(method="enumeration", reasons=tuple(reasons))
    return _finding(
        compare_means(first, second, FORMATS),
        (QMAX - QMIN) * positions + 1,
        f"{first.op} (whether or not a compiler fuses multiply and add) and "
        f"{table.primary(FORMATS[1]).kernels}'s kernel give one code for each sum of codes",
    )


def _finding(verdict: Verdict, cases: int, statement: str) -> Finding:
    if verdict.equal:
        return Finding(method="enumeration", cases=cases, statement=statement)
    reason = "its numbers are not usable"
    if verdict.cases:
        reason = f"{verdict.cases} of {verdict.method} are rounded otherwise by some kernel"
    return Finding(method="enumeration", cases=cases, reasons=(reason,))


def _grid_reasons(first: Layer, second: Layer) -> Iterator[str]:
    for mine, other in zip(first.reads, second.reads, strict=True):
        if mine.zero_point is None or mine.zero_point != other.zero_point:
            yield f"zero points of an operand: {mine.zero_point} and {other.zero_point}"
    if first.output.zero_point is None or first.output.zero_point != second.output.zero_point:
        yield f"zero points: {first.output.zero_point} and {second.output.zero_point}"
    if first.output.shape != second.output.shape:
        yield f"output shape: {first.output.shape} and {second.output.shape}"
    for layer in (first, second):
        scales = [*(read.scale for read in layer.reads), layer.output.scale]
        if not all(s is not None and np.finfo(np.float32).tiny <= s < np.inf for s in scales):
            yield "a scale is no positive number"
