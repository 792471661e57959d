"""`StructureReport`: in what two files differ, as plain data that `codec` turns into JSON."""

import dataclasses
from typing import Literal, TypeAlias

from mobiledeploy.base.codec import UNWRITTEN

Field: TypeAlias = Literal[
    "input type",
    "input shape",
    "input grid",
    "output type",
    "missing layer",
    "extra layer",
    "operator",
    "joints",
    "output shape",
    "scale",
    "zero point",
    "activation",
    "axis",
    "strides",
    "dilations",
    "padding",
    "window",
    "groups",
    "kernel shape",
    "kernel order",
    "weights",
    "channel order",
    "channels swapped",
    "label order",
    "per-tensor weights",
    "kernel scale",
    "kernel zero point",
    "bias",
    "bias scale",
    "read scale",
    "read zero point",
    "operands swapped",
    "softmax beta",
    "parameter",
    "rounding",
    "not comparable",
]

MOST_CHANNELS = 16
"""How many channels a difference names."""

GridChange: TypeAlias = Literal["last place", "first in floats", "second in floats"]
"""`last place`: a scale is some units in the last place off, as another rounding leaves it. The
others: one file has no codes where the other one has."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why two files differ, in words, and what these words rest on.

    Attributes:
        clauses: Words, the most telling first; none if nothing is the matter.
        measured_by_first: Whether they call what the first file holds expected.
    """

    clauses: tuple[str, ...] = ()
    measured_by_first: bool = False

    @property
    def words(self) -> str:
        """All of it in a sentence."""
        return "; ".join(self.clauses)

    @property
    def headline(self) -> str:
        """The first clause."""
        return self.clauses[0] if self.clauses else ""

    def with_(self, *clauses: str) -> "Cause":
        """Return the same with more clauses."""
        return dataclasses.replace(self, clauses=(*self.clauses, *clauses))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FieldDifference:
    """A field in which two layers differ.

    Attributes:
        field: Which.
        detail: In words.
        expected: What the first has.
        received: What the second has.
        channels: Output channels concerned; empty if it is none in particular.
        harmful: Whether it changes an output, where that is clear from the field alone; None
            where the layers' functions decide.
        method: Why that is clear.
        change: What kind of change of a grid it is, where that matters.
        measured_by_first: Whether `detail` calls what the first has expected.
    """

    field: Field
    detail: str
    expected: str = ""
    received: str = ""
    channels: tuple[int, ...] = ()
    harmful: bool | None = None
    method: str = ""
    change: GridChange | None = None
    measured_by_first: bool = False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A field in which two files differ, and what that changes.

    Attributes:
        position: Of the layer in the first file's running order; -1 for the input. Of a layer
            that only the second file has: that of the layer before it.
        layer: Its name in the first file; empty if only the second file has it.
        other: Its name in the second file; empty if only the first file has it.
        kind: What the layer computes.
        field: What differs.
        detail: In words.
        expected: What the first file has.
        received: What the second file has.
        channels: Output channels concerned, the first ones; empty if it is none in particular.
        channel_count: How many channels are concerned.
        lsb: By how many steps an output of the layer can differ, at most; None if not computed.
        equivalent: Whether it was shown to change no output.
        method: How that was shown, or how it was found that it may.
        change: What kind of change of a grid it is, where that matters; not in JSON.
        nearly: Whether two grids cover one range but for some steps; not in JSON.
        measured_by_first: Whether `detail` calls what the first file has expected; not in JSON.
    """

    position: int
    layer: str
    other: str
    kind: str
    field: Field
    detail: str
    expected: str
    received: str
    channels: tuple[int, ...] = ()
    channel_count: int = 0
    lsb: int | None = None
    equivalent: bool = False
    method: str = ""
    change: GridChange | None = dataclasses.field(default=None, compare=False, metadata=UNWRITTEN)
    nearly: bool = dataclasses.field(default=False, compare=False, metadata=UNWRITTEN)
    measured_by_first: bool = dataclasses.field(default=False, compare=False, metadata=UNWRITTEN)

    @property
    def name(self) -> str:
        """The layer's name, in the first file if it is there."""
        return self.layer or self.other

    @property
    def number(self) -> int:
        """Which layer it is, counted from one; 0 for the input."""
        return 0 if self.kind == "input" else max(self.position, 0) + 1


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StructureReport:
    """In what two files differ, layer by layer, judged by their integers alone.

    Attributes:
        same: Whether no difference can change an output.
        layers: Of the first file.
        other_layers: Of the second file.
        matched: Layers that stand in both.
        first: The first difference in running order that may change an output, or None. One of
            numbers, if there is one, before layers whose kernels merely round otherwise.
        cause: What is the matter, in a sentence; empty if nothing is.
        differences: All of them, in running order; also those shown to change nothing.
        reason: `cause`, clause by clause; not in JSON.
    """

    same: bool
    layers: int
    other_layers: int
    matched: int
    first: Difference | None
    cause: str
    differences: tuple[Difference, ...]
    reason: Cause = dataclasses.field(default=Cause(), compare=False, metadata=UNWRITTEN)
