"""What verification found layer by layer: where two files part, and by how much."""

import dataclasses

from mobiledeploy.base.codec import UNWRITTEN
from mobiledeploy.compare.difference import Cause


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LayerRow:
    """How a layer's codes differ between the two files, over the images that localise.

    Attributes:
        layer: Its name.
        operator: `CONV_2D`, `ADD` and so on.
        max_lsb: Largest difference between the two files, end to end: errors of earlier layers
            included.
        differing: Share of elements that differ, 0..1, end to end.
        first_error: Largest difference between what the first file's runtime gives and what the
            NumPy oracle computes with that file's integers from the codes that really reached
            the layer: errors of earlier layers excluded. None where the oracle cannot judge.
        second_error: The same of the second file, its runtime and its integers.
        alone_max_lsb: Largest difference between the layer cut out of the first file and cut out
            of the second one, each in its runtime, on the codes that reached it in the first
            file: errors of earlier layers excluded. Where the files have other grids for what it
            reads, the codes are moved to the second one's first. None where it cannot be cut out.
        alone_differing: Share of elements that differ then, 0..1.
    """

    layer: str
    operator: str
    max_lsb: int
    differing: float
    first_error: int | None
    second_error: int | None
    alone_max_lsb: int | None
    alone_differing: float | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class HotChannel:
    """A channel of the diverging layer, worst first.

    Attributes:
        channel: Its index.
        max_lsb: Largest difference in it.
        differing: Share of its elements that differ, 0..1.
    """

    channel: int
    max_lsb: int
    differing: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Divergence:
    """The first layer that diverges.

    Attributes:
        layer: Its name in the first file.
        other: Its name in the second file.
        operator: `CONV_2D`, `ADD` and so on; `INPUT` where the codes of the input differ.
        position: 1 for the first layer after the input; 0 for the input.
        layers: How many layers there are.
        image: Name of the image that shows it best: the one with the largest difference.
        images: How many images were looked at.
        blamed: Name of the participant that does not compute what its own file's integers say.
            Empty where both do, so that it is the files' integers that differ, and where that
            cannot be told.
        histogram: Difference (second minus first) in steps, and how many elements differ by it,
            on the image that shows it best.
        channels: The worst channels of the layer, at most eight.
        cause: Why, in a sentence.
        reason: `cause`, clause by clause; not in JSON.
    """

    layer: str
    other: str
    operator: str
    position: int
    layers: int
    image: str
    images: int
    blamed: str
    histogram: tuple[tuple[int, int], ...]
    channels: tuple[HotChannel, ...]
    cause: str
    reason: Cause = dataclasses.field(default=Cause(), compare=False, metadata=UNWRITTEN)

    @property
    def headline(self) -> str:
        """The most telling clause of the cause; all of it where the clauses are not known."""
        return self.reason.headline or self.cause
