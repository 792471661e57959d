"""`IntegerGraph`: int8 operators, joined by tensors with scales and zero points, checked.

What an operator is, and what it may be given, is said by its module in `ops`.
"""

import dataclasses
from collections.abc import Mapping

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.ops import table
from mobiledeploy.ops.operator import Node
from mobiledeploy.ops.softmax import Softmax
from mobiledeploy.ops.tensors import QTensor


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class IntegerGraph:
    """An int8 network with one input and one output, checked when it is made.

    Any graph of the operators in `ops.table`: a tensor may be read any number of times. Names may
    hold any characters.

    Attributes:
        name: For people.
        input: The image, int8.
        nodes: In the order in which they run; the last one writes the output.
    """

    name: str
    input: QTensor
    nodes: tuple[Node, ...]

    def __post_init__(self) -> None:
        """Check every joint, shape, dtype and grid.

        Raises:
            ConversionError: Names the node and says what was expected and received.
        """
        if not self.nodes:
            raise ConversionError(f"graph `{self.name}`: expected operators, received none")
        tensors = {self.input.name: self.input}
        for node in self.nodes:
            table.of_node(node)
            if not node.output.name:
                raise ConversionError(
                    f"graph `{self.name}`: expected a name for each tensor, received none"
                )
            for name in node.inputs:
                if name not in tensors:
                    raise ConversionError(f"`{node.output.name}` reads unknown tensor `{name}`")
            if node.output.name in tensors:
                raise ConversionError(f"two tensors are named `{node.output.name}`")
            node.check([tensors[name] for name in node.inputs])
            tensors[node.output.name] = node.output

    def tensors(self) -> Mapping[str, QTensor]:
        """Return all activations by name, the input first."""
        return {t.name: t for t in (self.input, *(node.output for node in self.nodes))}

    @property
    def output(self) -> QTensor:
        """What the last node writes."""
        return self.nodes[-1].output

    @property
    def logits(self) -> QTensor:
        """The softmax's input, or the output where the graph ends without a softmax."""
        last = self.nodes[-1]
        return self.tensors()[last.input] if isinstance(last, Softmax) else last.output
