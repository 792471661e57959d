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
"""Most channels that a difference names."""

GridChange: TypeAlias = Literal["last place", "first in floats", "second in floats"]
"""`last place`: scales differ by a few units in the last place, as after different rounding. The
others: that file keeps a tensor in floats which the other one quantises."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why two files differ, in words.

    Attributes:
        clauses: The cause, the most informative clause first; empty if nothing differs.
    """

    clauses: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """All clauses as one sentence."""
        return "; ".join(self.clauses)

    @property
    def headline(self) -> str:
        """The first clause."""
        return self.clauses[0] if self.clauses else ""

    def with_(self, *clauses: str) -> "Cause":
        """Return the cause with more clauses."""
        return dataclasses.replace(self, clauses=(*self.clauses, *clauses))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FieldDifference:
    """A field in which two layers differ.

    Attributes:
        field: The field.
        detail: The difference in words.
        expected: The first layer's value.
        received: The second layer's value.
        channels: Output channels that differ; empty if it concerns no channels in particular.
        harmful: Whether it changes an output, if the field alone decides that; None if the
            layers' functions have to be compared.
        method: How `harmful` was decided.
        change: For scales, in which way they differ.
    """

    field: Field
    detail: str
    expected: str = ""
    received: str = ""
    channels: tuple[int, ...] = ()
    harmful: bool | None = None
    method: str = ""
    change: GridChange | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A field in which two files differ, and its effect on the outputs.

    Attributes:
        position: Index of the layer in the first file's running order; -1 for the input. For a
            layer that only the second file has, the index of the layer before it.
        layer: Its name in the first file; empty if only the second file has it.
        other: Its name in the second file; empty if only the first file has it.
        kind: What the layer computes, such as `conv`.
        field: The field that differs.
        detail: The difference in words.
        expected: The first file's value.
        received: The second file's value.
        channels: The first output channels that differ; empty if it concerns none in particular.
        channel_count: How many channels differ.
        lsb: Largest possible difference of the layer's output, in LSB; None if not computed.
        equivalent: Whether it was shown to change no output.
        method: How it was found whether it can change an output.
        operator: The operator's name in the file that has the layer, such as `CONV_2D`; empty at
            the input; not in JSON.
        change: For scales, in which way they differ; not in JSON.
        nearly: Whether the ranges of two grids differ by only a few steps; not in JSON.
        but: Where both files' codes may differ all the same, in words: on other CPUs, or where a
            runtime computes in float32; empty if nowhere; not in JSON.
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
    operator: str = dataclasses.field(default="", compare=False, metadata=UNWRITTEN)
    change: GridChange | None = dataclasses.field(default=None, compare=False, metadata=UNWRITTEN)
    nearly: bool = dataclasses.field(default=False, compare=False, metadata=UNWRITTEN)
    but: str = dataclasses.field(default="", compare=False, metadata=UNWRITTEN)

    @property
    def name(self) -> str:
        """The layer's name in the first file, or in the second if only that one has it."""
        return self.layer or self.other

    @property
    def number(self) -> int:
        """Number of the layer, counted from 1; 0 for the input."""
        return 0 if self.kind == "input" else max(self.position, 0) + 1


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StructureReport:
    """In what two files differ, layer by layer, judged by their integers alone.

    Attributes:
        same: Whether no difference can change an output.
        layers: Number of layers of the first file.
        other_layers: Number of layers of the second file.
        matched: Number of layers that both files have.
        first: The first difference in running order that may change an output, or None.
            Differences of numbers come before layers whose kernels merely round differently.
        cause: Why the files differ, in a sentence; empty if no difference can change an output.
        differences: All differences in running order, including those shown to change no output.
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


def in_each(first: object, second: object) -> str:
    """Return a field's two values in words that say which file each is from."""
    return f"{first} in the first file, {second} in the second"
