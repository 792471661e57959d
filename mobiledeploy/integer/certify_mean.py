"""Prove that ONNX Runtime takes means as XNNPACK does, for every sum there is.

A mean over n positions sees 255 n + 1 sums and nothing else, so it can be tried out completely. As
with additions, a neighbour of the input's scale in the ONNX file mends the sums next to a half.
"""

from typing import Final

import numpy as np

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.integer.certificate import REACH, Certificate, neighbours
from mobiledeploy.integer.graph import QMAX, QMIN
from mobiledeploy.integer.mean_kernels import Codes, Sums, ort, tflite_average_pool, xnnpack

NARROWEST: Final = 2.0**-32
WIDEST: Final = 2.0**8
"""What ONNX Runtime takes."""

MOST_POSITIONS: Final = 2**14
"""Of which all sums are tried; float32 holds them exactly."""


def certify_mean(
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
        scales: Of input and output.
        zeros: Their zero points.

    Raises:
        ConversionError: ONNX Runtime does not take the mean, XNNPACK itself rounds differently
            from one architecture to another, or no scale nearby makes the two agree. See
            `settled`.
    """
    sums = _all_sums(name, positions, zeros)
    input_scale, scale = scales
    ratio = input_scale / (scale * np.float32(positions))
    if not NARROWEST <= ratio < WIDEST:
        raise ConversionError(
            f"mean `{name}`: expected input scale / (output scale * positions) within {NARROWEST} "
            f"and {WIDEST}, received {ratio:.3g}",
            hint="the mean is all but constant: train or calibrate again",
        )
    own = np.full(1, input_scale)
    expected = xnnpack(sums, own, scale)
    elsewhere = [
        xnnpack(sums, own, scale, fused=fused, fused_constant=fused_constant)
        for fused in (False, True)
        for fused_constant in (False, True)
    ]
    unsteady = int((np.stack(elsewhere) != expected).any(axis=0).sum())
    steps = np.arange(2 * REACH + 1)
    # 0, 1, -1, 2, -2 ...: the nearest first.
    tried = neighbours(input_scale, (steps + 1) // 2 * np.where(steps % 2, 1, -1))
    before = _differing(sums, expected, input_scale, scale)
    for found in tried:
        if not unsteady and not _differing(sums, expected, found, scale):
            return Certificate(
                name=name,
                scales=(found,),
                cases=sums.codes.size,
                differing_before=before,
                differing_after=0,
            )
    raise ConversionError(
        f"mean `{name}`: {max(before, unsteady)} of its {sums.codes.size} sums are rounded "
        f"differently by the runtimes, and no scale within {REACH} units in the last place of "
        f"{input_scale} mends it",
        hint="calibrate with other images, which moves the scales",
    )


def average_pool_is_mean(name: str, *, positions: int, scale: np.float32, zero_point: int) -> bool:
    """Whether TFLite's average pooling gives the code of a mean, for every sum there is.

    With an odd number of positions there are no halves to round otherwise.

    Args:
        name: For the error.
        positions: Height times width.
        scale: Of input and output, which have one grid.
        zero_point: Likewise.

    Raises:
        ConversionError: There are too many positions to try all sums.
    """
    sums = _all_sums(name, positions, (zero_point, zero_point))
    mean = xnnpack(sums, np.full(1, scale), scale)
    return np.array_equal(tflite_average_pool(sums), mean)


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
