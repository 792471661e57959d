"""A model as the rules look at it."""

import dataclasses
import functools
from collections import Counter
from typing import Final

from mobiledeploy.formats.limits import StepLimit
from mobiledeploy.formats.model import FLOATS, Model, Tensor
from mobiledeploy.lint.layers import Layer, Links, find_layers

ELEMENTS: Final = 2**26
"""Weights of all layers of a small file together; of a large one as many as it has room for."""


@dataclasses.dataclass(frozen=True, eq=False)
class Graph:
    """A model, and what follows from it. Made by `of`.

    Attributes:
        model: The file.
        links: Who writes and reads each tensor.
        layers: Its operators that compute from activations, or move them.
    """

    model: Model
    links: Links
    layers: tuple[Layer, ...]

    @classmethod
    def of(cls, model: Model) -> "Graph":
        """Return a model's graph.

        Raises:
            CorruptFileError: Operators share weights so often that no rule could look at all.
        """
        links = Links.of(model)
        layers = find_layers(model, links)
        limit = StepLimit(ELEMENTS + 8 * model.size)
        for layer in layers:
            if layer.kernel is not None and layer.kernel.tensor.data is not None:
                limit.take(layer.kernel.tensor.data.size)
        return cls(model=model, links=links, layers=layers)

    @functools.cached_property
    def by_output(self) -> dict[int, Layer]:
        """By the identity of a tensor, the layer that writes it."""
        writers: dict[int, Layer] = {}
        for layer in self.layers:
            writers.setdefault(id(layer.output.tensor), layer)
        return writers

    @functools.cached_property
    def quantised(self) -> bool:
        """Whether any layer computes from codes to codes."""
        return any(layer.integer for layer in self.layers)

    @functools.cached_property
    def kind(self) -> str:
        """`int8` and the like, `float32` and the like, or `mixed`."""
        types = Counter(
            layer.output.tensor.dtype if layer.integer else "float" for layer in self.layers
        )
        if not types:
            return "unknown"
        if set(types) == {"float"}:
            return self._float_kind()
        return "mixed" if "float" in types else types.most_common(1)[0][0]

    def _float_kind(self) -> str:
        """Return the type of the weights where layers compute in floats."""
        weights = {layer.kernel.tensor.dtype for layer in self.layers if layer.kernel is not None}
        if weights - set(FLOATS):
            return "float, quantised weights"
        return weights.pop() if len(weights) == 1 else "float32"

    def macs(self) -> int | None:
        """Return the multiply-accumulates for one image; None if some are not known."""
        counts = [layer.macs() for layer in self.layers]
        known = [count for count in counts if count is not None]
        return sum(known) if len(known) == len(counts) else None

    def inputs_and_outputs(self) -> tuple[Tensor, ...]:
        """Return the tensors that an app sees."""
        indices = (*self.model.inputs, *self.model.outputs)
        return tuple(self.model.tensors[index] for index in indices if index >= 0)
