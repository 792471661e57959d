"""Read ONNX nodes that only reorder or reshape activations or weights.

Most of them change how a file stores an image; the others are layers, RESHAPE and TRANSPOSE of
TFLite.
"""

import dataclasses
import math
from typing import Final, assert_never

import numpy as np

from mobiledeploy.formats.onnx import OnnxOperator
from mobiledeploy.ops.onnx_reader import OnnxReader
from mobiledeploy.ops.onnx_values import (
    GROUPED,
    PLAIN,
    IntegerSum,
    OnnxActivation,
    OnnxConstant,
    OnnxValue,
    QuantisedConstant,
    TablePlaces,
)


def transpose(reader: OnnxReader, node: OnnxOperator) -> OnnxValue | None:
    """Read a Transpose."""
    value = reader.value(node, 0)
    rank = _rank(value)
    order = node.attributes.get("perm") or tuple(range(rank))[::-1]
    if isinstance(value, TablePlaces | IntegerSum | None) or sorted(order) != list(range(rank)):
        return None
    match value:
        case OnnxConstant():
            return dataclasses.replace(value, values=value.values.transpose(order))
        case QuantisedConstant():
            axis = order.index(value.axis) if value.axis in order else value.axis
            return dataclasses.replace(value, codes=value.codes.transpose(order), axis=axis)
        case OnnxActivation():
            if order[0] != 0:
                return None
            layer = _transposed(reader, node, value, tuple(order))
            if layer is not None:
                return layer
            moved = dataclasses.replace(
                value,
                axes="".join(value.axes[place] for place in order) if value.axes else "",
                sizes=tuple(value.sizes[place] for place in order),
            )
            return _moved(reader, node, moved)


def _transposed(
    reader: OnnxReader, node: OnnxOperator, value: OnnxActivation, order: tuple[int, ...]
) -> OnnxActivation | None:
    """Read a Transpose that is a layer; None if it only stores an image in another order.

    Channels first and channels last are such orders.
    """
    perm: tuple[int, ...]
    if value.axes == GROUPED:
        if order != _GROUPS_INSIDE:
            return None
        axes, perm = GROUPED, (0, 1, 3, 2)
    elif value.is_plain:
        if order == tuple(range(len(order))):
            return None
        perm, axes = tuple(place - 1 for place in order[1:]), value.axes
    else:
        after = "".join(value.axes[place] for place in order) if value.axes else ""
        usual = value.axes in _IMAGES and after not in _IMAGES
        if not usual or value.pixels != 1 or value.size("H") == value.size("W") == 1:
            return None
        axes = value.axes
        perm = tuple("HWC".index(after[axes.index(axis)]) for axis in "HWC")
    out = dataclasses.replace(value, axes=axes, sizes=tuple(value.sizes[place] for place in order))
    return reader.copy(node, "transpose", [value], out, parameters=(("perm", perm),))


_IMAGES: Final = ("NCHW", "NHWC")
_GROUPS_INSIDE: Final = (0, 2, 1, 3, 4)
"""The order that a channel shuffle puts axes in, by their numbers."""


def reshape(reader: OnnxReader, node: OnnxOperator) -> OnnxValue | None:
    """Read a Reshape, Flatten, Squeeze or Unsqueeze."""
    value = reader.value(node, 0)
    match value:
        case OnnxConstant():
            sizes = _sizes(reader, node, value.values.shape)
            if sizes is None or math.prod(sizes) != value.values.size:
                return None
            return dataclasses.replace(value, values=value.values.reshape(sizes))
        case OnnxActivation():
            sizes = _sizes(reader, node, value.sizes)
            if sizes is None:
                vector = value.axes and value.size("H") == value.size("W") == 1
                sizes = (0, value.size("C")) if vector else ()
            return _reshaped(reader, node, value, sizes)
        case TablePlaces():
            return _in_a_row(reader, node, value)
        case QuantisedConstant() | IntegerSum() | None:
            return None
        case _:
            assert_never(value)


def _in_a_row(reader: OnnxReader, node: OnnxOperator, places: TablePlaces) -> OnnxValue | None:
    """Flatten indices into one row, or give the looked-up codes their old shape again."""
    numbers = reader.numbers(node, 1)
    if node.op != "Reshape" or numbers is None or numbers.ndim != 1:
        return None
    sizes = tuple(numbers.tolist())
    if not places.row:
        return dataclasses.replace(places, row=True) if sizes == (-1,) else None
    free = tuple(size or -1 for size in places.codes.sizes)
    if not places.looked_up or free[1:] != sizes[1:] or sizes[0] not in (-1, free[0]):
        return None
    reader.rename(node, places.codes)
    return places.codes


