"""What operators share when their nodes are read from any `.onnx`."""

import dataclasses

from mobiledeploy.formats.onnx import OnnxOperator
from mobiledeploy.ops.onnx_reader import OnnxReader, ReadOnnx
from mobiledeploy.ops.onnx_values import OnnxActivation, OnnxValue
from mobiledeploy.ops.padding import NO_DILATION, Pads, Pair, same_pads


def both_activations(
    reader: OnnxReader, node: OnnxOperator
) -> tuple[OnnxActivation, OnnxActivation] | None:
    """Return a node's first two inputs; None if they are not both activations."""
    a, b = reader.value(node, 0), reader.value(node, 1)
    if isinstance(a, OnnxActivation) and isinstance(b, OnnxActivation):
        return a, b
    return None


def dequantised_input(reader: OnnxReader, node: OnnxOperator, place: int) -> OnnxActivation | None:
    """Return the codes at an input as real values, by the scale and zero point that follow it."""
    value, grid = reader.value(node, place), reader.grid(node, place + 1, place + 2)
    if not isinstance(value, OnnxActivation) or value.real or grid is None:
        return None
    return dataclasses.replace(value, scale=grid[0], zero_point=grid[1], real=True, dtype="")


def quantised_output(
    reader: OnnxReader, node: OnnxOperator, value: OnnxActivation | None, place: int
) -> OnnxValue | None:
    """Set a layer's output grid from two inputs of its node; return its output as codes."""
    if value is None:
        return None
    grid = reader.grid(node, place, place + 1)
    return None if grid is None else reader.quantise_layer(value, reader.written(node), grid)


def one_input(
    read: ReadOnnx,
) -> ReadOnnx:
    """Return how x, scale, zero, y scale, y zero are read, given how the float operator is."""

    def read_codes(reader: OnnxReader, node: OnnxOperator) -> OnnxValue | None:
        image = channels_first(node, dequantised_input(reader, node, 0))
        if image is None:
            return None
        before = reader.values[node.inputs[0]]
        reader.values[node.inputs[0]] = image
        # The inputs after the first are grids here, and options in the float operator.
        plain = dataclasses.replace(node, inputs=node.inputs[:1])
        value = read(reader, plain)
        reader.values[node.inputs[0]] = before
        activation = value if isinstance(value, OnnxActivation) else None
        return quantised_output(reader, node, channels_as_before(reader, node, activation), 3)

    return read_codes


def channels_first(node: OnnxOperator, value: OnnxActivation | None) -> OnnxActivation | None:
    """Return an image that a node reads channels last, as one with channels first."""
    if value is None or not node.attributes.get("channels_last"):
        return value
    return _reordered(value, "NHWC", (0, 3, 1, 2))


def channels_as_before(
    reader: OnnxReader, node: OnnxOperator, value: OnnxActivation | None
) -> OnnxActivation | None:
    """Return a node's output with its channels where they were in its input."""
    if value is None or not node.attributes.get("channels_last"):
        return value
    moved = _reordered(value, "NCHW", (0, 2, 3, 1))
    if moved is not None:
        output = reader.layers[value.source].output
        reader.layers.change(value.source, output=dataclasses.replace(output, axes=moved.axes))
    return moved


def _reordered(value: OnnxActivation, axes: str, order: tuple[int, ...]) -> OnnxActivation | None:
    if value.axes != axes:
        return None
    return dataclasses.replace(
        value,
        axes="".join(axes[place] for place in order),
        sizes=tuple(value.sizes[place] for place in order),
    )


def padding_of(
    node: OnnxOperator,
    size: tuple[int, ...],
    window: tuple[int, ...],
    strides: tuple[int, ...],
    dilations: tuple[int, ...],
) -> Pads:
    """Return a node's padding above, below, left and right."""
    automatic = node.attributes.get("auto_pad", "NOTSET")
    if automatic in {"SAME_UPPER", "SAME_LOWER"}:
        first = automatic == "SAME_LOWER"
        return same_pads(size, window, strides, dilations, odd_first=first)
    amounts = tuple(node.attributes.get("pads") or (0, 0, 0, 0))
    if automatic == "VALID" or len(amounts) != 4:
        return (0, 0, 0, 0)
    top, left, bottom, right = amounts
    return top, bottom, left, right


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
