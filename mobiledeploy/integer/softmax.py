"""TFLite's two int8 softmax kernels, bit for bit: that of x86 and that of arm64.

Both look an exponential up for each logit, as far as it lies below the largest, and multiply by
the inverse of the sum. On x86 the table, the sum and the product are float32; on arm64 the table
holds 16-bit integers, and the product is rounded twice. So they differ by a step now and then, as
does ONNX Runtime, and by more on adversarial logits of a thousand classes, whose many small
exponentials a table of 16 bits rounds alike. This is why parity is judged before the softmax.

Sources, all in LiteRT (formerly tensorflow/lite): tflite/kernels/activations.cc, where
`TFLITE_SOFTMAX_USE_UINT16_LUT` (clang on aarch64: phones, and the wheels) chooses the kernel;
tflite/kernels/internal/optimized/optimized_ops.h, `Softmax` with `PopulateSoftmaxLookupTable`,
and `SoftmaxInt8LUT` with `PopulateSoftmaxUInt8LookupTable`; tflite/kernels/internal/common.h,
`MultiplyByQuantizedMultiplier`, rounding twice. XNNPACK leaves this softmax to them.
"""

from typing import Final, Literal, TypeAlias, assert_never

import numpy as np
import numpy.typing as npt

from mobiledeploy.integer.expf import expf
from mobiledeploy.integer.graph import QMAX, QMIN, SOFTMAX_SCALE, SOFTMAX_ZERO_POINT, Int8

Kernel: TypeAlias = Literal["x86", "arm64"]
Steps: TypeAlias = npt.NDArray[np.int64]

WIDEST: Final = 2**31 // 2**16
"""Classes that arm64's int32 sum holds, whatever the logits are."""

_ALL: Final = np.arange(QMAX - QMIN + 1, dtype=np.float32)


def softmax_codes(logits: Int8, scale: np.float32, *, kernel: Kernel = "x86") -> Int8:
    """Return the codes of the softmax, on the grid that it always has.

    Args:
        logits: int8, shape (batch, classes).
        scale: Of the logits; their zero point cancels out.
        kernel: Whose arithmetic.
    """
    below = logits.max(axis=-1, keepdims=True).astype(np.int64) - logits
    match kernel:
        case "x86":
            steps = _x86(below, scale)
        case "arm64":
            steps = _arm64(below, scale)
        case _:
            assert_never(kernel)
    codes: Int8 = np.clip(steps + SOFTMAX_ZERO_POINT, QMIN, QMAX).astype(np.int8)
    return codes


def _x86(below: Steps, scale: np.float32) -> Steps:
    powers = expf(-scale * _ALL)[below]
    # One after the other, in float32, as the kernel adds.
    total = np.add.accumulate(powers, axis=-1, dtype=np.float32)[..., -1:]
    steps = powers * (np.float32(1) / (total * SOFTMAX_SCALE))
    return np.floor(steps.astype(np.float64) + 0.5).astype(np.int64)


def _arm64(below: Steps, scale: np.float32) -> Steps:
    exponents = expf(scale * -_ALL) * np.float32(np.iinfo(np.uint16).max)
    table = (exponents.astype(np.float64) + 0.5).astype(np.int64)
    powers = table[below]
    total = powers.sum(axis=-1, keepdims=True).astype(np.float32)
    inverse = np.float32(1) / (total * SOFTMAX_SCALE)
    # The inverse lies below 1/128: as fraction * 2**-shift both are positive, and with nothing
    # negative in sight a rounding half up is the kernel's on vectors as on the rest.
    fraction, exponent = np.frexp(inverse.astype(np.float64))
    multiplier, shift = (fraction * 2.0**31).astype(np.int64), -exponent.astype(np.int64)
    doubled = (powers * multiplier + 2**30) >> 31
    rounded: Steps = (doubled + (np.int64(1) << (shift - 1))) >> shift
    return rounded
