"""The operators of an `.onnx` as nodes of a `FloatGraph`, one function each.

Specification: https://onnx.ai/onnx/operators/. Versions of one operator from opset 7 on are read
by one function: where an attribute became an input, it takes either.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np

from mobiledeploy.formats.onnx import schema
from mobiledeploy.network.importers import onnx_constants
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


_FLOATS: Final = frozenset({"float32", "float16", "float64", "bfloat16"})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A node of the file with its inputs.

    Attributes:
        build: Where nodes are added.
        kind: Its operator, with the domain before it unless it is ONNX's own.
        version: Operator set of the file.
        attributes: Numbers, texts, lists of numbers, and tensors as arrays.
        inputs: Its inputs; None for an omitted one.
        outputs: How many outputs it has.
    """

    build: GraphBuilder
    kind: str
    version: int
    attributes: Mapping[str, Any]
    inputs: Sequence[Value | None]
    outputs: int

    def get(self, name: str, default: Any) -> Any:
        """Return an attribute, else the default."""
        return self.attributes.get(name, default)

    def value(self, place: int) -> Value | None:
        """Return an input; None if it is omitted."""
        return self.inputs[place] if place < len(self.inputs) else None

    def view(self, place: int = 0) -> View:
        """Return an input that is computed.

        Raises:
            UnsupportedError: It is a constant, or missing.
        """
        value = self.value(place)
        if not isinstance(value, View):
            raise UnsupportedError(
                f"its input {place} is {'missing' if value is None else 'a constant'}"
            )
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

    def given(self, place: int, what: str) -> Array | None:
        """Return an input that is a constant or omitted.

        Raises:
            UnsupportedError: It is computed.
        """
        value = self.value(place)
        if isinstance(value, View):
            raise UnsupportedError(f"its {what} is computed instead of constant")
        return value

    def integers_of(self, place: int, name: str) -> tuple[int, ...] | None:
        """Return a list of integers that is an input or an attribute; None if it is neither."""
        value = self.given(place, name)
        if value is None:
            stated = self.attributes.get(name)
            return None if stated is None else tuple(map(int, stated))
        return tuple(map(int, value.reshape(-1).tolist()))

    def axis(self, default: int, name: str = "axis") -> int:
        """Return the attribute of an axis, counted from the start."""
        return self.place(int(self.get(name, default)))

    def place(self, axis: int) -> int:
        """Return an axis of the first input, counted from the start.

        Raises:
            UnsupportedError: There is no such axis.
        """
        rank = len(self.view().axes)
        require(-rank <= axis < rank, f"it has no axis {axis} in an input of {self.view().sizes}")
        return axis % rank


def _spatial(call: Call) -> tuple[int, ...]:
    rank = len(call.view().axes)
    require(
        rank in {3, 4},
        f"its input has the shape {call.view().sizes}: expected an image or a sequence",
    )
    return tuple(range(2, rank))


def _pair(values: Sequence[int]) -> Pair:
    """Return a value for height and width; a sequence has a width of 1."""
    first, second = (*map(int, values), 1)[:2]
    return first, second


def _strides(call: Call, name: str, rank: int) -> Pair:
    values = call.get(name, (1,) * rank)
    require(len(values) == rank and min(values) > 0, f"its {name} are {tuple(values)}")
    return _pair(values)


def _pads(call: Call, window: Pair, strides: Pair, dilations: Pair = (1, 1)) -> Pads:
    rank = len(_spatial(call))
    size = call.view().sizes[2:] if rank == 2 else (call.view().sizes[2], 1)
    match call.get("auto_pad", "NOTSET"):
        case "NOTSET" | "":
            stated = tuple(map(int, call.get("pads", (0,) * 2 * rank)))
            require(len(stated) == 2 * rank and min(stated) >= 0, f"its pads are {stated}")
            begins, ends = (*stated[:rank], 0)[:2], (*stated[rank:], 0)[:2]
            return begins[0], ends[0], begins[1], ends[1]
        case "VALID":
            return 0, 0, 0, 0
        case "SAME_UPPER":
            return padding.same_pads(size, window, strides, dilations)
        case "SAME_LOWER":
            return padding.same_pads(size, window, strides, dilations, odd_first=True)
        case other:
            raise UnsupportedError(f"its auto_pad is {other}")


