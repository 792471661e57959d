"""`FixedPoint`: a number as TFLite's kernels multiply by it, rounding twice.

Sources: TFLite's internal/quantization_util.cc (`QuantizeMultiplier`) and internal/common.h
(`MultiplyByQuantizedMultiplierDoubleRounding`).
"""

import dataclasses
import math
from typing import Final

import numpy as np

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.ops.tensors import QMAX, QMIN, Codes

NARROW: Final = 2**15
"""Vector instructions keep results in 16 bits before they are clipped to codes."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FixedPoint:
    """A number as a fraction of 31 bits and an exponent.

    Attributes:
        fraction: int32.
        exponent: Of two.
    """

    fraction: int
    exponent: int

    @classmethod
    def of(cls, value: float) -> "FixedPoint":
        """Return a number, rounded to 31 bits."""
        part, exponent = math.frexp(value)
        fraction = int(math.copysign(math.floor(abs(part) * 2**31 + 0.5), part))
        if abs(fraction) == 2**31:
            fraction, exponent = fraction // 2, exponent + 1
        if exponent < -31:
            fraction, exponent = 0, 0
        return cls(fraction=fraction, exponent=exponent)

    def times(self, values: Codes, *, halves_up: bool = False) -> Codes:
        """Return products, rounded to 31 bits and then to whole numbers.

        Args:
            values: To multiply.
            halves_up: Whether the second rounding rounds halves up, as vector instructions do, and
                not away from 0.
        """
        left, right = max(self.exponent, 0), max(-self.exponent, 0)
        product = (values.astype(np.int64) << left) * self.fraction
        nudged = product + np.where(product >= 0, 2**30, 1 - 2**30)
        # Truncated, as in C.
        high = np.where(nudged >= 0, nudged >> 31, -(-nudged >> 31))
        mask = (1 << right) - 1
        threshold = (mask >> 1) + (high < 0) * (not halves_up)
        rounded: Codes = (high >> right) + ((high & mask) > threshold)
        return rounded


def clipped(steps: Codes, zero_point: int) -> Codes:
    """Return the codes that TFLite's own kernels make of whole steps.

    Raises:
        ConversionError: Steps leave 16 bits, where vector instructions give other codes than the
            scalar ones for a tensor's last.
    """
    if steps.size and np.abs(steps).max() + abs(zero_point) + -QMIN >= NARROW:
        raise ConversionError("results leave 16 bits, which LiteRT's kernels cut off differently")
    codes: Codes = np.clip(steps + zero_point, QMIN, QMAX)
    return codes
