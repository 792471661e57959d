"""How a `.tflite` says that codes stand for real numbers: the table `QuantizationParameters`."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.formats.model import Grid
from mobiledeploy.integer.flatbuffer import Table

_BLOCKWISE: Final = 2
"""Number in the schema's `QuantizationDetails`."""


def grid(table: Table | None, name: str) -> Grid | None:
    """Return a tensor's grid, if it has one.

    Args:
        table: Its quantisation.
        name: Of the tensor, for messages.

    Raises:
        CorruptFileError: There are not as many zero points as scales.
    """
    scale = None if table is None else table.numbers(2, np.float32)
    if table is None or scale is None or not scale.size:
        return None
    zero_point = table.numbers(3, np.int64)
    if zero_point is None or zero_point.size != scale.size:
        raise CorruptFileError(
            f"tensor `{name}`: received {scale.size} scales but "
            f"{0 if zero_point is None else zero_point.size} zero points"
        )
    return Grid(scale=scale, zero_point=zero_point, axis=table.scalar(6, "i", 0))


def block(table: Table | None) -> int:
    """Return how many neighbours share a scale of another tensor; 0 if they do not."""
    found = _blocks(table)
    return 0 if found is None else int(found.scalar(2, "i", 0))


def scales(tensors: tuple[Table, ...]) -> Iterator[int]:
    """Yield indices of the tensors that hold the scales and zero points of others."""
    for tensor in tensors:
        found = _blocks(tensor.table(4))
        if found is not None:
            yield from (found.scalar(slot, "i", 0) for slot in (0, 1))


def _blocks(table: Table | None) -> Table | None:
    blockwise = table is not None and table.scalar(4, "B", 0) == _BLOCKWISE
    return table.table(5) if table is not None and blockwise else None
