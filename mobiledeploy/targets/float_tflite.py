"""Write a float graph as a float32 `.tflite`, without TensorFlow.

LiteRT then runs any imported network, and measures the ranges of its tensors.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.formats.tflite import schema
from mobiledeploy.formats.tflite.writer import TfliteWriter
from mobiledeploy.network.float_graph import INPUT, FloatArray, FloatGraph, FloatNode
from mobiledeploy.ops.padding import Pads, same_pads
from mobiledeploy.ops.tensors import Shape

_MIN_RUNTIME: Final = "2.13.0"
_LOWEST: Final = float(np.finfo(np.float32).min)
"""Padding of a maximum."""

Extreme: TypeAlias = Literal["REDUCE_MIN", "REDUCE_MAX"]


def write(graph: FloatGraph, *, extremes: bool = False) -> bytes:
    """Return the bytes of a `.tflite` for one input (resize the input for more).

    Args:
        graph: The graph. Its tensors keep their names.
        extremes: Whether the outputs are the extremes of tensors instead of the network's output:
            the least values, then the greatest, of those that `extremes_of` names, both of shape
            (inputs, tensors).

    Raises:
        ConversionError: TFLite has no operators that compute a node.
    """
    shapes = graph.shapes()
    file = _File(shapes)
    measured = extremes_of(graph) if extremes else {}
    ends: dict[str, list[int]] = {reduction: [] for reduction in measured}

    def reduce(name: str) -> None:
        # Right behind its writer: XNNPACK then still has the tensor in the cache, and frees it.
        for reduction, names in measured.items():
            if name in names:
                ends[reduction].append(file.reduced(reduction, name))

    reduce(INPUT)
    for node in graph.nodes:
        if node.name in shapes:
            _WRITERS[node.op](file, node)
            reduce(node.name)
    outputs = {reduction: file.packed(reduction, tensors) for reduction, tensors in ends.items()}
    if not extremes:
        outputs = {"output": file.indices[graph.output]}
    return file.model.finish(
        description=graph.name,
        min_runtime=_MIN_RUNTIME,
        inputs={"input": file.indices[INPUT]},
        outputs=outputs,
    )


def extremes_of(graph: FloatGraph) -> Mapping[Extreme, tuple[str, ...]]:
    """Return the names of the tensors whose least and greatest values `write` gives.

    The least values are those of tensors that may be negative; the greatest of all tensors, the
    input included.
    """
    shapes, nonnegative = graph.shapes(), graph.nonnegative()
    constants = {node.name for node in graph.nodes if node.op == "constant"}
    names = [name for name in shapes if name not in constants]
    return {
        "REDUCE_MIN": tuple(name for name in names if name not in nonnegative),
        "REDUCE_MAX": tuple(names),
    }


class _File:
    """A `.tflite` under construction."""

    def __init__(self, shapes: Mapping[str, Shape]) -> None:
        self.shapes = shapes
        self.model = TfliteWriter(names=shapes)
        self.indices: dict[str, int] = {
            INPUT: self.model.activation(INPUT, np.float32, (1, *shapes[INPUT]))
        }

    def inputs(self, node: FloatNode) -> list[int]:
        return [self.indices[name] for name in node.inputs]

    def constant(self, node: FloatNode, what: str, values: Any, kind: Any = np.float32) -> int:
        array = np.ascontiguousarray(values, kind)
        return self.model.constant(f"{node.name}/{what}", array)

    def step(
        self, node: FloatNode, what: str, name: str, inputs: Sequence[int], options: str = "",
        shape: Shape | None = None, version: int = 1, **fields: Any,
    ) -> int:  # fmt: skip
        """Add an operator that is a part of a node; return the index of its output."""
        output = self.model.activation(
            self.model.free(f"{node.name}/{what}"), np.float32,
            (1, *(self.shapes[node.name] if shape is None else shape)),
        )  # fmt: skip
        self.model.operator(name, version, inputs, output, options, **fields)
        return output

    def last(
        self, node: FloatNode, name: str, inputs: Sequence[int], options: str = "",
        version: int = 1, **fields: Any,
    ) -> None:  # fmt: skip
        """Add the operator that writes a node's output."""
        output = self.model.activation(node.name, np.float32, (1, *self.shapes[node.name]))
        self.model.operator(name, version, inputs, output, options, **fields)
        self.indices[node.name] = output

    def padded(self, node: FloatNode, window: Sequence[int], value: float = 0) -> tuple[int, int]:
        """Return the index of a node's padded input, and TFLite's number for its padding."""
        pads: Pads = node.attributes["pads"]
        (source,) = self.inputs(node)
        shape = self.shapes[node.inputs[0]]
        dilations = node.attributes.get("dilations", (1, 1))
        if not any(pads):
            return source, schema.PADDINGS.index("valid")
        if pads == same_pads(shape[:2], window, node.attributes["strides"], dilations):
            return source, schema.PADDINGS.index("same")
        return self.pad(node, source, value), schema.PADDINGS.index("valid")

    def pad(self, node: FloatNode, source: int, value: float) -> int:
        top, bottom, left, right = node.attributes["pads"]
        height, width, channels = self.shapes[node.inputs[0]]
        amounts = self.constant(
            node, "pads", [[0, 0], [top, bottom], [left, right], [0, 0]], np.int32
        )
        shape = (height + top + bottom, width + left + right, channels)
        if value == 0:
            return self.step(node, "padded", "PAD", [source, amounts], "PadOptions", shape)
        filled = self.constant(node, "value", [value])
        return self.step(node, "padded", "PADV2", [source, amounts, filled], "PadV2Options", shape)

    def reduced(self, reduction: Extreme, name: str) -> int:
        """Add a tensor's least or greatest value; return its index."""
        axes = np.arange(1, len(self.shapes[name]) + 1, dtype=np.int32)
        end = self.model.activation(self.model.free(f"{name}/{reduction}"), np.float32, (1,))
        inputs = [self.indices[name], self.model.constant(f"{name}/axes", axes)]
        self.model.operator(reduction, 1, inputs, end, "ReducerOptions", KeepDims=False)
        return end

    def packed(self, what: str, ends: Sequence[int]) -> int:
        """Add one tensor of values, shape (inputs, values); return its index."""
        packed = self.model.activation(self.model.free(what), np.float32, (1, len(ends)))
        self.model.operator("PACK", 1, ends, packed, "PackOptions", ValuesCount=len(ends), Axis=1)
        return packed


