"""Which layer of one file corresponds to which of another: by kind, shape, weights, order."""

import dataclasses
from collections.abc import Iterator
from typing import Final

import numpy as np

from mobiledeploy.ops import table
from mobiledeploy.ops.capabilities import Certified
from mobiledeploy.reading import INPUT, Reading, StoredLayer

GAP: Final = -2.0
"""Score of a layer without a counterpart."""
NEVER: Final = -100.0
"""Score of a pair of layers that cannot correspond."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Alignment:
    """Which layers correspond.

    Attributes:
        pairs: Indices in the first and the second file, in running order; None where a layer has
            no counterpart.
        matched: The first file's index by the second file's, for layers with a counterpart.
    """

    pairs: tuple[tuple[int | None, int | None], ...]
    matched: dict[int, int]

    def turned(self) -> "Alignment":
        """Return the same alignment with the files in the other order."""
        return Alignment(
            pairs=tuple((j, i) for i, j in self.pairs),
            matched={i: j for j, i in self.matched.items()},
        )

    def seen_from_first(self, a: Reading, source: int) -> int | None:
        """Return the nearest layer of both files at or before a source of the first file.

        A layer that only one file has is skipped to its input; None if it has several inputs.
        """
        return _looked_through(a, set(self.matched.values()), source)

    def seen_from_second(self, b: Reading, source: int) -> int | None:
        """Return the same for a source of the second file, as an index of the first file."""
        own = _looked_through(b, set(self.matched), source)
        return own if own is None or own == INPUT else self.matched[own]


def align(a: Reading, b: Reading) -> Alignment:
    """Return corresponding layers: the order-preserving assignment with the highest total score.

    Layers of one kind score the higher, the more of their shapes and weights agree. Layers that
    only one file has get no counterpart.
    """
    count, other_count = len(a.layers), len(b.layers)
    best = np.zeros((count + 1, other_count + 1))
    best[:, 0] = GAP * np.arange(count + 1)
    best[0, :] = GAP * np.arange(other_count + 1)
    fits = [[_fit(x, y) for y in b.layers] for x in a.layers]
    for i in range(1, count + 1):
        for j in range(1, other_count + 1):
            best[i, j] = max(
                best[i - 1, j - 1] + fits[i - 1][j - 1], best[i - 1, j] + GAP, best[i, j - 1] + GAP
            )
    pairs: list[tuple[int | None, int | None]] = []
    i, j = count, other_count
    while i or j:
        if i and j and best[i, j] == best[i - 1, j - 1] + fits[i - 1][j - 1]:
            i, j = i - 1, j - 1
            pairs.append((i, j))
        elif i and best[i, j] == best[i - 1, j] + GAP:
            i -= 1
            pairs.append((i, None))
        else:
            j -= 1
            pairs.append((None, j))
    return Alignment(
        pairs=tuple(reversed(pairs)),
        matched={j: i for i, j in pairs if i is not None and j is not None},
    )


def _looked_through(reading: Reading, known: set[int], source: int) -> int | None:
    while source != INPUT and source not in known:
        reads = reading.layers[source].reads
        if len(reads) != 1:
            return None
        source = reads[0].source
    return source


def _fit(a: StoredLayer, b: StoredLayer) -> float:
    if not _same_kind(a, b):
        return NEVER
    score = 2.0
    score += 1.0 if a.output.shape == b.output.shape else -1.0
    score += 0.5 if a.name == b.name else 0.0
    score += (
        0.5
        if (a.output.scale, a.output.zero_point) == (b.output.scale, b.output.zero_point)
        else 0.0
    )
    if a.weights is not None and b.weights is not None:
        mine, other = a.weights.kernel, b.weights.kernel
        score += 1.0 if mine.shape == other.shape else -1.0
        # The more weights agree, the more likely it is the same layer.
        if mine.shape == other.shape:
            sample = slice(None, None, max(1, mine.size // 256))
            score += 2.0 * float((mine.ravel()[sample] == other.ravel()[sample]).mean())
    return score


def _same_kind(a: StoredLayer, b: StoredLayer) -> bool:
    """Whether two layers may compute the same function."""
    if a.kind == b.kind:
        return a.kind != "unknown" or a.op == b.op
    # A table of all codes, or of all pairs, may replace any operator that reads so many at a time.
    operators = [table.of_kind(layer.kind) for layer in (a, b) if layer.kind != "table"]
    if len(operators) != 1 or not isinstance(operators[0], Certified):
        return False
    return operators[0].ONE_CODE or len(a.reads) == len(b.reads) == _PAIR


_PAIR: Final = 2


def replaced_layers(a: Reading, b: Reading, alignment: Alignment) -> dict[int, int]:
    """Return which layers of the second file replace other layers of the first, by index of these.

    Between two pairs of corresponding layers, both files have equally many such layers, with the
    same output shapes as far as these are known.
    """
    return {
        i: j
        for ours, theirs in _runs(alignment)
        if len(ours) == len(theirs)
        for i, j in zip(ours, theirs, strict=True)
        if _same_shape_or_unknown(a.layers[i].output.shape, b.layers[j].output.shape)
    }


def _same_shape_or_unknown(mine: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return mine == other or not mine or not other


def _runs(alignment: Alignment) -> Iterator[tuple[list[int], list[int]]]:
    """Yield both files' layers without counterpart between two layers that have one."""
    ours, theirs = list[int](), list[int]()
    for i, j in (*alignment.pairs, (0, 0)):
        if i is not None and j is not None:
            yield ours, theirs
            ours, theirs = [], []
        elif i is not None:
            ours.append(i)
        elif j is not None:
            theirs.append(j)
