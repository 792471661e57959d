"""Prove that an addition or mean is one function in both files, by computing every case.

Both files' own scales and zero points go into the arithmetic of each kernel that may run them:
`integer.add_kernels` and `integer.mean_kernels` name the sources. An addition of two int8 codes
has 65,536 cases, a mean over n positions 255 n + 1.
"""

import math
from collections.abc import Iterator

import numpy as np

from mobiledeploy.integer import add_kernels, certify_add, certify_mean, mean_kernels
from mobiledeploy.integer.graph import QMAX, QMIN
from mobiledeploy.reading import Layer
from mobiledeploy.verify.proof import Finding


def prove_add(first: Layer, second: Layer, *, swapped: bool) -> Finding:
    """Return whether two additions give one code for every pair of codes.

    Args:
        first: Of the `.tflite`.
        second: Of the `.onnx`.
        swapped: Whether the second reads the operands the other way round.
    """
    reads = second.reads[::-1] if swapped else second.reads
    reasons = list(_grid_reasons(first, second))
    for mine, other in zip(first.reads, reads, strict=True):
        if mine.zero_point != other.zero_point:
            reasons.append(f"zero points of an operand: {mine.zero_point}, {other.zero_point}")
    if reasons:
        return Finding(method="enumeration", reasons=tuple(reasons))
    scales = [np.full((1, 1), read.scale, np.float32) for read in (*first.reads, *second.reads)]
    out, other_out = np.float32(first.output.scale), np.float32(second.output.scale)
    for scale in scales[:2]:
        if not certify_add.NARROWEST <= scale[0, 0] / out < certify_add.WIDEST:
            reason = f"operand scale / output scale is {scale[0, 0] / out:.3g}: not for XNNPACK"
            return Finding(method="enumeration", reasons=(reason,))
    codes = np.arange(QMIN, QMAX + 1, dtype=np.int64)
    pairs = [np.repeat(codes, codes.size), np.tile(codes, codes.size)]
    expected = _clipped(
        add_kernels.xnnpack(_operands(first, pairs), scales[0], scales[1], out), first
    )
    pairs = pairs[::-1] if swapped else pairs
    differing = {}
    for kernel in add_kernels.ORT_KERNELS:
        found = kernel(_operands(second, pairs), scales[2], scales[3], other_out)
        count = int((_clipped(found, second) != expected).sum())
        if count:
            differing[kernel.__name__] = count
    if differing:
        reasons.append(
            "pairs of codes with other sums: "
            + ", ".join(f"{count} in {name}" for name, count in differing.items())
        )
    return Finding(
        method="enumeration",
        cases=expected.size,
        statement=f"XNNPACK and {len(add_kernels.ORT_KERNELS)} kernels of ONNX Runtime (x86 with "
        "and without AVX2, ARM, portable) give one code for each pair of codes",
        reasons=tuple(reasons),
    )


def prove_mean(first: Layer, second: Layer, source: tuple[int, ...]) -> Finding:
    """Return whether two means give one code for every sum of codes.

    Args:
        first: Of the `.tflite`.
        second: Of the `.onnx`.
        source: Shape of what they read, (height, width, channels).
    """
    positions = math.prod(source[:2])
    reasons = list(_grid_reasons(first, second))
    mine, other = first.reads[0], second.reads[0]
    if mine.zero_point != other.zero_point:
        reasons.append(f"zero points of the input: {mine.zero_point} and {other.zero_point}")
    if first.op not in {"MEAN", "AVERAGE_POOL_2D"} or second.op != "GlobalAveragePool":
        reasons.append(f"the arithmetic of {first.op} and {second.op} is not known")
    if first.op == "AVERAGE_POOL_2D" and mine.scale != first.output.scale:
        reasons.append("an average pooling with two scales")
    if not 0 < positions <= certify_mean.MOST_POSITIONS:
        reasons.append(f"a mean over {positions} positions is not enumerated")
    if reasons:
        return Finding(method="enumeration", reasons=tuple(reasons))
    scale, out = np.full(1, mine.scale, np.float32), np.float32(first.output.scale)
    other_scale, other_out = np.full(1, other.scale, np.float32), np.float32(second.output.scale)
    ratio = other_scale[0] / (other_out * np.float32(positions))
    if not certify_mean.NARROWEST <= ratio < certify_mean.WIDEST:
        reason = f"input scale / (output scale * positions) is {ratio:.3g}: not for ONNX Runtime"
        return Finding(method="enumeration", reasons=(reason,))
    sums = mean_kernels.Sums(
        codes=np.arange(QMIN * positions, QMAX * positions + 1, dtype=np.int64),
        positions=positions,
        zeros=(int(mine.zero_point or 0), int(first.output.zero_point or 0)),
    )
    found = _clipped(mean_kernels.ort(sums, other_scale, other_out), second)
    if first.op == "AVERAGE_POOL_2D":
        kernels = [mean_kernels.tflite_average_pool(sums)]
    else:
        kernels = [
            mean_kernels.xnnpack(sums, scale, out, fused=fused, fused_constant=constant)
            for fused in (False, True)
            for constant in (False, True)
        ]
    differing = np.zeros(found.shape, bool)
    for codes in kernels:
        differing |= _clipped(codes, first) != found
    if differing.any():
        reasons.append(f"{int(differing.sum())} sums of codes with other means")
    return Finding(
        method="enumeration",
        cases=sums.codes.size,
        statement=f"{first.op} (whether or not a compiler fuses multiply and add) and ONNX "
        "Runtime's kernel give one code for each sum of codes",
        reasons=tuple(reasons),
    )


def _grid_reasons(first: Layer, second: Layer) -> Iterator[str]:
    if first.output.zero_point != second.output.zero_point:
        yield f"zero points: {first.output.zero_point} and {second.output.zero_point}"
    if first.output.shape != second.output.shape:
        yield f"output shape: {first.output.shape} and {second.output.shape}"
    for layer in (first, second):
        scales = [*(read.scale for read in layer.reads), layer.output.scale]
        usable = [
            s is not None and np.isfinite(s) and s > np.finfo(np.float32).tiny for s in scales
        ]
        if not all(usable):
            yield "a scale is no positive number"


def _operands(layer: Layer, pairs: list[add_kernels.Codes]) -> add_kernels.Operands:
    a, b = (int(read.zero_point or 0) for read in layer.reads)
    zeros = (a, b, int(layer.output.zero_point or 0))
    return add_kernels.Operands(a=pairs[0], b=pairs[1], zeros=zeros)


def _clipped(codes: add_kernels.Codes, layer: Layer) -> add_kernels.Codes:
    return np.clip(codes.reshape(-1), *layer.clamp)