_Write: TypeAlias = Callable[[_File, FloatNode], None]


def _fused(node: FloatNode) -> dict[str, int]:
    return {"FusedActivationFunction": schema.ACTIVATIONS.index(node.activation)}


def _conv(file: _File, node: FloatNode) -> None:
    kernel, groups = node.arrays["kernel"], node.attributes["groups"]
    high, wide, inner, out = kernel.shape
    source, padding = file.padded(node, (high, wide))
    strides, dilations = node.attributes["strides"], node.attributes["dilations"]
    common = {
        "Padding": padding, "StrideH": strides[0], "StrideW": strides[1],
        "DilationHFactor": dilations[0], "DilationWFactor": dilations[1], **_fused(node),
    }  # fmt: skip
    bias = file.constant(node, "bias", node.arrays["bias"])
    if groups > 1 and inner == 1:
        weights = file.constant(node, "kernel", kernel.reshape(1, high, wide, out))
        file.last(
            node, "DEPTHWISE_CONV_2D", [source, weights, bias], "DepthwiseConv2DOptions",
            version=2 if max(dilations) > 1 else 1, DepthMultiplier=out // groups, **common,
        )  # fmt: skip
        return
    weights = file.constant(node, "kernel", kernel.transpose(3, 0, 1, 2))
    file.last(node, "CONV_2D", [source, weights, bias], "Conv2DOptions", **common)


def _dense(file: _File, node: FloatNode) -> None:
    weights = file.constant(node, "kernel", node.arrays["kernel"].T)
    bias = file.constant(node, "bias", node.arrays["bias"])
    file.last(
        node, "FULLY_CONNECTED", [*file.inputs(node), weights, bias], "FullyConnectedOptions",
        version=5, KeepNumDims=len(file.shapes[node.name]) > 1, **_fused(node),
    )  # fmt: skip


def _affine(file: _File, node: FloatNode) -> None:
    (source,) = file.inputs(node)
    scale, offset = (file.constant(node, what, node.arrays[what]) for what in ("scale", "offset"))
    product = file.step(node, "product", "MUL", [source, scale], "MulOptions")
    file.last(node, "ADD", [product, offset], "AddOptions")


def _constant(file: _File, node: FloatNode) -> None:
    file.indices[node.name] = file.constant(node, "value", node.arrays["value"][np.newaxis])


_CLIPS: Final = {(0, math.inf): "RELU", (0, 6): "RELU6", (-1, 1): "RELU_N1_TO_1"}


