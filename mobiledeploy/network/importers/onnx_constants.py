"""Compute the operators of an `.onnx` whose inputs are all constants: shape arithmetic above all.

Exporters write a reshape as a chain of Shape, Gather, Concat and so on, and weights that are
stored in another type or shape than they are used in. The number of values is limited.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.formats.limits import StepLimit
from mobiledeploy.formats.onnx import schema

Array: TypeAlias = npt.NDArray[Any]
Attributes: TypeAlias = Mapping[str, Any]

MOST_VALUES: Final = 2**28
"""Most values that all constant operators of a file compute together."""


class NotConstantError(Exception):
    """The operator is not computed here; the message says why."""


def compute(
    kind: str,
    attributes: Attributes,
    inputs: Sequence[Array | None],
    outputs: int,
    limit: StepLimit,
) -> list[Array]:
    """Return the outputs of an operator.

    Args:
        kind: A name in `KINDS`.
        attributes: Its attributes, tensors as arrays.
        inputs: Its inputs, None for an omitted one.
        outputs: How many outputs it has.
        limit: How many values may still be computed.

    Raises:
        NotConstantError: Inputs do not fit.
        CorruptFileError: It would compute too many values.
    """
    operator = KINDS[kind]
    try:
        with np.errstate(all="ignore"):
            results = operator(attributes, [*inputs, *[None] * 6], outputs, limit)
    except (ValueError, IndexError, TypeError, KeyError, OverflowError, ArithmeticError) as error:
        raise NotConstantError(f"its constants do not fit: {error}") from error
    listed = results if isinstance(results, list) else [results]
    for result in listed:
        limit.take(1 + result.size)
    return listed


def _axes(attributes: Attributes, given: Array | None) -> tuple[int, ...] | None:
    stated = given.reshape(-1).tolist() if given is not None else attributes.get("axes")
    return None if stated is None else tuple(map(int, stated))


def numpy_type(number: int) -> np.dtype[Any]:
    """Return NumPy's type of an element type's number.

    Raises:
        ValueError: NumPy has none.
    """
    kind = schema.ELEMENT_TYPES.get(number)
    if kind is None or not kind.known:
        raise ValueError(f"there are no values of type {number}")
    return np.dtype(kind.name)


def _elementwise(function: Callable[..., Any]) -> Callable[..., Array]:
    def apply(_: Attributes, inputs: Sequence[Array | None], __: int, limit: StepLimit) -> Array:
        given = [value for value in inputs if value is not None]
        shape = np.broadcast_shapes(*(value.shape for value in given))
        limit.take(math.prod(shape))
        kinds = [value.dtype for value in given if value.dtype != np.bool_]
        result = np.asarray(function(*given))
        # Arithmetic keeps its type; comparisons give bool.
        return result.astype(kinds[0]) if result.dtype != np.bool_ and kinds else result

    return apply


def _reducing(function: Callable[..., Any]) -> Callable[..., Array]:
    def apply(attributes: Attributes, inputs: Sequence[Any], _: int, __: StepLimit) -> Array:
        axes = _axes(attributes, inputs[1])
        if axes == () and attributes.get("noop_with_empty_axes", 0):
            return np.asarray(inputs[0])
        keep = bool(attributes.get("keepdims", 1))
        result = np.asarray(function(inputs[0], axis=axes or None, keepdims=keep))
        return result.astype(inputs[0].dtype)

    return apply


def _divide(first: Array, second: Array) -> Array:
    if first.dtype.kind in "iu":
        if not np.all(second):
            raise ValueError("division by zero")
        return np.trunc(first / second) if first.dtype.kind == "i" else first // second
    return np.asarray(first / second)


def _constant_of_shape(
    attributes: Attributes, inputs: Sequence[Any], _: int, limit: StepLimit
) -> Array:
    shape = _shape(inputs[0])
    limit.take(math.prod(shape))
    value = attributes.get("value", np.zeros(1, np.float32))
    return np.full(shape, np.asarray(value).reshape(-1)[0])


def _shape(values: Any) -> tuple[int, ...]:
    shape = tuple(int(size) for size in values.reshape(-1).tolist())
    if len(shape) > 16 or min(shape, default=0) < 0:
        raise ValueError(f"{shape} is not a possible shape")
    return shape


def _expand(_: Attributes, inputs: Sequence[Any], __: int, limit: StepLimit) -> Array:
    shape = np.broadcast_shapes(inputs[0].shape, _shape(inputs[1]))
    limit.take(math.prod(shape))
    return np.broadcast_to(inputs[0], shape)


def _tile(_: Attributes, inputs: Sequence[Any], __: int, limit: StepLimit) -> Array:
    repeats = _shape(inputs[1])
    limit.take(inputs[0].size * math.prod(repeats))
    return np.asarray(np.tile(inputs[0], repeats))


def _range(_: Attributes, inputs: Sequence[Any], __: int, limit: StepLimit) -> Array:
    start, end, step = (value.reshape(-1)[0].item() for value in inputs[:3])
    limit.take(max(0, math.ceil((end - start) / step)))
    return np.arange(start, end, step).astype(inputs[0].dtype)


def _clip(attributes: Attributes, inputs: Sequence[Any], _: int, __: StepLimit) -> Array:
    low, high = (
        attributes.get(name) if given is None else given.reshape(-1)[0]
        for name, given in zip(("min", "max"), (*inputs[1:3], None, None), strict=False)
    )
    if low is None and high is None:
        return np.asarray(inputs[0])
    return np.asarray(np.clip(inputs[0], low, high), inputs[0].dtype)


def _gather(attributes: Attributes, inputs: Sequence[Any], _: int, limit: StepLimit) -> Array:
    data, indices = np.asarray(inputs[0]), np.asarray(inputs[1])
    axis = int(attributes.get("axis", 0))
    limit.take(data.size // max(data.shape[axis], 1) * indices.size)
    return np.take(data, indices.astype(np.int64), axis=axis)


def unsqueezed(shape: Sequence[int], axes: Sequence[int]) -> tuple[int, ...]:
    """Return a shape with axes of size 1 at places of the result."""
    rank = len(shape) + len(axes)
    places = {axis % rank for axis in axes}
    if len(places) != len(axes) or not all(-rank <= axis < rank for axis in axes):
        raise ValueError(f"axes {tuple(axes)} do not fit")
    left = iter(shape)
    return tuple(1 if place in places else next(left) for place in range(rank))


def squeezed(shape: Sequence[int], axes: Sequence[int] | None) -> tuple[int, ...]:
    """Return a shape without the given axes of size 1, or without all of them."""
    rank = len(shape)
    if axes is None:
        return tuple(size for size in shape if size != 1)
    places = {axis % rank for axis in axes}
    if any(shape[place] != 1 for place in places):
        raise ValueError(f"axes {tuple(axes)} of {tuple(shape)} are not of size 1")
    return tuple(size for place, size in enumerate(shape) if place not in places)


def resolved(shape: Sequence[int], sizes: Sequence[int], *, allow_zero: bool) -> tuple[int, ...]:
    """Return a new shape whose -1 and 0 are replaced by numbers, as Reshape says.

    Args:
        shape: The old shape.
        sizes: The new one as stated.
        allow_zero: Whether 0 is a size of its own instead of the old one.
    """
    new = [
        shape[place] if size == 0 and not allow_zero else size for place, size in enumerate(sizes)
    ]
    if new.count(-1) == 1:
        rest = -math.prod(new)
        if rest == 0 or math.prod(shape) % rest:
            raise ValueError(f"{tuple(shape)} does not become {tuple(sizes)}")
        new[new.index(-1)] = math.prod(shape) // rest
    return tuple(new)


def ranges(
    shape: Sequence[int], attributes: Attributes, inputs: Sequence[Any]
) -> list[tuple[int, int, int]]:
    """Return the start, end and step of every axis that a Slice takes, as Python counts.

    The end of a negative step may be -1, the place before the first one.
    """
    starts, ends = (
        inputs[number].reshape(-1).tolist() if inputs[number] is not None else attributes[name]
        for number, name in ((1, "starts"), (2, "ends"))
    )
    axes = inputs[3].reshape(-1).tolist() if inputs[3] is not None else attributes.get("axes")
    steps = inputs[4].reshape(-1).tolist() if inputs[4] is not None else [1] * len(starts)
    rows = [(0, size, 1) for size in shape]
    for number, axis in enumerate(range(len(starts)) if axes is None else axes):
        begin, end, step = slice(starts[number], ends[number], steps[number]).indices(shape[axis])
        # A negative end of a negative step would count from the end in Python.
        rows[axis] = (begin, end, step)
    return rows


def _slice(attributes: Attributes, inputs: Sequence[Any], _: int, __: StepLimit) -> Array:
    data = inputs[0]
    rows = ranges(data.shape, attributes, inputs)
    return np.asarray(
        data[tuple(slice(low, None if high < 0 else high, step) for low, high, step in rows)]
    )


def split_sizes(
    size: int, attributes: Attributes, given: Array | None, outputs: int
) -> tuple[int, ...]:
    """Return the sizes of the parts of an axis that a Split gives."""
    stated = given.reshape(-1).tolist() if given is not None else attributes.get("split")
    if stated is not None:
        parts = tuple(map(int, stated))
    else:
        # The last part may be smaller (from opset 18).
        part = -(-size // max(outputs, 1))
        parts = tuple(max(0, min(part, size - part * number)) for number in range(outputs))
    if sum(parts) != size or min(parts, default=0) < 1:
        raise ValueError(f"parts of {parts} do not make {size}")
    return parts


def _split(
    attributes: Attributes, inputs: Sequence[Any], outputs: int, _: StepLimit
) -> list[Array]:
    axis = int(attributes.get("axis", 0))
    parts = split_sizes(inputs[0].shape[axis], attributes, inputs[1], outputs)
    return list(np.split(inputs[0], np.cumsum(parts)[:-1].tolist(), axis=axis))


def _concat(attributes: Attributes, inputs: Sequence[Any], _: int, limit: StepLimit) -> Array:
    given = [value for value in inputs if value is not None]
    limit.take(sum(value.size for value in given))
    return np.concatenate(given, axis=int(attributes["axis"]))


def _dequantised(attributes: Attributes, inputs: Sequence[Any], _: int, __: StepLimit) -> Array:
    codes, scale, zero = inputs[:3]
    if int(attributes.get("block_size", 0)):
        raise ValueError("scales of blocks")
    shape = [1] * codes.ndim
    if scale.size > 1:
        shape[int(attributes.get("axis", 1))] = scale.size
    scale = scale.reshape(shape if scale.size > 1 else ())
    offset = 0 if zero is None else zero.reshape(scale.shape).astype(np.float32)
    return np.asarray((codes.astype(np.float32) - offset) * scale, np.float32)


def _where(condition: Array, first: Array, second: Array) -> Array:
    return np.where(condition, first, second)


def _cast(attributes: Attributes, inputs: Sequence[Any], _: int, __: StepLimit) -> Array:
    return np.asarray(inputs[0].astype(numpy_type(int(attributes["to"]))))


def _transpose(attributes: Attributes, inputs: Sequence[Any], _: int, __: StepLimit) -> Array:
    return np.transpose(inputs[0], attributes.get("perm"))


def _reshape(attributes: Attributes, inputs: Sequence[Any], _: int, __: StepLimit) -> Array:
    stated = attributes["shape"] if inputs[1] is None else inputs[1].reshape(-1).tolist()
    allow_zero = bool(attributes.get("allowzero", 0))
    return np.asarray(inputs[0].reshape(resolved(inputs[0].shape, stated, allow_zero=allow_zero)))


def _flatten(attributes: Attributes, inputs: Sequence[Any], _: int, __: StepLimit) -> Array:
    axis = int(attributes.get("axis", 1))
    return np.asarray(inputs[0].reshape(math.prod(inputs[0].shape[:axis]), -1))


def _size(_: Attributes, inputs: Sequence[Any], __: int, ___: StepLimit) -> Array:
    return np.asarray(inputs[0].size, np.int64)


def _shape_of(attributes: Attributes, inputs: Sequence[Any], _: int, __: StepLimit) -> Array:
    return shape_values(inputs[0].shape, attributes)


def shape_values(shape: Sequence[int], attributes: Attributes) -> Array:
    """Return what the operator Shape gives for a shape."""
    start, end = attributes.get("start", 0), attributes.get("end")
    return np.asarray(tuple(shape)[start:end], np.int64)


def _identity(_: Attributes, inputs: Sequence[Any], __: int, ___: StepLimit) -> Array:
    return np.asarray(inputs[0])


KINDS: Final[Mapping[str, Callable[..., Any]]] = {
    "Abs": _elementwise(np.abs),
    "Add": _elementwise(np.add),
    "And": _elementwise(np.logical_and),
    "Cast": _cast,
    "Ceil": _elementwise(np.ceil),
    "Clip": _clip,
    "Concat": _concat,
    "ConstantOfShape": _constant_of_shape,
    "DequantizeLinear": _dequantised,
    "Div": _elementwise(_divide),
    "Equal": _elementwise(np.equal),
    "Exp": _elementwise(np.exp),
    "Expand": _expand,
    "Flatten": _flatten,
    "Floor": _elementwise(np.floor),
    "Gather": _gather,
    "Greater": _elementwise(np.greater),
    "GreaterOrEqual": _elementwise(np.greater_equal),
    "Identity": _identity,
    "Less": _elementwise(np.less),
    "LessOrEqual": _elementwise(np.less_equal),
    "Log": _elementwise(np.log),
    "Max": _elementwise(lambda *values: np.maximum.reduce(np.broadcast_arrays(*values))),
    "Min": _elementwise(lambda *values: np.minimum.reduce(np.broadcast_arrays(*values))),
    "Mod": _elementwise(np.mod),
    "Mul": _elementwise(np.multiply),
    "Neg": _elementwise(np.negative),
    "Not": _elementwise(np.logical_not),
    "Or": _elementwise(np.logical_or),
    "Pow": _elementwise(np.power),
    "Range": _range,
    "Reciprocal": _elementwise(np.reciprocal),
    "ReduceMax": _reducing(np.max),
    "ReduceMean": _reducing(np.mean),
    "ReduceMin": _reducing(np.min),
    "ReduceProd": _reducing(np.prod),
    "ReduceSum": _reducing(np.sum),
    "Reshape": _reshape,
    "Round": _elementwise(np.round),
    "Shape": _shape_of,
    "Sign": _elementwise(np.sign),
    "Size": _size,
    "Slice": _slice,
    "Split": _split,
    "Sqrt": _elementwise(np.sqrt),
    "Squeeze": lambda a, i, _, __: i[0].reshape(squeezed(i[0].shape, _axes(a, i[1]))),
    "Sub": _elementwise(np.subtract),
    "Tanh": _elementwise(np.tanh),
    "Tile": _tile,
    "Transpose": _transpose,
    "Unsqueeze": lambda a, i, _, __: i[0].reshape(unsqueezed(i[0].shape, _axes(a, i[1]) or ())),
    "Where": _elementwise(_where),
}
"""Operators that are computed, by their names in ONNX's own domain."""
