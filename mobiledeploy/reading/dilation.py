"""Fold what moves the pixels around a dilated convolution into its dilation.

TensorFlow computes a dilated convolution between SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND: it pads
an image, makes a batch of it in which each image has every so manieth pixel, convolves these, and
puts the results back between each other.
"""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Final

from mobiledeploy.ops.padding import NO_DILATION, NO_PADS, Pads, Pair, output_size
from mobiledeploy.ops.stored import INPUT, StoredLayer, StoredTensor
from mobiledeploy.ops.tflite_reading import LayerSource

TO_BATCH: Final = "SPACE_TO_BATCH_ND"
FROM_BATCH: Final = "BATCH_TO_SPACE_ND"

_BLOCK: Final = "block"
"""Parameter: vertical and horizontal distance between two pixels of one image in the batch."""
_BORDER: Final = "border"
"""Parameter: what is added before, or cut off after, above, below, left and right."""


def layer_of_tflite(source: LayerSource) -> StoredLayer:
    """Return the layer of one of the two operators, with its constants if it is for images."""
    block, border = source.constant(1), source.constant(2)
    if block is None or border is None or (block.shape, border.shape) != ((2,), (2, 2)):
        return source.layer
    parameters = (_BLOCK, tuple(block.tolist())), (_BORDER, tuple(border.ravel().tolist()))
    return dataclasses.replace(source.layer, parameters=parameters)


def with_dilations(
    layers: Sequence[StoredLayer], image: StoredTensor, output: int
) -> tuple[StoredLayer, ...]:
    """Return layers with the dilated convolution in place of BATCH_TO_SPACE_ND.

    The two layers before stay, and nothing reads them.

    Args:
        layers: Those of a file, in running order.
        image: The file's input.
        output: Index of the layer that gives the output.
    """
    if not any(layer.op == FROM_BATCH for layer in layers):
        return tuple(layers)
    readers = Counter(read.source for layer in layers for read in layer.reads)
    readers[output] += 1

    def before(layer: StoredLayer) -> StoredLayer | None:
        """Return the only layer that a layer reads, if nothing else reads it."""
        sources = [read.source for read in layer.reads]
        alone = len(sources) == 1 and sources[0] != INPUT and readers[sources[0]] == 1
        return layers[sources[0]] if alone else None

    dilated = []
    for layer in layers:
        convolution = before(layer) if layer.op == FROM_BATCH else None
        first = None if convolution is None else before(convolution)
        joined = None
        if convolution is not None and first is not None and first.op == TO_BATCH:
            source = first.reads[0].source
            given = image if source == INPUT else layers[source].output
            joined = _joined(given, first, convolution, layer)
        dilated.append(joined or layer)
    return tuple(dilated)


def _joined(
    source: StoredTensor, first: StoredLayer, convolution: StoredLayer, last: StoredLayer
) -> StoredLayer | None:
    """Return one convolution that computes what three layers do; None if there is none."""
    weights, blocks = (
        convolution.weights,
        [dict(each.parameters).get(_BLOCK) for each in (first, last)],
    )
    window = convolution.strides, convolution.dilations, convolution.pads
    plain = window == ((1, 1), NO_DILATION, NO_PADS) and not convolution.faults
    grids = [
        (tensor.dtype, tensor.scale, tensor.zero_point)
        for tensor in (source, first.output, convolution.output, last.output)
    ]
    if weights is None or not plain or grids[::2] != [grids[1], grids[3]]:
        return None
    if blocks[0] is None or blocks[0] != blocks[1]:
        return None
    block: Pair = first.parameter(_BLOCK)
    around, cut = first.parameter(_BORDER), last.parameter(_BORDER)
    top, bottom, left, right = (a - b for a, b in zip(around, cut, strict=True))
    pads: Pads = top, bottom, left, right
    size, shape = weights.kernel.shape[1:3], (*source.shape, *last.output.shape)
    if len(shape) != 6 or len(size) != 2 or min(*pads, *(each - 1 for each in block)) < 0:
        return None
    if last.output.shape[:2] != output_size(source.shape[:2], size, (1, 1), block, pads):
        return None
    return dataclasses.replace(
        convolution,
        name=last.name,
        output=last.output,
        reads=first.reads,
        dilations=block,
        pads=pads,
    )
