"""A node: an operator in an integer graph, with the tensors that it reads."""

import dataclasses
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from mobiledeploy.ops.tensors import QTensor, expect
from mobiledeploy.ops.weights import QWeights


class Node(Protocol):
    """An operator in an integer graph: a frozen dataclass.

    Its fields are the names of what it reads (`input` or `inputs`), `output`, for some `weights`,
    and then its options: whatever else decides what it computes.
    """

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the tensors that it reads."""

    @property
    def output(self) -> QTensor:
        """The tensor that it writes."""

    def check(self, inputs: Sequence[QTensor]) -> None:
        """Check shapes, types and grids against the tensors that it reads.

        Raises:
            ConversionError: Names the node, says what was expected and received.
        """


@runtime_checkable
class WeightedNode(Node, Protocol):
    """A node with a kernel and a bias."""

    @property
    def weights(self) -> QWeights:
        """Kernel and bias."""

    @property
    def channel_axis(self) -> int:
        """Axis of the output channels in the kernel."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OneInput:
    """The fields of a node that reads one tensor."""

    input: str
    output: QTensor

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the tensors that it reads."""
        return (self.input,)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TwoEqualInputs:
    """A node that reads two tensors of its output's shape."""

    inputs: tuple[str, str]
    output: QTensor

    def check(self, inputs: Sequence[QTensor]) -> None:
        """Check that the shapes are equal; see `Node.check`."""
        name = self.output.name
        expect(name, "number of inputs", len(inputs), 2)
        for other in inputs:
            expect(name, f"shape of `{other.name}`", other.shape, self.output.shape)
