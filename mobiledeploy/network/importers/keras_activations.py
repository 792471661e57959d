"""Keras's activation functions as nodes of a `FloatGraph`.

The same names stand for other functions in Keras 2 and Keras 3: `hard_sigmoid` is steeper there.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from mobiledeploy.network.importers.builder import GraphBuilder, UnsupportedError, require
from mobiledeploy.network.importers.views import View

Activation: TypeAlias = Callable[[GraphBuilder, View], View]

_SELU_ALPHA: Final = 1.6732632423543772
_SELU_SCALE: Final = 1.0507009873554805


class SettingError(UnsupportedError):
    """A layer's own settings are not supported, whatever its input."""


def check(fits: bool, reason: str) -> None:  # noqa: FBT001 - reads like `assert`
    """Refuse a layer's settings unless something fits.

    Raises:
        SettingError: It does not.
    """
    if not fits:
        raise SettingError(reason)


def _unary(op: str, **attributes: Any) -> Activation:
    return lambda builder, view: builder.unary(op, view, **attributes)


def _clip(low: float, high: float) -> Activation:
    return lambda builder, view: builder.clip(view, low, high)


def _softmax(builder: GraphBuilder, view: View, op: str = "softmax") -> View:
    require(len(view.axes) > 1, "its input has no axis but the batch")
    return builder.softmax(view, (len(view.axes) - 1,), op)


def _swish(builder: GraphBuilder, view: View) -> View:
    return builder.binary("mul", view, builder.unary("logistic", view))


def _mish(builder: GraphBuilder, view: View) -> View:
    return builder.binary("mul", view, builder.unary("tanh", builder.unary("softplus", view)))


def _selu(builder: GraphBuilder, view: View) -> View:
    return builder.affine(builder.unary("elu", view, alpha=_SELU_ALPHA), _SELU_SCALE, 0)


_FUNCTIONS: Final[Mapping[str, Activation]] = {
    "linear": lambda _, view: view,
    "relu": _clip(0, math.inf),
    "relu6": _clip(0, 6),
    "sigmoid": _unary("logistic"),
    "tanh": _unary("tanh"),
    "softmax": _softmax,
    "log_softmax": lambda builder, view: _softmax(builder, view, "log_softmax"),
    "softplus": _unary("softplus"),
    "exponential": _unary("exp"),
    "exp": _unary("exp"),
    "elu": _unary("elu", alpha=1.0),
    "celu": _unary("elu", alpha=1.0),  # without a setting it is ELU
    "hard_tanh": _clip(-1, 1),
    "selu": _selu,
    "gelu": _unary("gelu", approximate=False),
    "leaky_relu": _unary("leaky_relu", alpha=0.2),
    "swish": _swish,
    "silu": _swish,
    "mish": _mish,
    "hard_swish": _unary("hard_swish"),
    "hard_silu": _unary("hard_swish"),
}
_TENSORFLOW: Final = {"softmax_v2": "softmax", "log_softmax_v2": "log_softmax"}
"""TensorFlow's own names of `tf.nn.softmax` and `tf.nn.log_softmax`."""


def by_name(name: str, *, keras_2: bool) -> Activation:
    """Return the function of a name.

    Args:
        name: As Keras writes it, such as `relu6`.
        keras_2: Whether Keras 2 gives the name its meaning.

    Raises:
        SettingError: There is no such function, or it has no form here.
    """
    if name == "hard_sigmoid":
        return _unary("hard_sigmoid", alpha=0.2 if keras_2 else 1 / 6, beta=0.5)
    check(name in _FUNCTIONS, f"the activation `{name}` is not supported")
    return _FUNCTIONS[name]


def of_setting(setting: Any, *, keras_2: bool) -> Activation:
    """Return the function that a layer's setting `activation` describes.

    Raises:
        SettingError: It is a function of the user's own, or one that has no form here.
    """
    match setting:
        case None:
            return by_name("linear", keras_2=keras_2)
        case str(name):
            return by_name(name, keras_2=keras_2)
        case {"class_name": str(name), "config": dict(settings)} if name in LAYERS:
            return LAYERS[name](settings, keras_2)
        case {"class_name": "function", "config": str(name)}:
            # Keras's own functions are written by name only, or with Keras as their module.
            check(
                str(setting.get("module")).partition(".")[0] in {"keras", "tf_keras"}
                or name in _TENSORFLOW,
                f"its activation is a function named `{name}`, which is not one of Keras's own: "
                'name those, such as `activation="swish"`, in place of a function',
            )
            return by_name(_TENSORFLOW.get(name, name), keras_2=keras_2)
        case {"class_name": str(name)}:
            raise SettingError(f"its activation is the custom class `{name}`")
        case _:
            raise SettingError("its activation is Python code, which is not run")


def relu_layer(settings: Mapping[str, Any], _keras_2: bool = False) -> Activation:  # noqa: FBT001, FBT002
    """Return the function of a layer `ReLU`.

    Raises:
        SettingError: It has a threshold.
    """
    slope = _number(settings.get("negative_slope", settings.get("alpha", 0)) or 0)
    check(not settings.get("threshold"), f"its threshold is {settings.get('threshold')}")
    limit = settings.get("max_value")
    high = math.inf if limit is None else _number(limit)
    check(high >= 0, f"its max_value is {limit}")
    if slope == 0:
        return _clip(0, high)

    def leaky(builder: GraphBuilder, view: View) -> View:
        return builder.clip(builder.unary("leaky_relu", view, alpha=slope), -math.inf, high)

    return leaky


def _leaky_relu_layer(settings: Mapping[str, Any], _keras_2: bool) -> Activation:  # noqa: FBT001
    slope = _number(settings.get("negative_slope", settings.get("alpha", 0.3)))
    return _unary("leaky_relu", alpha=slope)


def _elu_layer(settings: Mapping[str, Any], _keras_2: bool) -> Activation:  # noqa: FBT001
    return _unary("elu", alpha=_number(settings.get("alpha", 1.0)))


def _softmax_layer(settings: Mapping[str, Any], _keras_2: bool) -> Activation:  # noqa: FBT001
    axis = settings.get("axis", -1)
    axes = axis if isinstance(axis, list) else [axis]
    check(all(type(one) is int for one in axes), f"its axis is {axis}")

    def softmax(builder: GraphBuilder, view: View) -> View:
        rank = len(view.axes)
        require(all(-rank < one < rank for one in axes), f"its axis is {axis}")
        return builder.softmax(view, sorted(one % rank for one in axes))

    return softmax


def _activation_layer(settings: Mapping[str, Any], keras_2: bool) -> Activation:  # noqa: FBT001
    return of_setting(settings.get("activation"), keras_2=keras_2)


LAYERS: Final[Mapping[str, Callable[[Mapping[str, Any], bool], Activation]]] = {
    "Activation": _activation_layer,
    "ELU": _elu_layer,
    "LeakyReLU": _leaky_relu_layer,
    "ReLU": relu_layer,
    "Softmax": _softmax_layer,
}
"""Layers that are functions without variables, from their settings and whether Keras 2 wrote
them."""


def _number(value: Any) -> float:
    # tf.keras writes some numbers as arrays of none or one axis.
    match value:
        case {"class_name": "__numpy__" | "__tensor__", "config": {"value": inner}}:
            return _number(inner)
        case [only]:
            return _number(only)
        case bool():
            pass
        case float() | int() if math.isfinite(value):
            return float(value)
    raise SettingError(f"expected a number in its configuration, received {value}")
