"""Fold separate PAD, RELU and Clip operators into neighbouring layers."""

import dataclasses
from collections import Counter
from collections.abc import Sequence

from mobiledeploy.formats.model import Format
from mobiledeploy.ops import pad, table
from mobiledeploy.ops.capabilities import TakesPadding
from mobiledeploy.ops.stored import FULL, INPUT, LayersSoFar, StoredLayer, with_clamp
from mobiledeploy.reading.dilation import with_dilations
from mobiledeploy.reading.model import Reading


def finish(
    file: LayersSoFar,
    kind: Format,
    producer: str,
    *,
    source: int,
    name: str,
    dtype: str,
    others: tuple[str, ...],
) -> Reading:
    """Return a file's reading, with layers folded and unused ones dropped.

    Args:
        file: The layers as they were read, one for each operator.
        kind: Format of the file.
        producer: The program that wrote the file, as it states it.
        source: Index of the layer that gives the output.
        name: Name of the output.
        dtype: Type of the output.
        others: Names of further outputs.
    """
    layers, source = _folded(with_dilations(file.all(), file.input, source), source)
    last = file.input if source == INPUT else layers[source].output
    return Reading(
        format=kind,
        producer=producer,
        input=file.input,
        output=dataclasses.replace(last, name=name, dtype=dtype),
        output_of=source,
        layers=layers,
        shape_only=tuple(file.shape_only),
        other_outputs=others,
    )


def _folded(layers: tuple[StoredLayer, ...], output: int) -> tuple[tuple[StoredLayer, ...], int]:
    """Fold paddings and clamps into the layers around them, and drop what is not used."""
    folded = list(layers)
    readers = Counter(
        read.source for index in _alive(folded, output) for read in folded[index].reads
    )
    readers[output] += 1
    # The new index of each layer, which changes if it is folded into the one before.
    place = {INPUT: INPUT}
    for index, original in enumerate(layers):
        place[index] = index
        layer = folded[index] = _redirected(original, place)
        alone = len(original.reads) == 1 and readers[original.reads[0].source] == 1
        if not alone or layer.reads[0].source == INPUT:
            continue
        source = layer.reads[0].source
        before = folded[source]
        if layer.kind == "clamp" and _same_grid(before, layer):
            folded[source] = dataclasses.replace(
                with_clamp(before, layer.clamp), name=layer.name, output=layer.output
            )
            place[index] = source
            continue
        while _takes_over(layer, before):
            top, bottom, left, right = (
                a + b for a, b in zip(layer.pads, before.pads, strict=True)
            )
            (read,) = layer.reads
            alone = readers[layers[source].reads[0].source] == 1
            source = before.reads[0].source
            layer = folded[index] = dataclasses.replace(
                layer,
                reads=(dataclasses.replace(read, source=source),),
                pads=(top, bottom, left, right),
            )
            if source == INPUT or not alone:
                break
            before = folded[source]
    return _pruned(folded, place[output])


def _pruned(layers: list[StoredLayer], output: int) -> tuple[tuple[StoredLayer, ...], int]:
    """Return the layers that reach the output, and its new index."""
    kept = sorted(_alive(layers, output))
    place = {INPUT: INPUT} | {index: number for number, index in enumerate(kept)}
    return tuple(_redirected(layers[index], place) for index in kept), place[output]


def _redirected(layer: StoredLayer, place: dict[int, int]) -> StoredLayer:
    reads = tuple(dataclasses.replace(read, source=place[read.source]) for read in layer.reads)
    return dataclasses.replace(layer, reads=reads)


def _takes_over(layer: StoredLayer, before: StoredLayer) -> bool:
    """Whether a layer can pad its input itself, as the layer before does."""
    module: object = table.of_kind(layer.kind)
    pads = before.kind == "pad" and before.clamp == FULL and not before.faults
    if not isinstance(module, TakesPadding) or not pads:
        return False
    code = module.pad_code(layer.reads[0].zero_point)
    return bool(before.parameter(pad.CODE) == code)


def _same_grid(before: StoredLayer, layer: StoredLayer) -> bool:
    a, b = before.output, layer.output
    return a.scale is not None and (a.scale, a.zero_point) == (b.scale, b.zero_point)


def _alive(layers: Sequence[StoredLayer], output: int) -> set[int]:
    alive: set[int] = set()
    waiting = [output]
    while waiting:
        index = waiting.pop()
        if index != INPUT and index not in alive:
            alive.add(index)
            waiting.extend(read.source for read in layers[index].reads)
    return alive
