"""What pools share: operators that move a window over an image."""

import dataclasses
from collections.abc import Mapping, Sequence

from mobiledeploy.base.errors import RequestError
from mobiledeploy.formats.onnx import OnnxOperator
from mobiledeploy.formats.tflite import TfliteOperator, schema
from mobiledeploy.ops import without_weights
from mobiledeploy.ops.architecture import Layer
from mobiledeploy.ops.onnx_reader import OnnxReader
from mobiledeploy.ops.onnx_reading import padding_of
from mobiledeploy.ops.onnx_values import OnnxActivation
from mobiledeploy.ops.padding import (
    NO_DILATION,
    NO_PADS,
    Pads,
    Pair,
    output_size,
    same_pads,
    sides_after,
)
from mobiledeploy.ops.stored import StoredLayer
from mobiledeploy.ops.tensors import Shape
from mobiledeploy.ops.tflite_reading import LayerSource


def shape_of_windows(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    """Return height, width and channels that a pool gives.

    Raises:
        RequestError: It reads something else than an image, or its window does not fit that.
    """
    without_weights.expect_image(layer, inputs)
    sides = sides_after(inputs[0][:2], layer.kernel, layer.strides, layer.padding)
    if min(*sides, *layer.kernel, *layer.strides) < 1:
        raise RequestError(
            f"layer `{layer.name}`: a window of {layer.kernel} does not fit {inputs[0]}"
        )
    return (*sides, inputs[0][2])


def window_of(operator: TfliteOperator) -> Pair:
    """Return height and width of a pool's window."""
    return operator.option("filter_height"), operator.option("filter_width")


def strides_of(operator: TfliteOperator) -> Pair:
    """Return a pool's vertical and horizontal step."""
    return operator.option("stride_h"), operator.option("stride_w")


def options(window: Pair, strides: Pair, padding: schema.Padding) -> Mapping[str, int]:
    """Return the fields of a pool's options in a `.tflite`, but for an activation."""
    return {
        "Padding": schema.PADDINGS.index(padding),
        "StrideH": strides[0],
        "StrideW": strides[1],
        "FilterHeight": window[0],
        "FilterWidth": window[1],
    }


def layer_of_tflite(source: LayerSource, kind: str) -> StoredLayer | None:
    """Return a pool of a `.tflite` as a layer of a kind; None if its numbers make none."""
    operator, before = source.operator, source.inputs[0]
    window, strides = window_of(operator), strides_of(operator)
    if min(*strides, *window) < 1 or len(before.shape) != 3:
        return None
    around = NO_PADS
    if source.padding() == "same":
        around = same_pads(before.shape[:2], window, strides, NO_DILATION)
    return dataclasses.replace(source.as_kind(kind), window=window, strides=strides, pads=around)


def given_shape(layer: StoredLayer, shapes: Sequence[Shape]) -> Shape | None:
    """Return the shape that a layer of a file gives; see `operator.Operator.given_shape`."""
    before = shapes[0]
    if len(before) != 3:
        return None
    sides = output_size(before[:2], layer.window, layer.strides, NO_DILATION, layer.pads)
    return *sides, before[2]


def output_of(value: OnnxActivation, window: Pair, strides: Pair, around: Pads) -> OnnxActivation:
    """Return axes and sizes of what a pool in an `.onnx` gives.

    Args:
        value: What it reads.
        window: Height and width of its window.
        strides: Vertical and horizontal step.
        around: The padding.
    """
    sizes = output_size(value.sizes[2:], window, strides, NO_DILATION, around)
    return dataclasses.replace(value, sizes=(*value.sizes[:2], *(max(size, 0) for size in sizes)))


def pool_of(
    reader: OnnxReader, node: OnnxOperator
) -> tuple[OnnxActivation, Pair, Pair, Pads] | None:
    """Return a pool's input, window, strides and padding; None if they are not supported.

    Sizes that are rounded up count as padding at the end.
    """
    value = reader.value(node, 0)
    if not isinstance(value, OnnxActivation) or value.axes != "NCHW" or value.pixels > 1:
        return None
    window = tuple(node.attributes.get("kernel_shape") or ())
    strides = tuple(node.attributes.get("strides") or (1, 1))
    dilations = tuple(node.attributes.get("dilations") or NO_DILATION)
    if len(window) != 2 or len(strides) != 2 or min(*window, *strides) < 1:
        return None
    if dilations != NO_DILATION or any(index >= 0 for index in node.outputs[1:]):
        return None
    high, wide = value.sizes[2:]
    pads = padding_of(node, (high, wide), window, strides, NO_DILATION)
    if node.attributes.get("ceil_mode"):
        vertical, horizontal = (
            _rounded_up(*axis)
            for axis in zip((high, wide), window, strides, (pads[:2], pads[2:]), strict=True)
        )
        pads = (*vertical, *horizontal)
    return value, (window[0], window[1]), (strides[0], strides[1]), pads


def _rounded_up(size: int, window: int, stride: int, pads: Pair) -> Pair:
    """Return the padding before and after with which a size is what rounding up makes it."""
    before, after = pads
    places = -(-(size + before + after - window) // stride) + 1
    # A window that would begin in the padding at the end is left out.
    places -= (places - 1) * stride >= size + before
    return before, max((places - 1) * stride + window - size - before, after)
