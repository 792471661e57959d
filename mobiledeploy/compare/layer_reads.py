"""Compare from where two corresponding layers read, and by which grids."""

import dataclasses
from typing import Final

import numpy as np

from mobiledeploy.compare.align import Alignment
from mobiledeploy.compare.layer_fields import Found
from mobiledeploy.compare.scales import ratio
from mobiledeploy.reading import INPUT, Reading
from mobiledeploy.reading import LayerInput as Read
from mobiledeploy.reading import StoredLayer as Layer
from mobiledeploy.reading import StoredTensor as Tensor

CLOSE: Final = 1e-5
"""More than certified additions move their scales, relatively."""


def in_order(a: Reading, b: Reading, alignment: Alignment, i: int, j: int) -> Layer:
    """Return the second file's layer with its operands in the order of the first one's."""
    mine, other = a.layers[i], b.layers[j]
    if _crossed(a, b, alignment, mine, other):
        return dataclasses.replace(other, reads=other.reads[::-1])
    return other


def reads_differ(a: Reading, b: Reading, alignment: Alignment, i: int, j: int) -> list[Found]:
    """Return in what two layers' inputs differ."""
    mine, other = a.layers[i], in_order(a, b, alignment, i, j)
    found = []
    if _crossed(a, b, alignment, mine, b.layers[j]):
        found.append(
            Found(
                field="operands swapped",
                detail="the operands stand in the other order, each with its own scale",
                expected=_names(a, mine.reads),
                received=_names(b, b.layers[j].reads),
            )
        )
    if len(mine.reads) != len(other.reads) or any(
        _source(a, b, alignment, x, y) is None
        for x, y in zip(mine.reads, other.reads, strict=True)
    ):
        found.append(
            Found(
                field="joints",
                detail="the layer reads another tensor",
                expected=_names(a, mine.reads),
                received=_names(b, other.reads),
                harmful=True,
            )
        )
        return found
    crossed = _crossed_scales(mine, other)
    if crossed is not None and not found:
        return [crossed]
    for x, y in zip(mine.reads, other.reads, strict=True):
        found.extend(_grids(a, b, x, y))
    if mine.kind == "softmax" and mine.beta != other.beta:
        found.append(
            Found(
                field="softmax beta",
                detail=f"the softmax multiplies its inputs by {other.beta:g}, expected "
                f"{mine.beta:g}",
                expected=repr(mine.beta),
                received=repr(other.beta),
                measured_by_first=True,
            )
        )
    return found


def _grids(a: Reading, b: Reading, x: Read, y: Read) -> list[Found]:
    """Return the differences of two reads that are not those of the tensors that they read."""
    written, other = _tensor(a, x.source), _tensor(b, y.source)
    found = []
    if x.scale != y.scale and (x.scale, y.scale) != (written.scale, other.scale):
        words = "no grid" if x.scale is None or y.scale is None else ratio(x.scale, y.scale)
        found.append(
            Found(
                field="read scale",
                detail=f"the scale by which it reads `{other.name}` is {words}",
                expected=repr(None if x.scale is None else float(x.scale)),
                received=repr(None if y.scale is None else float(y.scale)),
            )
        )
    zeros = x.zero_point, y.zero_point
    if zeros[0] != zeros[1] and zeros != (written.zero_point, other.zero_point):
        found.append(
            Found(
                field="read zero point",
                detail=f"the zero point by which it reads `{other.name}` is another code",
                expected=str(x.zero_point),
                received=str(y.zero_point),
            )
        )
    return found


def _crossed_scales(mine: Layer, other: Layer) -> Found | None:
    """Return the finding where two operands are read by each other's scales."""
    if mine.kind != "add" or len(mine.reads) != 2:
        return None
    scales = [float(r.scale) for r in (*mine.reads, *other.reads) if r.scale is not None]
    if len(scales) != 4 or scales[0] == scales[1]:
        return None
    if not np.allclose(scales[2:], scales[1::-1], rtol=CLOSE, atol=0):
        return None
    return Found(
        field="operands swapped",
        detail="the two operands are read by each other's scales",
        expected=f"{scales[0]!r}, {scales[1]!r}",
        received=f"{scales[2]!r}, {scales[3]!r}",
    )


def _crossed(a: Reading, b: Reading, alignment: Alignment, mine: Layer, other: Layer) -> bool:
    if mine.kind != "add" or len(mine.reads) != 2 or len(other.reads) != 2:
        return False
    straight = [
        _source(a, b, alignment, x, y) for x, y in zip(mine.reads, other.reads, strict=True)
    ]
    crossed = [
        _source(a, b, alignment, x, y) for x, y in zip(mine.reads, other.reads[::-1], strict=True)
    ]
    return None in straight and None not in crossed


def _source(a: Reading, b: Reading, alignment: Alignment, x: Read, y: Read) -> int | None:
    """Return the first file's index of what both reads take, or None if it is not the same."""
    mine = alignment.seen_from_first(a, x.source)
    other = alignment.seen_from_second(b, y.source)
    return mine if mine == other else None


def _tensor(reading: Reading, source: int) -> Tensor:
    return reading.input if source == INPUT else reading.layers[source].output


def _names(reading: Reading, reads: tuple[Read, ...]) -> str:
    return ", ".join(
        reading.input.name if r.source == INPUT else reading.layers[r.source].name for r in reads
    )
