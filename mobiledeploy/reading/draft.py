"""A reading while it grows: layers are added and changed, and folded together at the end."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Any

from mobiledeploy.reading.model import INPUT, Format, Layer, Read, Reading, Tensor


class Draft:
    """Layers in running order, and the input's grid as far as it is known."""

    def __init__(self, image: Tensor) -> None:
        """Begin with the graph's input."""
        self.input = image
        self.layers: list[Layer] = []
        self.shape_only: list[str] = []

    def add(self, layer: Layer) -> int:
        """Add a layer; return its index."""
        self.layers.append(layer)
        return len(self.layers) - 1

    def change(self, index: int, **fields: Any) -> None:
        """Change fields of a layer."""
        self.layers[index] = dataclasses.replace(self.layers[index], **fields)

    def tensor(self, source: int) -> Tensor:
        """Return what a source writes."""
        return self.input if source == INPUT else self.layers[source].output

    def finish(
        self,
        kind: Format,
        producer: str,
        *,
        source: int,
        name: str,
        dtype: str,
        others: tuple[str, ...],
    ) -> Reading:
        """Return the reading.

        Args:
            kind: Format of the file.
            producer: What it says about who wrote it.
            source: What gives its output.
            name: Of the output.
            dtype: Of the output.
            others: Names of further outputs.
        """
        layers, source = _folded(tuple(self.layers), source)
        last = self.input if source == INPUT else layers[source].output
        return Reading(
            format=kind,
            producer=producer,
            input=self.input,
            output=dataclasses.replace(last, name=name, dtype=dtype),
            output_of=source,
            layers=layers,
            shape_only=tuple(self.shape_only),
            other_outputs=others,
        )


def _folded(layers: tuple[Layer, ...], output: int) -> tuple[tuple[Layer, ...], int]:
    """Fold paddings and clamps into the layers around them, and drop what is not used."""
    found = list(layers)
    readers = Counter(
        read.source for index in _alive(found, output) for read in found[index].reads
    )
    readers[output] += 1
    # Where a layer's numbers come from once it is folded into the one before.
    place = {INPUT: INPUT}
    for index, original in enumerate(layers):
        place[index] = index
        layer = found[index] = _redirected(original, place)
        alone = len(original.reads) == 1 and readers[original.reads[0].source] == 1
        if not alone or layer.reads[0].source == INPUT:
            continue
        source = layer.reads[0].source
        before = found[source]
        if layer.kind == "clamp" and _same_grid(before, layer):
            clamp = max(before.clamp[0], layer.clamp[0]), min(before.clamp[1], layer.clamp[1])
            found[source] = dataclasses.replace(
                before, clamp=clamp, name=layer.name, output=layer.output
            )
            place[index] = source
        elif layer.kind in {"conv", "depthwise"} and before.kind == "pad" and not before.faults:
            top, bottom, left, right = (
                a + b for a, b in zip(layer.pads, before.pads, strict=True)
            )
            found[index] = dataclasses.replace(
                layer, reads=before.reads, pads=(top, bottom, left, right)
            )
    return _pruned(found, place[output])


def _pruned(layers: list[Layer], output: int) -> tuple[tuple[Layer, ...], int]:
    """Return the layers that reach the output, and its new index."""
    kept = sorted(_alive(layers, output))
    place = {INPUT: INPUT} | {index: number for number, index in enumerate(kept)}
    return tuple(_redirected(layers[index], place) for index in kept), place[output]


def _redirected(layer: Layer, place: dict[int, int]) -> Layer:
    reads = tuple(dataclasses.replace(read, source=place[read.source]) for read in layer.reads)
    return dataclasses.replace(layer, reads=reads)


def _same_grid(before: Layer, layer: Layer) -> bool:
    a, b = before.output, layer.output
    return a.scale is not None and (a.scale, a.zero_point) == (b.scale, b.zero_point)


def _alive(layers: Sequence[Layer], output: int) -> set[int]:
    alive: set[int] = set()
    waiting = [output]
    while waiting:
        index = waiting.pop()
        if index != INPUT and index not in alive:
            alive.add(index)
            waiting.extend(read.source for read in layers[index].reads)
    return alive


def read_of(source: int, tensor: Tensor) -> Read:
    """Return a read on the grid that a tensor was written on."""
    return Read(source=source, scale=tensor.scale, zero_point=tensor.zero_point)