def identity(reader: OnnxReader, node: OnnxOperator) -> OnnxValue | None:
    """Read an Identity."""
    return reader.value(node, 0)


def dropout(reader: OnnxReader, node: OnnxOperator) -> OnnxValue | None:
    """Read a Dropout, which does nothing unless its third input, training mode, is true."""
    has_mode = node.input(2) >= 0
    training = reader.numbers(node, 2)
    return None if has_mode and (training is None or training.any()) else reader.value(node, 0)


def _reshaped(
    reader: OnnxReader, node: OnnxOperator, value: OnnxActivation, sizes: tuple[int, ...]
) -> OnnxValue | None:
    """Return an activation in another shape: flattened, or with pixels moved to channels."""
    layer = _reshape_layer(reader, node, value, sizes) or _group(reader, node, value, sizes)
    if layer is not None:
        return layer
    if value.is_plain and len(sizes) == _VECTOR:
        flat = dataclasses.replace(value, axes="NC", sizes=sizes)
        return _moved(reader, node, flat)
    if not value.axes or "C" not in value.axes:
        return None
    channels = value.size("C")
    inner = math.prod(value.sizes[1:])
    if len(sizes) == 2 and value.axes[0] == "N":
        unrolled = None if inner == channels else (value.axes[1:], value.sizes[1:])
        flat = dataclasses.replace(
            value, axes="NC", sizes=(value.sizes[0], inner), unrolled=unrolled
        )
        return _moved(reader, node, flat)
    if sizes[1:] == value.sizes[1:] and all(sizes[1:]):
        return _moved(reader, node, value)
    other = {"NHWC": "NCHW", "NCHW": "NHWC"}.get(value.axes)
    if other and channels == 1 and len(sizes) == _IMAGE:
        # Of one channel, first and last are the same order.
        swapped = tuple(value.size(axis) for axis in other[1:])
        if sizes[1:] == swapped and all(swapped):
            return _moved(reader, node, dataclasses.replace(value, axes=other, sizes=sizes))
    pixel = value.axes == "NC" or (len(value.axes) == 4 and inner == channels)
    if len(sizes) == 4 and pixel and sorted(sizes[1:])[:2] == [1, 1]:
        axes = "NHWC" if sizes[3] == channels else "NCHW"
        return _moved(reader, node, dataclasses.replace(value, axes=axes, sizes=sizes))
    if len(sizes) == 4 and value.axes == "NHWC" and channels and sizes[3]:
        high, wide = value.sizes[1:3]
        if sizes[1] == high and sizes[2] * sizes[3] == wide * channels:
            # Neighbouring pixels become channels of one pixel, or the other way round.
            all_pixels = value.pixels * sizes[3]
            if all_pixels % channels == 0:
                return _moved(
                    reader,
                    node,
                    dataclasses.replace(value, sizes=sizes, pixels=all_pixels // channels),
                )
    return None


_VECTOR: Final = 2
_IMAGE: Final = 4


def _reshape_layer(
    reader: OnnxReader, node: OnnxOperator, value: OnnxActivation, sizes: tuple[int, ...]
) -> OnnxActivation | None:
    """Read a Reshape that is a layer: of elements whose order is the one of TFLite."""
    inner, rank = math.prod(value.sizes[1:]), len(sizes)
    rows = value.axes in {"NHWC", "NC"} or value.is_plain
    flattened = value.unrolled
    if value.pixels != 1 or not rows or (flattened and flattened[0] != "HWC"):
        return None
    if not inner or math.prod(sizes[1:]) != inner or sizes[1:] == value.sizes[1:]:
        return None
    if rank == _VECTOR:
        if value.axes == "NC" or (not value.is_plain and inner == value.size("C")):
            return None
        if _taken_apart(reader, node.outputs[0]):
            return None
        axes = "NC"
    elif rank == _IMAGE:
        pixel = sorted(sizes[1:])[:2] == [1, 1]
        if value.axes == "NHWC" or (pixel and not flattened and not value.is_plain):
            return None
        axes = "NHWC"
    elif rank in PLAIN:
        axes = PLAIN[rank]
    else:
        return None
    out = dataclasses.replace(value, axes=axes, sizes=sizes, unrolled=None)
    source = dataclasses.replace(value, unrolled=None)
    return reader.copy(node, "reshape", [source], out, parameters=(("shape", sizes[1:]),))


def _group(
    reader: OnnxReader, node: OnnxOperator, value: OnnxActivation, sizes: tuple[int, ...]
) -> OnnxActivation | None:
    """Read a Reshape that puts the channels of an image in groups, or joins the groups again."""
    high, wide = value.size("H"), value.size("W")
    if sizes[-2:] != (high, wide) or value.pixels != 1:
        return None
    apart = value.axes == "NCHW" and len(sizes) == len(GROUPED)
    joined = value.axes == GROUPED and len(sizes) == _IMAGE
    if not apart and not joined:
        return None
    channels = math.prod(value.sizes[1:-2])
    if not channels or math.prod(sizes[1:-2]) != channels:
        return None
    out = dataclasses.replace(value, axes=GROUPED if apart else "NCHW", sizes=sizes)
    shape = high, wide, *sizes[1:-2]
    return reader.copy(node, "reshape", [value], out, parameters=(("shape", shape),))


def _taken_apart(reader: OnnxReader, flattened: int) -> bool:
    """Whether a flattened image is read, and all that reads it takes it apart again.

    A dense layer does, which has a weight for each pixel, and so does another Reshape.
    """
    waiting, seen = [flattened], set[int]()
    while waiting:
        index = waiting.pop()
        nodes = reader.reading(index)
        if index in reader.outputs or not nodes:
            return False
        seen.add(index)
        for node in nodes:
            if node.op in _DENSE:
                continue
            if node.op not in _KEEP_VECTORS or node.output(0) < 0:
                return False
            if not _shapes_anew(reader, node) and node.outputs[0] not in seen:
                waiting.append(node.outputs[0])
    return True


_DENSE: Final = frozenset({"Gemm", "MatMul", "MatMulInteger", "QGemm", "QLinearMatMul"})
_KEEP_VECTORS: Final = frozenset(
    {
        "Cast", "Clip", "DequantizeLinear", "Dropout", "DynamicQuantizeLinear", "Flatten",
        "Identity", "QuantizeLinear", "Relu", "Reshape",
    }
)  # fmt: skip


def _shapes_anew(reader: OnnxReader, node: OnnxOperator) -> bool:
    index = node.input(1) if node.op == "Reshape" else -1
    # The shape may be a Constant that is not read yet.
    shape = reader.constant(index) if index >= 0 else None
    return shape is not None and shape.values.size > _VECTOR


def _moved(reader: OnnxReader, node: OnnxOperator, value: OnnxActivation) -> OnnxActivation:
    reader.layers.shape_only.append(node.op)
    if value.pixels == 1 and value.unrolled is None:
        reader.rename(node, value)
    return value


def _sizes(
    reader: OnnxReader, node: OnnxOperator, before: tuple[int, ...]
) -> tuple[int, ...] | None:
    """Return the sizes after a node, 0 for a dynamic batch; None where they are computed."""
    match node.op:
        case "Flatten":
            axis = int(node.attributes.get("axis", 1) or 0)
            return (0, math.prod(before[1:])) if axis == 1 else None
        case "Squeeze" | "Unsqueeze":
            axes = node.attributes.get("axes")
            if axes is None:
                numbers = reader.numbers(node, 1)
                axes = None if numbers is None else tuple(numbers.ravel().tolist())
            if axes is None:
                return None
            rank = len(before) if node.op == "Squeeze" else len(before) + len(axes)
            places = {int(axis) % rank for axis in axes} if rank else set()
            if node.op == "Squeeze":
                return tuple(size for place, size in enumerate(before) if place not in places)
            rest = iter(before)
            return tuple(1 if place in places else next(rest, 1) for place in range(rank))
        case "Reshape":
            numbers = reader.numbers(node, 1)
            if numbers is None or numbers.ndim != 1 or numbers.size > 8:
                return None
            return _resolved(before, numbers.astype(np.int64).tolist())
        case op:
            raise ValueError(f"expected an operator that changes shapes, received {op}")


def _resolved(before: tuple[int, ...], wanted: list[int]) -> tuple[int, ...] | None:
    """Return sizes with 0 (unchanged) and -1 (the rest) filled in, as in a Reshape."""
    sizes = [
        before[place] if size == 0 and place < len(before) else size
        for place, size in enumerate(wanted)
    ]
    if any(size < -1 for size in sizes) or sizes.count(-1) > 1:
        return None
    if -1 in sizes:
        place = sizes.index(-1)
        known = math.prod(size for at, size in enumerate(sizes) if at != place and size)
        left = math.prod(size for size in before if size)
        # With a dynamic batch, a -1 in the first dimension is the batch.
        sizes[place] = 0 if place == 0 else (left // known if known else 0)
    if sizes and sizes[0] == 1 and before and before[0] == 0:
        sizes[0] = 0
    return tuple(sizes)


def _rank(value: OnnxValue | None) -> int:
    match value:
        case OnnxConstant():
            return value.values.ndim
        case QuantisedConstant():
            return value.codes.ndim
        case OnnxActivation():
            return len(value.sizes)
        case TablePlaces() | IntegerSum() | None:
            return 0
