"""Prove that ONNX Runtime adds as XNNPACK does, for every pair of codes there is.

Two int8 operands have 65,536 pairs, so an addition can be tried out completely. Where a kernel of
ONNX Runtime rounds some sum next to a half the other way, scales a few units in the last place
away let all of them agree; they go into the ONNX file only. Sampling images cannot replace this:
bad pairs are so rare that hundreds of images may not show one.
"""

import functools
from typing import Final

import numpy as np

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.integer.add_kernels import ORT_KERNELS, Codes, Floats, Operands, xnnpack
from mobiledeploy.integer.certificate import REACH, Certificate, neighbours
from mobiledeploy.integer.graph import QMAX, QMIN

ROUNDING: Final = 1e-3
"""More than any kernel's sum is off, in steps."""

SIEVE: Final = 1024
ATTEMPTS: Final = 20
"""Every pair of scales is tried on about so many pairs of codes; of those that pass, so many are
tried on all. It bounds the time that a hopeless addition takes."""

NARROWEST: Final = 2.0**-10
WIDEST: Final = 2.0**8
"""Between these lies operand scale / scale of the sum in XNNPACK's kernel; TFLite gives other
additions to a kernel with another arithmetic."""


def certify_add(
    name: str, *, scales: tuple[np.float32, np.float32, np.float32], zeros: tuple[int, int, int]
) -> Certificate:
    """Return a certificate for one addition.

    Args:
        name: For the error.
        scales: Of the first operand, the second and the sum.
        zeros: Their zero points.

    Raises:
        ConversionError: XNNPACK does not take the addition, or no scales nearby make all
            kernels agree. Two opposite sums that are a half exactly cannot be mended: XNNPACK
            rounds both up, and a scale moves them apart. See `settled`.
    """
    a_scale, b_scale, scale = scales
    for operand in (a_scale, b_scale):
        if not NARROWEST <= operand / scale < WIDEST:
            raise ConversionError(
                f"addition `{name}`: expected operand scales within {NARROWEST} and {WIDEST} of "
                f"the sum's scale {scale}, received {operand}",
                hint="one operand of the addition is all but constant: train or calibrate again",
            )
    a, b = _all_pairs()
    operands = Operands(a=a, b=b, zeros=zeros)
    expected = xnnpack(operands, _one(a_scale), _one(b_scale), scale)[0]
    before = _differing(operands, expected, a_scale, b_scale, scale)
    if not before:
        return _certificate(name, (a_scale, b_scale), differing_before=0)
    near = _near_half(operands, a_scale, b_scale, scale)
    near = near[:: max(1, -(-near.size // SIEVE))]
    few = Operands(a=a[near], b=b[near], zeros=zeros)
    a_tried, b_tried = _neighbours(a_scale, b_scale)
    good = np.ones(a_tried.size, bool)
    for kernel in ORT_KERNELS:
        sums = kernel(few, a_tried[good, np.newaxis], b_tried[good, np.newaxis], scale)
        good[good] = (sums == expected[near]).all(axis=1)
    for candidate in np.flatnonzero(good)[:ATTEMPTS]:
        found = a_tried[candidate], b_tried[candidate]
        if not _differing(operands, expected, *found, scale):
            return _certificate(name, found, differing_before=before)
    raise ConversionError(
        f"addition `{name}`: {before} of its {a.size} pairs of codes differ between runtimes, and "
        f"no scales within {REACH} units in the last place of {a_scale} and {b_scale} mend it",
        hint="calibrate with other images, which moves the scales",
    )


@functools.cache
def _all_pairs() -> tuple[Codes, Codes]:
    codes = np.arange(QMIN, QMAX + 1, dtype=np.int64)
    return np.repeat(codes, codes.size), np.tile(codes, codes.size)


def _differing(
    operands: Operands,
    expected: Codes,
    a_scale: np.float32,
    b_scale: np.float32,
    scale: np.float32,
) -> int:
    differs = np.zeros(expected.shape, bool)
    for kernel in ORT_KERNELS:
        differs |= kernel(operands, _one(a_scale), _one(b_scale), scale)[0] != expected
    return int(differs.sum())


def _near_half(
    operands: Operands, a_scale: np.float32, b_scale: np.float32, scale: np.float32
) -> Codes:
    """Return the pairs whose sum some scale that is tried, or some kernel, may round otherwise."""
    a_zero, b_zero, _ = operands.zeros
    a_part = (operands.a - a_zero) * (float(a_scale) / float(scale))
    b_part = (operands.b - b_zero) * (float(b_scale) / float(scale))
    from_half = np.abs(np.mod(a_part + b_part, 1) - 0.5)
    moved = (np.abs(a_part) + np.abs(b_part)) * 2 * REACH * np.finfo(np.float32).eps
    return np.flatnonzero(from_half < moved + ROUNDING)


def _neighbours(a_scale: np.float32, b_scale: np.float32) -> tuple[Floats, Floats]:
    """Return pairs of float32 neighbours, the nearest first."""
    steps = np.arange(-REACH, REACH + 1)
    a_steps, b_steps = np.repeat(steps, steps.size), np.tile(steps, steps.size)
    nearest = np.lexsort((b_steps, a_steps, np.abs(a_steps) + np.abs(b_steps)))
    return neighbours(a_scale, a_steps[nearest]), neighbours(b_scale, b_steps[nearest])


def _certificate(
    name: str, scales: tuple[np.float32, np.float32], *, differing_before: int
) -> Certificate:
    return Certificate(
        name=name,
        scales=scales,
        cases=_all_pairs()[0].size,
        differing_before=differing_before,
        differing_after=0,
    )


def _one(scale: np.float32) -> Floats:
    return np.full((1, 1), scale)
