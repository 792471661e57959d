"""What operators share that reduce an image to one number for each channel."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from mobiledeploy.formats.onnx import OnnxOperator
from mobiledeploy.formats.tflite import TfliteOperator
from mobiledeploy.formats.tflite.writer import TfliteWriter
from mobiledeploy.ops import tflite
from mobiledeploy.ops.onnx_reader import OnnxReader
from mobiledeploy.ops.onnx_values import OnnxActivation
from mobiledeploy.ops.padding import Pair
from mobiledeploy.ops.stored import StoredLayer
from mobiledeploy.ops.tensors import QTensor, Shape
from mobiledeploy.ops.tflite import Scope, TfliteInput, refusal
from mobiledeploy.ops.tflite_reading import LayerSource


def write_axes(model: TfliteWriter, node: str, inputs: Sequence[TfliteInput]) -> list[int]:
    """Add height and width as a constant; return the indices of what the operator reads.

    Args:
        model: To add it to.
        node: Name of what the operator writes.
        inputs: The activations that it reads.
    """
    axes = model.constant(f"{node}/axes", np.array([1, 2], np.int32))
    return [*tflite.indices(inputs), axes]


def read_tflite(operator: TfliteOperator, scope: Scope, what: str) -> tuple[QTensor, int]:
    """Return what an operator reads, and the index of what it writes.

    Args:
        operator: In the file.
        scope: The activations of the file.
        what: What it computes, in words for messages.

    Raises:
        ConversionError: It is over other axes.
    """
    source, axes, target = tflite.ends(operator, inputs=2)
    _, values = scope.constant(axes, operator, np.int32)
    read = scope.read(source, operator)
    if len(read.shape) != 3 or sorted(value % 4 for value in values.ravel()) != [1, 2]:
        raise refusal(operator, f"expected the {what} over height and width of an image")
    return read, target


def layer_of_tflite(source: LayerSource, kind: str) -> StoredLayer | None:
    """Return an operator over height and width as a layer of a kind; None over other axes."""
    before = source.inputs[0]
    axes = source.constant(len(source.operator.inputs) - 1)
    if axes is None or len(before.shape) != 3:
        return None
    if not all(-4 <= axis < 4 for axis in axes.ravel()):
        return None
    if sorted(int(axis) % 4 for axis in axes.ravel()) != [1, 2]:
        return None
    return dataclasses.replace(
        source.layer,
        kind=kind,
        window=before.shape[:2],
        output=dataclasses.replace(source.layer.output, shape=before.shape[-1:]),
    )


def given_shape(layer: StoredLayer, shapes: Sequence[Shape]) -> None:
    """Return None: it is described as a vector, whether or not its file keeps the axes."""
    del layer, shapes


def over_height_and_width(
    reader: OnnxReader, node: OnnxOperator, *, whole: bool
) -> tuple[OnnxActivation, OnnxActivation, Pair] | None:
    """Return what a node that reduces an image to one pixel reads, its output, and the window.

    Args:
        reader: Of the file.
        node: The node.
        whole: Whether it has no axes, but always reduces all pixels of an NCHW image.

    Returns:
        None where it reduces other axes.
    """
    value = reader.value(node, 0)
    if not isinstance(value, OnnxActivation) or "H" not in value.axes:
        return None
    axes, sizes = (
        value.axes,
        tuple(
            1 if axis in "HW" else size for axis, size in zip(value.axes, value.sizes, strict=True)
        ),
    )
    if not whole:
        wanted = node.attributes.get("axes")
        numbers = reader.numbers(node, 1)
        wanted = numbers.ravel().tolist() if wanted is None and numbers is not None else wanted
        if wanted is None or {value.axes[int(axis) % 4] for axis in wanted} != {"H", "W"}:
            return None
        if not node.attributes.get("keepdims", 1):
            axes, sizes = "NC", (value.sizes[0], value.size("C"))
    elif value.axes[1] != "C":
        return None
    out = dataclasses.replace(value, axes=axes, sizes=sizes)
    return value, out, (value.size("H"), value.size("W"))
