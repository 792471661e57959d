"""A reading while it grows: layers are added and changed, and folded together at the end."""

import dataclasses
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
    alive = _alive(layers, output)
    readers = [0] * len(layers)
    for index in alive:
        for read in layers[index].reads:
            if read.source != INPUT:
                readers[read.source] += 1
    if output != INPUT:
        readers[output] += 1
    kept: list[Layer] = []
    place: dict[int, int] = {INPUT: INPUT}
    for index in sorted(alive):
        layer = layers[index]
        layer = dataclasses.replace(
            layer,
            reads=tuple(dataclasses.replace(r, source=place[r.source]) for r in layer.reads),
        )
        before = layer.reads[0].source if len(layer.reads) == 1 else INPUT
        alone = before != INPUT and readers[layers[index].reads[0].source] == 1
        if alone and layer.kind == "clamp" and _same_grid(kept[before], layer):
            low, high = kept[before].clamp
            clamp = (max(low, layer.clamp[0]), min(high, layer.clamp[1]))
            kept[before] = dataclasses.replace(
                kept[before], clamp=clamp, name=layer.name, output=layer.output
            )
            place[index] = before
            continue
        if alone and layer.kind in {"conv", "depthwise"} and kept[before].kind == "pad":
            padding = kept[before]
            if before == len(kept) - 1 and not padding.faults:
                kept.pop()
                top, bottom, left, right = (
                    a + b for a, b in zip(layer.pads, padding.pads, strict=True)
                )
                layer = dataclasses.replace(
                    layer, reads=padding.reads, pads=(top, bottom, left, right)
                )
        place[index] = len(kept)
        kept.append(layer)
    return tuple(kept), place[output]


def _same_grid(before: Layer, layer: Layer) -> bool:
    a, b = before.output, layer.output
    return a.scale is not None and (a.scale, a.zero_point) == (b.scale, b.zero_point)


def _alive(layers: tuple[Layer, ...], output: int) -> set[int]:
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
