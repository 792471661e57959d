"""Functions between Keras layers as nodes of a `FloatGraph`.

Keras 3 writes `x / 255.` as a class of `keras.ops`, tf.keras as a layer that names a function of
TensorFlow.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np

from mobiledeploy.network.importers import keras_activations as activations
from mobiledeploy.network.importers.builder import Array, require
from mobiledeploy.network.importers.keras_activations import SettingError, check
from mobiledeploy.network.importers.keras_layers import LayerCall, reshaped
from mobiledeploy.network.importers.views import View
from mobiledeploy.network.keras_config import Operand, constant

Value: TypeAlias = View | Array
"""What a function takes: a computed tensor or a constant."""
Operator: TypeAlias = Callable[[LayerCall, Sequence[Value]], View]

FUNCTION_LAYERS: Final = frozenset({"TFOpLambda", "SlicingOpLambda"})
"""Classes by which tf.keras represents a function between layers."""
_FLOATS: Final = frozenset({"bfloat16", "float16", "float32", "float64"})
_INDEXING: Final = "getitem"
_PREFIXES: Final = frozenset({"", "__operators__", "compat.v1", "compat.v1.nn", "math", "nn"})
"""Modules of TensorFlow whose functions are looked up by their last name."""


def function_name(call: LayerCall) -> str:
    """Return the name of the function as the file has it."""
    layer = call.layer
    if layer.class_name in FUNCTION_LAYERS:
        return str(layer.settings.get("function"))
    return layer.class_name


def operands_of(call: LayerCall) -> tuple[Operand, ...]:
    """Return what a layer or function is called on, without the index of `x[...]`."""
    operands = call.layer.operands
    return operands[:1] if _key(function_name(call)) == _INDEXING else operands


def is_known(name: str) -> bool:
    """Whether a function has a form here."""
    return _key(name) in _OPERATORS or _key(name) in _ACTIVATIONS


def translate(call: LayerCall, operands: Sequence[Value]) -> View:
    """Return what a function gives.

    Args:
        call: The call; its views are the computed operands.
        operands: All operands in their order.

    Raises:
        UnsupportedError: The function has no form here.
    """
    name = function_name(call)
    check(is_known(name), f"the operator `{name}` is not supported")
    if (activation := _ACTIVATIONS.get(_key(name))) is not None:
        axis = _settings(call).get("axis")
        check(axis in {None, -1}, f"its axis is {axis}")
        return activations.by_name(activation, keras_2=False)(call.builder, _only(operands))
    return _OPERATORS[_key(name)](call, operands)


def _key(name: str) -> str:
    prefix, _, last = name.rpartition(".")
    return last.replace("_", "").lower() if prefix in _PREFIXES else name


def _settings(call: LayerCall) -> Mapping[str, Any]:
    """Return the options of the function and of the call."""
    return {**call.settings, **call.layer.options}


def _only(operands: Sequence[Value]) -> View:
    require(len(operands) == 1, f"it is called on {len(operands)} tensors")
    return _view(operands[0])


def _view(operand: Value) -> View:
    if not isinstance(operand, View):
        raise SettingError("it is called on a constant")
    return operand


def _binary(op: str) -> Operator:
    def binary(call: LayerCall, operands: Sequence[Value]) -> View:
        require(len(operands) == 2, f"it is called on {len(operands)} tensors")
        first, second = operands
        if isinstance(first, View) and isinstance(second, View):
            check(op != "div", "it divides by what is computed")
            return call.builder.binary(op, first, second)
        if isinstance(first, View) and not isinstance(second, View):
            return call.builder.with_constant(op, first, second)
        return call.builder.with_constant(op, _view(second), _array(first), swapped=True)

    return binary


def _array(operand: Value) -> Array:
    if isinstance(operand, View):
        raise SettingError("it is called on two computed tensors")
    return operand


def _bias_add(call: LayerCall, operands: Sequence[Value]) -> View:
    settings = _settings(call)
    check(settings.get("data_format") in {None, "NHWC"}, "its data_format is not NHWC")
    bias = constant(settings.get("bias"))
    if bias is None:
        raise SettingError("its bias is no constant")
    return call.builder.with_constant("add", _only(operands), np.asarray(bias))


def _negative(call: LayerCall, operands: Sequence[Value]) -> View:
    return call.builder.affine(_only(operands), -1, 0)


def _square(call: LayerCall, operands: Sequence[Value]) -> View:
    view = _only(operands)
    return call.builder.binary("mul", view, view)


def _clip(call: LayerCall, operands: Sequence[Value]) -> View:
    settings = _settings(call)
    low, high = (
        constant(settings.get(keras, settings.get(tf)))
        for keras, tf in (("x_min", "clip_value_min"), ("x_max", "clip_value_max"))
    )
    if low is None or high is None or len(low) != 1 or len(high) != 1:
        raise SettingError("its limits are no numbers")
    return call.builder.clip(_only(operands), low[0], high[0])


def _leaky_relu(call: LayerCall, operands: Sequence[Value]) -> View:
    settings = _settings(call)
    slope = constant(settings.get("negative_slope", settings.get("alpha", 0.2)))
    if slope is None or len(slope) != 1:
        raise SettingError("its slope is no number")
    return call.builder.unary("leaky_relu", _only(operands), alpha=slope[0])


def _gelu(call: LayerCall, operands: Sequence[Value]) -> View:
    # The option is left out where it is False, which is TensorFlow's default; Keras 3 writes it.
    approximate = bool(_settings(call).get("approximate", False))
    return call.builder.unary("gelu", _only(operands), approximate=approximate)


def _hard_sigmoid(call: LayerCall, operands: Sequence[Value]) -> View:
    return call.builder.unary("hard_sigmoid", _only(operands), alpha=1 / 6, beta=0.5)


def _same(_call: LayerCall, operands: Sequence[Value]) -> View:
    return _only(operands)


def _cast(call: LayerCall, operands: Sequence[Value]) -> View:
    dtype = _settings(call).get("dtype")
    check(str(dtype) in _FLOATS, f"it casts to {dtype}")
    return _only(operands)


def _axes(call: LayerCall, view: View, key: str = "axis") -> list[int]:
    axis = _settings(call).get(key)
    axes: list[Any] = axis if isinstance(axis, list) else [axis]
    rank = len(view.axes)
    check(all(type(one) is int for one in axes), f"its {key} is {axis}")
    require(all(-rank <= one < rank for one in axes), f"its {key} is {axis}")
    return [one % rank for one in axes]


def _reduced(op: str) -> Operator:
    def reduced(call: LayerCall, operands: Sequence[Value]) -> View:
        view = _only(operands)
        keep = _settings(call).get("keepdims") is True
        return call.builder.reduced(op, view, _axes(call, view), keep=keep)

    return reduced


def _concat(call: LayerCall, operands: Sequence[Value]) -> View:
    views = [_view(operand) for operand in operands]
    [axis] = _axes(call, views[0])
    require(len({len(view.axes) for view in views}) == 1, "its inputs have other numbers of axes")
    return views[0] if len(views) == 1 else call.builder.concat(views, axis)


def _reshape(call: LayerCall, operands: Sequence[Value]) -> View:
    settings = _settings(call)
    target = settings.get("newshape", settings.get("shape"))
    view = _only(operands)
    check(
        isinstance(target, list) and len(target) > 1 and target[0] in {-1, None, view.sizes[0]},
        f"its shape is {target}",
    )
    return reshaped(call.builder, view, target[1:])


def _transpose(call: LayerCall, operands: Sequence[Value]) -> View:
    settings = _settings(call)
    axes = settings.get("axes", settings.get("perm"))
    view = _only(operands)
    check(isinstance(axes, list), f"its axes are {axes}")
    require(sorted(axes) == list(range(len(view.axes))), f"its axes are {axes}")
    return view.transposed(axes)


def _squeeze(call: LayerCall, operands: Sequence[Value]) -> View:
    view = _only(operands)
    axes = _axes(call, view)
    require(0 not in axes and all(view.sizes[axis] == 1 for axis in axes), "its axis is not 1")
    sizes = [size for axis, size in enumerate(view.sizes) if axis not in axes]
    return call.builder.reshape(view, sizes)


def _expand_dims(call: LayerCall, operands: Sequence[Value]) -> View:
    view, axis = _only(operands), _settings(call).get("axis")
    rank = len(view.axes) + 1
    if not isinstance(axis, int):
        raise SettingError(f"its axis is {axis}")
    require(-rank < axis < rank and axis % rank > 0, f"its axis is {axis}")
    sizes = list(view.sizes)
    sizes.insert(axis % rank, 1)
    return call.builder.reshape(view, sizes)


def _stack(call: LayerCall, operands: Sequence[Value]) -> View:
    """Return several tensors along a new axis; entries of one tensor become a choice of them."""
    views = [_view(operand) for operand in operands]
    axis = _settings(call).get("axis", 0)
    rank = len(views[0].axes) + 1
    if not isinstance(axis, int):
        raise SettingError(f"its axis is {axis}")
    require(-rank < axis < rank and axis % rank > 0, f"its axis is {axis}")
    rows = []
    for view in views:
        sizes = list(view.sizes)
        sizes.insert(axis % rank, 1)
        rows.append(call.builder.reshape(view, sizes))
    return rows[0] if len(rows) == 1 else call.builder.concat(rows, axis % rank)


def _get_item(call: LayerCall, operands: Sequence[Value]) -> View:
    view = _view(operands[0])
    key = call.layer.options.get("slice_spec")
    if key is None:
        check(len(call.layer.arguments) == 2, "its index is unknown")
        key = call.layer.arguments[1]
    rows = _expanded(key if isinstance(key, list) else [key], len(view.axes))
    begin, end, step, gone, reverse = [], [], [], [], []
    for axis, (row, size) in enumerate(zip(rows, view.sizes, strict=True)):
        if type(row) is int:
            require(-size <= row < size and axis > 0, f"it takes entry {row} of axis {axis}")
            places = range(row % size, row % size + 1)
            gone.append(axis)
        else:
            places = range(size)[_slice(row)]
        require(len(places) > 0, f"it takes nothing of an input of {view.sizes}")
        require(axis > 0 or len(places) == size, "it takes a part of the batch")
        if places.step < 0 and len(places) > 1:
            reverse.append(axis)
            places = places[::-1]
        begin.append(places[0])
        end.append(places[-1] + 1)
        step.append(abs(places.step) if len(places) > 1 else 1)
    if not any(step[axis] > 1 for axis in range(len(rows))):
        end = [min(last, size) for last, size in zip(end, view.sizes, strict=True)]
    view = call.builder.sliced(view, begin, end, step)
    for axis in reverse:
        require(axis == len(rows) - 1, f"it reverses axis {axis}")
        view = call.builder.select(view, axis, range(view.sizes[axis])[::-1], 0)
    if gone:
        kept = [size for axis, size in enumerate(view.sizes) if axis not in gone]
        view = call.builder.reshape(view, kept)
    return view


def _expanded(key: Sequence[Any], rank: int) -> list[Any]:
    """Return one index for each axis: the ellipsis stands for all others."""
    rows: list[Any] = []
    ellipses = sum(_is_ellipsis(one) for one in key)
    missing = rank - (len(key) - ellipses)
    check(ellipses < 2 and missing >= 0, f"its index is {key}")
    for one in key:
        rows.extend([{}] * missing if _is_ellipsis(one) else [one])
    return rows + [{}] * (rank - len(rows))


def _is_ellipsis(one: Any) -> bool:
    return isinstance(one, dict) and one.get("class_name") == "__ellipsis__"


def _slice(row: Any) -> slice:
    """Return a range as tf.keras or Keras 3 writes it."""
    match row:
        case {"class_name": "__slice__", "config": dict(inside)}:
            return _slice(inside)
        case dict() if "class_name" not in row:
            values = [row.get(key) for key in ("start", "stop", "step")]
            if all(value is None or type(value) is int for value in values) and values[2] != 0:
                return slice(*values)
        case _:
            pass
    raise SettingError(f"its index is {row}")


_ACTIVATIONS: Final[Mapping[str, str]] = {
    **{name.replace("_", ""): name for name in (
        "relu", "relu6", "sigmoid", "tanh", "softmax", "log_softmax", "softplus", "elu", "selu",
        "exp", "silu", "swish", "mish",
    )},
    "hardsilu": "hard_swish", "hardswish": "hard_swish",
}  # fmt: skip
_OPERATORS: Final[Mapping[str, Operator]] = {
    "add": _binary("add"), "addv2": _binary("add"), "biasadd": _bias_add,
    "subtract": _binary("sub"), "sub": _binary("sub"),
    "multiply": _binary("mul"), "mul": _binary("mul"),
    "truediv": _binary("div"), "truedivide": _binary("div"), "divide": _binary("div"),
    "maximum": _binary("maximum"), "minimum": _binary("minimum"),
    "negative": _negative, "square": _square, "clip": _clip, "clipbyvalue": _clip,
    "leakyrelu": _leaky_relu, "gelu": _gelu, "hardsigmoid": _hard_sigmoid,
    "identity": _same, "stopgradient": _same, "converttotensor": _same, "cast": _cast,
    "mean": _reduced("mean"), "reducemean": _reduced("mean"),
    "max": _reduced("reduce_max"), "reducemax": _reduced("reduce_max"),
    "concat": _concat, "concatenate": _concat, "reshape": _reshape, "transpose": _transpose,
    "squeeze": _squeeze, "expanddims": _expand_dims, "stack": _stack,
    _INDEXING: _get_item,
}  # fmt: skip
