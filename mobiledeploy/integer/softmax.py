"""TFLite's int8 softmax on x86, bit for bit: a table of exponentials and float32 sums.

It is another kernel on arm64 (16-bit tables), and another one in ONNX Runtime; they differ by a
step now and then, which is why parity is judged before the softmax. Source:
tensorflow/lite/kernels/internal/optimized/optimized_ops.h, `Softmax` with a lookup table.
"""

import numpy as np

from mobiledeploy.integer.graph import QMAX, QMIN, SOFTMAX_SCALE, SOFTMAX_ZERO_POINT, Int8


def softmax_codes(logits: Int8, scale: np.float32) -> Int8:
    """Return the codes of the softmax, on the grid that it always has.

    Args:
        logits: int8, shape (batch, classes).
        scale: Of the logits; their zero point cancels out.
    """
    exponents = -scale * np.arange(QMAX - QMIN + 1, dtype=np.float32)
    # The C library's expf is right to the last bit, which NumPy's float32 exp need not be.
    table = np.exp(exponents.astype(np.float64)).astype(np.float32)
    below = logits.max(axis=-1, keepdims=True).astype(np.int64) - logits
    powers = table[below]
    # One after the other, in float32, as the kernel adds.
    total = np.add.accumulate(powers, axis=-1, dtype=np.float32)[..., -1:]
    steps = powers * (np.float32(1) / (total * SOFTMAX_SCALE))
    nearest = np.floor(steps.astype(np.float64) + 0.5) + SOFTMAX_ZERO_POINT
    codes: Int8 = np.clip(nearest, QMIN, QMAX).astype(np.int8)
    return codes
