"""Keras's layers as nodes of a `FloatGraph`, by class name."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.network.importers import keras_activations as activations
from mobiledeploy.network.importers.builder import (
    Array,
    GraphBuilder,
    Pair,
    require,
    require_finite,
)
from mobiledeploy.network.importers.keras_activations import SettingError, check
from mobiledeploy.network.importers.views import View
from mobiledeploy.network.keras_config import IDENTITIES, ConfigLayer, constant
from mobiledeploy.network.keras_variables import Variable
from mobiledeploy.ops import padding
from mobiledeploy.ops.padding import Pads

_STANDARD_DEVIATION: Final = 1e-7
"""The least standard deviation by which Keras's Normalization divides."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LayerCall:
    """One call of a layer that is to be translated.

    Attributes:
        builder: Takes the nodes.
        layer: The layer with its settings.
        views: The tensors that it is called on.
        variables: Returns the variables of a layer.
        keras_2: Whether Keras 2 wrote it.
    """

    builder: GraphBuilder
    layer: ConfigLayer
    views: tuple[View, ...]
    variables: Callable[[ConfigLayer], Sequence[Variable]]
    keras_2: bool

    @property
    def settings(self) -> Mapping[str, Any]:
        """The layer's own configuration."""
        return self.layer.settings

    @property
    def view(self) -> View:
        """The first tensor that it is called on."""
        return self.views[0]

    @property
    def training(self) -> bool:
        """Whether the model calls it as in training whatever it is used for."""
        return self.layer.options.get("training") is True

    def activation(self) -> activations.Activation:
        """Return the function of the setting `activation`."""
        return activations.of_setting(self.settings.get("activation"), keras_2=self.keras_2)

    def axes(self) -> tuple[tuple[int, ...], int]:
        """Return the axes of height and width (or of length), and that of channels."""
        check(
            self.settings.get("data_format") in {None, "channels_last", "channels_first"},
            f"its data_format is {self.settings.get('data_format')}",
        )
        rank = len(self.view.axes)
        require(rank in {3, 4}, f"its input has the shape {self.view.sizes}")
        if self.settings.get("data_format") == "channels_first":
            return tuple(range(2, rank)), 1
        return tuple(range(1, rank - 1)), rank - 1

    def arrays(self, *roles: str) -> dict[str, Array]:
        """Return the layer's variables as float32, by name.

        Args:
            roles: Their names in the order in which Keras stores them.

        Raises:
            CorruptFileError: The file lacks one.
            SettingError: The layer has other variables.
            UnsupportedError: One holds NaN or infinite values.
        """
        given = self.variables(self.layer)
        if not given:
            raise CorruptFileError(
                f"the file does not hold the weights of layer `{self.layer.name}`",
                hint="save the whole model (`model.save`) as .keras or .h5",
            )
        if any(variable.role for variable in given):
            # Keras 2 names the kernel of a depthwise convolution by its class.
            named = {
                "kernel" if variable.role == "depthwise_kernel" and "kernel" in roles
                else variable.role: variable.array
                for variable in given
            }  # fmt: skip
            check(
                set(named) == set(roles),
                f"it has the variables {', '.join(named)}, expected {', '.join(roles)}",
            )
        else:
            check(
                len(given) == len(roles),
                f"it has {len(given)} variables, expected {', '.join(roles)}",
            )
            named = {role: one.array for role, one in zip(roles, given, strict=True)}
        for role, array in named.items():
            check(
                array.dtype.kind == "f" or role == "count",
                f"its `{role}` is stored as {array.dtype}: save the float model",
            )
            require_finite(array, role)
        return named

    def whole(self, key: str, default: int | None = None) -> int:
        """Return a positive whole number of the settings."""
        return _whole(self.settings.get(key, default))

    def pair(self, key: str, default: int | None = None) -> Pair:
        """Return two numbers for height and width; for a sequence the second is 1."""
        value = self.settings.get(key)
        value = default if value is None else value
        if len(self.view.axes) == 3:
            return (_whole(value[0] if isinstance(value, list) else value), 1)
        return _pair(value)

    def pads(self, window: Pair, strides: Pair, dilations: Pair = (1, 1)) -> Pads:
        """Return the zeros of the setting `padding`."""
        kind = self.settings.get("padding", "valid")
        spatial, _ = self.axes()
        size = [self.view.sizes[axis] for axis in spatial] + [1]
        match kind:
            case "valid":
                return (0, 0, 0, 0)
            case "same":
                return padding.same_pads(size[:2], window, strides, dilations)
            case "causal":
                return ((window[0] - 1) * dilations[0], 0, 0, 0)
            case _:
                raise SettingError(f"its padding is {kind}")


