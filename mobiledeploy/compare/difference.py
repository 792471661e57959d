"""What two files' layers differ in: frozen, and JSON by `codec`."""

import dataclasses
from typing import Literal, TypeAlias

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
    "rounding",
    "not comparable",
]

MOST_CHANNELS = 16
"""Of which a difference names the numbers."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing in which two files differ.

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
    """

    same: bool
    layers: int
    other_layers: int
    matched: int
    first: Difference | None
    cause: str
    differences: tuple[Difference, ...]
