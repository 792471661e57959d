"""The operators of a float `.tflite` as nodes of a `FloatGraph`, one function each.

Source: the kernels of TensorFlow Lite (tensorflow/lite/kernels), whose shapes are NHWC.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np

from mobiledeploy.formats.tflite import schema
from mobiledeploy.network.importers.builder import (
    MOST_SIZE,
    Array,
    GraphBuilder,
    Pair,
    UnsupportedError,
    nearest_fits,
    require,
)
from mobiledeploy.network.importers.views import View
from mobiledeploy.ops import padding
from mobiledeploy.ops.padding import Pads

Value: TypeAlias = View | Array
"""What a tensor is: computed, or a constant."""
_SPATIAL: Final = (1, 2)
_CHANNEL: Final = 3


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """An operator of the file with its inputs.

    Attributes:
        build: Where nodes are added.
        options: The fields of its options table.
        inputs: Its inputs; None for an omitted one.
        outputs: How many outputs it has.
        shape: The shape that the file states for its first output.
    """

    build: GraphBuilder
    options: Mapping[str, Any]
    inputs: Sequence[Value | None]
    outputs: int
    shape: tuple[int, ...]

    def view(self, place: int = 0) -> View:
        """Return an input that is computed.

        Raises:
            UnsupportedError: It is a constant, or missing.
        """
        value = self.inputs[place] if place < len(self.inputs) else None
        if not isinstance(value, View):
            raise UnsupportedError(
                f"its input {place} is {'missing' if value is None else 'a constant'}"
            )
        return value

    def given(self, place: int, what: str) -> Array | None:
        """Return an input that is a constant or omitted.

        Raises:
            UnsupportedError: It is computed.
        """
        value = self.inputs[place] if place < len(self.inputs) else None
        if isinstance(value, View):
            raise UnsupportedError(f"its {what} is computed instead of constant")
        return value

    def constant(self, place: int, what: str) -> Array:
        """Return an input that is a constant.

        Raises:
            UnsupportedError: It is computed, or missing.
        """
        value = self.given(place, what)
        if value is None:
            raise UnsupportedError(f"its {what} is missing")
        return value

    def numbers(self, place: int, what: str) -> list[int]:
        """Return an input that is a constant list of integers."""
        return [int(number) for number in self.constant(place, what).reshape(-1)]

    def axis(self, axis: int, place: int = 0) -> int:
        """Return an axis of an input, counted from the start.

        Raises:
            UnsupportedError: There is no such axis.
        """
        rank = len(self.view(place).axes)
        require(-rank <= axis < rank, f"it has no axis {axis}")
        return axis % rank

    def activated(self, view: View) -> View:
        """Return a result after the activation that is fused into the operator."""
        number = self.options.get(schema.ACTIVATION, 0)
        match schema.ACTIVATIONS[number]:
            case "none":
                return view
            case "relu":
                return self.build.clip(view, 0.0, math.inf)
            case "relu6":
                return self.build.clip(view, 0.0, 6.0)
            case "relu_n1_to_1":
                return self.build.clip(view, -1.0, 1.0)
            case "tanh":
                return self.build.unary("tanh", view)
            case other:
                raise UnsupportedError(f"its activation is {other}")


def _image(call: Call) -> View:
    view = call.view()
    require(len(view.axes) == 4, f"its input has the shape {view.sizes}: expected an image")
    return view


def _strides(call: Call) -> Pair:
    strides = int(call.options["stride_h"]), int(call.options["stride_w"])
    require(min(strides) > 0, f"its strides are {strides}")
    return strides


def _pads(call: Call, window: Pair, strides: Pair, dilations: Pair = (1, 1)) -> Pads:
    match schema.padding(call.options["padding"]):
        case "same":
            size = _image(call).sizes[1:3]
            return padding.same_pads(size, window, strides, dilations)
        case "valid":
            return 0, 0, 0, 0
        case _:
            raise UnsupportedError("its padding is not known")


def _convolved(call: Call, kernel: Array, groups: int) -> View:
    bias = call.given(2, "bias")
    window = kernel.shape[0], kernel.shape[1]
    strides = _strides(call)
    dilations = int(call.options["dilation_h_factor"]), int(call.options["dilation_w_factor"])
    require(min(dilations) > 0, f"its dilations are {dilations}")
    view = call.build.conv(
        _image(call),
        _SPATIAL,
        _CHANNEL,
        kernel=kernel,
        bias=np.zeros(kernel.shape[3]) if bias is None else bias,
        strides=strides,
        dilations=dilations,
        groups=groups,
        pads=_pads(call, window, strides, dilations),
    )
    return call.activated(view)


def _conv(call: Call) -> View:
    weights, channels = call.constant(1, "kernel"), _image(call).sizes[3]
    require(weights.ndim == 4, f"its kernel has the shape {weights.shape}")
    require(
        channels % weights.shape[3] == 0,
        f"its kernel of shape {weights.shape} does not fit {channels} channels",
    )
    return _convolved(call, weights.transpose(1, 2, 3, 0), channels // weights.shape[3])


def _depthwise(call: Call) -> View:
    weights, channels = call.constant(1, "kernel"), _image(call).sizes[3]
    require(
        weights.ndim == 4 and weights.shape[0] == 1, f"its kernel has the shape {weights.shape}"
    )
    return _convolved(call, weights.transpose(1, 2, 0, 3), channels)


def _fully_connected(call: Call) -> View:
    view, weights, bias = call.view(), call.constant(1, "matrix"), call.given(2, "bias")
    require(weights.ndim == 2, f"its matrix has the shape {weights.shape}")
    require(not call.options["weights_format"], "its weights are shuffled")
    if not call.options["keep_num_dims"] and len(view.axes) != 2:
        count = math.prod(view.sizes)
        size = weights.shape[1]
        require(
            count % size == 0, f"its matrix of shape {weights.shape} does not fit {view.sizes}"
        )
        view = call.build.reshape(view, (count // size, size))
    row = np.zeros(weights.shape[0]) if bias is None else bias.reshape(-1)
    return call.activated(call.build.dense(view, weights.T, row))


def _batch_matmul(call: Call) -> View:
    view, matrix = call.view(), np.asarray(call.constant(1, "matrix"))
    require(not call.options["adj_x"], "it transposes its input")
    require(
        matrix.ndim >= 2 and math.prod(matrix.shape[:-2]) == 1,
        f"its matrix has the shape {matrix.shape}",
    )
    plain: Array = matrix.reshape(matrix.shape[-2], matrix.shape[-1])
    kernel = plain.T if call.options["adj_y"] else plain
    return call.build.dense(view, kernel, np.zeros(kernel.shape[1]))


def _pool(op: str) -> Callable[[Call], View]:
    def read(call: Call) -> View:
        window = int(call.options["filter_height"]), int(call.options["filter_width"])
        require(min(window) > 0, f"its window is {window}")
        strides = _strides(call)
        attributes = {
            "window": window,
            "strides": strides,
            "pads": _pads(call, window, strides),
            **({"count_pads": False} if op == "average_pool" else {}),
        }
        return call.activated(
            call.build.windowed(
                op, _image(call), _SPATIAL, _CHANNEL, window=window, attributes=attributes
            )
        )

    return read


def _arithmetic(op: str) -> Callable[[Call], View]:
    def read(call: Call) -> View:
        return call.activated(_combine(call, op, call.inputs[0], call.inputs[1]))

    return read


def _combine(call: Call, op: str, first: Value | None, second: Value | None) -> View:
    match first, second:
        case View(), View():
            require(op != "div", "it divides by what is computed")
            return call.build.binary(op, first, second)
        case View(), np.ndarray():
            return call.build.with_constant(op, first, second)
        case np.ndarray(), View():
            return call.build.with_constant(op, second, first, swapped=True)
        case _:
            raise UnsupportedError("its inputs are constants")


def _add_n(call: Call) -> View:
    result = call.inputs[0]
    for value in call.inputs[1:]:
        result = _combine(call, "add", result, value)
    require(isinstance(result, View), "its inputs are constants")
    assert isinstance(result, View)  # noqa: S101 - for mypy
    return result


def _unary(op: str, **attributes: Any) -> Callable[[Call], View]:
    return lambda call: call.build.unary(op, call.view(), **attributes)


def _clip(low: float, high: float) -> Callable[[Call], View]:
    return lambda call: call.build.clip(call.view(), low, high)


def _leaky_relu(call: Call) -> View:
    return call.build.unary("leaky_relu", call.view(), alpha=float(call.options["alpha"]))


def _gelu(call: Call) -> View:
    return call.build.unary("gelu", call.view(), approximate=bool(call.options["approximate"]))


def _softmax(call: Call) -> View:
    view, beta = call.view(), float(call.options["beta"])
    if beta != 1:
        view = call.build.affine(view, beta, 0)
    return call.build.softmax(view, [len(view.axes) - 1])


def _log_softmax(call: Call) -> View:
    return call.build.softmax(call.view(), [len(call.view().axes) - 1], "log_softmax")


def _power(call: Call) -> View:
    view, exponent = call.view(), call.constant(1, "exponent")
    require(
        exponent.size == 1 and float(exponent.reshape(-1)[0]) == 2, "its exponent is not 2"
    )  # fmt: skip
    return call.build.binary("mul", view, view)


def _reduced(op: str) -> Callable[[Call], View]:
    def read(call: Call) -> View:
        view = call.view()
        places = [call.axis(axis) for axis in call.numbers(1, "axes")]
        result = call.build.reduced(
            "mean" if op == "sum" else op, view, places, keep=bool(call.options["keep_dims"])
        )
        if op == "sum":
            count = math.prod(view.sizes[place] for place in places)
            return call.build.affine(result, count, 0)
        return result

    return read


def _pad(call: Call) -> View:
    view, amounts, value = call.view(), call.constant(1, "pads"), call.given(2, "value")
    require(amounts.shape == (len(view.axes), 2), f"its pads have the shape {amounts.shape}")
    before, after = (list(map(int, amounts[:, side])) for side in (0, 1))
    number = 0.0 if value is None else float(value.reshape(-1)[0])
    return call.build.padded(view, before, after, number)


def _concat(call: Call) -> View:
    first = next(value for value in call.inputs if isinstance(value, View))
    rank, axis = len(first.axes), int(call.options["axis"])
    require(-rank <= axis < rank, f"it has no axis {axis}")
    views = [
        value
        if isinstance(value, View)
        else call.build.constant(np.asarray(value), rank, call.build.default_order(first))
        for value in call.inputs
    ]
    return call.activated(call.build.concat(views, axis % rank))


def _reshape(call: Call) -> View:
    view, given = call.view(), call.given(1, "shape")
    stated = call.options.get("new_shape")
    if given is not None and given.ndim == 1:
        sizes = list(map(int, given))
    elif stated is not None:
        sizes = list(stated)
    else:
        sizes = list(call.shape)
    if sizes.count(-1) == 1:
        rest = -math.prod(sizes)
        require(rest != 0 and math.prod(view.sizes) % rest == 0, f"its shape is {tuple(sizes)}")
        sizes[sizes.index(-1)] = math.prod(view.sizes) // rest
    return call.build.reshape(view, sizes)


def _squeeze(call: Call) -> View:
    view = call.view()
    axes = {call.axis(int(axis)) for axis in call.options.get("squeeze_dims") or ()}
    if not axes:
        axes = {place for place, size in enumerate(view.sizes) if size == 1}
    require(all(view.sizes[axis] == 1 for axis in axes), f"it squeezes {view.sizes}")
    return call.build.reshape(view, [s for place, s in enumerate(view.sizes) if place not in axes])


def _expand_dims(call: Call) -> View:
    (axis,), sizes = call.numbers(1, "axis"), list(call.view().sizes)
    require(-len(sizes) - 1 <= axis <= len(sizes), f"it has no axis {axis}")
    sizes.insert(axis + len(sizes) + 1 if axis < 0 else axis, 1)
    return call.build.reshape(call.view(), sizes)


def _transpose(call: Call) -> View:
    order = call.numbers(1, "permutation")
    require(sorted(order) == list(range(len(call.view().axes))), f"its permutation is {order}")
    return call.view().transposed(order)


def rows(
    shape: Sequence[int], options: Mapping[str, Any], inputs: Sequence[Any]
) -> tuple[list[tuple[int, int, int]], list[int]]:
    """Return begin, end and stride of each axis of a STRIDED_SLICE, and the axes that go.

    Raises:
        UnsupportedError: It inserts axes.
    """
    require(
        not options["ellipsis_mask"] and not options["new_axis_mask"] and not options["offset"],
        "it inserts axes",
    )
    begins, ends, steps = (np.asarray(value).reshape(-1).tolist() for value in inputs[1:4])
    require(len(begins) <= len(shape), f"it slices {len(begins)} axes of {tuple(shape)}")
    ranges, gone = [], []
    for axis, size in enumerate(shape):
        if axis >= len(begins):
            ranges.append((0, size, 1))
            continue
        bit, step = 1 << axis, int(steps[axis])
        require(step != 0, "its stride is 0")
        if options["shrink_axis_mask"] & bit:
            only = int(begins[axis]) % size
            ranges.append((only, only + 1, 1))
            gone.append(axis)
            continue
        begin = None if options["begin_mask"] & bit else int(begins[axis])
        end = None if options["end_mask"] & bit else int(ends[axis])
        ranges.append(slice(begin, end, step).indices(size))
    return ranges, gone


def _strided_slice(call: Call) -> View:
    view = call.view()
    inputs = [None, *(call.constant(place, "range") for place in range(1, 4))]
    ranges, gone = rows(view.sizes, call.options, inputs)
    for axis, (low, high, step) in enumerate(ranges):
        if step < 0:
            entries = list(range(low, high, step))
            require(bool(entries), f"it takes nothing of an input of {view.sizes}")
            view = call.build.select(view, axis, entries, 0)
            ranges[axis] = (0, len(entries), 1)
    lows, highs, steps = zip(*ranges, strict=True)
    view = call.build.sliced(view, lows, highs, steps)
    if not gone:
        return view
    return call.build.reshape(view, [s for place, s in enumerate(view.sizes) if place not in gone])


def _slice(call: Call) -> View:
    view = call.view()
    begins, sizes = call.numbers(1, "begin"), call.numbers(2, "size")
    require(len(begins) == len(sizes) == len(view.axes), f"it slices {len(begins)} axes")
    ends = [
        whole if size == -1 else begin + size
        for begin, size, whole in zip(begins, sizes, view.sizes, strict=True)
    ]
    require(
        all(
            0 <= low < high <= size
            for low, high, size in zip(begins, ends, view.sizes, strict=True)
        ),
        f"it takes {begins} to {ends} of {view.sizes}",
    )
    return call.build.sliced(view, begins, ends, [1] * len(begins))


def _parts(call: Call, view: View, axis: int, sizes: Sequence[int]) -> list[Value]:
    require(sum(sizes) == view.sizes[axis] and min(sizes) > 0, f"its parts are {list(sizes)}")
    results: list[Value] = []
    begin, ones = 0, [1] * len(view.axes)
    for size in sizes:
        lows, highs = [0] * len(view.axes), list(view.sizes)
        lows[axis], highs[axis] = begin, begin + size
        results.append(call.build.sliced(view, lows, highs, ones))
        begin += size
    return results


def _split(call: Call) -> list[Value]:
    axis = call.axis(call.numbers(0, "axis")[0], 1)
    size, count = call.view(1).sizes[axis], max(1, int(call.options["num_splits"]))
    require(size % count == 0, f"{size} is not divided by {count}")
    return _parts(call, call.view(1), axis, [size // count] * count)


def _split_v(call: Call) -> list[Value]:
    axis, sizes = call.axis(call.numbers(2, "axis")[0]), call.numbers(1, "sizes")
    if sizes.count(-1) == 1:
        sizes[sizes.index(-1)] = call.view().sizes[axis] - sum(sizes) - 1
    return _parts(call, call.view(), axis, sizes)


def _unpack(call: Call) -> list[Value]:
    view, axis = call.view(), call.axis(int(call.options["axis"]))
    left = [size for place, size in enumerate(view.sizes) if place != axis]
    parts = _parts(call, view, axis, [1] * view.sizes[axis])
    return [call.build.reshape(part, left) for part in parts if isinstance(part, View)]


def _gather(call: Call) -> View:
    view, indices = call.view(), call.constant(1, "indices")
    axis = call.axis(int(call.options["axis"]))
    require(not call.options["batch_dims"], "it has a batch of indices")
    require(indices.ndim <= 1 and indices.size > 0, f"its indices have the shape {indices.shape}")
    entries = [int(index) for index in indices.reshape(-1)]
    require(all(0 <= entry < view.sizes[axis] for entry in entries), f"it takes {entries}")
    view = call.build.select(view, axis, entries, 0)
    if indices.ndim:
        return view
    return call.build.reshape(view, [s for place, s in enumerate(view.sizes) if place != axis])


def _resize_nearest(call: Call) -> View:
    view, size = _image(call), call.numbers(1, "size")
    require(len(size) == 2 and min(size) > 0 and max(size) <= MOST_SIZE, f"its size is {size}")
    corners, half = bool(call.options["align_corners"]), bool(call.options["half_pixel_centers"])
    for whole, wanted in zip(view.sizes[1:3], size, strict=True):
        scale = (whole - 1) / (wanted - 1) if corners and wanted > 1 else whole / wanted
        where = [(place + (0.5 if half else 0)) * scale for place in range(wanted)]
        pixels = [math.floor(place + (0.5 if corners else 0)) for place in where]
        require(
            nearest_fits([min(max(pixel, 0), whole - 1) for pixel in pixels], whole),
            "its nearest pixels are not those of pixel * size // new size",
        )
    if tuple(size) == view.sizes[1:3]:
        return view
    return call.build.resized(view, _SPATIAL, _CHANNEL, (size[0], size[1]))


def _space_to_depth(call: Call) -> View:
    view, block = _image(call), max(1, int(call.options["block_size"]))
    batch, high, wide, channels = view.sizes
    require(high % block == 0 and wide % block == 0, f"{high}x{wide} in blocks of {block}")
    split = (batch, high // block, block, wide // block, block, channels)
    moved = call.build.reshape(view, split).transposed((0, 1, 3, 2, 4, 5))
    return call.build.reshape(moved, (batch, high // block, wide // block, block**2 * channels))


def _depth_to_space(call: Call) -> View:
    view, block = _image(call), max(1, int(call.options["block_size"]))
    batch, high, wide, channels = view.sizes
    require(channels % block**2 == 0, f"{channels} channels in blocks of {block}")
    split = (batch, high, wide, block, block, channels // block**2)
    moved = call.build.reshape(view, split).transposed((0, 1, 3, 2, 4, 5))
    return call.build.reshape(moved, (batch, high * block, wide * block, channels // block**2))


def _prelu(call: Call) -> View:
    return call.build.prelu(call.view(), call.constant(1, "slope"))


def _cast(call: Call) -> View:
    number = int(call.options["out_data_type"])
    name = schema.TYPES[number] if 0 <= number < len(schema.TYPES) else "unknown"
    require(name in {"FLOAT32", "FLOAT16", "FLOAT64"}, f"it makes {name.lower()} values")
    return call.view()


def _shape(call: Call) -> Array:
    return np.asarray(call.view().sizes, np.int64)


def _broadcast_to(call: Call) -> View:
    wanted = np.broadcast_shapes(call.view().sizes, tuple(call.numbers(1, "shape")))
    require(wanted == call.view().sizes, f"it repeats {call.view().sizes} to {wanted}")
    return call.view()


def _dequantised(_: Call) -> View:
    # Constants do not come here; of what is computed only float16 can be float already.
    raise UnsupportedError("the file is quantised already: its activations are integers")


OPERATORS: Final[Mapping[str, Callable[[Call], Value | list[Value]]]] = {
    "ADD": _arithmetic("add"),
    "ADD_N": _add_n,
    "AVERAGE_POOL_2D": _pool("average_pool"),
    "BATCH_MATMUL": _batch_matmul,
    "BROADCAST_TO": _broadcast_to,
    "CAST": _cast,
    "CONCATENATION": _concat,
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _depthwise,
    "DEPTH_TO_SPACE": _depth_to_space,
    "DEQUANTIZE": _dequantised,
    "DIV": _arithmetic("div"),
    "ELU": _unary("elu", alpha=1.0),
    "EXP": _unary("exp"),
    "EXPAND_DIMS": _expand_dims,
    "FULLY_CONNECTED": _fully_connected,
    "GATHER": _gather,
    "GELU": _gelu,
    "HARD_SWISH": _unary("hard_swish"),
    "LEAKY_RELU": _leaky_relu,
    "LOGISTIC": _unary("logistic"),
    "LOG_SOFTMAX": _log_softmax,
    "MAXIMUM": _arithmetic("maximum"),
    "MAX_POOL_2D": _pool("max_pool"),
    "MEAN": _reduced("mean"),
    "MINIMUM": _arithmetic("minimum"),
    "MUL": _arithmetic("mul"),
    "NEG": lambda call: call.build.affine(call.view(), -1, 0),
    "PAD": _pad,
    "PADV2": _pad,
    "POW": _power,
    "PRELU": _prelu,
    "QUANTIZE": _dequantised,
    "REDUCE_MAX": _reduced("reduce_max"),
    "RELU": _clip(0.0, math.inf),
    "RELU6": _clip(0.0, 6.0),
    "RELU_0_TO_1": _clip(0.0, 1.0),
    "RELU_N1_TO_1": _clip(-1.0, 1.0),
    "RESHAPE": _reshape,
    "RESIZE_NEAREST_NEIGHBOR": _resize_nearest,
    "SHAPE": _shape,
    "SLICE": _slice,
    "SOFTMAX": _softmax,
    "SPACE_TO_DEPTH": _space_to_depth,
    "SPLIT": _split,
    "SPLIT_V": _split_v,
    "SQUARE": lambda call: call.build.binary("mul", call.view(), call.view()),
    "SQUEEZE": _squeeze,
    "STRIDED_SLICE": _strided_slice,
    "SUB": _arithmetic("sub"),
    "SUM": _reduced("sum"),
    "TANH": _unary("tanh"),
    "TRANSPOSE": _transpose,
    "UNPACK": _unpack,
}
"""Operators by their names in `BuiltinOperator`."""


def _strided_constant(options: Mapping[str, Any], inputs: Sequence[Any]) -> Array:
    ranges, gone = rows(inputs[0].shape, options, inputs)
    indices = [
        low if axis in gone else slice(low, None if high < 0 else high, step)
        for axis, (low, high, step) in enumerate(ranges)
    ]
    return np.asarray(inputs[0][tuple(indices)])


def _pack(options: Mapping[str, Any], inputs: Sequence[Any]) -> Array:
    return np.stack([np.asarray(value) for value in inputs], axis=int(options["axis"]))


CONSTANTS: Final[Mapping[str, Callable[[Mapping[str, Any], Sequence[Any]], Any]]] = {
    "ADD": lambda _, inputs: inputs[0] + inputs[1],
    "CAST": lambda options, inputs: inputs[0].astype(
        schema.TYPES[options["out_data_type"]].lower()
    ),
    "CONCATENATION": lambda options, inputs: np.concatenate(inputs, axis=options["axis"]),
    "EXPAND_DIMS": lambda _, inputs: np.expand_dims(inputs[0], int(inputs[1].reshape(-1)[0])),
    "GATHER": lambda options, inputs: np.take(inputs[0], inputs[1], axis=options["axis"]),
    "MUL": lambda _, inputs: inputs[0] * inputs[1],
    "NEG": lambda _, inputs: -inputs[0],
    "PACK": _pack,
    "RESHAPE": lambda _, inputs: inputs[0].reshape(inputs[1].reshape(-1).tolist()),
    "REDUCE_PROD": lambda options, inputs: np.prod(
        inputs[0], axis=tuple(inputs[1].reshape(-1).tolist()), keepdims=options.get("keep_dims", 0)
    ),
    "SHAPE": lambda _, inputs: np.asarray(inputs[0].shape, np.int64),
    "STRIDED_SLICE": _strided_constant,
    "SUB": lambda _, inputs: inputs[0] - inputs[1],
    "TRANSPOSE": lambda _, inputs: np.transpose(inputs[0], inputs[1].reshape(-1).tolist()),
}
"""Operators whose inputs are all constants: shape arithmetic, and weights in another order."""
