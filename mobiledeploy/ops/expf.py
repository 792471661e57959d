"""The C library's `expf`, bit for bit.

One algorithm serves glibc, musl and Android's bionic: a table of 2**(i/32) and a cubic, in
float64. It is off by at most 0.502 units in the last place, so one value in two thousand is not
the nearest float32, and a float64 `exp` rounded to float32 is not the same function.

Source: ARM's optimized-routines, math/expf.c and math/exp2f_data.c.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

PARTS: Final = 32
INVERSE_LN2: Final = float.fromhex("0x1.71547652b82fep+0") * PARTS
CUBIC: Final = float.fromhex("0x1.c6af84b912394p-5") / PARTS**3
SQUARE: Final = float.fromhex("0x1.ebfce50fac4f3p-3") / PARTS**2
LINEAR: Final = float.fromhex("0x1.62e42ff0c52d6p-1") / PARTS

ZERO_BELOW: Final = np.float32(float.fromhex("-0x1.9fe368p6"))
"""log(2**-150): results are 0 from here down."""


def expf(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return e**x.

    Args:
        values: float32, at most 0, finite.
    """
    scaled = np.maximum(values, ZERO_BELOW).astype(np.float64) * INVERSE_LN2
    steps = np.rint(scaled)
    rest = scaled - steps
    whole, part = np.divmod(steps.astype(np.int64), PARTS)
    power = np.ldexp(np.exp2(part / PARTS), whole)
    high = CUBIC * rest + SQUARE
    low = LINEAR * rest + 1
    with np.errstate(under="ignore"):
        result = ((high * (rest * rest) + low) * power).astype(np.float32)
    result[values < ZERO_BELOW] = 0
    return result
