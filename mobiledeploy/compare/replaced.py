"""Layers that stand in each other's place, and compute something else."""

from collections.abc import Iterator

from mobiledeploy.compare.align import Alignment
from mobiledeploy.compare.difference import Difference
from mobiledeploy.reading import Reading
from mobiledeploy.reading import StoredLayer as Layer


def replaced(a: Reading, b: Reading, alignment: Alignment) -> dict[int, int]:
    """Return which layers of the second file stand where the first one has others, by the latter.

    Those are as many on either side, between layers that correspond, and give the same shapes as
    far as these are known.
    """
    return {
        i: j
        for ours, theirs in _runs(alignment)
        if len(ours) == len(theirs)
        for i, j in zip(ours, theirs, strict=True)
        if _alike(a.layers[i].output.shape, b.layers[j].output.shape)
    }


def _alike(mine: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return mine == other or not mine or not other


def instead(position: int, mine: Layer, other: Layer) -> Difference:
    """Return the difference of a layer that has another one in its place."""
    return Difference(
        position=position,
        layer=mine.name,
        other=other.name,
        kind=other.kind if mine.kind == "unknown" else mine.kind,
        field="operator",
        detail=f"the second file has {other.op} where the first one has {mine.op}"
        f"{reason(mine, other)}",
        expected=mine.op,
        received=other.op,
    )


def reason(*layers: Layer) -> str:
    """Return in words why layers are not understood, to be put behind what is said of them."""
    return "".join(f": {fault.detail}" for layer in layers for fault in layer.faults[:1])


def _runs(alignment: Alignment) -> Iterator[tuple[list[int], list[int]]]:
    """Yield the layers without counterpart that lie between two that have one."""
    ours, theirs = list[int](), list[int]()
    for i, j in (*alignment.pairs, (0, 0)):
        if i is not None and j is not None:
            yield ours, theirs
            ours, theirs = [], []
        elif i is not None:
            ours.append(i)
        elif j is not None:
            theirs.append(j)
