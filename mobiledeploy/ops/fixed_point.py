"""`FixedPoint`: a number as TFLite's kernels multiply by it, rounding twice.

Sources: TFLite's internal/quantization_util.cc (`QuantizeMultiplier`) and internal/common.h
(`MultiplyByQuantizedMultiplierDoubleRounding`).
"""

import dataclasses
import math

import numpy as np

from mobiledeploy.ops.tensors import Codes


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