def _whole(value: Any) -> int:
    check(
        isinstance(value, int) and not isinstance(value, bool) and value > 0,
        f"expected a whole number in its configuration, received {value}",
    )
    return int(value)


def _pair(value: Any) -> Pair:
    if isinstance(value, list):
        check(len(value) == 2, f"expected two numbers in its configuration, received {value}")
        return _whole(value[0]), _whole(value[1])
    return _whole(value), _whole(value)


# --- Weighted --------------------------------------------------------------------------------


def _weights(call: LayerCall, *roles: str) -> dict[str, Array]:
    """Return a layer's kernels, and its bias if it has one."""
    check(call.settings.get("lora_rank") is None, "it has LoRA weights")
    biased = call.settings.get("use_bias") is not False
    return call.arrays(*roles, *(("bias",) if biased else ()))


def _bias(arrays: Mapping[str, Array], channels: int) -> Array:
    return arrays.get("bias", np.zeros(channels, np.float32))


def _conv(call: LayerCall) -> View:
    activation = call.activation()
    spatial, channel = call.axes()
    arrays = _weights(call, "kernel")
    strides, dilations = call.pair("strides", 1), call.pair("dilation_rate", 1)
    kernel = _image_kernel(arrays["kernel"], call)
    view = call.builder.conv(
        call.view, spatial, channel, kernel=kernel, bias=_bias(arrays, kernel.shape[-1]),
        strides=strides, dilations=dilations, groups=call.whole("groups", 1),
        pads=call.pads((kernel.shape[0], kernel.shape[1]), strides, dilations),
    )  # fmt: skip
    return activation(call.builder, view)


def _image_kernel(kernel: Array, call: LayerCall) -> Array:
    """Return a kernel as HWIO; that of a sequence has width 1."""
    rank = len(call.view.axes)
    require(kernel.ndim == rank, f"its kernel of shape {kernel.shape} does not fit its input")
    return kernel if rank == 4 else kernel[:, np.newaxis]


def _depthwise(call: LayerCall) -> View:
    activation = call.activation()
    arrays = _weights(call, "kernel")
    view = _depthwise_conv(call, arrays["kernel"], arrays.get("bias"))
    return activation(call.builder, view)


def _depthwise_conv(call: LayerCall, kernel: Array, bias: Array | None) -> View:
    spatial, channel = call.axes()
    kernel = _image_kernel(kernel, call)
    high, wide, channels, multiplier = kernel.shape
    require(
        channels == call.view.sizes[channel],
        f"its kernel of shape {kernel.shape} does not fit {call.view.sizes[channel]} channels",
    )
    strides, dilations = call.pair("strides", 1), call.pair("dilation_rate", 1)
    return call.builder.conv(
        call.view, spatial, channel,
        # Output c * multiplier + m is of input c: groups of as many outputs.
        kernel=kernel.reshape(high, wide, 1, channels * multiplier),
        bias=np.zeros(channels * multiplier, np.float32) if bias is None else bias,
        strides=strides, dilations=dilations, groups=channels,
        pads=call.pads((high, wide), strides, dilations),
    )  # fmt: skip


def _separable(call: LayerCall) -> View:
    activation = call.activation()
    arrays = _weights(call, "depthwise_kernel", "pointwise_kernel")
    spatial, channel = call.axes()
    view = _depthwise_conv(call, arrays["depthwise_kernel"], None)
    kernel = _image_kernel(arrays["pointwise_kernel"], call)
    bias = _bias(arrays, kernel.shape[-1])
    view = call.builder.conv(view, spatial, channel, kernel=kernel, bias=bias)
    return activation(call.builder, view)


def _dense(call: LayerCall) -> View:
    activation = call.activation()
    require(len(call.view.axes) > 1, "its input has no axis but the batch")
    arrays = _weights(call, "kernel")
    bias = _bias(arrays, arrays["kernel"].shape[-1])
    view = call.builder.dense(call.view, arrays["kernel"], bias)
    return activation(call.builder, view)