def _conv(call: Call) -> View:
    spatial = _spatial(call)
    weights = call.constant(1, "kernel")
    require(
        weights.ndim == len(spatial) + 2,
        f"its kernel has the shape {weights.shape}, its input {call.view().sizes}",
    )
    kernel = weights.transpose([*spatial, 1, 0])
    if len(spatial) == 1:
        kernel = kernel[:, np.newaxis]
    bias = call.given(2, "bias")
    window = kernel.shape[0], kernel.shape[1]
    strides = _strides(call, "strides", len(spatial))
    dilations = _strides(call, "dilations", len(spatial))
    groups = int(call.get("group", 1))
    require(groups > 0, f"it has {groups} groups")
    return call.build.conv(
        call.view(),
        spatial,
        1,
        kernel=kernel,
        bias=np.zeros(kernel.shape[3]) if bias is None else bias,
        strides=strides,
        dilations=dilations,
        groups=groups,
        pads=_pads(call, window, strides, dilations),
    )


def _fused_conv(call: Call) -> View:
    """ONNX Runtime's convolution with a sum and an activation."""
    view = _conv(call)
    if call.value(3) is not None:
        view = call.build.binary("add", view, call.view(3))
    activation, numbers = call.get("activation", ""), call.get("activation_params", ())
    match activation:
        case "":
            return view
        case "Relu":
            return call.build.clip(view, 0, math.inf)
        case "Clip":
            return call.build.clip(view, float(numbers[0]), float(numbers[1]))
        case "LeakyRelu":
            return call.build.unary("leaky_relu", view, alpha=float(numbers[0]))
        case "HardSigmoid":
            alpha, beta = map(float, numbers)
            return call.build.unary("hard_sigmoid", view, alpha=alpha, beta=beta)
        case "Sigmoid" | "Tanh":
            return call.build.unary("logistic" if activation == "Sigmoid" else "tanh", view)
        case _:
            raise UnsupportedError(f"its activation is {activation}")


