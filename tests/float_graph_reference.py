"""What a `FloatGraph` computes, in float64 and in NumPy: the reference of importers and passes."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.network.float_graph import INPUT, FloatGraph, FloatNode

Float = npt.NDArray[np.float64]


_BOUNDS: Final = {
    "none": (-math.inf, math.inf), "relu": (0, math.inf), "relu6": (0, 6)
}  # fmt: skip


def run(graph: FloatGraph, inputs: npt.NDArray[Any]) -> dict[str, Float]:
    """Return every tensor that the output depends on, by name; the batch comes first."""
    shapes = graph.shapes()
    values: dict[str, Float] = {INPUT: inputs.astype(np.float64)}
    for node in graph.nodes:
        if node.name not in shapes:
            continue
        value = _COMPUTE[node.op](node, [values[name] for name in node.inputs])
        value = np.clip(value, *_BOUNDS[node.activation])
        if node.op != "constant":
            assert value.shape == (len(inputs), *shapes[node.name]), node.label
        values[node.name] = value
    return values


def output(graph: FloatGraph, inputs: npt.NDArray[Any]) -> Float:
    """Return the network's output, the batch first."""
    return run(graph, inputs)[graph.output]


def _padded(node: FloatNode, x: Float, value: float) -> Float:
    top, bottom, left, right = node.attributes["pads"]
    return np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=value)


def _windows(
    x: Float, window: Sequence[int], strides: Sequence[int], dilations: Sequence[int] = (1, 1)
) -> Float:
    """Return shape (batch, height, width, channels, window height, window width)."""
    reach = tuple((size - 1) * step + 1 for size, step in zip(window, dilations, strict=True))
    views = np.lib.stride_tricks.sliding_window_view(x, reach, axis=(1, 2))
    return views[
        :, :: strides[0], :: strides[1], :, :: dilations[0], :: dilations[1]
    ]  # fmt: skip


def _conv(node: FloatNode, operands: Sequence[Float]) -> Float:
    kernel, groups = node.arrays["kernel"].astype(np.float64), node.attributes["groups"]
    windows = _windows(
        _padded(node, operands[0], 0), kernel.shape[:2], node.attributes["strides"],
        node.attributes["dilations"],
    )  # fmt: skip
    parts = [
        np.einsum("nhwcij,ijco->nhwo", part, part_kernel, optimize=True)
        for part, part_kernel in zip(
            np.split(windows, groups, axis=3), np.split(kernel, groups, axis=3), strict=True
        )
    ]
    return np.concatenate(parts, axis=3) + node.arrays["bias"]


def _average(node: FloatNode, operands: Sequence[Float]) -> Float:
    window, strides = node.attributes["window"], node.attributes["strides"]
    total = _windows(_padded(node, operands[0], 0), window, strides).sum(axis=(4, 5))
    ones = np.ones_like(operands[0])
    counted = _padded(node, ones, 1 if node.attributes["count_pads"] else 0)
    return np.asarray(total / _windows(counted, window, strides).sum(axis=(4, 5)))


def _softmax(x: Float) -> Float:
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def _gelu(node: FloatNode, x: Float) -> Float:
    if node.attributes["approximate"]:
        return np.asarray(0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))))
    return np.asarray(0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))))


def _resize(node: FloatNode, x: Float) -> Float:
    height, width = node.attributes["size"]
    rows = np.arange(height) * x.shape[1] // height
    columns = np.arange(width) * x.shape[2] // width
    return np.asarray(x[:, rows][:, :, columns])


def _unary(compute: Callable[[FloatNode, Float], Any]) -> Callable[..., Float]:
    return lambda node, operands: np.asarray(compute(node, operands[0]))


def _slice(node: FloatNode, x: Float) -> Float:
    rows = zip(*(node.attributes[name] for name in ("begin", "end", "strides")), strict=True)
    return np.asarray(x[(slice(None), *(slice(*row) for row in rows))])


_COMPUTE: Final[Mapping[str, Callable[[FloatNode, Sequence[Float]], Float]]] = {
    "conv": _conv,
    "dense": lambda n, o: o[0] @ n.arrays["kernel"].astype(np.float64) + n.arrays["bias"],
    "affine": lambda n, o: o[0] * n.arrays["scale"].astype(np.float64) + n.arrays["offset"],
    "constant": lambda n, _: n.arrays["value"].astype(np.float64)[np.newaxis],
    "clip": _unary(lambda n, x: np.clip(x, n.attributes["low"], n.attributes["high"])),
    "logistic": _unary(lambda _, x: 1 / (1 + np.exp(-x))),
    "tanh": _unary(lambda _, x: np.tanh(x)),
    "hard_sigmoid": _unary(
        lambda n, x: np.clip(x * n.attributes["alpha"] + n.attributes["beta"], 0, 1)
    ),
    "hard_swish": _unary(lambda _, x: x * np.clip(x + 3, 0, 6) / 6),
    "leaky_relu": _unary(lambda n, x: np.where(x < 0, x * n.attributes["alpha"], x)),
    "prelu": _unary(lambda n, x: np.where(x < 0, x * n.arrays["slope"], x)),
    "elu": _unary(lambda n, x: np.where(x < 0, n.attributes["alpha"] * np.expm1(x), x)),
    "gelu": _unary(_gelu),
    "exp": _unary(lambda _, x: np.exp(x)),
    "softplus": _unary(lambda _, x: np.logaddexp(0, x)),
    "softmax": _unary(lambda _, x: _softmax(x)),
    "log_softmax": _unary(
        lambda _, x: x - np.logaddexp.reduce(x, axis=-1, keepdims=True)
    ),
    "add": lambda _, o: o[0] + o[1],
    "sub": lambda _, o: o[0] - o[1],
    "mul": lambda _, o: o[0] * o[1],
    "maximum": lambda _, o: np.maximum(o[0], o[1]),
    "minimum": lambda _, o: np.minimum(o[0], o[1]),
    "max_pool": lambda n, o: _windows(
        _padded(n, o[0], -math.inf), n.attributes["window"], n.attributes["strides"]
    ).max(axis=(4, 5)),
    "average_pool": _average,
    "mean": _unary(lambda n, x: x.mean(axis=(1, 2), keepdims=n.attributes["keep_dims"])),
    "reduce_max": _unary(lambda n, x: x.max(axis=(1, 2), keepdims=n.attributes["keep_dims"])),
    "pad": lambda n, o: _padded(n, o[0], n.attributes["value"]),
    "concat": lambda _, o: np.concatenate(o, axis=-1),
    "reshape": _unary(lambda n, x: x.reshape(len(x), *n.attributes["shape"])),
    "transpose": _unary(lambda n, x: x.transpose(0, *(axis + 1 for axis in n.attributes["axes"]))),
    "slice": _unary(_slice),
    "resize_nearest": _unary(_resize),
}  # fmt: skip
