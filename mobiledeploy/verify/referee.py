"""Judge one layer alone: does its runtime compute what its file's integers say?

Errors do not snowball here: a layer is computed again in NumPy from the codes that really reached
it, with the arithmetic that the runtime is known for. Where both runtimes keep to their files and
the outputs differ, the files hold different integers; where one does not, it is the runtime.
"""

from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.integer import oracle
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.ops import add as add_kernels
from mobiledeploy.ops import mean as mean_kernels
from mobiledeploy.ops.conv import Conv, pads
from mobiledeploy.ops.dense import Dense
from mobiledeploy.ops.operator import Kernel, Node
from mobiledeploy.ops.padding import Padding
from mobiledeploy.ops.softmax import Softmax
from mobiledeploy.ops.tensors import Int8, QTensor
from mobiledeploy.ops.weights import QWeights
from mobiledeploy.reading import Format
from mobiledeploy.reading import LayerInput as Read
from mobiledeploy.reading import StoredLayer as Layer
from mobiledeploy.reading import StoredWeights as Weights

Codes: TypeAlias = npt.NDArray[np.int16]
INPUT: Final = "what the layer reads"
ON_IMAGES: Final = frozenset({"conv", "depthwise", "mean"})
PADDINGS: tuple[Padding, ...] = ("valid", "same")
X86: Final[tuple[Kernel, ...]] = ("x86",)
"""In float32, as that of an `.onnx` is on every CPU."""


def error(layer: Layer, file: Format, inputs: Sequence[Int8], output: Codes) -> int | None:
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


def _right(layer: Layer, file: Format, inputs: Sequence[Int8]) -> Iterator[npt.NDArray[np.int64]]:
    """Yield what each kernel that the runtime may choose gives; nothing if that is not known."""
    scale, zero, shape = layer.output.scale, layer.output.zero_point, layer.output.shape
    if layer.kind in ON_IMAGES:
        # An image of one pixel is described as a vector.
        inputs = [codes if codes.ndim == 4 else codes[:, None, None] for codes in inputs]
        if layer.kind != "mean" and len(layer.output.shape) == 1:
            shape = (1, 1, *shape)
    if layer.faults or scale is None or zero is None or len({x.shape for x in inputs}) != 1:
        return
    try:
        grids = [_grid(read, codes) for read, codes in zip(layer.reads, inputs, strict=True)]
        out = QTensor(name="layer", shape=shape, scale=scale, zero_point=zero)
    except ConversionError:
        return  # no grid of any classifier
    known = [grid for grid in grids if grid is not None]
    if len(known) < len(grids):
        return
    match layer.kind:
        case "add":
            yield from _sums(file, known, inputs, out)
        case "mean":
            yield from _means(file, known[0], inputs[0], out)
        case "conv" | "depthwise" | "dense" | "softmax":
            node = _node(layer, known[0], out)
            if node is not None and _sound(node, known[0]):
                softmaxes = (
                    get_args(Kernel) if layer.kind == "softmax" and file == "tflite" else X86
                )
                for softmax in softmaxes:
                    yield oracle.layer(node, known, inputs, kernels=softmax).astype(np.int64)
        case (
            "mul" | "hard_swish" | "table" | "average_pool" | "max_pool" | "pad" | "clamp"
            | "quantize" | "dequantize" | "unknown"
        ):  # fmt: skip
            return  # nothing here asks the oracle for them
        case kind:
            raise ValueError(f"expected a kind of layer, received {kind}")


def _sums(
    file: Format, grids: Sequence[QTensor], inputs: Sequence[Int8], out: QTensor
) -> Iterator[npt.NDArray[np.int64]]:
    a, b = grids
    operands = add_kernels.Operands(
        a=inputs[0].ravel().astype(np.int64),
        b=inputs[1].ravel().astype(np.int64),
        zeros=(a.zero_point, b.zero_point, out.zero_point),
    )
    one = np.ones((1, 1), np.float32)
    for kernel in add_kernels.KERNELS[file]:
        yield kernel(operands, a.scale * one, b.scale * one, out.scale)


def _means(
    file: Format, source: QTensor, codes: Int8, out: QTensor
) -> Iterator[npt.NDArray[np.int64]]:
    sums = mean_kernels.Sums(
        codes=codes.sum(axis=(1, 2), dtype=np.int64),
        positions=source.shape[0] * source.shape[1],
        zeros=(source.zero_point, out.zero_point),
    )
    scale = np.full((1, 1), source.scale)
    for kernel in mean_kernels.KERNELS[file]:
        yield kernel(sums, scale, out.scale)
    if file == "tflite":
        yield mean_kernels.tflite_average_pool(sums)


def _node(layer: Layer, source: QTensor, out: QTensor) -> Node | None:
    if layer.kind == "softmax":
        return Softmax(input=source.name, output=out) if layer.beta == 1 else None
    if layer.weights is None or layer.weights.kernel_zero.any():
        return None
    weights = _weights(layer.weights)
    if layer.kind == "dense":
        return Dense(input=source.name, output=out, weights=weights)
    for padding in PADDINGS:
        node = Conv(
            input=source.name,
            output=out,
            weights=weights,
            depthwise=layer.kind == "depthwise",
            strides=layer.strides,
            padding=padding,
            activation="none",
        )
        (above, below), (left, right) = pads(node, source.shape[:2])
        if (above, below, left, right) == layer.pads and layer.dilations == (1, 1):
            return node if layer.groups == 1 else None
    return None


def _sound(node: Node, source: QTensor) -> bool:
    """Whether everything fits together, so that the oracle can compute it."""
    try:
        IntegerGraph(name="one layer", input=source, nodes=(node,))
    except ConversionError:
        return False
    return True


def _weights(weights: Weights) -> QWeights:
    return QWeights(
        kernel=weights.kernel,
        kernel_scale=weights.kernel_scale,
        bias=weights.bias,
        bias_scale=weights.bias_scale,
    )


def _grid(read: Read, codes: Int8) -> QTensor | None:
    if read.scale is None or read.zero_point is None:
        return None
    shape = codes.shape[1:]
    return QTensor(name=INPUT, shape=shape, scale=read.scale, zero_point=read.zero_point)