def _more(size: int, window: int, stride: int, begin: int, end: int) -> int:
    """Return the pads at the end that `ceil_mode` adds."""
    places = -(-(size + begin + end - window) // stride) + 1
    if (places - 1) * stride >= size + begin:
        places -= 1  # the last window must begin within the image or the pads before it
    return max(0, (places - 1) * stride + window - size - begin - end)


def _pool_window(call: Call) -> tuple[Pair, Pair, Pads, Pads]:
    """Return window, strides, the stated pads, and those that `ceil_mode` adds."""
    rank = len(_spatial(call))
    stated = tuple(map(int, call.get("kernel_shape", ())))
    require(len(stated) == rank and min(stated, default=0) > 0, f"its window is {stated}")
    window, strides = _pair(stated), _strides(call, "strides", rank)
    require(_strides(call, "dilations", rank) == (1, 1), "its window is dilated")
    pads = _pads(call, window, strides)
    more = (0, 0, 0, 0)
    if call.get("ceil_mode", 0) and call.get("auto_pad", "NOTSET") in {"NOTSET", ""}:
        high, wide = (*call.view().sizes[2:], 1)[:2]
        more = (
            0, _more(high, window[0], strides[0], pads[0], pads[1]),
            0, _more(wide, window[1], strides[1], pads[2], pads[3]),
        )  # fmt: skip
    return window, strides, pads, more


def _sum_of_pads(first: Pads, second: Pads) -> Pads:
    top, bottom, left, right = (a + b for a, b in zip(first, second, strict=True))
    return top, bottom, left, right


def _max_pool(call: Call) -> View:
    window, strides, pads, more = _pool_window(call)
    attributes = {"window": window, "strides": strides, "pads": _sum_of_pads(pads, more)}
    return call.build.windowed(
        "max_pool", call.view(), _spatial(call), 1, window=window, attributes=attributes
    )


def _average_pool(call: Call) -> View:
    window, strides, pads, more = _pool_window(call)
    view, spatial = call.view(), _spatial(call)
    counted = bool(call.get("count_include_pad", 0)) and any(pads)
    if counted and any(more):
        # The stated pads count, those of `ceil_mode` do not.
        begins, ends = pads[::2][: len(spatial)], pads[1::2][: len(spatial)]
        view = call.build.padded(view, (0, 0, *begins), (0, 0, *ends), 0.0)
        pads, counted = (0, 0, 0, 0), False
    return call.build.windowed(
        "average_pool", view, spatial, 1, window=window,
        attributes={
            "window": window, "strides": strides, "pads": _sum_of_pads(pads, more),
            "count_pads": counted,
        },
    )  # fmt: skip


def _global(op: str) -> Callable[[Call], View]:
    return lambda call: call.build.reduced(op, call.view(), _spatial(call), keep=True)


def _reduced(op: str) -> Callable[[Call], View]:
    def read(call: Call) -> View:
        view = call.view()
        axes = call.integers_of(1, "axes")
        if not axes:
            if axes is not None and call.get("noop_with_empty_axes", 0):
                return view
            axes = tuple(range(len(view.axes)))
        places = [call.place(axis) for axis in axes]
        result = call.build.reduced(
            "mean" if op == "sum" else op, view, places, keep=bool(call.get("keepdims", 1))
        )
        if op == "sum":
            count = math.prod(view.sizes[place] for place in places)
            return call.build.affine(result, count, 0)
        return result

    return read


def _gemm(call: Call) -> View:
    view, matrix = call.view(), call.constant(1, "matrix")
    require(not call.get("transA", 0), "it transposes its input (transA)")
    require(len(view.axes) == 2, f"its input has the shape {view.sizes}")
    require(matrix.ndim == 2, f"its matrix has the shape {matrix.shape}")
    kernel = matrix.T if call.get("transB", 0) else matrix
    alpha, beta = float(call.get("alpha", 1.0)), float(call.get("beta", 1.0))
    if alpha != 1:
        kernel = kernel * alpha
    bias = call.given(2, "bias")
    if bias is None:
        row = np.zeros(kernel.shape[1])
    else:
        require(
            bias.ndim <= 2 and (bias.ndim < 2 or bias.shape[0] == 1)
            and bias.size in {1, kernel.shape[1]},
            f"its bias has the shape {bias.shape}",
        )  # fmt: skip
        row = np.broadcast_to(bias.reshape(-1) * beta, kernel.shape[1])
    return call.build.dense(view, kernel, row)


def _matmul(call: Call) -> View:
    view, matrix = call.view(), call.constant(1, "matrix")
    if matrix.ndim > 2 and math.prod(matrix.shape[:-2]) == 1 and matrix.ndim <= len(view.axes):
        matrix = matrix.reshape(matrix.shape[-2:])
    require(
        matrix.ndim in {1, 2} and len(view.axes) >= 2,
        f"it multiplies shapes {view.sizes} and {matrix.shape}",
    )
    kernel = matrix if matrix.ndim == 2 else matrix[:, np.newaxis]
    result = call.build.dense(view, kernel, np.zeros(kernel.shape[1]))
    return result if matrix.ndim == 2 else call.build.reshape(result, result.sizes[:-1])


def _batch_norm(call: Call) -> View:
    require(not call.get("training_mode", 0), "it is in training mode")
    require(call.outputs == 1, "it is in training mode")
    gamma, beta, mean, variance = (
        call.constant(place, what).astype(np.float64)
        for place, what in enumerate(("scale", "bias", "mean", "variance"), 1)
    )
    require(len(call.view().axes) > 1, f"its input has the shape {call.view().sizes}")
    channels = (call.view().sizes[1],)
    require(
        all(array.shape == channels for array in (gamma, beta, mean, variance)),
        f"its constants do not fit {channels[0]} channels",
    )
    with np.errstate(all="ignore"):
        scale = gamma / np.sqrt(variance + float(call.get("epsilon", 1e-5)))
        return call.build.affine(call.view(), scale, beta - mean * scale, 1)


def _arithmetic(op: str) -> Callable[[Call], View]:
    def read(call: Call) -> View:
        return _combine(call, op, call.inputs[0], call.inputs[1])

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


def _variadic(op: str) -> Callable[[Call], View]:
    def read(call: Call) -> View:
        # Views first, so that constants are joined with something computed.
        values = sorted(call.inputs, key=lambda value: not isinstance(value, View))
        result = values[0]
        for value in values[1:]:
            result = _combine(call, "add" if op == "mean" else op, result, value)
        require(isinstance(result, View), "its inputs are constants")
        assert isinstance(result, View)  # noqa: S101 - for mypy
        if op == "mean":
            return call.build.affine(result, 1 / len(values), 0)
        return result

    return read


def _unary(op: str, **defaults: float) -> Callable[[Call], View]:
    def read(call: Call) -> View:
        numbers = {name: float(call.get(name, value)) for name, value in defaults.items()}
        return call.build.unary(op, call.view(), **numbers)

    return read


def _clip(call: Call) -> View:
    bounds = []
    for place, name, default in ((1, "min", -math.inf), (2, "max", math.inf)):
        value = call.given(place, name)
        require(value is None or value.size == 1, f"its {name} is no single number")
        number = call.get(name, default) if value is None else value.reshape(-1)[0]
        bounds.append(float(number))
    # Exporters write the largest float32 for no limit.
    largest = float(np.finfo(np.float32).max)
    low = -math.inf if bounds[0] <= -largest else bounds[0]
    high = math.inf if bounds[1] >= largest else bounds[1]
    return call.build.clip(call.view(), low, high)


def _gelu(call: Call) -> View:
    approximate = call.get("approximate", "none") == "tanh"
    return call.build.unary("gelu", call.view(), approximate=approximate)


def _fast_gelu(call: Call) -> View:
    view, bias = call.view(), call.given(1, "bias")
    if bias is not None:
        view = call.build.with_constant("add", view, bias)
    return call.build.unary("gelu", view, approximate=True)


def _swish(call: Call) -> View:
    alpha, view = float(call.get("alpha", 1.0 if call.kind == "Swish" else 1.702)), call.view()
    scaled = view if alpha == 1 else call.build.affine(view, alpha, 0)
    return call.build.binary("mul", view, call.build.unary("logistic", scaled))


def _mish(call: Call) -> View:
    gate = call.build.unary("tanh", call.build.unary("softplus", call.view()))
    return call.build.binary("mul", call.view(), gate)


def _selu(call: Call) -> View:
    alpha = float(call.get("alpha", 1.67326319217681884765625))
    gamma = float(call.get("gamma", 1.05070102214813232421875))
    return call.build.affine(call.build.unary("elu", call.view(), alpha=alpha), gamma, 0)


def _celu(call: Call) -> View:
    alpha = float(call.get("alpha", 1.0))
    require(alpha > 0, f"its alpha is {alpha:g}")
    scaled = call.build.affine(call.view(), 1 / alpha, 0)
    return call.build.affine(call.build.unary("elu", scaled, alpha=1.0), alpha, 0)


def _power(call: Call) -> View:
    view, exponent = call.view(), call.constant(1, "exponent")
    require(exponent.size == 1, "its exponent is no single number")
    match float(exponent.reshape(-1)[0]):
        case 1.0:
            return view
        case 2.0:
            return call.build.binary("mul", view, view)
        case 3.0:
            return call.build.binary("mul", call.build.binary("mul", view, view), view)
        case other:
            raise UnsupportedError(f"its exponent is {other:g}")


def _negated(call: Call) -> View:
    return call.build.affine(call.view(), -1, 0)


def _prelu(call: Call) -> View:
    return call.build.prelu(call.view(), call.constant(1, "slope"))


def _softmax(call: Call) -> View:
    if call.version < 13:
        # Before opset 13 the axis and all behind it count as one.
        first = call.axis(1)
        return call.build.softmax(call.view(), range(first, len(call.view().axes)))
    return call.build.softmax(call.view(), [call.axis(-1)])


def _log_softmax(call: Call) -> View:
    if call.version < 13:
        first = call.axis(1)
        return call.build.softmax(call.view(), range(first, len(call.view().axes)), "log_softmax")
    return call.build.softmax(call.view(), [call.axis(-1)], "log_softmax")


def _identity(call: Call) -> View:
    return call.view()


def _dropout(call: Call) -> View:
    mode = call.given(2, "training mode")
    require(mode is None or not mode.any(), "it is in training mode")
    return call.view()


def _cast(call: Call) -> View:
    name = schema.element_type(int(call.get("to", 0)))
    require(name in _FLOATS, f"it makes {name or 'unknown'} values")
    return call.view()


def _shape(call: Call) -> Array:
    return onnx_constants.shape_values(call.view().sizes, call.attributes)


def _reshape(call: Call) -> View:
    stated = call.integers_of(1, "shape")
    require(stated is not None, "its shape is missing")
    sizes = onnx_constants.resolved(
        call.view().sizes, stated or (), allow_zero=bool(call.get("allowzero", 0))
    )
    return call.build.reshape(call.view(), sizes)


def _flatten(call: Call) -> View:
    sizes, axis = call.view().sizes, int(call.get("axis", 1))
    require(-len(sizes) <= axis <= len(sizes), f"it has no axis {axis}")
    axis += len(sizes) if axis < 0 else 0
    return call.build.reshape(call.view(), (math.prod(sizes[:axis]), math.prod(sizes[axis:])))


def _squeeze(call: Call) -> View:
    axes = call.integers_of(1, "axes")
    return call.build.reshape(call.view(), onnx_constants.squeezed(call.view().sizes, axes))


def _unsqueeze(call: Call) -> View:
    axes = call.integers_of(1, "axes") or ()
    return call.build.reshape(call.view(), onnx_constants.unsqueezed(call.view().sizes, axes))


def _transpose(call: Call) -> View:
    rank = len(call.view().axes)
    order = tuple(map(int, call.get("perm", range(rank)[::-1])))
    require(sorted(order) == list(range(rank)), f"its permutation is {order}")
    return call.view().transposed(order)


def _expand(call: Call) -> View:
    view, shape = call.view(), call.constant(1, "shape")
    wanted = np.broadcast_shapes(view.sizes, tuple(map(int, shape.reshape(-1).tolist())))
    require(wanted == view.sizes, f"it repeats an input of {view.sizes} to {wanted}")
    return view


def _tile(call: Call) -> View:
    repeats = call.integers_of(1, "repeats") or ()
    require(set(repeats) == {1}, f"it repeats its input {repeats} times")
    return call.view()


def _concat(call: Call) -> View:
    values = list(call.inputs)
    first = next(value for value in values if isinstance(value, View))
    rank = len(first.axes)
    axis = int(call.get("axis", 1))
    require(-rank <= axis < rank, f"it has no axis {axis}")
    views = [
        value
        if isinstance(value, View)
        else call.build.constant(np.asarray(value), rank, call.build.default_order(first))
        for value in values
    ]
    return call.build.concat(views, axis % rank)


def _slice(call: Call) -> View:
    view = call.view()
    inputs = [None, *(call.given(place, "range") for place in range(1, 5))]
    rows = onnx_constants.ranges(view.sizes, call.attributes, inputs)
    for axis, (low, high, step) in enumerate(rows):
        if step < 0:
            entries = list(range(low, high, step))
            require(bool(entries), f"it takes nothing of an input of {view.sizes}")
            view = call.build.select(view, axis, entries, 0)
            rows[axis] = (0, len(entries), 1)
    lows, highs, steps = zip(*rows, strict=True)
    return call.build.sliced(view, lows, highs, steps)


def _split(call: Call) -> list[Value]:
    view, axis = call.view(), call.axis(0)
    parts = onnx_constants.split_sizes(
        view.sizes[axis], call.attributes, call.given(1, "split"), call.outputs
    )
    results: list[Value] = []
    begin, ones = 0, [1] * len(view.axes)
    for part in parts:
        lows, highs = [0] * len(view.axes), list(view.sizes)
        lows[axis], highs[axis] = begin, begin + part
        results.append(call.build.sliced(view, lows, highs, ones))
        begin += part
    return results


def _gather(call: Call) -> View:
    view, axis, indices = call.view(), call.axis(0), call.constant(1, "indices")
    size = view.sizes[axis]
    require(indices.ndim <= 1 and indices.size > 0, f"its indices have the shape {indices.shape}")
    entries = [int(index) for index in indices.reshape(-1)]
    require(all(-size <= entry < size for entry in entries), f"it takes entries {entries}")
    entries = [entry % size for entry in entries]
    step = entries[1] - entries[0] if len(entries) > 1 else 1
    if step > 0 and entries == list(range(entries[0], entries[-1] + 1, step)):
        lows, highs = [0] * len(view.axes), list(view.sizes)
        strides = [1] * len(view.axes)
        lows[axis], highs[axis], strides[axis] = entries[0], entries[-1] + 1, step
        view = call.build.sliced(view, lows, highs, strides)
    else:
        view = call.build.select(view, axis, entries, 0)
    if indices.ndim:
        return view
    return call.build.reshape(view, [s for place, s in enumerate(view.sizes) if place != axis])


def _pad(call: Call) -> View:
    view, rank = call.view(), len(call.view().axes)
    mode = call.get("mode", "constant")
    stated = call.integers_of(1, "pads") or ()
    axes = call.given(3, "axes")
    if axes is not None:
        chosen = [call.place(int(axis)) for axis in axes.reshape(-1)]
        require(len(stated) == 2 * len(chosen), f"its pads are {stated}")
        whole = [0] * 2 * rank
        for number, axis in enumerate(chosen):
            whole[axis], whole[rank + axis] = stated[number], stated[len(chosen) + number]
        stated = tuple(whole)
    require(len(stated) == 2 * rank, f"its pads are {stated}")
    if not any(stated):
        return view
    require(mode == "constant", f"its mode is {mode}")
    value = call.given(2, "value")
    fill = float(call.get("value", 0.0) if value is None else value.reshape(-1)[0])
    return call.build.padded(view, stated[:rank], stated[rank:], fill)


def _depth_to_space(call: Call) -> View:
    view, block = call.view(), int(call.get("blocksize", 1))
    require(len(view.axes) == 4 and block > 0, f"its input has the shape {view.sizes}")
    batch, channels, high, wide = view.sizes
    require(channels % block**2 == 0, f"{channels} channels do not make blocks of {block}")
    deep = channels // block**2
    if call.get("mode", "DCR") == "DCR":
        split, order = (batch, block, block, deep, high, wide), (0, 3, 4, 1, 5, 2)
    else:
        split, order = (batch, deep, block, block, high, wide), (0, 1, 4, 2, 5, 3)
    moved = call.build.reshape(view, split).transposed(order)
    return call.build.reshape(moved, (batch, deep, high * block, wide * block))


def _space_to_depth(call: Call) -> View:
    view, block = call.view(), int(call.get("blocksize", 1))
    require(len(view.axes) == 4 and block > 0, f"its input has the shape {view.sizes}")
    batch, channels, high, wide = view.sizes
    require(
        high % block == 0 and wide % block == 0, f"{high}x{wide} does not make blocks of {block}"
    )
    split = (batch, channels, high // block, block, wide // block, block)
    moved = call.build.reshape(view, split).transposed((0, 3, 5, 1, 2, 4))
    return call.build.reshape(moved, (batch, channels * block**2, high // block, wide // block))


def _resize(call: Call) -> View:
    view, rank = call.view(), len(call.view().axes)
    require(rank in {3, 4}, f"its input has the shape {view.sizes}")
    later = len(call.inputs) > 2 or (call.kind == "Resize" and call.version >= 11)
    factors = call.given(2 if later else 1, "scales")
    scales = call.get("scales", ()) if factors is None else factors.reshape(-1).tolist()
    given = call.given(3, "sizes") if later else None
    axes = [call.place(int(axis)) for axis in call.get("axes", range(rank))]
    wanted, steps = list(view.sizes), [1.0] * rank
    if given is not None and given.size:
        require(given.size == len(axes), f"its sizes are {given.tolist()}")
        require(
            call.get("keep_aspect_ratio_policy", "stretch") == "stretch",
            "it keeps the aspect ratio",
        )
        for axis, size in zip(axes, given.reshape(-1).tolist(), strict=True):
            wanted[axis], steps[axis] = int(size), size / view.sizes[axis]
    else:
        require(len(scales) == len(axes), "its scales and sizes are missing")
        for axis, scale in zip(axes, scales, strict=True):
            wanted[axis], steps[axis] = math.floor(view.sizes[axis] * scale + 1e-6), float(scale)
    changed = [axis for axis in range(rank) if wanted[axis] != view.sizes[axis]]
    if not changed:
        return view
    mode = call.get("mode", "nearest")
    require(mode == "nearest", f"its mode is {mode}")
    order = call.build.order_of(view)
    spatial, channel = order[:-1], order[-1]
    require(set(changed) <= set(spatial), f"it resizes the axes {', '.join(map(str, changed))}")
    for axis in changed:
        size, new = view.sizes[axis], wanted[axis]
        require(0 < new <= MOST_SIZE, f"it resizes {size} to {new}")
        pixels = [_nearest(call, place, size, new, steps[axis]) for place in range(new)]
        require(
            nearest_fits(pixels, size),
            f"its nearest pixels ({call.get('coordinate_transformation_mode', 'half_pixel')}, "
            f"{call.get('nearest_mode', 'round_prefer_floor')}) are not those of pixel * "
            "size // new size",
        )
    return call.build.resized(view, spatial, channel, _pair([wanted[axis] for axis in spatial]))


def _nearest(call: Call, place: int, size: int, wanted: int, scale: float) -> int:
    """Return the pixel of the input that becomes a pixel of the output."""
    if call.kind == "Upsample" or call.version < 11:
        where, how = place / scale, "floor"
    else:
        how = call.get("nearest_mode", "round_prefer_floor")
        match call.get("coordinate_transformation_mode", "half_pixel"):
            case "asymmetric":
                where = place / scale
            case "half_pixel":
                where = (place + 0.5) / scale - 0.5
            case "pytorch_half_pixel":
                where = (place + 0.5) / scale - 0.5 if wanted > 1 else 0.0
            case "half_pixel_symmetric":
                adjusted = wanted / (scale * size)
                where = size / 2 * (1 - adjusted) + (place + 0.5) / scale - 0.5
            case "tf_half_pixel_for_nn":
                where = (place + 0.5) / scale
            case "align_corners":
                where = place * (size - 1) / (wanted - 1) if wanted > 1 else 0.0
            case other:
                raise UnsupportedError(f"its coordinates are {other}")
    match how:
        case "floor":
            nearest = math.floor(where)
        case "ceil":
            nearest = math.ceil(where)
        case "round_prefer_floor":
            nearest = math.ceil(where - 0.5)
        case "round_prefer_ceil":
            nearest = math.floor(where + 0.5)
        case other:
            raise UnsupportedError(f"its rounding is {other}")
    return min(max(nearest, 0), size - 1)


def _quantised(_: Call) -> View:
    raise UnsupportedError("the file is quantised already: its activations are integers")


def _erf(_: Call) -> View:
    # `gelu.recognise_gelu` makes a GELU of it and its neighbours.
    raise UnsupportedError("it is only supported as part of a GELU")


OPERATORS: Final[Mapping[str, Callable[[Call], Value | list[Value]]]] = {
    "Add": _arithmetic("add"),
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_norm,
    "Cast": _cast,
    "Celu": _celu,
    "Clip": _clip,
    "Concat": _concat,
    "Conv": _conv,
    "DepthToSpace": _depth_to_space,
    "DequantizeLinear": _quantised,
    "Div": _arithmetic("div"),
    "Dropout": _dropout,
    "DynamicQuantizeLinear": _quantised,
    "Elu": _unary("elu", alpha=1.0),
    "Erf": _erf,
    "Exp": _unary("exp"),
    "Expand": _expand,
    "Flatten": _flatten,
    "Gather": _gather,
    "Gelu": _gelu,
    "Gemm": _gemm,
    "GlobalAveragePool": _global("mean"),
    "GlobalMaxPool": _global("reduce_max"),
    "HardSigmoid": _unary("hard_sigmoid", alpha=0.2, beta=0.5),
    "HardSwish": _unary("hard_swish"),
    "Identity": _identity,
    "LeakyRelu": _unary("leaky_relu", alpha=0.01),
    "LogSoftmax": _log_softmax,
    "MatMul": _matmul,
    "Max": _variadic("maximum"),
    "MaxPool": _max_pool,
    "Mean": _variadic("mean"),
    "Min": _variadic("minimum"),
    "Mish": _mish,
    "Mul": _arithmetic("mul"),
    "Neg": _negated,
    "PRelu": _prelu,
    "Pad": _pad,
    "Pow": _power,
    "QLinearConv": _quantised,
    "QLinearMatMul": _quantised,
    "QuantizeLinear": _quantised,
    "ReduceMax": _reduced("reduce_max"),
    "ReduceMean": _reduced("mean"),
    "ReduceSum": _reduced("sum"),
    "Relu": lambda call: call.build.clip(call.view(), 0.0, math.inf),
    "Reshape": _reshape,
    "Resize": _resize,
    "Selu": _selu,
    "Shape": _shape,
    "Sigmoid": _unary("logistic"),
    "Slice": _slice,
    "Softmax": _softmax,
    "Softplus": _unary("softplus"),
    "SpaceToDepth": _space_to_depth,
    "Split": _split,
    "Squeeze": _squeeze,
    "Sub": _arithmetic("sub"),
    "Sum": _variadic("add"),
    "Swish": _swish,
    "Tanh": _unary("tanh"),
    "Tile": _tile,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
    "Upsample": _resize,
    "com.microsoft.FastGelu": _fast_gelu,
    "com.microsoft.FusedConv": _fused_conv,
    "com.microsoft.Gelu": _gelu,
    "com.microsoft.QuickGelu": _swish,
}
"""Operators by name; those of other domains have it before the name."""
KEEPS_SHAPE: Final = frozenset(
    {"Abs", "Add", "Ceil", "Cos", "Div", "Erf", "Floor", "InstanceNormalization", "LRN"}
    | {"LayerNormalization", "Log", "Max", "Min", "Mul", "Pow", "Reciprocal", "Round", "Sign"}
    | {"Sin", "Softsign", "Sqrt", "Sub", "ThresholdedRelu", "GroupNormalization"}
)
"""Operators whose output has the shape of their largest input. Where one is not supported, what
follows can still be checked."""
