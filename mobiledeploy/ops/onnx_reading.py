"""What operators share when their nodes are read from any `.onnx`."""

import dataclasses

from mobiledeploy.formats.onnx import OnnxOperator
from mobiledeploy.ops.onnx_reader import OnnxReader, ReadOnnx
from mobiledeploy.ops.onnx_values import OnnxActivation, OnnxValue
from mobiledeploy.ops.padding import Pads, same_pads
from mobiledeploy.ops.stored import INPUT


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
    if value.source == INPUT and reader.layers.input.scale is None:
        reader.layers.input = dataclasses.replace(
            reader.layers.input, scale=grid[0], zero_point=grid[1]
        )
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
