"""Which sums and codes a layer can give at all, by interval arithmetic on its integers."""

from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.formats.model import CODES
from mobiledeploy.lint.graph import Graph
from mobiledeploy.lint.layer import Layer

Sums: TypeAlias = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]


BLOCK: Final = 1 << 20
"""Weights that are looked at together: a large file is not copied whole."""


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
    positive, negative = _signed_sums(rows, zeros)
    bias = np.zeros(layer.channels)
    if layer.bias is not None:
        values = layer.bias.tensor.data
        if values is None or values.size != layer.channels or values.dtype.kind != "i":
            return None
        bias = values.ravel().astype(np.float64)
    low, high = low - source[1], high - source[1]
    return positive * low + negative * high + bias, positive * high + negative * low + bias


def _signed_sums(rows: npt.NDArray[Any], zeros: npt.NDArray[np.int64]) -> Sums:
    """Return each channel's sum of positive and of negative weights, about their zero point."""
    positive, negative = np.zeros(len(rows)), np.zeros(len(rows))
    step = max(BLOCK * len(rows) // rows.size, 1)
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        block = rows[part].reshape(rows[part].shape[0], -1).astype(np.int64)
        block -= zeros.reshape(-1, 1) if zeros.size == 1 else zeros[part].reshape(-1, 1)
        positive[part] = np.maximum(block, 0).sum(axis=1)
        negative[part] = np.minimum(block, 0).sum(axis=1)
    return positive, negative


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
