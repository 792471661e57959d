"""Who writes and who reads each tensor."""

import dataclasses
from collections import defaultdict

from mobiledeploy.formats.model import Model, Operator


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Links:
    """The wires of a graph.

    Attributes:
        writer: By the index of a tensor, the operator that writes it.
        readers: By the index of a tensor, the operators that read it.
        inputs: Indices of the graph's inputs.
        outputs: Indices of the graph's outputs.
    """

    writer: dict[int, Operator]
    readers: dict[int, list[Operator]]
    inputs: frozenset[int]
    outputs: frozenset[int]

    @classmethod
    def of(cls, model: Model) -> "Links":
        """Return a model's wires."""
        writer: dict[int, Operator] = {}
        readers: dict[int, list[Operator]] = defaultdict(list)
        for operator in model.operators:
            for index in operator.outputs:
                if index >= 0:
                    writer.setdefault(index, operator)
            for index in dict.fromkeys(operator.inputs):
                if index >= 0:
                    readers[index].append(operator)
        return cls(
            writer=writer,
            readers=dict(readers),
            inputs=frozenset(model.inputs),
            outputs=frozenset(model.outputs),
        )

    def only_reader(self, index: int) -> Operator | None:
        """Return the one operator that reads a tensor, if nothing else does."""
        readers = self.readers.get(index, [])
        return readers[0] if len(readers) == 1 and index not in self.outputs else None

    def at_border(self, operator: Operator) -> bool:
        """Tell whether an operator reads an input of the graph or writes an output."""
        return not (
            self.inputs.isdisjoint(operator.inputs) and self.outputs.isdisjoint(operator.outputs)
        )