def _batch_norm(call: LayerCall) -> View:
    check(not call.training, "it is called with training=True")
    axis = _axis(call.settings.get("axis", -1), call.view)
    scaled, centred = (call.settings.get(key) is not False for key in ("scale", "center"))
    roles = [role for role, used in (("gamma", scaled), ("beta", centred)) if used]
    arrays = call.arrays(*roles, "moving_mean", "moving_variance")
    check(
        {array.shape for array in arrays.values()} == {(call.view.sizes[axis],)},
        f"its variables do not fit {call.view.sizes[axis]} channels",
    )
    mean, variance = (
        arrays[role].astype(np.float64) for role in ("moving_mean", "moving_variance")
    )
    check(bool((variance >= 0).all()), "its variance is negative")
    scale = arrays.get("gamma", np.ones(1)) / np.sqrt(variance + call.layer.epsilon)
    return call.builder.affine(call.view, scale, arrays.get("beta", 0) - mean * scale, axis)


def _axis(axis: Any, view: View) -> int:
    only = axis[0] if isinstance(axis, list) and len(axis) == 1 else axis
    check(type(only) is int, f"its axis is {axis}")
    rank = len(view.axes)
    require(-rank < only < rank and only % rank > 0, f"its axis is {axis}")
    return int(only % rank)


def _prelu(call: LayerCall) -> View:
    return call.builder.prelu(call.view, call.arrays("alpha")["alpha"])


# --- Pixels ----------------------------------------------------------------------------------


def _numbers(value: Any, what: str) -> Array:
    """Return a number as shape (), numbers per channel as shape (channels,)."""
    numbers = constant(value)
    if numbers is None:
        raise SettingError(f"its {what} is no number and no list of numbers")
    check(all(map(math.isfinite, numbers)), f"its {what} is not finite")
    return np.asarray(numbers[0] if len(numbers) == 1 else numbers, np.float64)


def _rescaling(call: LayerCall) -> View:
    scale = _numbers(call.settings.get("scale"), "scale")
    offset = _numbers(call.settings.get("offset", 0.0), "offset")
    return _affine(call, scale, offset, len(call.view.axes) - 1)


def _affine(call: LayerCall, scale: Array, offset: Array, axis: int) -> View:
    """Return `x * scale + offset`, each a number or one for each entry of an axis."""
    count = call.view.sizes[axis]
    for array in (scale, offset):
        require(array.size in {1, count}, f"it has {array.size} numbers for {count} channels")
    each = scale.size > 1 or offset.size > 1
    return call.builder.affine(call.view, scale, offset, axis if each else None)


def _normalization(call: LayerCall) -> View:
    settings = call.settings
    axis = settings.get("axis", -1)
    axes = [] if axis is None else axis if isinstance(axis, list) else [axis]
    check(len(axes) < 2, f"its axis is {axis}")
    if settings.get("mean") is None:
        arrays = call.arrays("mean", "variance", "count")
        mean, variance = (arrays[role].astype(np.float64) for role in ("mean", "variance"))
    else:
        mean, variance = (_numbers(settings.get(key), key) for key in ("mean", "variance"))
    mean, variance = mean.reshape(-1), variance.reshape(-1)
    check(bool((variance >= 0).all()), "its variance is negative")
    deviation = np.maximum(np.sqrt(variance), _STANDARD_DEVIATION)
    place = _axis(axes, call.view) if axes else len(call.view.axes) - 1
    if settings.get("invert"):
        return _affine(call, deviation, mean, place)
    return _affine(call, 1 / deviation, -mean / deviation, place)


def _same_size(call: LayerCall) -> View:
    """Return images that already have the size to which they are resized or cropped."""
    spatial, _ = call.axes()
    size = tuple(call.view.sizes[axis] for axis in spatial)
    wanted = (call.whole("height"), call.whole("width"))
    require(
        size == wanted,
        f"it resizes images from {size} to {wanted}: build the model for images of one size",
    )
    return call.view


# --- Pools and moves -------------------------------------------------------------------------


