"""Hold the shapes that a `.tflite` states against those that its operators give.

LiteRT computes the shapes of activations itself and never looks at the stated ones, so that a file
can state others: what is read from them would then be of another network than the one that runs.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Final

from mobiledeploy.formats.tflite import TfliteModel, TfliteOperator, schema
from mobiledeploy.reading.model import Contradiction, Fault, Layer, Tensor
from mobiledeploy.reading.tflite_tensors import tensor_of, values
from mobiledeploy.reading.windows import output_size

_WINDOWED: Final = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "AVERAGE_POOL_2D", "MAX_POOL_2D"})


def only_moves(model: TfliteModel, operator: TfliteOperator) -> bool:
    """Whether an operator is a RESHAPE or SQUEEZE that leaves every pixel at its place.

    That is one that adds or drops axes of size 1, or makes a vector.
    """
    if operator.builtin not in {"RESHAPE", "SQUEEZE"}:
        return False
    before, after = (
        model.tensors[end[0]].fixed_shape for end in (operator.inputs, operator.outputs)
    )
    wanted = after if operator.builtin == "SQUEEZE" else _wanted(model, operator, before, after)
    vector = len(_sides(after)) <= 1
    return after == wanted and (vector or _sides(before) == _sides(after))


def with_stated_shape(layer: Layer, before: Sequence[Tensor], operator: TfliteOperator) -> Layer:
    """Return a layer with a fault if its file states another output than the operator gives.

    Args:
        layer: All of it.
        before: What it reads.
        operator: That it comes from.
    """
    given = _given(layer, [tensor.shape for tensor in before])
    if given is None or _sides(given) == _sides(layer.output.shape):
        return layer
    detail = f"the file states an output of {layer.output.shape}, the operator gives {given}"
    found = Contradiction(
        padding=_padding_of(operator),
        source=before[0].shape,
        given=given,
        stated=layer.output.shape,
    )
    fault = Fault(field="output_shape", detail=detail, contradiction=found)
    return dataclasses.replace(layer, faults=(*layer.faults, fault))


def _padding_of(operator: TfliteOperator) -> str:
    """Return `SAME` or `VALID`; nothing for an operator without a window."""
    if operator.builtin not in _WINDOWED:
        return ""
    return (schema.padding(operator.option("padding")) or "").upper()


def _given(layer: Layer, shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...] | None:
    """Return the shape of what an operator gives; None where that is not known here."""
    before, weights = shapes[0], layer.weights
    match layer.kind:
        case "conv" | "depthwise" if weights is not None and len(before) == 3:
            window = weights.kernel.shape[1:3]
        case "average_pool" | "max_pool" if len(before) == 3:
            window = layer.window
        case "dense" if weights is not None and len(_sides(before)) <= 1:
            return (weights.bias.size,)
        case "pad" if len(before) == 3:
            top, bottom, left, right = layer.pads
            return before[0] + top + bottom, before[1] + left + right, before[2]
        case "add" | "clamp" | "quantize" | "dequantize" | "softmax" if len(set(shapes)) == 1:
            return before
        case _:
            return None
    size = output_size(before[:2], window, layer.strides, layer.dilations, layer.pads)
    return *size, before[2] if weights is None else weights.bias.size


def _wanted(
    model: TfliteModel, operator: TfliteOperator, before: tuple[int, ...], after: tuple[int, ...]
) -> tuple[int, ...]:
    """Return the shape that a RESHAPE asks for; the stated one where it is computed."""
    sizes: Sequence[int] | None
    if operator.inputs[1:]:
        asked = values(tensor_of(model, operator, 1))
        sizes = None if asked is None or asked.dtype.kind != "i" else asked.ravel().tolist()
    else:
        sizes = operator.option("new_shape")
    if sizes is None:
        return after
    rest = math.prod(size for size in sizes if size != -1)
    whole = math.prod(before)
    return tuple(whole // rest if size == -1 and rest else size for size in sizes)


def _sides(shape: tuple[int, ...]) -> list[int]:
    return [size for size in shape if size != 1]
