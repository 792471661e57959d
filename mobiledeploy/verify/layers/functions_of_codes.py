"""Find the tensors of a file's graph that are a function of each code of another tensor."""

import dataclasses
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy.typing as npt

Run: TypeAlias = Callable[[bytes, npt.NDArray[Any]], npt.NDArray[Any]]
"""Runs a file of some nodes: from its bytes and its only input to its only output."""


@dataclasses.dataclass(frozen=True, slots=True)
class Function:
    """A tensor as a function of each code of another one.

    Attributes:
        first: The tensor of codes that all of it is computed from.
        nodes: Numbers of the nodes from there.
        starts: The tensors of codes that the last nodes read.
        last: Numbers of the nodes from those.
    """

    first: str
    nodes: frozenset[int]
    starts: frozenset[str]
    last: frozenset[int]


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    """What lies between two tensors of codes.

    Attributes:
        root: The tensor that it reads.
        nodes: Numbers of its nodes.
        node: Number of one that no reader knows.
    """

    root: str
    nodes: frozenset[int]
    node: int


class Functions:
    """The functions of codes in a graph, while its nodes are followed in running order."""

    def __init__(self) -> None:
        self._functions: dict[str, Function] = {}

    def follow(
        self, number: int, name: str, operands: Sequence[str], codes: Collection[str]
    ) -> None:
        """Note what a node writes that computes each element alone.

        Args:
            number: Of the node.
            name: What it writes.
            operands: The tensors that it reads, constants left out.
            codes: Those of them that hold codes.
        """
        known = [
            self._start(each) if each in codes else self._functions.get(each) for each in operands
        ]
        functions = [each for each in known if each is not None]
        firsts = {each.first for each in functions}
        if len(firsts) == 1 and len(functions) == len(operands):
            self._functions[name] = Function(
                first=firsts.pop(),
                nodes=frozenset({number}).union(*(each.nodes for each in functions)),
                starts=frozenset[str]().union(*(each.starts for each in functions)),
                last=frozenset({number}).union(*(each.last for each in functions)),
            )

    def part(self, name: str, unread: Callable[[Collection[int]], int | None]) -> Part | None:
        """Return the shortest part of the graph that a tensor of codes is a function by.

        None if it is no function, or readers know all of its nodes.

        Args:
            name: The tensor.
            unread: Returns one of some nodes that no reader knows; None if there is none.
        """
        function = self._functions.get(name)
        if function is None:
            return None
        node = unread(function.last)
        root, nodes = function.first, function.nodes
        if len(function.starts) == 1:
            (root,), nodes = function.starts, function.last
        elif node is None:
            node = unread(function.nodes)
        return None if node is None else Part(root=root, nodes=nodes, node=node)

    def _start(self, codes: str) -> Function:
        before = self._functions.get(codes)
        return Function(
            first=codes if before is None else before.first,
            nodes=frozenset() if before is None else before.nodes,
            starts=frozenset({codes}),
            last=frozenset(),
        )


def kept(
    outputs: Sequence[str],
    writers: Mapping[str, int],
    inputs: Sequence[Sequence[str]],
    table: Callable[[str], str | None],
) -> set[int]:
    """Return the nodes that a graph still needs when tables stand for others.

    Args:
        outputs: Of the graph.
        writers: The number of the node that writes a tensor.
        inputs: What each node reads.
        table: Returns what a table in place of a tensor's node reads; None if there is none.
    """
    waiting, seen, needed = list(outputs), set[str](), set[int]()
    while waiting:
        name = waiting.pop()
        number = writers.get(name)
        if name in seen or number is None:
            continue
        seen.add(name)
        root = table(name)
        if root is not None:
            waiting.append(root)
            continue
        needed.add(number)
        waiting.extend(inputs[number])
    return needed


def axis_of(shapes: Iterable[Sequence[int]], rank: int | None) -> tuple[int, int] | None:
    """Return the axis along which constants differ, 0 if none do, and how many they are.

    None where they differ along several.

    Args:
        shapes: Of the constants.
        rank: Of the tensor that they are computed with; None if it is not known.
    """
    axis, channels = 0, 1
    for shape in shapes:
        if math.prod(shape) == 1:
            continue
        wide = [place for place, size in enumerate(shape) if size != 1]
        if rank is None or len(wide) != 1:
            return None
        place = rank - len(shape) + wide[0]
        if axis not in {0, place} or channels not in {1, max(shape)}:
            return None
        axis, channels = place, max(shape)
    return axis, channels