def _pool(op: str) -> Callable[[LayerCall], View]:
    def pool(call: LayerCall) -> View:
        spatial, channel = call.axes()
        window = call.pair("pool_size", 2)
        strides = window if call.settings.get("strides") is None else call.pair("strides")
        attributes: dict[str, Any] = {
            "window": window, "strides": strides, "pads": call.pads(window, strides)
        }  # fmt: skip
        if op == "average_pool":
            attributes["count_pads"] = False
        return call.builder.windowed(
            op, call.view, spatial, channel, window=window, attributes=attributes
        )

    return pool


def _global_pool(op: str) -> Callable[[LayerCall], View]:
    def pool(call: LayerCall) -> View:
        spatial, _ = call.axes()
        keep = call.settings.get("keepdims") is True
        return call.builder.reduced(op, call.view, spatial, keep=keep)

    return pool


def _amounts(value: Any, count: int) -> list[Pair]:
    """Return amounts before and after each of `count` axes, as Keras writes them."""
    match value:
        case int():
            rows = [[value, value]] * count
        case [int(before), int(after)] if count == 1:
            rows = [[before, after]]
        case [[int(), int()], *_]:
            rows = value
        case [int(), *_]:
            rows = [[one, one] for one in value]
        case _:
            rows = []
    check(len(rows) == count, f"its padding or cropping is {value}")
    for row in rows:
        check(
            len(row) == 2 and all(type(one) is int and one >= 0 for one in row),
            f"its padding or cropping is {value}",
        )
    return [(row[0], row[1]) for row in rows]


def _zero_padding(call: LayerCall) -> View:
    spatial, _ = call.axes()
    before, after = [0] * len(call.view.axes), [0] * len(call.view.axes)
    for axis, (low, high) in zip(
        spatial, _amounts(call.settings.get("padding"), len(spatial)), strict=True
    ):
        before[axis], after[axis] = low, high
    return call.builder.padded(call.view, before, after, 0.0)


def _cropping(call: LayerCall) -> View:
    spatial, _ = call.axes()
    begin, end = [0] * len(call.view.axes), list(call.view.sizes)
    for axis, (low, high) in zip(
        spatial, _amounts(call.settings.get("cropping"), len(spatial)), strict=True
    ):
        begin[axis], end[axis] = low, end[axis] - high
    return call.builder.sliced(call.view, begin, end, [1] * len(begin))


def _up_sampling(call: LayerCall) -> View:
    kind = call.settings.get("interpolation", "nearest")
    check(kind == "nearest", f"its interpolation is {kind}: only `nearest` is exact in int8")
    spatial, channel = call.axes()
    high, wide = call.pair("size", 2)
    size = [call.view.sizes[axis] for axis in spatial] + [1]
    return call.builder.resized(call.view, spatial, channel, (size[0] * high, size[1] * wide))


def _flatten(call: LayerCall) -> View:
    view = call.view
    if call.settings.get("data_format") == "channels_first" and len(view.axes) > 2:
        rank = len(view.axes)
        view = view.transposed((0, *range(2, rank), 1))
    return call.builder.reshape(view, (view.sizes[0], math.prod(view.sizes[1:])))


def _reshape(call: LayerCall) -> View:
    return reshaped(call.builder, call.view, call.settings.get("target_shape"))