def _clip(file: _File, node: FloatNode) -> None:
    (source,) = file.inputs(node)
    low, high = node.attributes["low"], node.attributes["high"]
    if (low, high) in _CLIPS:
        file.last(node, _CLIPS[low, high], [source])
        return
    bounds = [
        (name, bound)
        for name, bound in (("MAXIMUM", low), ("MINIMUM", high))
        if math.isfinite(bound)
    ]
    options = "MaximumMinimumOptions"
    for name, bound in bounds[:-1]:
        source = file.step(
            node, "low", name, [source, file.constant(node, "min", [bound])], options
        )
    name, bound = bounds[-1]
    file.last(node, name, [source, file.constant(node, "max", [bound])], options)


def _hard_sigmoid(file: _File, node: FloatNode) -> None:
    """Write relu6(6 alpha x + 6 beta) / 6."""
    (source,) = file.inputs(node)
    alpha, beta = node.attributes["alpha"], node.attributes["beta"]
    factor = file.constant(node, "alpha", [6 * alpha])
    product = file.step(node, "product", "MUL", [source, factor], "MulOptions")
    shifted = file.step(
        node, "shifted", "ADD", [product, file.constant(node, "beta", [6 * beta])], "AddOptions",
        FusedActivationFunction=schema.ACTIVATIONS.index("relu6"),
    )  # fmt: skip
    file.last(node, "MUL", [shifted, file.constant(node, "sixth", [1 / 6])], "MulOptions")


def _prelu(file: _File, node: FloatNode) -> None:
    shape = file.shapes[node.name]
    slope = node.arrays["slope"].reshape((1,) * (len(shape) - 1) + shape[-1:])
    file.last(node, "PRELU", [*file.inputs(node), file.constant(node, "slope", slope)])


def _elu(file: _File, node: FloatNode) -> None:
    if node.attributes["alpha"] != 1:
        raise ConversionError(
            f"{node.label}: expected alpha 1, received {node.attributes['alpha']}"
        )
    file.last(node, "ELU", file.inputs(node))


def _softplus(file: _File, node: FloatNode) -> None:
    """Write relu(x) - log(logistic(|x|)), which is log(1 + exp(x)) without overflow."""
    (source,) = file.inputs(node)
    size = file.step(node, "size", "ABS", [source], "AbsOptions")
    sigmoid = file.step(node, "sigmoid", "LOGISTIC", [size])
    logarithm = file.step(node, "logarithm", "LOG", [sigmoid])
    positive = file.step(node, "positive", "RELU", [source])
    file.last(node, "SUB", [positive, logarithm], "SubOptions")


def _max_pool(file: _File, node: FloatNode) -> None:
    _pool(file, node, "MAX_POOL_2D", *file.padded(node, node.attributes["window"], _LOWEST))


def _pool(file: _File, node: FloatNode, name: str, source: int, padding: int) -> None:
    (high, wide), strides = node.attributes["window"], node.attributes["strides"]
    file.last(
        node, name, [source], "Pool2DOptions", Padding=padding, FilterHeight=high,
        FilterWidth=wide, StrideH=strides[0], StrideW=strides[1], **_fused(node),
    )  # fmt: skip


def _average_pool(file: _File, node: FloatNode) -> None:
    window, strides = node.attributes["window"], node.attributes["strides"]
    pads, counted = node.attributes["pads"], node.attributes["count_pads"]
    (source,) = file.inputs(node)
    shape = file.shapes[node.inputs[0]]
    valid = schema.PADDINGS.index("valid")
    if not any(pads):
        _pool(file, node, "AVERAGE_POOL_2D", source, valid)
    elif not counted and pads == same_pads(shape[:2], window, strides, (1, 1)):
        _pool(file, node, "AVERAGE_POOL_2D", source, schema.PADDINGS.index("same"))
    elif counted:
        _pool(file, node, "AVERAGE_POOL_2D", file.pad(node, source, 0), valid)
    else:
        sums = file.step(
            node, "counted", "AVERAGE_POOL_2D", [file.pad(node, source, 0)], "Pool2DOptions",
            Padding=valid, FilterHeight=window[0], FilterWidth=window[1], StrideH=strides[0],
            StrideW=strides[1],
        )  # fmt: skip
        places = _places_in_windows(shape, window, strides, pads)
        factor = file.constant(node, "factor", math.prod(window) / places)
        file.last(node, "MUL", [sums, factor], "MulOptions")


def _places_in_windows(
    shape: Shape, window: Sequence[int], strides: Sequence[int], pads: Sequence[int]
) -> FloatArray:
    """Return how many places of each window lie in the image, shape (1, height, width, 1)."""
    counts = []
    for axis in range(2):
        inside = np.pad(np.ones(shape[axis], np.float32), pads[2 * axis : 2 * axis + 2])
        views = np.lib.stride_tricks.sliding_window_view(inside, window[axis])
        counts.append(views[:: strides[axis]].sum(axis=1))
    places: FloatArray = np.multiply.outer(*counts)[np.newaxis, :, :, np.newaxis]
    return places


