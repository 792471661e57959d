"""Which sums and codes a layer can give at all, by interval arithmetic on its integers."""

import numpy as np
import numpy.typing as npt

from mobiledeploy.lint.graph import Graph
from mobiledeploy.lint.layer import Layer
from mobiledeploy.lint.model import CODES

Sums = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]


def sums(graph: Graph, layer: Layer) -> Sums | None:
    """Return the lowest and highest accumulator of each channel, bias included.

    Exact but for correlations between inputs: every code that the layer before can write is
    taken to be possible everywhere. None where weights or grids are not all integers.
    """
    rows, source = layer.rows(), layer.sources[0].single if layer.sources else None
    kernel = None if layer.kernel is None else layer.kernel.grid
    if rows is None or source is None or kernel is None:
        return None
    low, high = _written(graph, layer)
    zeros = kernel.zero_point
    if zeros.size not in {1, layer.channels}:
        return None
    # Sums of positive and of negative weights, about the zero point, without a wide copy.
    positive = np.where(rows > 0, rows, 0).sum(axis=1, dtype=np.int64)
    negative = np.where(rows < 0, rows, 0).sum(axis=1, dtype=np.int64)
    if zeros.any():
        centred = rows.astype(np.int64) - zeros.reshape(-1, 1)
        positive = np.maximum(centred, 0).sum(axis=1)
        negative = np.minimum(centred, 0).sum(axis=1)
    bias = np.zeros(layer.channels)
    if layer.bias is not None:
        values = layer.bias.tensor.data
        if values is None or values.size != layer.channels or values.dtype.kind != "i":
            return None
        bias = values.ravel().astype(np.float64)
    low, high = low - source[1], high - source[1]
    return positive * low + negative * high + bias, positive * high + negative * low + bias


def reachable(graph: Graph, layer: Layer) -> tuple[int, int] | None:
    """Return the lowest and highest code that any input gives, before the activation."""
    output, found, multiplier = layer.output.single, sums(graph, layer), layer.multipliers()
    if output is None or found is None or multiplier is None:
        return None
    ends = np.array([(found[0] * multiplier).min(), (found[1] * multiplier).max()])
    # Where a damaged file has scales at both ends of what there is, nothing can be said: 0 times
    # infinity.
    codes = np.nan_to_num(np.rint(ends)) + output[1]
    low, high = np.clip(codes, *CODES[layer.output.tensor.dtype])
    return int(low), int(high)


def _written(graph: Graph, layer: Layer) -> tuple[int, int]:
    """Return the lowest and highest code of what a layer reads."""
    tensor = layer.sources[0].tensor
    before = graph.by_output.get(id(tensor))
    codes = None if before is None else before.codes()
    return CODES[tensor.dtype] if codes is None else codes