def reshaped(builder: GraphBuilder, view: View, target: Any) -> View:
    """Return it with other axes behind the batch; one size may be -1.

    Raises:
        SettingError: The shape is none.
    """
    check(
        isinstance(target, list) and all(type(size) is int for size in target)
        and target.count(-1) < 2,
        f"its target shape is {target}",
    )  # fmt: skip
    total = math.prod(view.sizes[1:])
    known = math.prod(size for size in target if size != -1)
    require(known > 0 and total % known == 0, f"its target shape is {target}")
    sizes = [total // known if size == -1 else size for size in target]
    return builder.reshape(view, (view.sizes[0], *sizes))


def _permute(call: LayerCall) -> View:
    dims = call.settings.get("dims")
    rank = len(call.view.axes)
    if not isinstance(dims, list):
        raise SettingError(f"its dims are {dims}")
    require(sorted(dims) == list(range(1, rank)), f"its dims are {dims}")
    return call.view.transposed((0, *dims))


def _repeat(call: LayerCall) -> View:
    """Return a vector several times, as a sequence of that many."""
    count = call.whole("n")
    require(len(call.view.axes) == 2, f"its input has the shape {call.view.sizes}")
    batch, size = call.view.sizes
    row = call.builder.reshape(call.view, (batch, 1, size))
    return row if count == 1 else call.builder.concat([row] * count, 1)


# --- Several tensors -------------------------------------------------------------------------


def _merge(op: str, *, average: bool = False) -> Callable[[LayerCall], View]:
    def merge(call: LayerCall) -> View:
        require(len(call.views) > 1, f"it is called on {len(call.views)} tensors")
        rank = max(len(view.axes) for view in call.views)
        views = [_with_rank(call.builder, view, rank) for view in call.views]
        result = views[0]
        for view in views[1:]:
            result = call.builder.binary(op, result, view)
        return call.builder.affine(result, 1 / len(views), 0) if average else result

    return merge


def _with_rank(builder: GraphBuilder, view: View, rank: int) -> View:
    """Return it with axes of size 1 behind the batch, as Keras broadcasts."""
    missing = rank - len(view.axes)
    if not missing:
        return view
    return builder.reshape(view, (view.sizes[0], *[1] * missing, *view.sizes[1:]))


def _concatenate(call: LayerCall) -> View:
    axis = _axis(call.settings.get("axis", -1), call.view)
    ranks = {len(view.axes) for view in call.views}
    require(len(ranks) == 1, "it joins tensors with different numbers of axes")
    return call.views[0] if len(call.views) == 1 else call.builder.concat(call.views, axis)


# --- Tables ----------------------------------------------------------------------------------


def _same(call: LayerCall) -> View:
    """Return the input of a layer that computes something in training only."""
    # Keras 3 writes `training` for every random change of images.
    random = call.layer.class_name.startswith("Random")
    check(random or not call.training, "it is called with training=True")
    return call.view


def _function(call: LayerCall) -> View:
    layer = call.layer
    return activations.LAYERS[layer.class_name](layer.settings, call.keras_2)(
        call.builder, call.view
    )


LAYERS: Final[Mapping[str, Callable[[LayerCall], View]]] = {
    **dict.fromkeys(IDENTITIES, _same),
    **dict.fromkeys(activations.LAYERS, _function),
    "Add": _merge("add"),
    "Average": _merge("add", average=True),
    "AveragePooling1D": _pool("average_pool"),
    "AveragePooling2D": _pool("average_pool"),
    "BatchNormalization": _batch_norm,
    "CenterCrop": _same_size,
    "Concatenate": _concatenate,
    "Conv1D": _conv,
    "Conv2D": _conv,
    "Cropping1D": _cropping,
    "Cropping2D": _cropping,
    "Dense": _dense,
    "DepthwiseConv1D": _depthwise,
    "DepthwiseConv2D": _depthwise,
    "Flatten": _flatten,
    "GlobalAveragePooling1D": _global_pool("mean"),
    "GlobalAveragePooling2D": _global_pool("mean"),
    "GlobalMaxPooling1D": _global_pool("reduce_max"),
    "GlobalMaxPooling2D": _global_pool("reduce_max"),
    "InputLayer": lambda call: call.view,
    "MaxPooling1D": _pool("max_pool"),
    "MaxPooling2D": _pool("max_pool"),
    "Maximum": _merge("maximum"),
    "Minimum": _merge("minimum"),
    "Multiply": _merge("mul"),
    "Normalization": _normalization,
    "PReLU": _prelu,
    "Permute": _permute,
    "RandomCrop": _same_size,
    "RepeatVector": _repeat,
    "Rescaling": _rescaling,
    "Reshape": _reshape,
    "Resizing": _same_size,
    "SeparableConv1D": _separable,
    "SeparableConv2D": _separable,
    "Subtract": _merge("sub"),
    "SyncBatchNormalization": _batch_norm,
    "UpSampling1D": _up_sampling,
    "UpSampling2D": _up_sampling,
    "ZeroPadding1D": _zero_padding,
    "ZeroPadding2D": _zero_padding,
}
"""How to translate a call of a layer, by its class. Several of the names are aliases in Keras."""

SEVERAL: Final = frozenset({
    "Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract",
})  # fmt: skip
"""Classes that are called on several tensors."""
