"""`error`: whether a runtime computes of one layer what its file's integers say.

Errors do not snowball here: a layer is computed again in NumPy from the codes that really reached
it, with the arithmetic that the runtime is known for. Where both runtimes keep to their files, but
the outputs differ, the files hold different integers; where one does not, it is the runtime.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.compare.same_function import node_of
from mobiledeploy.formats.model import Format
from mobiledeploy.integer import oracle
from mobiledeploy.ops.operator import codes_by_each_kernel
from mobiledeploy.ops.tensors import QMIN, Codes, Int8
from mobiledeploy.reading import StoredLayer
from mobiledeploy.verify.layers import layer_outputs


def error(
    layer: StoredLayer, file: Format, inputs: Sequence[Int8], output: layer_outputs.LayerCodes
) -> int | None:
    """Return by how many steps a layer's output is off, at most.

    Args:
        layer: As its file describes it.
        file: Format of the file: it decides whose kernels are expected.
        inputs: Codes that reached it, shape (batch, height, width, channels) or (batch, channels).
        output: Codes that it gave, same layout.

    Returns:
        0 if every code is what one of the runtime's kernels for any CPU gives; None for a layer
        that the oracle does not know.
    """
    right = [codes.reshape(output.shape) for codes in _right(layer, file, inputs)]
    if not right:
        return None
    low, high = layer.clamp
    off = [np.abs(np.clip(codes.astype(np.int16), low, high) - output) for codes in right]
    return int(np.min(off, axis=0).max())


def _right(layer: StoredLayer, file: Format, inputs: Sequence[Int8]) -> Iterator[Codes]:
    """Yield what each kernel that the runtime may choose gives; nothing if that is not known."""
    if layer.table is not None and not layer.faults:
        yield layer.table[inputs[0].astype(np.int64) - QMIN].astype(np.int64)
    known = node_of(layer, [codes.shape[1:] for codes in inputs])
    if known is None:
        return
    operator, node, grids = known
    # An image of one pixel is described as a vector.
    batches = [
        codes.reshape(len(codes), *grid.shape) for codes, grid in zip(inputs, grids, strict=True)
    ]
    try:
        node.check(grids)
    except ConversionError:
        return  # no layer of any classifier
    with oracle.one_blas_thread():
        yield from codes_by_each_kernel(operator, file, node, grids, batches, layer.op)
