"""`error`: whether a runtime computes for one layer what its file's integers say.

Errors of earlier layers have no effect: a layer is recomputed in NumPy, with the arithmetic of the
runtime's kernels, from the codes that really reached it. Where both runtimes match their files but
the outputs differ, the files hold different integers; where one does not, the runtime differs.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.compare.same_function import node_of
from mobiledeploy.formats.model import Format
from mobiledeploy.integer import oracle
from mobiledeploy.ops.each_kernel import codes_by_each_kernel
from mobiledeploy.ops.stored import looked_up
from mobiledeploy.ops.tensors import Codes, Int8
from mobiledeploy.reading import StoredLayer
from mobiledeploy.verify.layers import layer_outputs


def error(
    layer: StoredLayer, file: Format, inputs: Sequence[Int8], output: layer_outputs.LayerCodes
) -> int | None:
    """Return the largest error of a layer's output, in LSB.

    Args:
        layer: As its file describes it.
        file: Format of the file: it decides which runtime's kernels are expected.
        inputs: Codes that reached it, shape (batch, height, width, channels) or (batch, channels).
        output: Its output codes, same layout.

    Returns:
        0 if every code is the result of one of the runtime's kernels, for this CPU or another;
        None for a layer that the NumPy kernels do not cover.
    """
    right = [codes.reshape(output.shape) for codes in _right(layer, file, inputs)]
    if not right:
        return None
    low, high = layer.clamp
    off = [np.abs(np.clip(codes.astype(np.int16), low, high) - output) for codes in right]
    return int(np.min(off, axis=0).max())


def _right(layer: StoredLayer, file: Format, inputs: Sequence[Int8]) -> Iterator[Codes]:
    """Yield the output of each kernel that the runtime may choose; nothing if none is known."""
    if layer.table is not None and not layer.faults:
        yield looked_up(layer.table, *inputs).astype(np.int64)
    known = node_of(layer, file, [codes.shape[1:] for codes in inputs])
    if known is None:
        return
    operator, node, grids = known
    # The layer describes an image of one pixel as a vector.
    batches = [
        codes.reshape(len(codes), *grid.shape) for codes, grid in zip(inputs, grids, strict=True)
    ]
    try:
        node.check(grids)
    except ConversionError:
        return  # not a layer that the kernels take
    with oracle.one_blas_thread():
        yield from codes_by_each_kernel(operator, file, node, grids, batches, layer.op)
