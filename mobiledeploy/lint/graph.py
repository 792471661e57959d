"""`Graph`: a model with its layers, as the rules read it."""

import dataclasses
import functools
from collections import Counter
from typing import Final

from mobiledeploy.formats.limits import StepLimit
from mobiledeploy.formats.model import FLOATS, Model, Tensor
from mobiledeploy.lint.layers import Layer, Links, find_layers

ELEMENTS: Final = 2**26
"""Most weights of all layers of a small file together; a large file may have more."""


@dataclasses.dataclass(frozen=True, eq=False)
class Graph:
    """A model with its links and layers; made by `of`.

    Attributes:
        model: The parsed file.
        links: Writer and readers of each tensor.
        layers: The operators that compute from activations or move them.
    """

    model: Model
    links: Links
    layers: tuple[Layer, ...]

    @classmethod
    def of(cls, model: Model) -> "Graph":
        """Return a model's graph.

        Raises:
            CorruptFileError: Operators share weights so often that checking would take too long.
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
        """The layer that writes a tensor, by the tensor's `id()`."""
        writers: dict[int, Layer] = {}
        for layer in self.layers:
            writers.setdefault(id(layer.output.tensor), layer)
        return writers

    @functools.cached_property
    def quantised(self) -> bool:
        """Whether any layer reads and writes codes."""
        return any(layer.integer for layer in self.layers)

    @functools.cached_property
    def kind(self) -> str:
        """The type that it computes in, such as `int8` or `float32`, or `mixed`."""
        types = Counter(
            layer.output.tensor.dtype if layer.integer else "float" for layer in self.layers
        )
        if not types:
            return "unknown"
        if set(types) == {"float"}:
            return self._float_kind()
        return "mixed" if "float" in types else types.most_common(1)[0][0]

    def _float_kind(self) -> str:
        """Return the type of a float graph by its weights."""
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
