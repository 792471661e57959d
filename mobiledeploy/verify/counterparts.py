"""Which layer of one file computes what a layer of the other does: by place in the graph.

Names mean nothing between tools. Both graphs are walked from their outputs to their inputs at the
same time; layers that are met together belong together.
"""

import dataclasses

from mobiledeploy.reading import INPUT, Reading


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Counterparts:
    """Layers that belong together.

    Attributes:
        first: Index of a layer of the first file, or None where only the second has one.
        second: Likewise.
        swapped: Whether the second file reads the two operands the other way round.
    """

    first: int | None
    second: int | None
    swapped: bool = False


def counterparts(first: Reading, second: Reading) -> tuple[Counterparts, ...]:
    """Return pairs in the first file's running order, then what has no counterpart."""
    depths = _depths(first), _depths(second)
    partner: dict[int, int] = {}
    swapped: set[int] = set()
    waiting = [(first.output_of, second.output_of)]
    while waiting:
        a, b = waiting.pop()
        if a == INPUT or b == INPUT or a in partner or b in partner.values():
            continue
        partner[a] = b
        left = [read.source for read in first.layers[a].reads]
        right = [read.source for read in second.layers[b].reads]
        if len(left) != len(right):
            continue
        if len(left) == 2 and _fit(depths, left, right) < _fit(depths, left, right[::-1]):
            swapped.add(a)
            right.reverse()
        waiting.extend(zip(left, right, strict=True))
    taken = set(partner.values())
    return (
        *(
            Counterparts(first=index, second=partner.get(index), swapped=index in swapped)
            for index in range(len(first.layers))
        ),
        *(
            Counterparts(first=None, second=index)
            for index in range(len(second.layers))
            if index not in taken
        ),
    )


def _fit(depths: tuple[list[int], list[int]], left: list[int], right: list[int]) -> int:
    """Return how many operands lie at the same distance from the input."""
    pairs = zip(left, right, strict=True)
    return sum(_at(depths[0], a) == _at(depths[1], b) for a, b in pairs)


def _at(depths: list[int], source: int) -> int:
    return 0 if source == INPUT else depths[source]


def _depths(reading: Reading) -> list[int]:
    """Return the length of the longest way from the input to each layer."""
    found: list[int] = []
    for layer in reading.layers:
        found.append(1 + max((_at(found, read.source) for read in layer.reads), default=0))
    return found