def _reduction(name: str) -> _Write:
    def write(file: _File, node: FloatNode) -> None:
        axes = file.constant(node, "axes", [1, 2], np.int32)
        keep = node.attributes["keep_dims"]
        file.last(node, name, [*file.inputs(node), axes], "ReducerOptions", KeepDims=keep)

    return write


def _pad(file: _File, node: FloatNode) -> None:
    top, bottom, left, right = node.attributes["pads"]
    amounts = file.constant(node, "pads", [[0, 0], [top, bottom], [left, right], [0, 0]], np.int32)
    value = max(node.attributes["value"], _LOWEST)
    if value == 0:
        file.last(node, "PAD", [*file.inputs(node), amounts], "PadOptions")
        return
    filled = file.constant(node, "value", [value])
    file.last(node, "PADV2", [*file.inputs(node), amounts, filled], "PadV2Options")


def _concat(file: _File, node: FloatNode) -> None:
    axis = len(file.shapes[node.name])
    file.last(node, "CONCATENATION", file.inputs(node), "ConcatenationOptions", Axis=axis)


def _reshape(file: _File, node: FloatNode) -> None:
    # -1: LiteRT can then be resized to batches.
    shape = file.constant(node, "shape", [-1, *file.shapes[node.name]], np.int32)
    file.last(node, "RESHAPE", [*file.inputs(node), shape])


def _transpose(file: _File, node: FloatNode) -> None:
    axes = [0, *(axis + 1 for axis in node.attributes["axes"])]
    order = file.constant(node, "axes", axes, np.int32)
    file.last(node, "TRANSPOSE", [*file.inputs(node), order], "TransposeOptions")


def _slice(file: _File, node: FloatNode) -> None:
    rows = [
        file.constant(node, what, [outer, *node.attributes[what]], np.int32)
        for what, outer in (("begin", 0), ("end", 0), ("strides", 1))
    ]
    # The masks' lowest bit: all of the batch.
    file.last(
        node, "STRIDED_SLICE", [*file.inputs(node), *rows], "StridedSliceOptions",
        BeginMask=1, EndMask=1,
    )  # fmt: skip


def _resize(file: _File, node: FloatNode) -> None:
    size = file.constant(node, "size", node.attributes["size"], np.int32)
    file.last(
        node, "RESIZE_NEAREST_NEIGHBOR", [*file.inputs(node), size],
        "ResizeNearestNeighborOptions",
    )  # fmt: skip


def _plain(name: str, options: str = "", **fields: Any) -> _Write:
    return lambda file, node: file.last(node, name, file.inputs(node), options, **fields)


_WRITERS: Final[Mapping[str, _Write]] = {
    "conv": _conv,
    "dense": _dense,
    "affine": _affine,
    "constant": _constant,
    "clip": _clip,
    "logistic": _plain("LOGISTIC"),
    "tanh": _plain("TANH"),
    "hard_sigmoid": _hard_sigmoid,
    "hard_swish": _plain("HARD_SWISH"),
    "leaky_relu": lambda file, node: file.last(
        node, "LEAKY_RELU", file.inputs(node), "LeakyReluOptions", Alpha=node.attributes["alpha"]
    ),
    "prelu": _prelu,
    "elu": _elu,
    "gelu": lambda file, node: file.last(
        node, "GELU", file.inputs(node), "GeluOptions", Approximate=node.attributes["approximate"]
    ),
    "exp": _plain("EXP"),
    "softplus": _softplus,
    "softmax": _plain("SOFTMAX", "SoftmaxOptions", Beta=1.0),
    "log_softmax": _plain("LOG_SOFTMAX", "LogSoftmaxOptions"),
    "add": lambda file, node: file.last(
        node, "ADD", file.inputs(node), "AddOptions", **_fused(node)
    ),
    "sub": _plain("SUB", "SubOptions"),
    "mul": _plain("MUL", "MulOptions"),
    "maximum": _plain("MAXIMUM", "MaximumMinimumOptions"),
    "minimum": _plain("MINIMUM", "MaximumMinimumOptions"),
    "max_pool": _max_pool,
    "average_pool": _average_pool,
    "mean": _reduction("MEAN"),
    "reduce_max": _reduction("REDUCE_MAX"),
    "pad": _pad,
    "concat": _concat,
    "reshape": _reshape,
    "transpose": _transpose,
    "slice": _slice,
    "resize_nearest": _resize,
}
