"""`of_floats`: the codes of a layer that ONNX Runtime fuses into no integer kernel.

Sources: the kernels of Add, Sub, Mul and GlobalAveragePool between DequantizeLinear and
QuantizeLinear, all in float32. A mean is added up in an order that depends on the kernel: where
its sum is close to a half, its code may miss this one by 1.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from mobiledeploy.integer.mean_as_convolution import codes_of_windows
from mobiledeploy.ops.each_pair import all_pairs
from mobiledeploy.ops.stored import StoredLayer
from mobiledeploy.ops.tensors import Codes, Float32, QTensor

_FLOATS: Final[Mapping[str, Callable[[Float32, Float32], Float32]]] = {
    "add": lambda a, b: a + b,
    "mul": lambda a, b: a * b,
    "sub": lambda a, b: a - b,
}
"""Layers of which float32 gives one result for each pair of codes."""


def of_floats(layer: StoredLayer, inputs: Sequence[QTensor], output: QTensor) -> Codes | None:
    """Return the codes of all cases of a layer that ONNX Runtime computes in float32.

    Args:
        layer: The layer.
        inputs: What it reads.
        output: What it writes.

    Returns:
        The code of each pair of codes, or of each sum of codes from the lowest on; None of other
        layers.
    """
    if layer.kind == "mean":
        codes, _ = codes_of_windows(inputs[0], output, layer.window)
        means: Codes = np.clip(codes, *layer.clamp)
        return means
    compute = _FLOATS.get(layer.kind)
    if compute is None or len(layer.reads) != 2:
        return None
    reals = [
        (codes - (read.zero_point or 0)).astype(np.float32) * np.float32(read.scale or 1)
        for codes, read in zip(all_pairs(), layer.reads, strict=True)
    ]
    steps = np.rint(compute(*reals) / output.scale) + output.zero_point
    clipped: Codes = np.clip(steps, *layer.clamp).astype(np.int64)
    return clipped
