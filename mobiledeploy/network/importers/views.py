"""`View`: a tensor with the axes that the source gives it, held by a node in another order.

A source in NCHW is imported without a transposition: a node holds an image as (height, width,
channels), and its view says that axis 1 of the source is the last one there. Reshaping and
transposing only change the view, until an operator needs the values in an order of its own. So a
pair of transpositions cancels, and a matrix behind a flattened image can permute its rows instead.

An axis is a product of factors, the slowest first, so that a view can also split an axis or join
several. A factor of size 1 does not exist: an axis of size 1 has no factors.
"""

import dataclasses
import math
from collections.abc import Iterable, Sequence
from typing import TypeAlias


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Factor:
    """A factor of one or several axes; two factors of one size are still different ones."""

    size: int


Factors: TypeAlias = tuple[Factor, ...]


def product(factors: Iterable[Factor]) -> int:
    """Return the size of an axis."""
    return math.prod(factor.size for factor in factors)


def flat(axes: Iterable[Factors]) -> Factors:
    """Return the factors of all axes, in their order."""
    return tuple(factor for axis in axes for factor in axis)


def axis_of(size: int) -> Factors:
    """Return the factors of a new axis."""
    return () if size == 1 else (Factor(size),)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class View:
    """A tensor of the source.

    Attributes:
        node: Name of the node that holds it.
        stored: Factors of each axis of the node's output, without the batch.
        axes: Factors of each axis that the source gives it. The batch is a factor of its own,
            of which no axis of `stored` has a part. It may be missing where it is 1.
    """

    node: str
    stored: tuple[Factors, ...]
    axes: tuple[Factors, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """The shape that the source gives it, the batch included."""
        return tuple(map(product, self.axes))

    def batch_axis(self, batch: Factor) -> int | None:
        """Return the axis that is the batch; None if it has none."""
        return next((place for place, axis in enumerate(self.axes) if batch in axis), None)

    def content(self, batch: Factor) -> tuple[int, ...]:
        """Return all axes but that of the batch."""
        return tuple(place for place, axis in enumerate(self.axes) if batch not in axis)

    def transposed(self, permutation: Sequence[int]) -> "View":
        """Return the view with its axes in another order."""
        return dataclasses.replace(self, axes=tuple(self.axes[place] for place in permutation))

    def reshaped(self, sizes: Sequence[int], batch: Factor) -> "View | None":
        """Return the view with axes of other sizes.

        Args:
            sizes: The new sizes, whose product is that of the old ones.
            batch: The factor of the batch.

        Returns:
            None if the new axes would share a factor that does not divide, or if the batch would
            not be an axis of its own.
        """
        factors = [factor for factor in flat(self.axes) if factor.size > 1]
        parts: dict[Factor, list[Factor]] = {factor: [] for factor in factors}
        axes: list[Factors] = []
        left = list(reversed(factors))
        for size in sizes:
            axis: list[Factor] = []
            while size > 1:
                if not left:
                    return None
                factor = left.pop()
                if size % factor.size == 0:
                    piece = factor
                elif factor.size % size == 0:
                    piece, rest = Factor(size), Factor(factor.size // size)
                    whole = next((whole for whole, of in parts.items() if factor in of), factor)
                    parts[whole] = [
                        *(p for p in parts[whole] if p is not factor), piece, rest
                    ]  # fmt: skip
                    left.append(rest)
                else:
                    return None
                axis.append(piece)
                size //= piece.size  # noqa: PLW2901
            axes.append(tuple(axis))
        if left:
            return None
        if batch.size > 1 and batch in factors and (batch,) not in axes:
            return None
        if batch.size == 1 and (place := self._unit_batch(axes, batch)) is not None:
            axes[place] = (batch,)
        return View(
            node=self.node,
            stored=tuple(
                tuple(part for factor in axis for part in (parts[factor] or [factor]))
                for axis in self.stored
            ),
            axes=tuple(axes),
        )

    def _unit_batch(self, axes: Sequence[Factors], batch: Factor) -> int | None:
        """Return the new axis of size 1 that is where the batch of size 1 was; None if none is."""
        place = self.batch_axis(batch)
        before = product(flat(self.axes[: place or 0]))
        for number, axis in enumerate(axes):
            if not axis and product(flat(axes[:number])) == before:
                return number
        return None

    def structure(self) -> tuple[object, ...]:
        """Return a value that is equal for two views whose values are stored alike."""
        numbers = {factor: number for number, factor in enumerate(flat(self.axes))}
        return (
            tuple(tuple((factor.size, numbers[factor]) for factor in axis) for axis in self.axes),
            tuple(tuple(numbers[factor] for factor in axis) for axis in self.stored),
        )

    def order(self, batch: Factor) -> tuple[int, ...] | None:
        """Return which axis each stored axis is; None if they do not correspond one to one."""
        places = list(self.content(batch))
        if len(places) != len(self.stored):
            return None
        order = []
        for stored in self.stored:
            place = next((place for place in places if self.axes[place] == stored), None)
            if place is None:
                return None
            places.remove(place)
            order.append(place)
        return tuple(order)
