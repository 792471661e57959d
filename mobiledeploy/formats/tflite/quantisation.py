"""Read the quantisation of a `.tflite`'s tensors: the table `QuantizationParameters`."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.formats.model import Grid
from mobiledeploy.formats.tflite.flatbuffer import Table
from mobiledeploy.formats.tflite.schema import Quantisation, Tensor

CARRIERS: Final = frozenset(
    {
        "AVERAGE_POOL_2D", "MAX_POOL_2D", "PAD", "RESHAPE", "RESIZE_NEAREST_NEIGHBOR", "SQUEEZE",
        "TRANSPOSE",
    }
)  # fmt: skip
"""Operators whose output always has the scale and zero point of their input."""


def grid(table: Table | None, where: str) -> Grid | None:
    """Return a tensor's scales and zero points; None if it has none.

    They are views of the file, not copies: thousands of tensors of a hostile file may share one
    long list.

    Args:
        table: The tensor's `QuantizationParameters`.
        where: Which tensor, for messages.

    Raises:
        CorruptFileError: There are not as many zero points as scales.
    """
    scale = None if table is None else table.numbers(Quantisation.SCALE, np.float32)
    if table is None or scale is None or not scale.size:
        return None
    zero_point = table.numbers(Quantisation.ZERO_POINT, np.int64)
    if zero_point is None or zero_point.size != scale.size:
        raise CorruptFileError(
            f"{where}: received {scale.size} scales but "
            f"{0 if zero_point is None else zero_point.size} zero points"
        )
    return Grid(scale=scale, zero_point=zero_point, axis=table.scalar(Quantisation.AXIS, "i", 0))


def block(table: Table | None) -> int:
    """Return the block size of block-wise quantisation; 0 if it is not used."""
    blocks = _blocks(table)
    return 0 if blocks is None else int(blocks.scalar(Quantisation.BLOCK_SIZE, "i", 0))


def scales(tensors: tuple[Table, ...]) -> Iterator[int]:
    """Yield indices of the tensors that hold the scales and zero points of others."""
    for tensor in tensors:
        blocks = _blocks(tensor.table(Tensor.QUANTISATION))
        if blocks is not None:
            for slot in (Quantisation.BLOCK_SCALES, Quantisation.BLOCK_ZERO_POINTS):
                yield blocks.scalar(slot, "i", 0)


def _blocks(table: Table | None) -> Table | None:
    if table is None or table.scalar(Quantisation.DETAILS_TYPE, "B", 0) != Quantisation.BLOCKWISE:
        return None
    return table.table(Quantisation.DETAILS)
